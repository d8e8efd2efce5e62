"""Find what a forward pass makes true of its own values: sums that are numbers, or other values. Each is proved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from micrograd.derivation.kernel import Atom, OutOfTime, Poly, atoms, frozen, value, var
from micrograd.derivation.search.book import is_number
from micrograd.derivation.search.cover import Names
from micrograd.derivation.search.expressions import names, substitute
from micrograd.derivation.search.lines import Fact, Search

__all__ = ["known_facts", "proof_of"]

_VALUES = 12  # values among whose sums facts are looked for
_OPENINGS = 4  # definitions that a proof opens, one level after another


def known_facts(search: Search) -> list[Fact]:
    """Return the facts about sums of the user's values; as many as there is time for."""
    found: dict[object, Fact] = {}
    try:
        for left, right in _candidates(search):
            if frozen(left) != frozen(right) and search.algebra.equal(
                search.book.leaves(left), search.book.leaves(right)
            ):
                found.setdefault(frozen(left), (left, right))
    except OutOfTime:
        pass
    return list(found.values())


def _candidates(search: Search) -> Iterator[Fact]:
    net, book, k = search.net, search.book, search.algebra
    own = [
        v for n, v in net.values.items()
        if not v.backward and v.own and book.rep[n] == n and v.op not in ("onehot", "constant") and v.labels
    ][:_VALUES]  # fmt: skip
    usable = Names({v.name: True for v in own})
    for i, v in enumerate(own):
        for w in [None, *own[i:]]:
            if w is not None and {*w.labels} != {*v.labels}:
                continue
            ranges = sorted({*v.labels})
            for count in range(1, len(ranges) + 1):
                for over in itertools.combinations(ranges, count):
                    to = {label: k.fresh(label[0]) for label in over}
                    body = value(v.name, v.labels) if w is None else k.mul(
                        value(v.name, v.labels), value(w.name, w.labels)
                    )  # fmt: skip
                    left = k.sum_over(to.values(), k.relabel(body, to))
                    p = book.products(left)
                    if len(p) > 1:
                        p, _ = book.shrunk(p, limit=20)
                    if len(p) > 1 or (not p and w is not None):
                        continue
                    right = p if is_number(p) else search.cover.folded(p, usable)
                    if right is not None and not any(a[0] in "Sf" for a in atoms(right)):
                        yield left, right


def proof_of(search: Search, left: Poly, right: Poly) -> list[Poly]:
    """Return the steps from the left side of a fact to its right side: definitions opened, then multiplied out."""
    k, net = search.algebra, search.net
    steps = [left]

    def add(p: Poly) -> None:
        if frozen(p) != frozen(steps[-1]):
            steps.append(p)

    at = left
    for _ in range(_OPENINGS):
        opened = {n for n in names(at) if not net.values[n].backward and net.values[n].definition is not None}
        if not opened or frozen(at) == frozen(right):
            break
        summed = {b[1] for a in atoms(at) if a[0] == "S" for b in atoms(var(a)) if b[0] == "v"} & opened
        means = {n for n in opened if any(a[0] == "S" for a in atoms(net.values[n].definition or {}))}
        last = max(summed or means or opened, key=list(net.values).index)

        def leaf(a: Atom, last: str = last) -> Poly | None:
            v = net.values[a[1]]
            if a[1] != last or v.definition is None:
                return None
            return k.relabel(v.definition, dict(zip(v.labels, a[2], strict=True)))

        add(substitute(k, at, leaf))
        at = k.expanded(steps[-1])
        add(at)
    if frozen(steps[-1]) != frozen(right):
        steps.append(right)
    return steps
