"""Formulas made wrong in many ways, and what the three judges of `derive` say of each.

`python tests/support/spoilt.py` (`make spoil`) spoils every line of every target: none may be accepted by any judge.
Then it derives random programs, which all of them must accept.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from derivable import TARGETS
from random_programs import fault_of

from micrograd.derivation import Derivation, derive
from micrograd.derivation.judges import BOUND, floating, over_field
from micrograd.derivation.kernel import Poly, collect, free_labels, frozen, thaw
from micrograd.derivation.printing.function import write_function

PROGRAMS = 300  # random ones that are derived after the targets


def spoilt(derivation: Derivation, line: str) -> Iterator[tuple[str, Poly]]:
    """Yield a line with one thing changed: a sign, a factor, an axis, an exponent, a name, a term."""
    net = derivation.search.net

    def walk(p: Poly) -> Iterator[tuple[str, Poly]]:
        for m, c in p.items():
            rest = {n: k for n, k in p.items() if n != m}
            yield "sign", {**rest, m: -c}
            yield "twice", {**rest, m: 2 * c}
            yield "half", {**rest, m: Fraction(c) / 2}
            yield "three times", {**rest, m: 3 * c}
            if rest:
                yield "term dropped", rest
            for i, (a, e) in enumerate(m):
                others = [*m[:i], *m[i + 1 :]]
                yield f"{a[0]} dropped", add(rest, others, c)
                yield f"{a[0]} squared", add(rest, [*others, (a, 2 * e)], c)
                yield f"{a[0]} upside down", add(rest, [*others, (a, -e)], c)
                yield "term added", {**p, collect([*others, (a, 3 * e)]): c}
                if a[0] == "P":
                    for what, inner in walk(thaw(a[1])):
                        if inner:
                            yield what, add(rest, [*others, (("P", frozen(inner)), e)], c)
                if a[0] == "S":
                    for j in range(len(a[2])):
                        inside = tuple((d, y * (1 + (k == j))) for k, (d, y) in enumerate(a[2]))
                        yield "factor in a sum squared", add(rest, [*others, (("S", a[1], inside), e)], c)
                        left = tuple(f for k, f in enumerate(a[2]) if k != j)
                        bound = set().union(*(free_labels(d) for d, _ in left)) if left else set()
                        if {*a[1]} <= bound:
                            yield "factor in a sum dropped", add(rest, [*others, (("S", a[1], left), e)], c)
                if a[0] == "n":
                    for r in net.length:
                        if r != a[1]:
                            yield "another axis", add(rest, [*others, (("n", r), e)], c)
                if a[0] == "v":
                    for n, w in net.values.items():
                        known = not w.backward or n in derivation.lines or n in net.cotangents
                        if n not in (a[1], line) and w.own and known and w.labels == net.values[a[1]].labels:
                            yield f"{n} for {a[1]}", add(rest, [*others, (("v", n, a[2]), e)], c)

    def add(rest: Poly, factors: list[Any], c: Any) -> Poly:
        m = collect(factors)
        return {k: x for k, x in {**rest, m: rest.get(m, 0) + c}.items() if x}

    return walk(derivation.lines[line])


def verdicts(derivation: Derivation, line: str, p: Poly, *, field: bool = True) -> dict[str, bool]:
    """Say which judges accept a line in place of the right one."""
    search, k = derivation.search, derivation.search.algebra
    lines = {**derivation.lines, line: p}
    exact = k.is_zero(k.sub(search.book.leaves(k.expanded(p)), search.book.leaf(line)))
    written = write_function(search, lines)
    out = {"exact": exact, "float": floating(search.net, written) < BOUND}
    return out | ({"field": bool(over_field(search.net, written, trials=1))} if field else {})


def derived(target: Any, **settings: Any) -> Derivation:
    return derive(target.f, *target.inputs(np.random.default_rng(0), False), **settings)


def sample(derivation: Derivation, count: int | None, seed: int = 1) -> list[tuple[str, str, Poly]]:
    """Return spoilt lines; `count` of each line, or all."""
    found = []
    for line in derivation.lines:
        own = [(line, what, p) for what, p in spoilt(derivation, line)]
        random.Random(seed).shuffle(own)
        found += own[:count]
    return found


def main(count: int | None) -> int:
    start, accepted, total, odd = time.perf_counter(), Counter[str](), 0, 0
    for target in TARGETS:
        derivation = derived(target, seconds=20.0)
        derivation.check()
        for line, what, p in sample(derivation, count):
            said = verdicts(derivation, line, p)
            if all(said.values()):  # it may be right all the same: x * ivar twice as x * ivar
                odd += 1
                print(f"  equal after all: {target.name}: {line}, {what}")
                continue
            total += 1
            accepted.update(judge for judge, ok in said.items() if ok)
            for judge, ok in said.items():
                if ok:
                    print(f"  ACCEPTED by {judge}: {target.name}: {line}, {what}")
    print(f"{total} spoilt formulas; accepted: {dict(accepted) or 'none'}; {odd} were equal; "
          f"{time.perf_counter() - start:.0f} s")  # fmt: skip
    faults = [fault for seed in range(PROGRAMS if count is None else count) if (fault := fault_of(seed))]
    print(*faults, f"{PROGRAMS if count is None else count} random programs derived; {len(faults)} doubted", sep="\n")
    return 1 if accepted or faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else None))
