"""Put the lines of the compact backward together: those that are needed, shared products named, nothing said twice."""

from __future__ import annotations

from micrograd.derivation.kernel import (
    ONE,
    ZERO,
    Atom,
    Label,
    Mono,
    Poly,
    Rat,
    collect,
    frozen,
    magnitude,
    relabel_atom,
    thaw,
)
from micrograd.derivation.search.expressions import close, collected, names, relabel
from micrograd.derivation.search.factoring import bracket, factored
from micrograd.derivation.search.lines import Move, Search

__all__ = ["operations", "program_of", "staged_program"]


def program_of(search: Search) -> dict[str, Poly]:
    """Return the lines that the outputs need, by name and in order; moves that share products are noted."""
    lines = search.lines
    need: set[str] = set()
    waiting = [*search.net.outputs]
    while waiting:
        n = waiting.pop()
        if n not in need and n in lines:
            need.add(n)
            waiting += sorted(names(lines[n].simple))
    final = {n: dict(lines[n].simple) for n in search.order if n in need}
    _unalias(search, final)
    return _shared(search, final)


def staged_program(search: Search) -> dict[str, Poly]:
    """Return the staged backward as a program."""
    return {n: search.lines[n].staged for n in search.order}


def operations(p: Poly) -> int:
    """Return the number of operations of an expression."""
    count = max(len(p) - 1, 0)
    for m, c in p.items():
        count += max(len(m) + (abs(c) != 1) - 1, 0)
        for a, e in m:
            count += e not in (1, -1)
            if a[0] == "S":
                count += 1 + operations({a[2]: ONE})
            elif a[0] in ("P", "f"):
                count += (a[0] == "f") + sum(operations(thaw(q)) for q in (a[1:] if a[0] == "P" else a[2:]))
    return count


def _unalias(search: Search, final: dict[str, Poly]) -> None:
    """A line that only gives another line a second name (or turns its axes) takes over what it says."""
    for n in reversed(list(final)):
        p = final.get(n, {})
        if n not in search.net.outputs or len(p) != 1:
            continue
        ((m, c),) = p.items()
        if c != 1 or len(m) != 1 or m[0][1] != 1 or m[0][0][0] != "v" or m[0][0][1] not in final:
            continue
        of = m[0][0]
        readers = [t for t, q in final.items() if of[1] in names(q)]
        if of[1] not in search.net.outputs and readers == [n]:
            labels = search.net.values[of[1]].labels
            final[n] = relabel(final[of[1]], dict(zip(labels, of[2], strict=True)))
            del final[of[1]]


def _shared(search: Search, final: dict[str, Poly]) -> dict[str, Poly]:
    """A gradient whose product occurs several times keeps its line."""
    cost = search.cost
    for n in search.order:
        line = search.lines[n]
        if n in final or len(line.simple) != 1:
            continue
        ((m, c),) = line.simple.items()
        if len(m) < 2 or c != 1 or any(a[0] != "v" for a, _ in m):
            continue
        changed, count = {}, 0
        for t, p in final.items():
            changed[t], times = _named(search, p, m, ("v", n, line.labels))
            count += times
        before = sum(cost.of(p) for p in final.values())
        after = sum(cost.of(p) for p in changed.values()) + cost.of(line.simple)
        if count < 2 or after >= before:
            continue
        moves = []
        for t in [t for t in final if frozen(changed[t]) != frozen(final[t])]:
            again = factored(search.algebra.expanded(changed[t]), cost)
            if cost.of(again) <= cost.of(changed[t]) and cost.symbols(again) < cost.symbols(changed[t]):
                changed[t] = again
            moves.append(Move(t, "name", final[t], changed[t], (n,), (), search.book.same(final[t], changed[t])))
        if not all(move.proved for move in moves):
            continue
        for move in moves:
            search.lines[move.line].moves.append(move)
        final = {**changed, n: line.simple}
        line.kept = True
    return _in_order({n: final[n] for n in search.order if n in final})


def _in_order(lines: dict[str, Poly]) -> dict[str, Poly]:
    """Return lines in an order in which each comes after those that it reads."""
    out: dict[str, Poly] = {}

    def put(n: str) -> None:
        if n not in out:
            for read in sorted(names(lines[n]) & {*lines} - {n}):
                put(read)
            out[n] = lines[n]

    for n in lines:
        put(n)
    return out


def _named(search: Search, p: Poly, m: Mono, name: Atom) -> tuple[Poly, int]:
    """Return an expression with the product `m` written as `name`, at whatever labels, and how often."""
    times = 0

    def one(old: Mono) -> Mono:
        nonlocal times
        have = dict(old)
        while (hit := _match(have, m)) is not None:
            taken, to = hit
            for a, e in taken:
                have[a] -= e
                if not have[a]:
                    del have[a]
            new = relabel_atom(name, to)
            have[new] = have.get(new, ZERO) + 1
            times += 1
        factors: list[tuple[Atom, Rat]] = []
        for a, e in have.items():
            new = a
            if a[0] == "S":
                labels, body = search.algebra.open_sum(a)
                new = close(labels, one(body))
            elif a[0] == "P":
                new = bracket(collected((one(x), y) for x, y in a[1]))
            factors.append((new, e))
        return collect(factors)

    return collected((one(old), c) for old, c in p.items()), times


def _match(have: dict[Atom, Rat], m: Mono) -> tuple[list[tuple[Atom, Rat]], dict[Label, Label]] | None:
    first = max((a for a, _ in m), key=lambda a: len(a[2]))
    for a in have:
        if a[0] == "v" and a[1] == first[1]:
            to = dict(zip(first[2], a[2], strict=True))
            need = [(relabel_atom(b, to), e) for b, e in m]
            if all(b in have and have[b] * e > 0 and magnitude(have[b]) >= magnitude(e) for b, e in need):
                return need, to
    return None
