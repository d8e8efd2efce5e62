"""Change expressions as they are shown, in which brackets are not multiplied out: relabel, put in, name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from micrograd.derivation.kernel import (
    ONE,
    ZERO,
    Algebra,
    Atom,
    Label,
    Mono,
    Poly,
    Rat,
    atoms,
    collect,
    deepest,
    frozen,
    raised,
    relabel_atom,
    thaw,
)

__all__ = ["close", "collected", "exponents_up", "names", "relabel", "substitute", "values_in"]


def collected(terms: Iterable[tuple[Mono, Rat]]) -> Poly:
    """Return terms as a polynomial; those of equal monomials are added."""
    out: Poly = {}
    for m, c in terms:
        out[m] = out.get(m, ZERO) + c
    return {m: c for m, c in out.items() if c}


def relabel(p: Poly, to: dict[Label, Label]) -> Poly:
    """Return an expression at other labels."""
    return collected((collect((relabel_atom(a, to), e) for a, e in m), c) for m, c in p.items())


def close(bound: Iterable[Label], factors: Iterable[tuple[Atom, Rat]]) -> Atom:
    """Return the sum atom of factors, which may be brackets."""
    factors = tuple(factors)
    at = max((deepest(a) for a, _ in factors), default=0)
    to = {b: (b[0], -at - i) for i, b in enumerate(sorted(bound, key=repr), 1)}
    return ("S", tuple(sorted(to.values())), collect((relabel_atom(a, to), e) for a, e in factors))


def substitute(algebra: Algebra, p: Poly, found: Callable[[Atom], Poly | None]) -> Poly:
    """Put expressions in place of values; nothing is multiplied out.

    Args:
        algebra: opens sums.
        p: the expression.
        found: returns what is put in place of a value, or None to keep it.
    """

    def one(m: Mono) -> tuple[Mono, Rat]:
        factors: list[tuple[Atom, Rat]] = []
        c: Rat = ONE
        for a, e in m:
            new, number = factor(a, e)
            if not number:
                return (), ZERO
            factors += new
            c *= number
        return collect(factors), c

    def factor(a: Atom, e: Rat) -> tuple[list[tuple[Atom, Rat]], Rat]:
        match a[0]:
            case "v":
                q = found(a)
                return ([(a, e)], ONE) if q is None else power(q, e)
            case "S":
                labels, body = algebra.open_sum(a)
                inner, c = one(body)
                if not c:
                    return [], ZERO
                if e.denominator == 1:
                    return [(close(labels, inner), e)], raised(c, int(e))
                return power({((close(labels, inner), ONE),): c}, e)
            case "P":
                return power(part(a[1]), e)
            case "f":
                return [(("f", a[1], *(frozen(part(q)) for q in a[2:])), e)], ONE
        return [(a, e)], ONE

    def power(q: Poly, e: Rat) -> tuple[list[tuple[Atom, Rat]], Rat]:
        if not q:
            return [], ZERO
        if len(q) == 1:
            ((m, c),) = q.items()
            if e.denominator == 1:
                return [(b, x * e) for b, x in m], raised(c, int(e))
            if c == 1 and len(m) == 1 and m[0][1] == 1:
                return [(m[0][0], e)], ONE
        return [(("P", frozen(q)), e)], ONE

    def part(q: tuple[tuple[Mono, Rat], ...]) -> Poly:
        return substitute(algebra, thaw(q), found)

    terms = []
    for m, c in p.items():
        new, number = one(m)
        if number:
            terms.append((new, c * number))
    return collected(terms)


def exponents_up(m: Mono) -> Mono:
    """Return a monomial with ``1/exp(z)`` as ``exp(-z)``, for printing."""
    return collect(
        (("f", "exp", frozen({n: -c for n, c in a[2]})), -e) if a[:2] == ("f", "exp") and e < 0 else (a, e)
        for a, e in m
    )


def names(p: Poly) -> set[str]:
    """Return the names of the values in an expression."""
    return {a[1] for a in atoms(p) if a[0] == "v"}


def values_in(p: Poly) -> list[Atom]:
    """Return the entries of values in an expression; one that is used twice comes twice."""
    return [a for a in atoms(p) if a[0] == "v"]
