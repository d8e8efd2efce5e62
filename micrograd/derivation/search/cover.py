"""Write monomials in the names of values: the cheapest cover of a Laurent monomial by others.

The pivot is the most complex atom; a name can take it away if that is its own most complex atom, so that the rest is
simpler. Sums are covered from inside. A name may be divided by only where the user's code divides by what it holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from micrograd.derivation.kernel import (
    ONE,
    ZERO,
    Atom,
    Label,
    Mono,
    Poly,
    Rat,
    bare,
    collect,
    const,
    free_labels,
    frozen,
    key,
    magnitude,
    mono,
    quotient,
    relabel_atom,
    var,
)
from micrograd.derivation.search.book import Book, assignments, split
from micrograd.derivation.search.costs import Cost

__all__ = ["Cover", "Names"]

_NEAR = 20  # forms that are looked at for 1 - p as one term
_DEEPEST = 5  # names in the body of a sum
_KEPT = 6  # covers of a body that are kept
_SUM, _FUNCTION, _EXTRA = 2, 8, 1.5

Body: TypeAlias = tuple[float, tuple[Label, ...], Mono, Poly, Mono]


@dataclass(frozen=True, slots=True)
class Instance:
    """A name, or another atom, at labels: the monomial that it stands for.

    Attributes:
        atom: what is written.
        vector: its monomial, without lengths and numbers.
        factor: its lengths and numbers.
        cost: of writing it.
    """

    atom: Atom
    vector: Mono
    factor: Poly = field(hash=False, compare=False)
    cost: float = 0.0


class Names(dict[str, bool]):
    """Names that a cover may use, each with whether its value is there anyway, and what has been found with them."""

    def __init__(self, names: Mapping[str, bool]) -> None:
        super().__init__(names)
        self.at: dict[frozenset[Label], dict[Atom, list[Instance]]] = {}
        self.sums: dict[Atom, list[Instance]] = {}


class Cover:
    """Covers monomials at the level of products."""

    def __init__(self, book: Book, cost: Cost) -> None:
        self.book, self.net, self.algebra, self.size = book, book.net, book.algebra, cost.size
        self.strict = True  # divide only by what the user divides by
        self.held = {n.name for n in self.net.runs[0].backward.nodes if n.op == "input"}
        self.held |= {book.rep.get(n, n) for n in self.held}
        self._complements: dict[str, list[tuple[Atom, Poly]]] = {}
        self._inverted: set[str] | None = None
        self._ranks: dict[Atom, tuple[int, int, int, str]] = {}
        self._allowed: dict[tuple[Mono, bool], bool] = {}

    # ---- what may be written -------------------------------------------------------------------------

    def _may_divide(self, inst: Instance, t: Rat) -> bool:
        """Check that a power of a name divides only by what the user's code divides by, or by what is positive.

        Without this ``sum(dout * out) / gamma`` would be taken for dgamma, which fails where gamma is 0.
        """
        if not self.strict:
            return True
        known = self._allowed.get((inst.vector, t > 0))
        if known is None:
            known = self._allowed[inst.vector, t > 0] = self._divides_only_by_what_may_be(inst, t)
        return known

    def _divides_only_by_what_may_be(self, inst: Instance, t: Rat) -> bool:
        if self._inverted is None:
            self._inverted = set()
            for v in self.net.values.values():
                for m in v.definition or ():
                    for a, e in m:
                        if e < 0:
                            p = self.book.at(self.book.product, a) if a[0] == "v" else var(a)
                            inside = next(iter(p)) if len(p) == 1 else ((a, ONE),)
                            self._inverted |= {bare(b) for b, x in inside if x > 0}
        return all(e * t > 0 or self.algebra.is_positive(a) or bare(a) in self._inverted for a, e in inst.vector)

    def _price(self, name: str, labels: Sequence[Label], computed: bool = True) -> float:
        e, v = self.size({*labels}), self.net.values[name]
        extra = 0.0 if computed else _EXTRA * e
        if not v.backward and name not in self.held:  # the staged backward does not keep it
            extra += 0.3
        return e + extra + (0.0 if v.own or v.op == "input" else 0.4 * e + 3) + 1

    def _rank(self, a: Atom) -> tuple[int, int, int, str]:
        if a not in self._ranks:
            kind = {"S": 3, "f": 2, "P": 2, "v": 1}[a[0]]
            self._ranks[a] = kind, len(a[2]) if a[0] == "S" else 0, self.size(free_labels(a)), key(a)
        return self._ranks[a]

    def _instances(self, m: Mono, names: Names) -> dict[Atom, list[Instance]]:
        """Return, by atom, the names that hold it, at every assignment of their labels to those of a monomial."""
        present = frozenset[Label]().union(*(free_labels(a) for a, _ in m))
        if present not in names.at:
            holding: dict[Atom, list[Instance]] = {}
            for inst in self._found(present, names):
                for a, _ in inst.vector:
                    holding.setdefault(a, []).append(inst)
            names.at[present] = holding
        return names.at[present]

    def _found(self, present: frozenset[Label], names: Names) -> Iterator[Instance]:
        for name, computed in names.items():
            v = self.net.values[name]
            for made, p in ((None, self.book.product(name)), *self.complements(name)):
                if len(p) != 1:
                    continue
                for labels in assignments(v.labels, present):
                    to = dict(zip(v.labels, labels, strict=True))
                    placed = self.algebra.relabel(p, to)
                    if len(placed) != 1:
                        continue
                    ((mm, c),) = placed.items()
                    body, rest = split(mm)
                    if body:
                        atom = ("v", name, labels) if made is None else relabel_atom(made, to)
                        price = self._price(name, labels, computed) + (0 if made is None else 2)
                        yield Instance(atom, body, {rest: c}, price)

    def complements(self, name: str) -> list[tuple[Atom, Poly]]:
        """Return ``1 - p`` where it is one term: for ``p = 1/(1 + e)`` it is ``e*p``."""
        v = self.net.values[name]
        if name not in self._complements:
            self._complements[name] = []
            if not v.backward and v.own and v.definition is not None and len(v.definition) == 1:
                one = self.algebra.sub(const(1), self.book.product(name))
                p, path = self.book.shrunk(one, limit=_NEAR)
                if len(p) == 1 and path:
                    entry = ("v", name, v.labels)
                    self._complements[name] = [(("P", frozen({(): ONE, ((entry, ONE),): -ONE})), p)]
        return self._complements[name]

    # ---- covers --------------------------------------------------------------------------------------

    def fold(self, m: Mono, names: Names) -> tuple[float, Mono, Poly]:
        """Return the cheapest way to write a monomial: its cost, what is written, and lengths and numbers beside it."""
        body, rest = split(m)
        price, factors, factor = self._cover(body, names, {})
        return price, collect(factors), self.algebra.mul({rest: ONE}, factor)

    def folded(self, p: Poly, names: Names) -> Poly | None:
        """Return an expression written in names, or None where there is no way to."""
        out: Poly = {}
        for m, c in p.items():
            price, written, factor = self.fold(m, names)
            if price == math.inf:
                return None
            for f, x in factor.items():
                new = collect([*written, *f])
                out[new] = out.get(new, ZERO) + c * x
        return {m: c for m, c in out.items() if c}

    def _powers(self, inst: Instance, vector: Mapping[Atom, Rat], pivot: Atom, e: Rat) -> Iterator[Rat]:
        """Yield the powers of a name that may be taken: that which takes the pivot away, and the first."""
        ratio = quotient(e, vector[pivot])
        for t in dict.fromkeys((ratio, ONE if ratio > 0 else -ONE)):
            if magnitude(t) <= magnitude(ratio) and self._may_divide(inst, t):
                yield t

    @staticmethod
    def _surcharge(t: Rat) -> float:
        return (0.6 if t < 0 else 0) + (1.2 if abs(t) != 1 else 0) + (2 if t.denominator != 1 else 0)

    def _cover(self, body: Mono, names: Names, memo: dict[Mono, tuple[float, Mono, Poly]]) -> tuple[float, Mono, Poly]:
        if not body:
            return 0.0, (), const(1)
        if body in memo:
            return memo[body]
        best: tuple[float, Mono, Poly] = (math.inf, (), const(1))
        memo[body] = best
        pivot, e = max(body, key=lambda f: self._rank(f[0]))
        for inst in self._options(body, pivot, names):
            vector = dict(inst.vector)
            if pivot not in vector or max(vector, key=self._rank) != pivot:
                continue
            for t in self._powers(inst, vector, pivot, e):
                if t.denominator != 1 and inst.atom[0] == "S":
                    continue
                left = dict(body)
                for a, x in inst.vector:
                    left[a] = left.get(a, ZERO) - t * x
                price, factors, factor = self._cover(mono(left.items()), names, memo)
                price += inst.cost + self._surcharge(t)
                if price < best[0] - 1e-9:
                    number = self.algebra.mul(factor, self.algebra.power(inst.factor, -t))
                    best = (price, ((inst.atom, t), *factors), number)
        memo[body] = best
        return best

    def _options(self, body: Mono, pivot: Atom, names: Names) -> Iterator[Instance]:
        if pivot[0] == "v":
            if pivot[1] in names or not self.net.values[pivot[1]].backward:
                price = self._price(pivot[1], pivot[2], names.get(pivot[1], True))
                yield Instance(pivot, ((pivot, ONE),), const(1), price)
        elif pivot[0] in ("f", "P"):
            yield Instance(pivot, ((pivot, ONE),), const(1), _FUNCTION * self.size(free_labels(pivot)) + _FUNCTION)
        yield from self._instances(body, names).get(pivot, ())
        if pivot[0] == "S":
            yield from self._sum_options(pivot, names)

    # ---- covers of sums ------------------------------------------------------------------------------

    def _sum_options(self, a: Atom, names: Names) -> list[Instance]:
        if a not in names.sums:
            names.sums[a] = list(self._sums(a, names))
        return names.sums[a]

    def _sums(self, a: Atom, names: Names) -> Iterator[Instance]:
        """Yield ways to write a sum: its body in names, up to what does not depend on the bound labels."""
        bound, body = self.algebra.open_sum(a)
        for price, left, factors, factor, outside in self._bodies(body, frozenset(bound), names):
            if not factors:
                continue
            labels = frozenset[Label]().union(*(free_labels(b) for b, _ in factors))
            ((written, _),) = self.algebra.close(left, factors).items()
            vector = collect([(a, ONE), *((b, -e) for b, e in outside)])
            yield Instance(written[0][0], vector, self.algebra.power(factor, -1), price + self.size(labels) + _SUM)

    def _bodies(self, body: Mono, bound: frozenset[Label], names: Names) -> list[Body]:
        """Return covers of a sum's body, the cheapest first: price, bound labels, factors, number, what is outside."""
        found: list[Body] = [(p, tuple(sorted(bound)), f, n, o) for p, f, n, o in self._inner(body, bound, names)]
        for a, e in body:
            if a[0] == "v" and a[1] in self.book.opaque and e == 1 and self.net.values[a[1]].op == "matmul":
                found += self._reopened(a, body, bound, names)
        if len(bound) > 1:
            for inst, rest, others, left in self._contracted(body, bound, names):
                inner = collect([*rest, *((b, -e) for b, e in others)])
                for price, factors, factor, outside in self._inner(inner, left, names):
                    number = self.algebra.mul(factor, self.algebra.power(inst.factor, -1))
                    all_factors = collect([(inst.atom, ONE), *factors])
                    found.append((price + inst.cost, tuple(sorted(left)), all_factors, number, outside))
        return sorted(found, key=lambda f: f[0])[:_KEPT]

    def _reopened(self, a: Atom, body: Mono, bound: frozenset[Label], names: Names) -> list[Body]:
        """A matrix product among the factors is opened: the double sum may be summed in the other order."""
        found: list[Body] = []
        opened = self.book.at(self.book.opened, a)
        wide = self.algebra.sum_over(
            sorted(bound), self.algebra.mul({tuple(f for f in body if f[0] != a): ONE}, opened)
        )
        if len(wide) == 1:
            ((m, c),) = wide.items()
            sums = [b for b, x in m if b[0] == "S" and x == 1]
            if len(sums) == 1:
                inner, part = self.algebra.open_sum(sums[0])
                outside, lengths = split(tuple(f for f in m if f[0] != sums[0]))
                for price, b, factors, factor, out in self._bodies(part, frozenset(inner), names):
                    number = self.algebra.mul(factor, {lengths: c})
                    found.append((price, b, factors, number, collect([*out, *outside])))
        return found

    def _contracted(
        self, body: Mono, bound: frozenset[Label], names: Names
    ) -> Iterator[tuple[Instance, Mono, Mono, frozenset[Label]]]:
        """Yield names that are sums of some of the factors over some of the bound labels: O in sum_jk dO V P."""
        have = dict(body)
        present = frozenset[Label]().union(*(free_labels(a) for a, _ in body))
        for name, computed in names.items():
            v, p = self.net.values[name], self.book.product(name)
            if len(p) != 1:
                continue
            ((m, c),) = p.items()
            sums = [a for a, e in m if a[0] == "S" and e == 1]
            if len(sums) != 1:
                continue
            inner, part = self.algebra.open_sum(sums[0])
            for labels in assignments(v.labels, present):
                to = dict(zip(v.labels, labels, strict=True))
                for mine in assignments(inner, bound - {*labels}):
                    within = dict(zip(inner, mine, strict=True))
                    taken = {relabel_atom(relabel_atom(a, within), to): e for a, e in part}
                    rest = tuple((a, e) for a, e in body if a not in taken)
                    left = bound - {*mine}
                    if (
                        all(have.get(a) == e for a, e in taken.items())
                        and not any(free_labels(a) & {*mine} for a, _ in rest)
                        and left & {*labels}
                    ):
                        others, lengths = split(tuple((relabel_atom(a, to), e) for a, e in m if a != sums[0]))
                        inst = Instance(("v", name, labels), (), {lengths: c}, self._price(name, labels, computed))
                        yield inst, rest, others, left

    def _inner(self, body: Mono, bound: frozenset[Label], names: Names) -> list[tuple[float, Mono, Poly, Mono]]:
        """Return covers of the factors that depend on bound labels: price, factors, number, what is left outside."""
        instances = self._instances(body, names)
        results: list[tuple[float, Mono, Poly, Mono]] = []

        def go(rest: Mono, price: float, factors: list[tuple[Atom, Rat]], factor: Poly, depth: int) -> None:
            if len(results) >= _KEPT and price > results[_KEPT - 1][0]:
                return
            inside = [(a, e) for a, e in rest if free_labels(a) & bound]
            if not inside:
                made = collect(factors)
                if all(r[1] != made for r in results):
                    results.append((price, made, factor, rest))
                    results.sort(key=lambda r: r[0])
                return
            if depth > _DEEPEST:
                return
            pivot, e = max(inside, key=lambda f: self._rank(f[0]))
            options = [*instances.get(pivot, ())]
            if pivot[0] == "v":
                options.append(Instance(pivot, ((pivot, ONE),), const(1), self._price(pivot[1], pivot[2])))
            elif pivot[0] == "S":
                options += self._sum_options(pivot, names)
            else:
                price_of = float(_FUNCTION * self.size(free_labels(pivot)))
                options.append(Instance(pivot, ((pivot, ONE),), const(1), price_of))
            for i in options:
                vector = dict(i.vector)
                if max((a for a in vector if free_labels(a) & bound), key=self._rank, default=None) != pivot:
                    continue
                for t in self._powers(i, vector, pivot, e):
                    if t.denominator != 1:
                        continue
                    left = dict(rest)
                    for a, x in i.vector:
                        left[a] = left.get(a, ZERO) - t * x
                    number = self.algebra.mul(factor, self.algebra.power(i.factor, -t))
                    go(
                        mono(left.items()),
                        price + i.cost + self._surcharge(t),
                        [*factors, (i.atom, t)],
                        number,
                        depth + 1,
                    )

        go(body, 0.0, [], const(1), 0)
        return sorted(results, key=lambda r: r[0])[:_KEPT]
