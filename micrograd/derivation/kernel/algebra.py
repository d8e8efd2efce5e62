"""Decide equality of expressions: the trusted part of `derive`. Every operation returns a normal form.

On construction powers of one atom add up, sums are linear, factors that do not depend on the summed labels come out,
a sum of a sum is one sum, and bound labels are numbered in one way. `Algebra.is_zero` clears denominators and expands.
The laws hold for real numbers, under the side conditions in `Algebra.assumed`.

What may be assumed of the values (which are positive, which are masks of 0 and 1, which are one-hot) belongs to one
`Algebra`: there is no global state.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence

from micrograd.derivation.kernel.polynomials import (
    COMPARISONS,
    ONE,
    ZERO,
    Atom,
    F,
    Frozen,
    Label,
    Mono,
    Poly,
    Rat,
    atoms,
    bare,
    const,
    deepest,
    free_labels,
    frozen,
    is_plain,
    key,
    labels_of,
    mono,
    quotient,
    raised,
    rat,
    relabel_atom,
    scale,
    size,
    thaw,
    var,
)
from micrograd.errors import GraphError

__all__ = ["Algebra", "OutOfTime", "UndefinedError", "thread_time"]

thread_time = getattr(time, "thread_time", time.process_time)
"""The processor time of this thread; of the whole process in a browser, where it is the only thread."""

_EXPANDED = 6  # the highest power of a bracket that is multiplied out at once; `is_zero` goes on
_PERMUTED = 24  # orders of bound labels that are tried for the first one


class OutOfTime(Exception):  # noqa: N818 - no error: the staged line stays
    """The time that a derivation may take is over."""


class UndefinedError(GraphError):
    """A division by what is always 0."""


class Algebra:
    """The operations on polynomials, with what may be assumed of the values.

    Attributes:
        positive, nonnegative: names of values that are > 0, or >= 0, wherever the function is defined.
        masks: names of values that are 0 or 1.
        onehot: names of one-hot rows, each with the place of the label that is picked.
        laws: the laws that were needed since the set was cleared.
        assumed: side conditions that were needed.
        deadline: the processor time (`thread_time`) at which `OutOfTime` is raised, or None.
    """

    def __init__(self) -> None:
        self.positive: set[str] = set()
        self.nonnegative: set[str] = set()
        self.masks: set[str] = set()
        self.onehot: dict[str, int] = {}
        self.laws: set[str] = set()
        self.assumed: set[str] = set()
        self.deadline: float | None = None
        self._labels = itertools.count(1000)
        self._ticks = 0

    def fresh(self, r: int) -> Label:
        """Return a label of an axis that is used nowhere else."""
        return (r, next(self._labels))

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks % 64 == 0 and self.deadline is not None and thread_time() > self.deadline:
            raise OutOfTime

    # ---- sums and products ---------------------------------------------------------------------------

    def add(self, *polys: Poly) -> Poly:
        """Return the sum."""
        out: Poly = {}
        for p in polys:
            for m, c in p.items():
                s = out.get(m, ZERO) + c
                if s:
                    out[m] = s
                else:
                    del out[m]
                    self.laws.add("cancel")
        return out

    def sub(self, p: Poly, q: Poly) -> Poly:
        """Return the difference."""
        return self.add(p, scale(q, -1))

    def mul(self, p: Poly, q: Poly) -> Poly:
        """Return the product, multiplied out."""
        self._tick()
        if len(p) * len(q) > 1:
            self.laws.add("distribute")
        out: Poly = {}
        for m1, c1 in p.items():
            for m2, c2 in q.items():
                for m, c in self.mono_mul(m1, m2).items():
                    s = out.get(m, ZERO) + c * c1 * c2
                    if s:
                        out[m] = s
                    else:
                        del out[m]
                        self.laws.add("cancel")
        return out

    def product(self, polys: Iterable[Poly]) -> Poly:
        """Return the product of several."""
        out = const(1)
        for p in polys:
            out = self.mul(out, p)
        return out

    def mono_mul(self, *monos: Mono) -> Poly:
        """Return the product of monomials; a bracket whose exponent becomes a whole number is multiplied out."""
        exponents: dict[Atom, Rat] = {}
        for m in monos:
            for a, e in m:
                if a in exponents:
                    self.laws.add("powers")
                exponents[a] = exponents.get(a, ZERO) + e
        return self._settle(exponents)

    def _settle(self, exponents: dict[Atom, Rat]) -> Poly:
        brackets: list[Poly] = []
        rest: dict[Atom, Rat] = {}
        for a, e in exponents.items():
            if not e:
                continue
            if a[0] == "P" and e.denominator == 1 and 0 < e <= _EXPANDED:
                brackets += [thaw(a[1])] * int(e)
            elif e.denominator == 1 and e > 1 and self._is_mask(a):
                self.laws.add("mask")
                rest[a] = ONE
            else:
                rest[a] = e
        out = self._picked(rest)
        for p in brackets:
            out = self.mul(out, p)
        return out

    def _is_mask(self, a: Atom) -> bool:
        return (a[0] == "f" and a[1] in COMPARISONS) or (a[0] == "v" and (a[1] in self.masks or a[1] in self.onehot))

    def _picked(self, exponents: dict[Atom, Rat]) -> Poly:
        """With a one-hot factor Y[n, c], every other entry at c is the entry at y(n), and Y[n, y(n)] is 1."""
        for a, e in exponents.items():
            if a[0] != "v" or a[1] not in self.onehot or e != 1:
                continue
            at = self.onehot[a[1]]
            label, others = a[2][at], tuple(other for i, other in enumerate(a[2]) if i != at)
            there = (label[0], "@", a[1], others)
            rest = {b: x for b, x in exponents.items() if b != a}
            if label == there:
                self.laws.add("pick")
                return self._settle(rest)
            if is_plain(label) and any(label in free_labels(b) for b in rest):
                self.laws.add("pick")
                out = var(a)
                moved = [(relabel_atom(b, {label: there}), x) for b, x in rest.items()]
                for b, x in moved:  # normalised anew, since c and y(n) may have met
                    out = self._times_known(out, self.power(self.rebuild_atom(b, _keep), x), a)
                return out
        return {mono(exponents.items()): ONE}

    def _times_known(self, p: Poly, q: Poly, mask: Atom) -> Poly:
        """Multiply, where `mask` is in every term of `p` and nothing else depends on its label any more."""
        out: Poly = {}
        for m1, c1 in p.items():
            for m2, c2 in q.items():
                exponents = dict(m1)
                for b, x in m2:
                    exponents[b] = exponents.get(b, ZERO) + x
                exponents.pop(mask, None)
                for m, c in self._settle(exponents).items():
                    full = mono([*m, (mask, ONE)])
                    out[full] = out.get(full, ZERO) + c * c1 * c2
        return {m: c for m, c in out.items() if c}

    # ---- powers --------------------------------------------------------------------------------------

    def power(self, p: Poly, q: Rat) -> Poly:
        """Return ``p ** q`` for a rational `q`. Raises UndefinedError for a negative power of 0."""
        q = rat(q)
        if q == 1:
            return p
        if q == 0:
            return const(1)
        if not p:
            if q < 0:
                raise UndefinedError("the function divides by what is always 0; no gradient of it is defined.")
            return {}
        if len(p) > 1:
            if q.denominator == 1 and 0 < q <= _EXPANDED:
                return self.product([p] * int(q))
            c, m, base = self._primitive(p)
            if q.denominator != 1 and not (c > 0 and all(self.is_positive(a) for a, _ in m)):
                c, m, base = ONE, (), p
            return self.mul(self.power({m: c}, q), var(("P", frozen(base)), q))
        ((m, c),) = p.items()
        # sqrt(x ** 2) is |x|, not x; what already stands under a root is not negative
        signed = c < 0 or not all(self.is_nonnegative(a, ONE) or e.denominator != 1 for a, e in m)
        if q.denominator != 1 and signed:
            return var(("P", frozen(p)), q)
        if any(not self.is_positive(a) for a, _ in m) and q < 0:
            self.assumed.add("what is divided by is not 0")
        out = self._settle({a: e * q for a, e in m})
        number = _rational_power(c, q)
        return self.mul(out, number) if number != const(1) else out

    def _primitive(self, p: Poly) -> tuple[Rat, Mono, Poly]:
        """Return ``(c, m, base)`` with ``p = c * m * base``, the base not depending on how `p` was scaled."""
        common: dict[Atom, Rat] | None = None
        for m in p:
            d = dict(m)
            common = d if common is None else {a: min(e, d[a]) for a, e in common.items() if a in d}
        assert common is not None
        lead = min((m for m in p if m), key=bare)
        for a, e in lead:
            if a[0] == "n":
                common[a] = e
        common = {a: e for a, e in common.items() if e}
        c, down = p[lead], mono((a, -e) for a, e in common.items())
        base: Poly = {}
        for m, k in p.items():
            for m2, k2 in self.mono_mul(m, down).items():
                base[m2] = base.get(m2, ZERO) + quotient(k * k2, c)
        return c, mono(common.items()), {m: k for m, k in base.items() if k}

    # ---- signs ---------------------------------------------------------------------------------------

    def is_positive(self, a: Atom) -> bool:
        """Check that an atom is > 0, wherever the function is defined."""
        match a[0]:
            case "n" | "k":
                return True
            case "v":
                return a[1] in self.positive
            case "f":
                return bool(a[1] == "exp")
            case "S":
                return all(self.is_positive(b) for b, _ in a[2])
        terms: Frozen = a[1]
        return all(c > 0 and all(self.is_nonnegative(b, e) for b, e in m) for m, c in terms) and any(
            all(self.is_positive(b) for b, _ in m) for m, _ in terms
        )

    def is_nonnegative(self, a: Atom, e: Rat) -> bool:
        """Check that a power of an atom is >= 0, wherever it is defined."""
        if self.is_positive(a) or (e.denominator == 1 and e.numerator % 2 == 0):
            return True
        match a[0]:
            case "S":
                return all(self.is_nonnegative(b, x) for b, x in a[2])
            case "v":
                return a[1] in self.nonnegative or self._is_mask(a)
            case "P":
                return e.denominator % 2 == 0 or all(
                    c > 0 and all(self.is_nonnegative(b, x) for b, x in m) for m, c in a[1]
                )
            case "f":
                return a[1] == "abs" or self._is_mask(a)
        return False

    # ---- labels --------------------------------------------------------------------------------------

    def relabel(self, p: Poly, to: dict[Label, Label]) -> Poly:
        """Return the polynomial at other labels, in normal form."""
        before = labels_of(p)
        to = {old: new for old, new in to.items() if old in before and old != new}
        if not to:
            return p
        after = [to.get(label, label) for label in before]
        meet = len({*after}) < len(after) or not all(map(is_plain, to.values()))
        out: Poly = {}
        for m, c in p.items():
            moved = [(relabel_atom(a, to), e) for a, e in m]
            new = (
                self.product(self.power(self.rebuild_atom(a, _keep), e) for a, e in moved)
                if meet
                else self._settle(dict(moved))
            )
            for m2, c2 in new.items():
                out[m2] = out.get(m2, ZERO) + c * c2
        return {m: c for m, c in out.items() if c}

    # ---- sums over labels ----------------------------------------------------------------------------

    def sum_over(self, labels: Iterable[Label], p: Poly) -> Poly:
        """Return the sum over free labels: it is linear, and what does not depend on them comes out."""
        labels = tuple(labels)
        if not labels:
            return p
        if len(p) > 1:
            self.laws.add("linear")
        return self.add(*(scale(self._sum_mono(labels, m), c) for m, c in p.items()))

    def _sum_mono(self, labels: Sequence[Label], m: Mono) -> Poly:
        self._tick()
        want, bound = set(labels), list(labels)
        inside: dict[Atom, Rat] = {}
        outside: list[tuple[Atom, Rat]] = []
        for a, e in m:
            if not (free_labels(a) & want):
                outside.append((a, e))
            elif a[0] == "S" and e == 1:
                self.laws.add("nested")
                opened, body = self.open_sum(a)
                bound += opened
                for b, x in body:
                    inside[b] = inside.get(b, ZERO) + x
            else:
                inside[a] = inside.get(a, ZERO) + e
        if outside and inside:
            self.laws.add("out")
        settled = self._settle(inside)
        if len(settled) != 1 or next(iter(settled)) != mono(inside.items()):
            return self.mul({mono(outside): ONE}, self.sum_over(bound, settled))
        body = next(iter(settled))
        for a, e in body:  # the entries of a one-hot row sum to 1
            if a[0] == "v" and a[1] in self.onehot and e == 1:
                label = a[2][self.onehot[a[1]]]
                if label in bound and not any(label in free_labels(b) for b, _ in body if b != a):
                    self.laws.add("one-hot")
                    rest = tuple(f for f in body if f[0] != a)
                    left = [b for b in bound if b != label]
                    return self.mul({mono(outside): ONE}, self.sum_over(left, {rest: ONE}))
        parts, loose = _components(body, {*bound})
        out = self.mul({mono(outside): ONE}, {mono(loose): ONE})
        for b in bound:
            if not any(b in free_labels(a) for part in parts for a, _ in part):
                self.laws.add("count")
                out = self.mul(out, size(b[0]))
        for part in parts:
            own = [b for b in bound if any(b in free_labels(a) for a, _ in part)]
            out = self.mul(out, self.close(own, part))
        return out

    def close(self, bound: Sequence[Label], factors: Sequence[tuple[Atom, Rat]]) -> Poly:
        """Return the sum atom of factors in normal form, its bound labels numbered in one way."""
        base = max(deepest(a) for a, _ in factors)
        groups: dict[int, list[Label]] = {}
        for b in bound:
            groups.setdefault(b[0], []).append(b)
        orders = [list(itertools.permutations(labels)) for _, labels in sorted(groups.items())]
        best: Atom | None = None
        for chosen in itertools.islice(itertools.product(*orders), _PERMUTED):
            numbers = itertools.count(base + 1)
            to = {b: (b[0], -next(numbers)) for group in chosen for b in group}
            body = mono((relabel_atom(a, to), e) for a, e in factors)
            candidate = ("S", tuple(sorted(to.values())), body)
            if best is None or key(candidate) < key(best):
                best = candidate
        assert best is not None
        return var(best)

    def open_sum(self, a: Atom) -> tuple[tuple[Label, ...], Mono]:
        """Return the labels of a sum atom, made free, and what is summed."""
        to = {b: self.fresh(b[0]) for b in a[1]}
        return tuple(to.values()), tuple((relabel_atom(b, to, bound=True), e) for b, e in a[2])

    # ---- functions -----------------------------------------------------------------------------------

    def apply(self, op: str, *polys: Poly) -> Poly:
        """Return a function of polynomials; of `exp`, `log` and odd functions at 0 the laws are known."""
        if op == "exp":
            return self._exp(polys[0])
        if op == "log":
            return self._log(polys[0])
        if op in ("tanh", "sign", "abs") and not polys[0]:
            return {}
        if op in COMPARISONS and polys[0] == polys[1]:
            return const(1) if op in ("equal", "greater_equal", "less_equal") else {}
        return var(("f", op, *(frozen(p) for p in polys)))

    def _exp(self, p: Poly) -> Poly:
        out = const(1)
        for m, c in p.items():
            if len(m) == 1 and m[0][1] == 1 and m[0][0][0] == "f" and m[0][0][1] == "log":
                self.laws.add("exp log")
                self.assumed.add("what a logarithm is taken of is positive")
                out = self.mul(out, self.power(thaw(m[0][0][2]), c))
            else:
                out = self.mul(out, var(("f", "exp", ((m, ONE),)), c))
        if len(p) > 1:
            self.laws.add("exp sum")
        return out

    def _log(self, p: Poly) -> Poly:
        if len(p) == 1:
            ((m, c),) = p.items()
            if c > 0 and all(self.is_positive(a) for a, _ in m):
                self.laws.add("log product")
                out = {} if c == 1 else var(("f", "log", frozen(const(c))))
                for a, e in m:
                    inner = thaw(a[2]) if a[0] == "f" else var(("f", "log", frozen(var(a))))
                    out = self.add(out, scale(inner, e))
                return out
        return var(("f", "log", frozen(p)))

    # ---- cases ---------------------------------------------------------------------------------------

    def cases(self, p: Poly) -> tuple[Poly, Poly] | None:
        """Return a polynomial where some z is positive and where it is negative, so that |z| and its sign are known.

        None where nothing depends on a sign, or on signs of several, or inside a sum, where each term has its own.
        """
        found: Poly | None = None
        for a in atoms(p):
            if (z := _split_by(a)) is not None:
                if found is not None and frozen(z) not in (frozen(found), frozen(scale(found, -1))):
                    return None
                found = z if found is None else found
            if a[0] == "S" and any(_split_by(b) for b in atoms({a[2]: ONE})):
                return None
        if found is None:
            return None
        return self._in_case(p, found, 1), self._in_case(p, found, -1)

    def _in_case(self, p: Poly, z: Poly, sign: int) -> Poly:
        return self.add(*(scale(self.product(self._power_in_case(a, e, z, sign) for a, e in m), c)
                          for m, c in p.items()))  # fmt: skip

    def _power_in_case(self, a: Atom, e: Rat, z: Poly, sign: int) -> Poly:
        own = _split_by(a)
        if own is not None:
            s = sign if frozen(own) == frozen(z) else -sign
            if a[1] in ("abs", "sign"):
                return self.power(scale(own, s) if a[1] == "abs" else const(s), e)
            left = s if a[2] else -s  # which side is the larger one
            return const(a[1] == "not_equal" or a[1].startswith("greater" if left > 0 else "less"))
        if a[0] == "P":
            return self.power(self._in_case(thaw(a[1]), z, sign), e)
        if a[0] == "f":
            return self.power(self.apply(a[1], *(self._in_case(thaw(q), z, sign) for q in a[2:])), e)
        return var(a, e)

    # ---- rebuilding ----------------------------------------------------------------------------------

    def rebuild(self, p: Poly, leaf: Callable[[Atom], Poly | None]) -> Poly:
        """Return the polynomial in normal form, with values replaced.

        Args:
            p: the polynomial, in normal form or not.
            leaf: returns what is put in place of a value, or None to keep it.
        """
        return self.add(*(scale(self.rebuild_mono(m, leaf), c) for m, c in p.items()))

    def rebuild_mono(self, m: Mono, leaf: Callable[[Atom], Poly | None]) -> Poly:
        """Return a monomial in normal form, with values replaced."""
        return self.product(self.power(self.rebuild_atom(a, leaf), e) for a, e in m)

    def rebuild_atom(self, a: Atom, leaf: Callable[[Atom], Poly | None]) -> Poly:
        """Return an atom in normal form, with values replaced."""
        match a[0]:
            case "v":
                found = leaf(a)
                return var(a) if found is None else found
            case "n" | "k":
                return var(a)
            case "S":
                labels, body = self.open_sum(a)
                return self.sum_over(labels, self.rebuild_mono(body, leaf))
            case "P":
                return self.rebuild(thaw(a[1]), leaf)
        return self.apply(a[1], *(self.rebuild(thaw(p), leaf) for p in a[2:]))

    def expanded(self, p: Poly) -> Poly:
        """Return the polynomial multiplied out: factored forms become sums again."""
        return self.rebuild(p, _keep)

    # ---- the test for zero ---------------------------------------------------------------------------

    def is_zero(self, p: Poly) -> bool:
        """Check that a polynomial is 0: denominators are cleared base by base, then everything is multiplied out.

        Sound: every move is an identity, or a multiplication by a power of a base that is not 0. Terms whose exponents
        of a base differ by no whole number are tested apart (a root is no rational function of the rest). Not
        complete: what is returned as False may still be 0.
        """
        p = self._merged(self.expanded(p))
        if not p:
            return True
        bases = {a for m in p for a, _ in m if a[0] == "P"}
        if not bases:
            return False
        base = max(bases, key=lambda a: (len(key(a)), key(a)))
        groups: dict[Rat, list[tuple[Mono, Rat, Rat]]] = {}
        for m, c in p.items():
            e = dict(m).get(base, ZERO)
            groups.setdefault(e - (e.numerator // e.denominator), []).append((m, c, e))
        self.assumed.add("what is divided by is not 0")
        for terms in groups.values():
            least = min(e for *_, e in terms)
            cleared: Poly = {}
            for m, c, e in terms:
                rest: Poly = {tuple(f for f in m if f[0] != base): c}
                for _ in range(int(e - least)):
                    rest = self.mul(rest, thaw(base[1]))
                cleared = self.add(cleared, rest)
            if not self.is_zero(cleared):
                return False
        return True

    def equal(self, p: Poly, q: Poly) -> bool:
        """Check that two polynomials are equal, as far as `is_zero` finds out."""
        return self.is_zero(self.sub(self.expanded(p), self.expanded(q)))

    def _merged(self, p: Poly) -> Poly:
        """Drop sums over the same labels, with the same cofactor, whose bodies cancel."""
        groups: dict[tuple[Mono, tuple[Label, ...]], list[tuple[Mono, Rat, Atom]]] = {}
        for m, c in p.items():
            sums = [a for a, e in m if a[0] == "S" and e == 1 and any(b[0] == "P" for b, _ in a[2])]
            if len(sums) == 1:
                rest = tuple(f for f in m if f[0] != sums[0])
                groups.setdefault((rest, sums[0][1]), []).append((m, c, sums[0]))
        out = dict(p)
        for found in groups.values():
            if len(found) > 1 and self.is_zero(self.add(*({s[2]: c} for _, c, s in found))):
                for m, *_ in found:
                    del out[m]
        return out


def _split_by(a: Atom) -> Poly | None:
    """Return what the sign of decides an atom: z of |z|, of its sign, and of a comparison with 0."""
    if a[0] != "f":
        return None
    if a[1] in ("abs", "sign"):
        return thaw(a[2])
    if a[1] in COMPARISONS and not (a[2] and a[3]):
        return thaw(a[2] or a[3])
    return None


def _keep(_: Atom) -> None:
    """Keep a value as it is."""


def _components(m: Mono, bound: set[Label]) -> tuple[list[list[tuple[Atom, Rat]]], list[tuple[Atom, Rat]]]:
    """Return factors that share a bound label, group by group, and those with none: sum_ij a_i b_j = sum a sum b."""
    parts: list[tuple[set[Label], list[tuple[Atom, Rat]]]] = []
    loose = []
    for a, e in m:
        mine = {*free_labels(a)} & bound
        if not mine:
            loose.append((a, e))
            continue
        joined = [p for p in parts if p[0] & mine]
        parts = [p for p in parts if not p[0] & mine]
        parts.append((mine.union(*(p[0] for p in joined)), [(a, e), *(f for p in joined for f in p[1])]))
    return [factors for _, factors in parts], loose


def _rational_power(c: Rat, q: Rat) -> Poly:
    if c == 1:
        return const(1)
    if q.denominator == 1:
        return const(raised(c, q.numerator))
    over, under = _root(c.numerator, q.denominator), _root(c.denominator, q.denominator)
    if over is not None and under is not None:
        return const(raised(F(over, under), q.numerator))
    return var(("P", frozen(const(c))), q)


def _root(n: int, k: int) -> int | None:
    r = round(n ** (1 / k)) if n >= 0 else -1
    return r if r >= 0 and r**k == n else None
