"""What a marked backward comes back as: plain data that goes through JSON and back without loss.

The report is made in a child process (`micrograd.marker.diagnosis.marking.mark`) and read in another, so it holds
nothing but numbers and text. How it is worded and set is the business of `micrograd.marker.present`.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from micrograd.marker.mistakes import MISTAKES

__all__ = ["KINDS", "SEVERITIES", "Finding", "Fix", "Output", "Report", "Shown", "Span", "shown"]

SEVERITIES = ("wrong", "shape", "harmless", "forward")
"""``wrong``: a gradient is wrong; ``shape``: right numbers in a wrong shape; ``harmless``: something is left out, or an
array of the caller's is changed, and the gradients are right all the same; ``forward``: the forward differs from the
reference it was compared with."""

KINDS: dict[str, str] = {row.name: row.summary[0] for row in MISTAKES.values()}
"""Every kind of finding, in a few words; what else is said of each is in `micrograd.marker.mistakes`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the student's file: lines from 1, columns from 0, in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What a report keeps of an array: shape, dtype and at most six entries, row by row."""

    shape: tuple[int, ...]
    dtype: str
    sample: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fix:
    """One edit of the student's text.

    Attributes:
        span: what is replaced; empty where text is inserted.
        old: the text there.
        new: the text to put there.
        probes: on how many fresh probes the edited code was run and found right.
        whole: whether all gradients are right with it and the fixes above it; False where other mistakes remain.
        alone: whether no fix stands above it.
        right, wrong: the gradients that are right with it and those above, and those that are not.
    """

    span: Span
    old: str
    new: str
    probes: int
    whole: bool = True
    alone: bool = True
    right: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


_NOT_OFF = ("unwritten", "call_error", "no_return", "missing_result", "return_order", "no_influence")


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, or one remark.

    Attributes:
        severity: one of `SEVERITIES`.
        kind: one of `KINDS`.
        span: the sub-expression at fault.
        source: its whole line, or lines.
        target: the student's name for the value.
        means: the quantity it should hold: ``dvar``, or ``dxmu2`` for a path; empty where no engine quantity is meant.
        edge: the path of the forward graph that is missing or wrong, as (from, to).
        expected: what the value should be, on the first probe.
        got: what it is.
        ratio: got/expected as a formula that holds on every probe: ``N``, ``1/gamma``, ``-1``; empty if none does.
        fix: one verified edit, if one was found.
        relation: what `formula` says, in the student's names, proved and tried with numbers: ``times`` (got is so many
            times what it should be), ``excess`` (got is too large by it), ``lacks`` (got leaves it out), ``always``
            (the equation for which something may be left out, with its proof); empty where there is none.
        formula: see there; a Σ has the index that it runs over.
        of_part: whether `ratio` is that of the marked part, and not of the whole value.
        reason: the identity that makes an omission harmless; for ``call_error`` what is wrong with the call.
        sure: whether this value is known to be wrong; False where it is only the first that may be.
        reads: ``right`` where all that the line reads is known to be right; ``mended`` where it is with the fixes
            above it; empty where that is not known.
        either: another line of which an edit as small makes the same right: one of the two is wrong; else 0.
    """

    severity: str
    kind: str
    span: Span
    source: str
    target: str = ""
    means: str = ""
    edge: tuple[str, str] | None = None
    expected: Shown | None = None
    got: Shown | None = None
    ratio: str = ""
    fix: Fix | None = None
    reason: str = ""
    sure: bool = True
    reads: str = ""
    relation: str = ""
    formula: str = ""
    of_part: bool = False
    either: int = 0

    @property
    def explainable(self) -> bool:
        """Return whether a formula may say more: of a value that is off by no known factor, or of what is left out."""
        if self.severity != "wrong" or not self.sure or self.kind in _NOT_OFF:
            return self.kind == "path_dropped_harmless"
        of_a_part = re.search(r"[^\s(=,*/] *[+-] ", self.source.partition("=")[2]) is not None  # a factor of one term
        return not self.ratio or self.ratio.startswith("expected") or of_a_part


@dataclass(frozen=True, slots=True)
class Output:
    """One gradient that the backward returns.

    Attributes:
        name: of the gradient: ``dx``.
        right: whether it is right on every probe, in value and shape.
        expected: the engine's, on the first probe where it is wrong (on the first one if right).
        got: the student's; None where there is none.
        error: the largest absolute difference over all probes; infinite where shapes differ or nothing came.
        bound: the largest difference allowed at that entry.
        zero: whether the right gradient is zero, to rounding, on every probe.
    """

    name: str
    right: bool
    expected: Shown
    got: Shown | None
    error: float
    bound: float
    zero: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The marked backward.

    Attributes:
        verdict: ``right``; ``wrong`` (a gradient, or the forward where a reference was named); or ``failed`` where it
            could not be marked (`problem` says why).
        forward, backward: names of the functions.
        file: where they are.
        outputs: each gradient returned.
        findings: in the order of the student's lines, the first wrong one first; remarks last.
        problem: what kept it from running, in the student's terms; or what ended the search for the wrong line.
        printed: what the student's code wrote.
        probes: on how many sets of inputs it ran.
        seconds: how long marking took.
        steps: of a compact solution the steps that lead from the staged backward to the compact formula: the gradient
            where a line begins, the expression, the rule (a key of `micrograd.derivation`), known sums that it uses.
        proved: of a compact solution the gradients that are proved equal to it, at every size.
        tried: the shapes of the inputs, and the settings that were varied: ``x (5, 3), (4, 6)``, ``stride 1, 2``.
        held: the gradients that the student's code computes on its way, and right, whatever it calls them: ``dvar``.
    """

    verdict: str
    forward: str
    backward: str
    file: str
    outputs: tuple[Output, ...] = ()
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    printed: str = ""
    probes: int = 0
    seconds: float = 0.0
    held: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    steps: tuple[tuple[str, str, str, str], ...] = ()
    proved: tuple[str, ...] = ()
    source: str = field(default="", repr=False)  # the student's text, for the page and for carets

    @property
    def ok(self) -> bool:
        """Return whether every gradient is right in value and shape, and the forward is the named reference."""
        return self.verdict == "right"

    @property
    def unwritten(self) -> bool:
        """Return whether it is wrong only in that something is not written yet."""
        mistakes = [one for one in self.findings if one.severity != "harmless"]
        return bool(mistakes) and all(one.kind == "unwritten" for one in mistakes)

    def assert_ok(self, hint: str = "fix", language: str = "en") -> None:
        """Raise AssertionError with the text of the report unless `ok`."""
        if not self.ok:
            raise AssertionError("\n" + self.text(hint=hint, language=language))

    presenter: ClassVar[Callable[[str], Callable[..., str]]]
    """What sets a report as text or HTML; `micrograd.marker` puts it here, so that the data know nothing of it."""

    def text(self, *, hint: str = "fix", language: str = "en", colour: bool = False) -> str:
        """Return the report for a terminal; `hint` is ``where``, ``kind`` or ``fix``: how much is given away."""
        return type(self).presenter("text")(self, hint=hint, language=language, colour=colour)

    def html(self, *, hint: str = "fix", language: str = "en") -> str:
        """Return the report as a fragment of HTML."""
        return type(self).presenter("html")(self, hint=hint, language=language)

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.text()

    def as_json(self, indent: int | None = 2) -> str:
        """Return the report as JSON text, which `Report.from_json` reads back without loss."""
        return json.dumps(_plain(asdict(self)), indent=indent, ensure_ascii=False, allow_nan=False)

    def to_json(self) -> str:
        """`as_json` on one line: what the child process returns."""
        return self.as_json(indent=None)

    @classmethod
    def from_json(cls, text: str) -> Report:
        r"""Return the report that was written by `as_json`.

        Raises:
            ValueError: no JSON, or no report.

        >>> report = Report("right", "forward", "backward", "bn.py", printed="a line\n")
        >>> Report.from_json(report.as_json()) == report
        True
        """
        try:
            report: Report = _read(cls, json.loads(text))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"this is no report of micrograd check: {error!r}") from None
        return report


def shown(value: Any) -> Shown:
    """Return what the report keeps of a value.

    >>> shown(np.arange(8.0).reshape(2, 4))
    Shown(shape=(2, 4), dtype='float64', sample=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0))
    """
    try:
        array = np.asarray(value)
    except ValueError:  # a ragged list
        return Shown((), type(value).__name__, ())
    if array.dtype.kind not in "fiub":
        return Shown(array.shape, type(value).__name__ if array.dtype.kind == "O" else array.dtype.name, ())
    return Shown(array.shape, array.dtype.name, tuple(float(x) for x in array.ravel()[:6]))


def _plain(data: Any) -> Any:
    """`data` with numbers that JSON does not have as text."""
    if isinstance(data, float) and not np.isfinite(data):
        return repr(data)
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_plain(value) for value in data]
    return data


def _read(kind: Any, data: Any) -> Any:
    """Return what `_plain` made JSON of, as the type that a field of a report has."""
    inner = get_args(kind)
    if get_origin(kind) is UnionType:
        return None if data is None else _read(inner[0], data)
    if get_origin(kind) is tuple:
        return tuple(map(_read, itertools.repeat(inner[0]) if inner[1:] == (...,) else inner, data))
    if is_dataclass(kind):
        types = get_type_hints(kind)
        return kind(**{part.name: _read(types[part.name], data[part.name]) for part in fields(kind)})  # type: ignore[operator]
    return float(data) if kind is float else data
