"""Keep what a forward makes true: definitions, which values are the same, and sums that are known.

Two levels of unfolding. At the level of *leaves* everything is opened, down to inputs and gradients of outputs: two
expressions are equal if their difference is 0 there, and that is the proof. At the level of *products* a value that is
a sum of terms (``xmu = x - mu``, a *generator*) stays an atom, and one that is a single term (``xhat = xmu * ivar``) is
opened: there, writing an expression in names is a covering problem.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterator

from micrograd.derivation.kernel import (
    ONE,
    ZERO,
    Atom,
    Frozen,
    Label,
    Mono,
    Poly,
    Rat,
    atoms,
    const,
    frozen,
    is_plain,
    labels_of,
    magnitude,
    measure,
    mono,
    quotient,
    scale,
    thaw,
    value,
    var,
)
from micrograd.derivation.lifting import Net, Value

__all__ = ["Book", "assignments", "split"]

_LARGE = 160  # measure of an expansion above which a forward value stands for itself where facts are looked for
_STATES = 150  # forms that are looked at for a shorter one
_ONE_TERM = 40  # the same, for a value that may be one term
_PATH = 4  # definitions that are applied one after another
_WORSE = 4  # how much longer a form on the way may be
_ASSIGNED = 64  # ways to put labels in place of labels that are tried
_OPENED = 12  # terms of a gradient that is opened to know a sum


def split(m: Mono) -> tuple[Mono, Mono]:
    """Return a monomial without lengths and named numbers, and those."""
    return tuple(f for f in m if f[0][0] not in "nk"), tuple(f for f in m if f[0][0] in "nk")


def is_number(p: Poly) -> bool:
    """Check that an expression is a formula of lengths and numbers."""
    return all(a[0] in "nk" for m in p for a, _ in m)


def _saturating(p: Poly) -> Poly:
    """Return an expression with e/(a + b e) as 1/(b + a/e) for exponentials e, which overflows to the right value."""
    out: Poly = {}
    for m, c in p.items():
        have = dict(m)
        for a in [a for a, e in m if a[0] == "f" and a[1] == "exp" and e == 1]:
            for b, x in m:
                inner = thaw(b[1]) if b[0] == "P" and x == -1 else {}
                if {*inner} == {(), ((a, ONE),)}:
                    base = frozen({(): inner[(a, ONE),], ((a, -ONE),): inner[()]})
                    have = {f: y for f, y in have.items() if f not in (a, b)} | {("P", base): -ONE}
        new = mono(have.items())
        out[new] = out.get(new, ZERO) + c
    return {m: c for m, c in out.items() if c}


def assignments(labels: Collection[Label], present: Collection[Label]) -> Iterator[tuple[Label, ...]]:
    """Yield the ways to put other labels of the same axes in place of labels."""
    plain = sorted((label for label in present if is_plain(label)), key=repr)
    pools = [[p for p in plain if p[0] == label[0]] for label in labels]
    for chosen in itertools.islice(itertools.product(*pools), _ASSIGNED):
        if len({*chosen}) == len(chosen):
            yield chosen


class Book:
    """Unfolds values of a net at either level.

    Attributes:
        net: the values.
        algebra: its algebra.
        opaque: gradients that stay names at the level of products: what enters and leaves a matrix product.
        rep: of each forward value the first named value that equals it.
        origin: of each class of equal values the one that is computed first.
        generators: forward values that are sums of terms.
    """

    def __init__(self, net: Net, closed: bool = False) -> None:
        """Read the definitions of a net.

        Args:
            net: the values.
            closed: the forward's values stand for themselves: less is known, and it takes no time.
        """
        self.net, self.algebra, self.closed = net, net.algebra, closed
        self.opaque: set[str] = set()
        self.rep: dict[str, str] = {}
        self.origin: dict[str, str] = {}
        self.generators: list[str] = []
        self._leaf: dict[str, Poly] = {}
        self._product: dict[str, Poly] = {}
        self._sums: dict[Atom, Poly | None] = {}
        self._first_sum: dict[Frozen, Atom] = {}
        self._definitions: dict[str, Poly | None] = {}
        self._find_equal()
        self.generators = [n for n, v in net.values.items() if not v.backward and self._is_generator(v)]

    def _find_equal(self) -> None:
        order = list(self.net.values)
        forward = sorted(
            (v for v in self.net.values.values() if not v.backward), key=lambda v: (not v.own, order.index(v.name))
        )
        seen: dict[tuple[Frozen, frozenset[Label]], str] = {}
        for v in forward:
            self.rep[v.name] = seen.setdefault((frozen(self.leaf(v.name)), frozenset(v.labels)), v.name)
        for v in self.net.values.values():
            if not v.backward:
                self.origin.setdefault(self.rep[v.name], v.name)

    def _is_generator(self, v: Value) -> bool:
        return (
            self.rep[v.name] == v.name
            and self.net.values[self.origin[v.name]].definition is not None
            and self.product(v.name) == value(v.name, v.labels)
        )

    # ---- levels --------------------------------------------------------------------------------------

    def at(self, level: Callable[[str], Poly], a: Atom) -> Poly:
        """Return an entry of a value, unfolded, at its labels."""
        return self.algebra.relabel(level(a[1]), dict(zip(self.net.values[a[1]].labels, a[2], strict=True)))

    def leaf(self, name: str) -> Poly:
        """Return a value in terms of inputs and gradients of outputs."""
        v = self.net.values[name]
        if name not in self._leaf:
            if v.definition is None or (self.closed and not v.backward):
                p = self.seed(v)
            else:
                p = self.algebra.rebuild(v.definition, lambda a: self.at(self.leaf, a))
            if not v.backward and measure(p) > _LARGE:  # as if it were an input: still sound
                p = value(name, v.labels)
            self._leaf[name] = p
        return self._leaf[name]

    def seed(self, v: Value) -> Poly:
        """Return a value that stands for itself; the gradient of a loss is 1."""
        return const(1) if v.name in self.net.cotangents and v.shape == () else value(v.name, v.labels)

    def leaves(self, p: Poly) -> Poly:
        """Return an expression in terms of inputs and gradients of outputs."""
        return self.algebra.rebuild(p, lambda a: self.at(self.leaf, a))

    def product(self, name: str) -> Poly:
        """Return a value with everything opened that is one term."""
        v = self.net.values[name]
        if v.backward:
            if name in self.opaque:
                return value(name, v.labels)
            if name not in self._product:
                self._product[name] = self.seed(v) if v.definition is None else self.opened(name)
            return self._product[name]
        name = self.rep[name]
        if name not in self._product:
            own = value(name, self.net.values[name].labels)
            self._product[name] = own
            definition = self.net.values[self.origin[name]].definition
            if definition is not None and not self.closed:
                p = self._aligned(self.origin[name], name, self.products(definition))
                if len(p) > 1:
                    p = self.shrunk(p, limit=_ONE_TERM, without=(name,))[0]
                if len(p) <= 1:
                    self._product[name] = p
        return self._product[name]

    def _aligned(self, origin: str, name: str, p: Poly) -> Poly:
        """A value and its class have the same labels, in another order after a transpose: nothing is to be done."""
        assert {*self.net.values[origin].labels} == {*self.net.values[name].labels}
        return p

    def opened(self, name: str) -> Poly:
        """Return a value in terms of its operands at the level of products, even if it stays a name elsewhere."""
        definition = self.net.values[name].definition
        assert definition is not None
        return self.products(definition)

    def products(self, p: Poly) -> Poly:
        """Return an expression at the level of products, known sums put in."""
        return self.settled(self.algebra.rebuild(p, lambda a: self.at(self.product, a)))

    def same(self, p: Poly, q: Poly) -> bool:
        """Check that two expressions are equal: proved with as little unfolded as it takes.

        That they are equal while more values stand for themselves is the stronger statement, and the cheaper one.
        """
        k = self.algebra
        diff = k.sub(k.expanded(p), k.expanded(q))
        if not diff or not (diff := self.products(diff)):
            return True
        generators = {*self.generators}
        diff = k.rebuild(diff, lambda a: self.at(self.leaf, a) if a[1] in generators else None)
        if k.is_zero(diff) or k.is_zero(opened := self.leaves(diff)):
            return True
        return self._zero_in_cases(opened)

    def _zero_in_cases(self, p: Poly) -> bool:
        """Check that an expression is 0 where some z is positive and where it is negative."""
        cases = self.algebra.cases(p)
        if cases is None or not all(map(self.algebra.is_zero, cases)):
            return False
        self.algebra.assumed.add("what cases are split by is not 0")
        return True

    def without_cases(self, p: Poly) -> Poly | None:
        """Return what an expression is whatever the sign of some z, where that is one expression; None elsewhere."""
        k = self.algebra
        split = {a[1] for a in atoms(p) if a[0] == "v" and not self.net.values[a[1]].backward}
        split = {n for n in split if k.cases(self.leaf(n)) is not None}
        cases = k.cases(k.rebuild(p, lambda a: self.at(self.leaf, a) if a[1] in split else None))
        if cases is None or not k.is_zero(self.leaves(k.sub(*cases))):
            return None
        return min((_saturating(q) for q in cases), key=measure)

    # ---- sums ----------------------------------------------------------------------------------------

    def sum_value(self, a: Atom) -> Poly | None:
        """Return what a sum is, if that is a number (0, 1, N) or another sum that is known; None else.

        The forward's values are unfolded, gradients at first not; one that stays a name is opened once.
        """
        if a not in self._sums:
            self._sums[a] = None  # while it is looked for
            self._sums[a] = self._sum_value(a)
        return self._sums[a]

    def _sum_value(self, a: Atom) -> Poly | None:
        k, net = self.algebra, self.net
        gradients = {b[1] for b in atoms(var(a)) if b[0] == "v" and net.values[b[1]].backward}
        p = k.rebuild(var(a), lambda b: None if b[1] in gradients else self.at(self.leaf, b))
        found = self._number(p)
        if found is None and gradients & self.opaque and len(a[2]) == 1:
            q = k.rebuild(var(a), lambda b: self.at(self.opened if b[1] in self.opaque else self.product, b))
            if len(q) <= _OPENED:
                found = self._number(self.settled(q))
        if found is None:
            first = self._first_sum.setdefault(frozen(p), a)
            found = var(first) if first != a else None
        return found

    def _number(self, p: Poly) -> Poly | None:
        if self.algebra.is_zero(p):
            return {}
        return p if is_number(p) else None

    def settled(self, p: Poly, log: list[tuple[Atom, Poly]] | None = None) -> Poly:
        """Put in what is known of sums; with a `log` only numbers, which are noted there."""
        k, terms = self.algebra, []
        for m, c in p.items():
            term = const(c)
            for a, e in m:
                known = self.sum_value(a) if a[0] == "S" else None
                if log is not None and known is not None and not is_number(known):
                    known = None
                if known is not None and log is not None:
                    log.append((a, known))
                term = k.mul(term, k.power(var(a) if known is None else known, e))
            terms.append(term)
        return k.add(*terms)

    # ---- shorter forms -------------------------------------------------------------------------------

    def _relations(self, p: Poly, without: Collection[str]) -> Iterator[tuple[str, Poly]]:
        """Yield for each generator that may matter its definition as something that is 0."""
        present = labels_of(p)
        known = self.generators or [n for n, q in self._product.items() if q == value(n, self.net.values[n].labels)]
        for g in known:
            definition = self._definition(g) if g not in without else None
            if definition is None:
                continue
            labels = self.net.values[g].labels
            for chosen in assignments(labels, present):
                to = dict(zip(labels, chosen, strict=True))
                yield g, self.algebra.sub(value(g, chosen), self.algebra.relabel(definition, to))

    def _definition(self, g: str) -> Poly | None:
        if g not in self._definitions:
            v = self.net.values.get(self.origin.get(g, ""))
            if v is None or v.backward or v.definition is None:
                return None
            p = self.products(v.definition)
            functions = any(a[0] == "f" and a[1] != "exp" for a in atoms(p))
            self._definitions[g] = p if len(p) > 1 and not functions else None
        return self._definitions[g]

    def shrunk(
        self, p: Poly, limit: int = _STATES, without: Collection[str] = ()
    ) -> tuple[Poly, tuple[tuple[str, Poly], ...]]:
        """Return a shorter form with the help of definitions, best first, and the definitions applied on the way."""
        k = self.algebra
        start = (measure(p), 0, p, ())
        best: tuple[float, int, Poly, tuple[tuple[str, Poly], ...]] = start
        seen, queue, count = {frozen(p)}, [best], itertools.count(1)
        while queue and limit > 0:
            state = heapq.heappop(queue)
            score, _, at, path = state
            limit -= 1
            if score < best[0]:
                best = state
            if len(path) >= _PATH:
                continue
            for g, relation in list(self._relations(at, without)):
                for cofactor in self._cofactors(at, relation):
                    new = self.settled(k.sub(at, k.mul(relation, cofactor)))
                    f = frozen(new)
                    if f not in seen and measure(new) <= measure(at) + _WORSE:
                        seen.add(f)
                        heapq.heappush(queue, (measure(new), next(count), new, (*path, (g, new))))
        return best[2], best[3]

    def _cofactors(self, p: Poly, relation: Poly) -> list[Poly]:
        """Return monomials by which a definition may be multiplied so that a term of `p` goes."""
        k = self.algebra
        out: dict[tuple[Mono, Rat], Poly] = {}
        for m, c in p.items():
            have = dict(m)
            for t, d in relation.items():
                body, _ = split(t)
                inside = all(a in have and have[a] * e > 0 and magnitude(have[a]) >= magnitude(e) for a, e in body)
                alone = len(body) == 1 and body[0][0][0] == "v" and body[0][0] in have
                if body and not inside and not alone:
                    continue
                ratio = k.mono_mul(m, tuple((a, -e) for a, e in t))
                if len(ratio) != 1:
                    continue
                ((q, _),) = ratio.items()
                if not body:  # a constant term: only if another term is there as well
                    others = [made for u in relation if u != t and len(made := k.mono_mul(q, u)) == 1]
                    if not any(next(iter(o)) in p for o in others):
                        continue
                out[q, quotient(c, d)] = scale({q: ONE}, quotient(c, d))
        return list(out.values())
