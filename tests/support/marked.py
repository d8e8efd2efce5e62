"""A text marked in this process, and texts with mistakes planted in them."""

from __future__ import annotations

import itertools
import json

from micrograd.marker.diagnosis.marking import mark
from micrograd.marker.inputs.pairs import pairs_in
from micrograd.marker.process.arguments import task_of
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request
from micrograd.marker.repair.patch import Patch, Piece
from micrograd.marker.report import Finding, Report
from micrograd.marker.student.statements import Text

__all__ = ["claims_hold", "marked", "mended", "mistakes_in", "planted"]


def marked(text: str) -> Report:
    pair = pairs_in(text)[-1]
    request = Request(text, "layer.py", pair.forward, pair.backward, pair.kind)
    return mark(*task_of(json.loads(request.to_json(Limits(seconds=40.0), walk=False))))


def planted(text: str, *mistakes: tuple[str, str]) -> tuple[str, set[int]]:
    """The text with mistakes in it, and their lines."""
    lines = {text[: text.index(right)].count("\n") + 1 for right, _ in mistakes}
    for right, wrong in mistakes:
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    return text, lines


def mistakes_in(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity in ("wrong", "shape")]


def mended(text: str, findings: list[Finding]) -> str:
    """The text with all fixes made; each replaces what it says, and none stands over another."""
    places = Text(text)
    pieces = []
    for finding in findings:
        assert finding.fix is not None
        span = finding.fix.span
        start, end = places.starts[span.line - 1] + span.column, places.starts[span.end_line - 1] + span.end_column
        assert text[start:end] == finding.fix.old
        pieces.append(Piece(start, end, finding.fix.new))
    pieces.sort(key=lambda piece: (piece.start, piece.end))
    assert all(one.end <= other.start for one, other in itertools.pairwise(pieces))
    return Patch.of(pieces).applied(text)


def claims_hold(text: str, report: Report) -> None:
    """Make the fixes one after the other, as they are printed, and look whether what is said of each is so."""
    findings = mistakes_in(report)
    for count, finding in enumerate(findings, 1):
        after = marked(mended(text, findings[:count]))
        assert finding.fix is not None
        assert {o.name for o in after.outputs if o.right} == {*finding.fix.right}
        assert {o.name for o in after.outputs if not o.right} == {*finding.fix.wrong}
        assert finding.fix.whole == (after.verdict == "right")
        assert finding.fix.alone == (count == 1)
