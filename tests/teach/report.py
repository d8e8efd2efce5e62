"""The marks in words: tables, what was missed, and the page of the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .faults import VISIBLE
from .table import Mark, markdown, rows

__all__ = ["failures", "misses", "publish", "publish_ablation", "told"]


def failures(marks: Sequence[Mark]) -> list[Mark]:
    """False alarms, and wrong backwards that were not found."""
    return [mark for mark in marks if mark.effect in (*VISIBLE, "right", "harmless") and not mark.found]


def told(
    marks: Sequence[Mark], traced: Mapping[str, str], names: Sequence[str], together: str = "", lived: str = ""
) -> str:
    """The tables of both halves, that of several faults at once, and a line for everything else."""
    parts = []
    for held_out, title in ((False, "Faults developed on"), (True, "Faults held out")):
        half = [mark for mark in marks if mark.held_out is held_out and mark.effect != "right"]
        if half:
            parts.append(f"## {title}\n\n{markdown(rows(half, names))}")
    if together:
        parts.append(f"## Two and three faults at once\n\n{together}")
    if lived:
        parts.append(f"## Code as in real life\n\n{lived}")
    parts.append("## Right backwards, and edits that change nothing\n\n" + "\n".join(_lines(marks, traced)))
    return "\n\n".join(parts)


def _lines(marks: Sequence[Mark], traced: Mapping[str, str]) -> list[str]:
    right = [mark for mark in marks if mark.effect == "right"]
    lines = [f"- false alarms on right backwards: {_of(right, found=False)}"]
    for effect, what in (
        ("harmless", "false alarms on edits without effect"),
        ("crash", "faults that raise an exception, found"),
        ("in_place", "caches and arguments changed in place without effect on the first call, reported"),
    ):
        mine = [mark for mark in marks if mark.effect == effect]
        lines.append(f"- {what}: {_of(mine, found=effect != 'harmless')}")
    crashes = [mark for mark in marks if mark.effect == "crash"]
    lines.append(f"- of those that raise, the line is right in {sum(mark.line_right for mark in crashes)}")
    astray = [mark for mark in marks if mark.effect in VISIBLE and not mark.line_right]
    mended = sum(mark.fix_right for mark in astray)
    lines.append(f"- first lines that are not the one edited: {len(astray)}; one edit there mends all in {mended}")
    lost = [name for name, why in traced.items() if why]
    lines.append(f"- forwards traced: {len(traced) - len(lost)} of {len(traced)}")
    seconds = sorted(mark.seconds for mark in marks)
    if seconds:
        lines.append(f"- one check: median {seconds[len(seconds) // 2]:.2f} s, slowest {seconds[-1]:.2f} s")
    return lines


def _of(marks: Sequence[Mark], found: bool) -> str:
    return f"{sum(mark.found is found for mark in marks)} of {len(marks)}"


def misses(marks: Sequence[Mark], *, held_out: bool = False, traced: Mapping[str, str] | None = None) -> str:
    """Every mark that is not all right, with what was done and what was said."""
    lines = []
    for mark in marks:
        if mark.held_out and not held_out:
            continue
        bad = []
        if not mark.found:
            bad.append("false alarm" if mark.effect in ("right", "harmless") else "not found")
        if mark.effect in VISIBLE:
            bad += [
                what + " (but mends all)" * (what == "line" and mark.fix_right)
                for what, fine in (("line", mark.line_right), ("class", mark.kind_right), ("fix", mark.fix_right))
                if not fine
            ]
        if mark.effect == "crash" and not mark.line_right:
            bad.append("line")
        if bad:
            what = f"{mark.name} [{mark.effect}: {'/'.join(mark.kinds)}]"
            said = f"{mark.verdict}: line {mark.said_line} {mark.said or '-'} {mark.fix or 'no fix'} {mark.problem}"
            lines.append(f"- {', '.join(bad)} | {what} | {said.strip()}")
    lines += [f"- not traced: {name}: {why}" for name, why in (traced or {}).items() if why]
    return "\n".join(lines)


def publish(text: str, result: Mapping[str, Any], path: Path) -> None:
    """Write the page of the documentation."""
    jobs, cores = result["jobs"], result["cores"]
    ran = (
        f"This is the draw of `--seed {result['seed']}`. Times are of a whole call of `mg.check`, with the process that it "
        f"starts, {jobs} at a time on {cores} cores."
    )
    path.write_text(f"{INTRODUCTION}\n{ran}\n\n{text}\n", encoding="utf-8")


def publish_ablation(text: str, path: Path) -> None:
    """Write the page on what each mechanism of the diagnosis brings."""
    path.write_text(f"{ABLATION}\n{text}\n", encoding="utf-8")


INTRODUCTION = """# What check finds

`make teach` plants mistakes in right backward passes, one at a time, and has `micrograd check` mark each of them.
The mistakes are edits of the text by the rules of `tests/teach/edits.py`: an operator, an operand, an axis, a factor, a
sum, a term, a sign, a size, a transpose, a power, eps, an index, a mask, `=` for `+=`, the order of the results.
Only mistakes that change a result count; two edits of a line with the same results are one.
Half of the mistakes, chosen by a hash of the edit, are held out: the marking was developed on the others.
In an earlier draw (`--seed 0`) seven mistakes of the half held out were not found. They were looked at and led to general
rules: inputs of more axes and windows that are not square, caches changed in place, ratios that are not finite, a search
that took too long. Of the half held out below, a quarter was not in that draw, and nothing below was looked at one by one.
The words that count for an edit were revised by rule, in both halves.

- *found*: the verdict is "wrong".
- *first line*: the first mistake reported is on the line that was edited.
- *class*: its kind names what was done, or an edit of that line with exactly the same results;
  *its own word* counts only the first name of the edit.
- *whole fix*: the one edit that the report proposes was applied to the text, run on inputs that the marking never
  saw, and all gradients came out right, in value and in shape.
- *accused*: a line that was not edited is called wrong. *Untrue*: that, or a line that is said to read nothing wrong reads
  an edited one, or a fix does not do what is said of it. *Refused*: there is no verdict. These three are counts.

The lines that a report only holds possible ("nothing vouches for it") count as not named. Of two and three faults at once,
each of which shows beside the others, *all named* means that the lines that are called wrong are those that were edited.

*Code as in real life* was written by somebody who had not read the diagnosis: attention, recurrent nets, whole nets,
embeddings, norms, layers in the style of other courses, classes, settings; with its mistakes written by hand, with steps
that are not written yet and with lines that raise. It is marked as the command does it: nobody says what the arguments
are. A half of it, by a hash, is held out as well.

A gradient with the right numbers in another shape, `(1, D)` for `(D,)`, counts as found if the report says so.
"""

ABLATION = """# What check loses without a part

`make teach ARGS=--ablate` marks a fixed sample of what `make teach` marks, of both halves, and marks it again without one
mechanism of the diagnosis at a time, or without one kind of edit.
A row says in how many items of the sample the mechanism came to something, and by how many points of percent each column
changes without it; elsewhere nothing can change. What is empty does not change.
What moves nothing here may still name a mistake that the sample lacks; such kinds have tests of their own.
"""
