"""Factor expressions as they are shown: common factors come in front of a bracket."""

from __future__ import annotations

import itertools
import math
from collections import Counter

from micrograd.derivation.kernel import ONE, ZERO, Atom, F, Mono, Poly, Rat, collect, frozen, mono, quotient
from micrograd.derivation.search.costs import Cost
from micrograd.derivation.search.expressions import collected

__all__ = ["bracket", "factored"]

_MOST = 12  # terms among which pairs and groups are looked for
_RATIOS = 6  # ratios of two terms that are tried


def bracket(p: Poly) -> Atom:
    """Return an expression as a factor."""
    return ("P", frozen(p))


def factored(p: Poly, cost: Cost) -> Poly:
    """Return the shortest of a few ways to put common factors in front of brackets."""
    if len(p) < 2:
        return p
    front, number = _common(p)
    inner = {collect([*m, *((a, -e) for a, e in front)]): quotient(c, number) for m, c in p.items()}
    best = min((_paired(inner, cost), _grouped(inner, cost)), key=cost.symbols)
    options = [p]
    if front or number != 1 or best != inner:
        if len(best) > 1:
            options.append({collect([*front, (bracket(best), ONE)]): number})
        else:
            options.append({collect([*front, *m]): c * number for m, c in best.items()})
    return min(options, key=lambda q: (cost.symbols(q), cost.of(q)))


def _common(p: Poly) -> tuple[Mono, Rat]:
    """Return the monomial and the number that all terms share."""
    monos = [dict(m) for m in p]
    front = {}
    for a in sorted(set().union(*monos), key=repr):
        exponents = [m.get(a, ZERO) for m in monos]
        if a[0] == "n":  # a length under most of the terms comes in front of all
            under = sum(1 for x in exponents if x < 0) * 2 >= len(exponents)
            e = min(exponents) if under or min(exponents) >= 0 else ZERO
        elif all(x > 0 for x in exponents):
            e = min(exponents)
        elif all(x < 0 for x in exponents):
            e = max(exponents)
        else:
            e = ZERO
        if e:
            front[a] = e
    numbers = list(p.values())
    number: Rat = F(math.gcd(*(abs(c.numerator) for c in numbers)), math.lcm(*(c.denominator for c in numbers)))
    sign = -1 if all(c < 0 for c in numbers) else 1
    if number.denominator != 1 and not all(c.denominator > 1 for c in numbers):
        number = ONE
    return mono(front.items()), sign * number


def _grouped(p: Poly, cost: Cost) -> Poly:
    """Some of the terms share a factor: ``s + out - out*s`` as ``s + out*(1 - s)``."""
    best = p
    if 3 <= len(p) <= _MOST:
        for a in sorted({a for m in p for a, e in m if e > 0 and a[0] in "vkf"}, key=repr):
            mine = {m: c for m, c in p.items() if dict(m).get(a, 0) > 0}
            if 2 <= len(mine) < len(p):
                rest = {m: c for m, c in p.items() if m not in mine}
                new = {**rest, **factored(mine, cost)}
                if len(new) == len(rest) + 1 and cost.symbols(new) < cost.symbols(best):
                    best = new
    return best


def _paired(p: Poly, cost: Cost) -> Poly:
    """All terms pair up: ``a + a*r + b + b*r`` as ``(1 + r)*(a + b)``."""
    if not 4 <= len(p) <= _MOST:
        return p
    ratios: Counter[tuple[Mono, Rat]] = Counter()
    for (m1, c1), (m2, c2) in itertools.permutations(p.items(), 2):
        r = collect([*m2, *((a, -e) for a, e in m1)])
        if r and all(e > 0 for _, e in r):
            ratios[r, quotient(c2, c1)] += 1
    for (r, q), times in ratios.most_common(_RATIOS):
        if times * 2 < len(p) or times < 2:
            continue
        left, firsts = dict(p), {}
        for m, c in sorted(p.items(), key=lambda t: len(t[0])):
            partner = collect([*m, *r])
            if m in left and partner in left and left[partner] == c * q and partner != m:
                firsts[m] = c
                del left[m], left[partner]
        if len(firsts) < 2:
            continue
        outer, inner = bracket({(): ONE, r: q}), factored(firsts, cost)
        terms = (
            [(collect([(outer, ONE), *m]), c) for m, c in inner.items()]
            if len(inner) == 1
            else [(collect([(outer, ONE), (bracket(inner), ONE)]), ONE)]
        )
        new = collected([*left.items(), *terms])
        if cost.symbols(new) < cost.symbols(p):
            return new
    return p
