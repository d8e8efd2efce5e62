"""The proof of what was found: every edit is run as text, alone and with the others, and said to do what was seen.

Of edits that mend it all only those stay that are needed; one that was not seen to help is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.repair.search import States, outcome
from micrograd.marker.report import Finding
from micrograd.marker.student.instrumented import StudentCode
from micrograd.marker.truth.cases import Case

__all__ = ["Found", "Proof"]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding with what is needed to prove it.

    Attributes:
        finding: in the places of the student's own text.
        piece: its edit of that text; None where there is none.
        above: the lines that its statement depends on.
        vouched: whether everything that its statement reads was known to be right when it was found.
        raises: whether the code stopped at it.
    """

    finding: Finding
    piece: Piece | None
    above: frozenset[int]
    vouched: bool
    raises: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What the student's text does with edits of it.

    Attributes:
        program: the text as it was handed in.
        cases: the probes.
        fresh: makes other probes.
    """

    program: StudentCode
    cases: Sequence[Case]
    fresh: Callable[[], Sequence[Case]]

    def states(self, pieces: Iterable[Piece | None]) -> list[States | None]:
        """Return the states of the gradients with some edits, on old and fresh probes."""
        source = Patch.of(piece for piece in pieces if piece is not None).applied(self.program.text.source)
        try:
            function = StudentCode(source, self.program.module, self.program.name, self.program.file).plain()
        except (SyntaxError, ValueError):
            return [None]
        return [outcome(case, function) for case in (*self.cases, *self.fresh())]

    def right(self, pieces: Iterable[Piece | None]) -> list[bool]:
        """Return which gradients are right with some edits, on every probe."""
        states = self.states(pieces)
        return [all(s is not None and s[p] == "right" for s in states) for p in range(len(self.cases[0].expected))]

    def mends(self, pieces: Iterable[Piece | None]) -> bool:
        """Return whether all gradients are right with some edits."""
        return all(self.right(pieces))

    def needed(self, found: Sequence[Found]) -> list[Found]:
        """Return the fewest findings whose edits mend it all, or those whose edits were seen to help."""
        fixed = [one for one in found if one.piece is not None]
        if fixed and self.mends(one.piece for one in fixed):
            return next(
                [*some] for count in range(1, len(fixed) + 1) for some in itertools.combinations(fixed, count)
                if count == len(fixed) or self.mends(one.piece for one in some)
            )  # fmt: skip
        kept, lost, pieces, before = list[Found](), set[int](), list[Piece | None](), self.right([])
        for one in found:
            other = replace(one, vouched=one.vouched and not one.above & lost)
            if one.piece is not None:
                now = self.right([*pieces, one.piece])
                if other.vouched or any(good and not then for good, then in zip(now, before, strict=True)):
                    pieces.append(one.piece)
                    before = now
                else:
                    lost.add(one.finding.span.line)
                    other = replace(other, piece=None, finding=replace(one.finding, fix=None, sure=False))
            kept.append(other)
        return kept

    def told(self, found: Sequence[Found]) -> list[Finding]:
        """Return the findings with nothing said of them that was not seen, and of mere doubts the first."""
        found = self.needed(sorted(found, key=lambda one: (one.finding.span.line, one.finding.span.column)))
        names = [f"d{name.rpartition('.')[2]}" for _, name in self.cases[0].task.call.results]
        made, pieces, text = list[Finding](), list[Piece | None](), self.program.text
        for one in found:
            finding, lines = one.finding, {other.finding.span.line for other in found if other is not one}
            if one.vouched:
                finding = replace(finding, reads="mended" if one.above & lines else "right")
            if one.piece is not None and finding.fix is not None:
                pieces.append(one.piece)
                right = self.right(pieces)
                fix = replace(
                    finding.fix, span=text.between(one.piece.start, one.piece.end),
                    old=text.source[one.piece.start : one.piece.end], new=one.piece.new, probes=len(self.fresh()),
                    whole=all(right), alone=len(pieces) == 1,
                    right=tuple(name for name, good in zip(names, right, strict=True) if good),
                    wrong=tuple(name for name, good in zip(names, right, strict=True) if not good),
                )  # fmt: skip
                finding = replace(finding, fix=fix)
            plain = finding.kind in ("missing_result", "return_order", "call_error") or one.raises
            sure = plain or (finding.sure and (one.vouched or one.piece is not None))
            if sure or all(other.sure for other in made):
                made.append(replace(finding, sure=sure))
        return made
