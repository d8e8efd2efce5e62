"""Simplify the lines of the user's backward pass, one by one in the order of the sweep, by named rules.

For each line: put earlier lines in, multiply out, use what is known of sums, use definitions the other way round, write
the result in names (under several sets of names, the cheapest counts), factor. Each phase that changes something is a
`Move`, and each move is proved. What is not proved, or not done in time, is not taken: the staged line stays.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from micrograd.derivation.kernel import ONE, Atom, Label, OutOfTime, Poly, atoms, const, frozen
from micrograd.derivation.lifting import Net, Value
from micrograd.derivation.search.book import Book
from micrograd.derivation.search.costs import Cost
from micrograd.derivation.search.cover import Cover, Names
from micrograd.derivation.search.expressions import names, relabel, substitute, values_in
from micrograd.derivation.search.factoring import factored

__all__ = ["Fact", "Line", "Move", "Search"]

Fact = tuple[Poly, Poly]
"""Both sides of an equation that holds for every input."""


@dataclass(slots=True)
class Move:
    """One step of a line: a rule, before and after.

    Attributes:
        line: the gradient.
        rule: the name of the rule, a key of the table of words.
        before, after: the right-hand side.
        names: values or lines whose definition is used.
        facts: sums that are known.
        proved: the two sides are equal, exactly.
    """

    line: str
    rule: str
    before: Poly
    after: Poly
    names: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    proved: bool = False


@dataclass(slots=True)
class Line:
    """One gradient of the staged backward.

    Attributes:
        name, labels: of the gradient.
        staged: in terms of earlier lines, as the chain rule gives it.
        simple: what it becomes.
        kept: it stays a line of its own; the others are put in where they are read.
        moves: from `staged` to `simple`.
        note: why the staged line stayed: ``time``, ``unproved``, or nothing.
    """

    name: str
    labels: tuple[Label, ...]
    staged: Poly
    simple: Poly
    kept: bool = False
    moves: list[Move] = field(default_factory=list)
    note: str = ""


class Search:
    """Finds the lines of the compact backward.

    Attributes:
        net, book, cost, cover: what is known.
        lines: of the staged backward, in the order of the sweep.
        order: their names.
    """

    def __init__(self, net: Net, cuts: Collection[str] = ()) -> None:
        """Search for short lines.

        Args:
            net: the values.
            cuts: gradients that are lines of the result, so that each layer is simplified by itself.
        """
        self.net, self.algebra, self.cuts = net, net.algebra, cuts
        self.lines: dict[str, Line] = {}
        self.stopped = False  # there was no time to read the definitions
        try:
            self.book = Book(net)
        except OutOfTime:
            self.stopped, self.algebra.deadline = True, None
            self.book = Book(net, closed=True)
        self.cost = Cost(net.length)
        self.cover = Cover(self.book, self.cost)
        self._choose()
        for name in self.order:
            self._line(name)

    def _choose(self) -> None:
        """Choose the lines: gradients of values that the user named, of inputs, and what matrix products read."""
        net = self.net
        back = [v for v in net.values.values() if v.backward and v.definition is not None]
        own = {v.name for v in net.values.values() if not v.backward and v.own}
        products = {v.name for v in back if v.op == "matmul" or v.name in self.cuts}
        for v in back:
            for o in net.operands(v) if v.op == "matmul" else ():
                w = self._unmoved(o)
                if w is not None and w.backward and w.definition is not None:
                    products.add(w.name)
        self.products = products
        self.book.opaque = {*products}
        self.order = [
            v.name
            for v in back
            if v.name in net.outputs or v.name in products
            or v.name[1:] in own or re.sub(r"[0-9']*$", "", v.name[1:]) in own
        ]  # fmt: skip
        self.kept = {*net.outputs} | products

    def _unmoved(self, o: str | float) -> Value | None:
        """Return the gradient that an operand is, its axes not turned or reshaped."""
        w = self.net.values[o] if isinstance(o, str) else None
        while w is not None and w.backward and w.op in ("transpose", "reshape"):
            w = self.net.values[self.net.operand(w)]
        return w

    # ---- forms of a line -----------------------------------------------------------------------------

    def staged(self, name: str) -> Poly:
        """Return a line in terms of earlier lines: parts of statements are opened, lines are not."""
        definition = self.net.values[name].definition
        assert definition is not None

        def leaf(a: Atom) -> Poly | None:
            w = self.net.values[a[1]]
            if w.backward and w.definition is None:
                return const(1) if w.shape == () and w.op == "input" else None
            if not w.backward or a[1] in self.lines:
                return None
            return relabel(self.staged(a[1]), dict(zip(w.labels, a[2], strict=True)))

        return substitute(self.algebra, definition, leaf)

    def transparent(self, a: Atom) -> Poly | None:
        """Return what an earlier line is, where it is not kept."""
        line = self.lines.get(a[1])
        if line is None or line.kept:
            return None
        return relabel(line.simple, dict(zip(line.labels, a[2], strict=True)))

    def subsets(self, name: str) -> list[Names]:
        """Return sets of names to write a line in; the cheapest result counts.

        Gradients of inputs are recognised in lines that are kept only, as textbooks do.
        """
        net, book = self.net, self.book
        forward = {n: True for n, v in net.values.items() if not v.backward and book.rep[n] == n}
        plain = forward | dict.fromkeys(net.cotangents, True)
        every = plain | {n: True for n, line in self.lines.items() if line.kept}
        every |= {
            n: False
            for n, line in self.lines.items()
            if not line.kept and len(line.simple) == 1 and len(book.product(n)) == 1
        }
        if name and name not in self.kept:
            every = {n: c for n, c in every.items() if n not in net.outputs}
        held, outputs = self.cover.held, {n.name for n in net.runs[0].forward.outputs}

        def those(wanted: Iterable[str]) -> dict[str, bool]:
            return {n: every[n] for n in wanted}

        ours = those(
            n for n in every
            if net.values[n].backward or n in held or (net.values[n].own and net.values[n].op != "input")
        )  # fmt: skip
        inner = those(n for n in every if n not in outputs)
        firm = those(n for n in every if n in held or net.values[n].backward)
        there: list[dict[str, bool]] = [{n: c for n, c in s.items() if c} for s in (every, inner, firm)]
        seen: list[dict[str, bool]] = []
        sets: list[dict[str, bool]] = [every, inner, ours, firm, *there, plain]
        for s in sets:
            if s not in seen:
                seen.append(s)
        return [Names(s) for s in seen]

    def score(self, p: Poly, v: Value) -> tuple[float, float, int]:
        """Return passes over memory in a fused loop, then symbols; lines that would have to be kept count too."""
        symbols, seen = 0.0, set[str]()

        def extra(a: Atom) -> float:
            nonlocal symbols
            w, e = self.net.values[a[1]], self.cost.size({*a[2]})
            line = self.lines.get(a[1])
            first = a[1] not in seen
            if line is not None and not line.kept and first:
                seen.add(a[1])
                symbols += 1 + self.cost.symbols(line.simple)
                return e + self.cost.fused(line.simple, line.labels, extra)
            if not w.backward and not w.own:
                symbols += 0.5
                return 0.4 * e if a[2] else 0.0
            if not w.backward and a[1] not in self.cover.held and first:
                seen.add(a[1])
                symbols += 0.9 if any(a[1] == n.name for n in self.net.runs[0].forward.outputs) else 1.1
            return 0.0

        passes = self.cost.fused(p, v.labels, extra)
        largest = max(self.cost.size(w.labels) for w in self.net.values.values())
        return round(passes / largest, 1), self.cost.symbols(p) + symbols, self.cost.of(p)

    # ---- one line ------------------------------------------------------------------------------------

    def _line(self, name: str) -> None:
        v = self.net.values[name]
        staged = self.staged(name)
        line = Line(name, v.labels, staged, substitute(self.algebra, staged, self.transparent), name in self.kept)
        put_in = line.simple
        try:
            if self.stopped:
                raise OutOfTime
            self._simplify(line, v, put_in)
            if not self._proved(line):
                line.note = "unproved"
        except OutOfTime:
            line.note = "time"
        if line.note:
            self._stay(line)
        self.lines[name] = line

    def _stay(self, line: Line) -> None:
        """Leave a line as it was staged; the lines that it reads are kept for it."""
        line.simple, line.moves = line.staged, []
        for n in names(line.staged):
            read = self.lines.get(n)
            if read is not None and not read.kept:
                read.kept = True
                self.book.opaque.add(n)
                if not read.note:
                    with contextlib.suppress(OutOfTime):  # then it stays as it is
                        self._finish(read)

    def _finish(self, line: Line) -> None:
        """Factor a line that is kept after all."""
        short = factored(line.simple, self.cost)
        if frozen(short) != frozen(line.simple) and self.book.same(line.simple, short):
            line.moves.append(Move(line.name, "factor", line.simple, short, proved=True))
            line.simple = short

    def _proved(self, line: Line) -> bool:
        """Prove every move of a line, and that it is what the chain rule gives."""
        same = self.book.same
        for move in line.moves:
            move.proved = same(move.before, move.after)
        definition = self.net.values[line.name].definition
        assert definition is not None
        return all(move.proved for move in line.moves) and same(line.simple, definition)

    def _simplify(self, line: Line, v: Value, put_in: Poly) -> None:
        deep = self.book.opened(line.name)
        whole = self.book.without_cases(deep)
        short, path = self.book.shrunk(deep if whole is None else whole)
        candidates: list[tuple[Poly, Poly, Names | None]] = []
        for chosen in self.subsets(line.name):
            p = self.cover.folded(short, chosen)
            if p is not None:
                candidates.append((factored(p, self.cost), p, chosen))
        if v.op != "matmul":
            flat = factored(self.algebra.expanded(put_in), self.cost)
            candidates += [(put_in, put_in, None), (flat, flat, None)]
        if not candidates:
            candidates = [(put_in, put_in, None)]
        best, unfactored, chosen_names = min(candidates, key=lambda c: self.score(c[0], v))
        # what will be put into other lines stays a sum of products, unless it was not multiplied out to begin with
        line.simple = best if line.kept or chosen_names is None else unfactored
        self._explain(line, put_in, path, unfactored, chosen_names)

    def _explain(
        self,
        line: Line,
        put_in: Poly,
        path: tuple[tuple[str, Poly], ...],
        unfactored: Poly,
        chosen: Names | None,
    ) -> None:
        """Write down the moves from the staged line to the simple one."""
        at = line.staged

        def go(rule: str, new: Poly | None, uses: Iterable[str] = (), facts: Iterable[Fact] = ()) -> None:
            nonlocal at
            if new is not None and frozen(new) != frozen(at):
                line.moves.append(Move(line.name, rule, at, new, tuple(uses), tuple(facts)))
                at = new

        inlined = sorted(n for n in names(line.staged) if n in self.lines and not self.lines[n].kept)
        if chosen is None and frozen(line.simple) == frozen(put_in):
            go("substitute", put_in, inlined)
            return
        k = self.algebra
        k.laws.clear()
        flat = k.expanded(put_in)
        laws = {*k.laws}
        if "pick" in laws:
            rule = "pick"
        elif laws & {"linear", "out", "nested"}:
            rule = "linear"
        else:
            rule = "cancel" if len(flat) < len(put_in) else "collect"
        if rule == "collect" and inlined:
            go("substitute", flat, inlined)
        else:
            go("substitute", put_in, inlined)
            go(rule, flat)
        log: list[tuple[Atom, Poly]] = []
        known = self.book.settled(flat, log)
        go("vanish", known, facts=[({((a, ONE),): ONE}, p) for a, p in log])
        if chosen is not None:
            go("cases", self.book.without_cases(at))
        final = unfactored if chosen is not None else at
        for g, p in path if chosen is not None else ():
            go("relation", self.cover.folded(p, chosen) if chosen is not None else None, (g,))
        new = {n for n in names(final) - names(at) if n in self.lines and self.lines[n].kept}
        if new:

            def bridge(a: Atom) -> Poly | None:
                if a[1] not in new:
                    return None
                found = self.lines[a[1]]
                return relabel(found.simple, dict(zip(found.labels, a[2], strict=True)))

            through = substitute(k, final, bridge)
            go("definition", through, self._definitions(at, through))
            go("known sum", final, sorted(new))
        go(self._kind(at, final), final, self._definitions(at, final))
        go("factor", line.simple)

    def _kind(self, before: Poly, after: Poly) -> str:
        """Return the rule by which a value of the forward appears: by its definition, or by summing in other order."""
        if not after:
            return "cancel"
        appear = [self.net.values[n] for n in names(after) - names(before)]
        summed = any(a[0] == "S" for a in atoms(before))
        regrouped = any(v.op == "matmul" and not v.backward for v in appear)
        return "regroup" if summed and regrouped else "definition"

    def _definitions(self, before: Poly, after: Poly) -> list[str]:
        counts = [Counter(a[1] for a in values_in(p)) for p in (before, after)]
        changed = sorted(n for n in {*counts[0], *counts[1]} if counts[0][n] != counts[1][n])
        return [n for n in changed if not self.net.values[n].backward and self.net.values[n].definition is not None]
