"""Represent expressions in index notation: polynomials over atoms, with labels in place of axes.

A polynomial is ``{monomial: Fraction}``; a monomial is a sorted tuple of ``(atom, exponent)`` with rational exponents.
Broadcasts, transposes, reshapes and unit axes do not exist here: a value carries labels, as in ``xhat[n, d]``.

======================  ============================================================================================
atom                    meaning
======================  ============================================================================================
("v", name, labels)     an entry of a named value
("n", range)            the length of an axis, as a symbol: proofs hold for every length of at least 1
("k", text)             a positive number by name: eps, sqrt(2/pi)
("S", bound, mono)      the sum of a monomial over bound labels
("P", poly)             a polynomial, frozen, that is the base of a power
("f", op, *polys)       a function of polynomials, frozen: exp, log, tanh ...
======================  ============================================================================================

A label is ``(range, k)``: ``k >= 0`` free, ``k < 0`` bound. ``(range, "@", name, labels)`` is the index that an array
of integers picks: ``p[n, y[n]]``. Nothing in this file simplifies: it moves labels and orders factors.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = [
    "COMPARISONS",
    "ONE",
    "ZERO",
    "Atom",
    "F",
    "Frozen",
    "Label",
    "Mono",
    "Poly",
    "Rat",
    "atoms",
    "bare",
    "collect",
    "const",
    "deepest",
    "free_labels",
    "frozen",
    "is_plain",
    "key",
    "labels_of",
    "magnitude",
    "measure",
    "mono",
    "quotient",
    "raised",
    "rat",
    "relabel_atom",
    "relabel_label",
    "scale",
    "size",
    "thaw",
    "value",
    "var",
]

F = Fraction
Label: TypeAlias = tuple[Any, ...]
Atom: TypeAlias = tuple[Any, ...]
Rat: TypeAlias = int | Fraction
"""An exact number; a whole one is an `int` wherever it is part of an atom or a monomial, so that keys are the same."""

Mono: TypeAlias = tuple[tuple[Atom, Rat], ...]
Poly: TypeAlias = dict[Mono, Rat]
Frozen: TypeAlias = tuple[tuple[Mono, Rat], ...]

ONE, ZERO = 1, 0
COMPARISONS = {"greater": ">", "less": "<", "greater_equal": ">=", "less_equal": "<=", "equal": "==", "not_equal": "!="}
_REMEMBERED = 1 << 16  # results of pure functions of atoms that are kept


def rat(x: Rat) -> Rat:
    """Return an exact number, a whole one as an `int`: those are fast."""
    return x if type(x) is int else x.numerator if x.denominator == 1 else x


def quotient(x: Rat, y: Rat) -> Rat:
    """Return ``x / y``, exactly."""
    return rat(F(x) / y)


def magnitude(x: Rat) -> Rat:
    """Return ``|x|``."""
    return -x if x < 0 else x


def raised(x: Rat, n: int) -> Rat:
    """Return ``x ** n`` for a whole number, exactly."""
    return rat(F(x) ** n)


# ---- order and shape ---------------------------------------------------------------------------------------


@lru_cache(maxsize=_REMEMBERED)
def key(x: Any) -> str:
    """Return what atoms, labels and monomials are ordered by."""
    return repr(x)


@lru_cache(maxsize=_REMEMBERED)
def bare(x: Any) -> str:
    """Return a key without labels, so that a normal form stays one when labels change."""
    return re.sub(r"\((\d+), -?\d+\)", r"\1", repr(x))


def frozen(p: Poly) -> Frozen:
    """Return a polynomial as a value that can be hashed."""
    return tuple(sorted(((m, rat(c)) for m, c in p.items()), key=lambda item: key(item[0])))


def thaw(p: Frozen) -> Poly:
    """Return a frozen polynomial as a dictionary."""
    return dict(p)


def mono(factors: Iterable[tuple[Atom, Rat]]) -> Mono:
    """Return factors, no two of one atom, as a monomial."""
    return tuple(sorted(((a, rat(e)) for a, e in factors if e), key=lambda f: key(f[0])))


def collect(factors: Iterable[tuple[Atom, Rat]]) -> Mono:
    """Return factors as a monomial; exponents of equal atoms are added."""
    exponents: dict[Atom, Rat] = {}
    for a, e in factors:
        exponents[a] = exponents.get(a, ZERO) + e
    return mono(exponents.items())


def const(c: Rat) -> Poly:
    """Return a number as a polynomial."""
    return {(): rat(c)} if c else {}


def var(atom: Atom, e: Rat = 1) -> Poly:
    """Return a power of an atom."""
    return {((atom, rat(e)),): ONE}


def value(name: str, labels: Iterable[Label] = ()) -> Poly:
    """Return an entry of a named value."""
    return var(("v", name, tuple(labels)))


def size(r: int) -> Poly:
    """Return the length of an axis."""
    return var(("n", r))


def scale(p: Poly, c: Rat) -> Poly:
    """Return a number times a polynomial."""
    return {m: k * c for m, k in p.items()} if c else {}


# ---- labels ------------------------------------------------------------------------------------------------


def is_plain(label: Label) -> bool:
    """Check that a label is no index picked by an array of integers."""
    return len(label) == 2


def _parts(label: Label) -> tuple[Label, ...]:
    if len(label) == 2:
        return (label,)
    return tuple(itertools.chain.from_iterable(_parts(inner) for inner in label[3]))


@lru_cache(maxsize=_REMEMBERED)
def free_labels(a: Atom) -> frozenset[Label]:
    """Return the plain labels that an atom depends on; those bound inside it are left out."""
    kind = a[0]
    if kind == "v":
        return frozenset(itertools.chain.from_iterable(_parts(label) for label in a[2]))
    if kind in ("n", "k"):
        return frozenset()
    if kind == "S":
        return frozenset().union(*(free_labels(b) for b, _ in a[2])) - set(a[1])
    polys = (a[1],) if kind == "P" else a[2:]
    return frozenset().union(*(free_labels(b) for p in polys for m, _ in p for b, _ in m))


def labels_of(p: Poly) -> frozenset[Label]:
    """Return the labels that a polynomial depends on."""
    return frozenset().union(*(free_labels(a) for m in p for a, _ in m))


def relabel_label(label: Label, to: Mapping[Label, Label]) -> Label:
    """Return a label after a change of labels; inside a picked index too."""
    if label in to:
        return to[label]
    return label if len(label) == 2 else (*label[:3], tuple(relabel_label(inner, to) for inner in label[3]))


@lru_cache(maxsize=_REMEMBERED)
def _relabelled(a: Atom, items: tuple[tuple[Label, Label], ...]) -> Atom:
    to = dict(items)
    kind = a[0]
    if kind == "v":
        return ("v", a[1], tuple(relabel_label(label, to) for label in a[2]))
    if kind in ("n", "k"):
        return a
    if kind == "S":
        return ("S", a[1], collect((_relabelled(b, items), e) for b, e in a[2]))
    if kind == "P":
        return ("P", _relabelled_poly(a[1], items))
    return (*a[:2], *(_relabelled_poly(p, items) for p in a[2:]))


def _relabelled_poly(p: Frozen, items: tuple[tuple[Label, Label], ...]) -> Frozen:
    out: Poly = {}
    for m, c in p:  # two monomials may become one: x[n, c] - x[n, y(n)] at c = y(n) is 0
        new = collect((_relabelled(b, items), e) for b, e in m)
        out[new] = out.get(new, ZERO) + c
    return frozen({m: c for m, c in out.items() if c})


def relabel_atom(a: Atom, to: Mapping[Label, Label], *, bound: bool = False) -> Atom:
    """Return an atom at other labels. Where two labels become one, what is returned is right, but not normal.

    Args:
        a: the atom.
        to: the new label of each label that changes.
        bound: the labels are those of a sum around `a` that has been opened.
    """
    free = free_labels(a)
    changed = {old: new for old, new in to.items() if old in free and (bound or old != new)}
    return _relabelled(a, tuple(sorted(changed.items(), key=repr))) if changed else a


@lru_cache(maxsize=_REMEMBERED)
def deepest(a: Atom) -> int:
    """Return how many bound labels an atom uses inside: an enclosing sum takes the next."""
    kind = a[0]
    if kind in ("v", "n", "k"):
        return 0
    if kind == "S":
        return max(*(int(-label[1]) for label in a[1]), *(int(deepest(b)) for b, _ in a[2]))
    polys = (a[1],) if kind == "P" else a[2:]
    return max((int(deepest(b)) for p in polys for m, _ in p for b, _ in m), default=0)


# ---- walks and measures ------------------------------------------------------------------------------------


def atoms(p: Poly) -> Iterator[Atom]:
    """Yield all atoms anywhere in a polynomial."""
    for m in p:
        for a, _ in m:
            yield from _inside(a)


def _inside(a: Atom) -> Iterator[Atom]:
    yield a
    if a[0] == "S":
        for b, _ in a[2]:
            yield from _inside(b)
    elif a[0] in ("P", "f"):
        for p in (a[1],) if a[0] == "P" else a[2:]:
            for m, _ in p:
                for b, _ in m:
                    yield from _inside(b)


def measure(p: Poly) -> float:
    """Return how complicated an expression is: terms, and factors in them."""
    return sum(2 + sum(min(float(magnitude(e)), 3.0) * _weight(a) for a, e in m) for m in p)


def _weight(a: Atom) -> float:
    if a[0] == "n":
        return 0.125
    if a[0] == "S":
        return 1.0 + sum(float(magnitude(e)) * _weight(b) for b, e in a[2])
    return 1.0
