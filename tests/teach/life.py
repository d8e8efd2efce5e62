"""Code as in real life: attention, recurrent nets, embeddings, layers as classes, settings, unfinished code, exceptions.

A file of `life/` holds blocks. A block is what a user has in a file, right, with mistakes in remarks (``#~ line :: kinds``
is what stands on that line instead), and below ``# ---- called`` how it is called: `draw` makes the arrays to differentiate
by, `out` runs the forward, `gradients` the backward, in the order of the arrays.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import random
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .claims import CLOSE, claims, patched
from .corpus import differences

__all__ = [
    "ROWS", "Block", "Item", "LifeMark", "blocks", "gradients", "items", "judge", "markdown", "misses", "numerical", "right",
]  # fmt: skip

HERE = Path(__file__).parent / "life"
ROWS = (
    "attention", "recurrent", "nets", "embedding", "norms", "courses", "methods", "settings", "unfinished", "exceptions",
)  # fmt: skip
STEP = 1e-5
PROBLEMS = 2
MADE = 2  # of each block so many unfinished texts, and so many that raise
Checker = Callable[["Block", str], Any]


@dataclass(frozen=True)
class Block:
    """A right pair of a file.

    Attributes:
        row: of the table.
        forward, backward: names; ``Class.method`` of a class, the same twice for a loss.
        text: of the user's file.
        called: how it is called.
        mistakes: line, what stands there instead, what the mistake may be called.
    """

    row: str
    forward: str
    backward: str
    text: str
    called: str
    mistakes: tuple[tuple[int, str, tuple[str, ...]], ...]

    @property
    def function(self) -> ast.FunctionDef:
        """The tree of the backward."""
        name = self.backward.rpartition(".")[2]
        scope: Any = ast.parse(self.text)
        if "." in self.backward:
            scope = next(n for n in scope.body if getattr(n, "name", "") == self.backward.partition(".")[0])
        return next(n for n in scope.body if isinstance(n, ast.FunctionDef) and n.name == name)


@dataclass(frozen=True)
class Item:
    """A block with one mistake, on one line; `mends` says whether an edit can mend it: not what was never written."""

    block: Block
    row: str
    line: int
    text: str
    kinds: tuple[str, ...]
    mends: bool

    @property
    def name(self) -> str:
        return f"{self.block.backward}:{self.line}: {self.text.splitlines()[self.line - 1].strip()}"

    @property
    def held_out(self) -> bool:
        return hashlib.sha256(f"{self.row}|{self.name}".encode()).digest()[0] % 2 == 1


@dataclass(frozen=True)
class LifeMark:
    """What a report said of an item, and whether it is so; of a right block `kinds` is empty.

    Attributes:
        row, name, held_out, kinds: of the item.
        refused: why there is no verdict; empty where there is one.
        said: verdict, line, kind and fix of the first finding.
        found, line_right, kind_right, fix_right: as in the table of single mistakes; no fix where none can be.
        accused: a line without a mistake is called wrong.
        untrue: the sentences that are not so.
        seconds: for all of it.
    """

    row: str
    name: str
    held_out: bool
    kinds: tuple[str, ...]
    refused: str
    said: str
    found: bool
    line_right: bool
    kind_right: bool
    fix_right: bool | None
    accused: bool
    untrue: tuple[str, ...]
    seconds: float


# ---- blocks and items ------------------------------------------------------------------------------------------


@functools.cache
def blocks() -> tuple[Block, ...]:
    """All right blocks, row by row."""
    found = []
    for row in ROWS:
        path = HERE / f"{row}.py"
        if not path.exists():
            continue  # made from the others
        for part in path.read_text(encoding="utf-8").split("# ==== ")[1:]:
            head, _, body = part.partition("\n")
            user, _, called = body.partition("# ---- called\n")
            names = head.split()
            if len(names) == 1:
                names = names * 2 if names[0].endswith("_loss") else [f"{names[0]}.forward", f"{names[0]}.backward"]
            lines, mistakes = [], []
            for number, line in enumerate(user.splitlines(), 1):
                text, *others = line.split("#~")
                lines.append(text.rstrip())
                indent = text[: len(text) - len(text.lstrip())]
                for other in others:
                    new, _, kinds = other.partition("::")
                    mistakes.append((number, indent + new.strip(), tuple(kinds.split())))
            found.append(Block(row, names[0], names[1], "\n".join(lines) + "\n", called, tuple(mistakes)))
    return tuple(found)


def _with(text: str, line: int, new: str) -> str:
    lines = text.splitlines()
    return "\n".join([*lines[: line - 1], new, *lines[line:]]) + "\n"


@functools.cache
def items(seed: int = 0) -> tuple[Item, ...]:
    """The mistakes of all blocks; of each some unfinished texts and some that raise an exception."""
    found = []
    for block in blocks():
        for line, new, kinds in block.mistakes:
            text = _with(block.text, line, new)
            raises = right(block, text) is None
            found.append(Item(block, "exceptions" if raises else block.row, line, text, kinds, mends=True))
        rng = random.Random(f"{seed} {block.backward}")
        unwritten, broken = list(_unfinished(block)), list(_broken(block))
        found += rng.sample(unwritten, min(MADE, len(unwritten))) + rng.sample(broken, min(MADE, len(broken)))
    return tuple(found)


def _unfinished(block: Block) -> Iterator[Item]:
    """The backward not written, or a step of it."""
    function, lines = block.function, block.text.splitlines()
    first, last = function.body[0], function.body[-1]
    loss = block.forward == block.backward
    indent = " " * first.col_offset
    for stub in () if loss else ("pass", "...", "raise NotImplementedError", "return None", "pass  # TODO"):
        text = "\n".join([*lines[: first.lineno - 1], indent + stub, *lines[last.end_lineno :]]) + "\n"
        yield Item(block, "unfinished", first.lineno, text, ("unwritten", "no_return"), mends=False)
    returned = [n.id for n in ast.walk(last) if isinstance(n, ast.Name)] if isinstance(last, ast.Return) else []
    steps = [
        s for s in function.body
        if isinstance(s, ast.Assign) and s.lineno == s.end_lineno and re.match(r"(self\.)?d[a-zA-Z]*$", ast.unparse(s.targets[0]))
    ]  # fmt: skip
    for step in steps:
        name = ast.unparse(step.targets[0])
        if name in returned or name.startswith("self."):
            new = f"{indent}{name} = None  # TODO"
            yield Item(block, "unfinished", step.lineno, _with(block.text, step.lineno, new), ("unwritten", "missing_result"), mends=False)  # fmt: skip
    if isinstance(last, ast.Return) and not loss and isinstance(last.value, ast.Tuple):
        names = [ast.unparse(e) for e in last.value.elts]
        if all(name.isidentifier() for name in names):
            stub = f"{', '.join(names)} = {', '.join(['None'] * len(names))}"
            body = [f"{indent}{stub}", f"{indent}# your code here", indent + f"return {', '.join(names)}"]
            text = "\n".join([*lines[: first.lineno - 1], *body, *lines[last.end_lineno :]]) + "\n"
            yield Item(block, "unfinished", first.lineno, text, ("unwritten",), mends=False)


def _broken(block: Block) -> Iterator[Item]:
    """A name, a function, an attribute or an unpacking that raises, on a line that runs."""
    lines = block.text.splitlines()
    first = 0 if block.forward != block.backward else max(n for n, line in enumerate(lines, 1) if "loss = " in line)
    for node in ast.walk(block.function):
        if not isinstance(node, (ast.Assign, ast.AugAssign, ast.Return)) or node.lineno != node.end_lineno:
            continue
        if node.lineno <= first:
            continue
        line = lines[node.lineno - 1]
        for pattern, new in (
            (r"(?<=[ (])(d[a-z]+)(?= [*@/+-])", r"\1_"), (r"np\.(sum|dot|zeros_like|matmul)\(", r"np.\1s("),
            (r"self\.([A-Za-z]+)(?=[ ,.)*])", r"self.\1_"), (r"= cache$", "= cache[1:]"), (r"\.sum\(axis=0", ".sum(axis=9"),
        ):  # fmt: skip
            changed = re.sub(
                pattern, new, line.partition("=")[2] if " = " in line and "cache" not in line else line, count=1
            )
            if " = " in line and "cache" not in line:
                changed = line.partition("=")[0] + "=" + changed
            text = _with(block.text, node.lineno, changed)
            if changed != line and right(block, text) is None:
                yield Item(block, "exceptions", node.lineno, text, ("call_error", "unpack_order"), mends=True)


# ---- running ---------------------------------------------------------------------------------------------------


def _space(block: Block, text: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "user"}
    exec(compile(text, "user.py", "exec"), space)
    exec(compile(block.called, "called.py", "exec"), space)
    return space


def _problem(space: dict[str, Any], number: int) -> tuple[dict[str, Any], Any]:
    rng = np.random.default_rng([7, number])
    arrays = space["draw"](rng, number)
    out = space["out"](**{name: value.copy() for name, value in arrays.items()})
    return arrays, 1.0 if np.ndim(out) == 0 else rng.standard_normal(np.shape(out)) + 0.3


def gradients(block: Block, text: str, number: int) -> dict[str, Any]:
    """What a text computes for each array of a problem, on arrays and an upstream gradient of the right block's."""
    arrays, upstream = _problem(_space(block, block.text), number)
    with np.errstate(all="ignore"):
        found = _space(block, text)["gradients"](upstream, **{name: value.copy() for name, value in arrays.items()})
    return dict(zip(arrays, found, strict=True))


def numerical(block: Block, number: int) -> dict[str, Any]:
    """Central differences of the forward, entry by entry."""
    space = _space(block, block.text)
    arrays, upstream = _problem(space, number)
    found = {}
    for name, array in arrays.items():
        found[name] = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            sides = []
            for step in (STEP, -STEP):
                moved = {other: value.copy() for other, value in arrays.items()}
                moved[name][at] += step
                sides.append(float(np.sum(space["out"](**moved) * upstream)))
            found[name][at] = (sides[0] - sides[1]) / (2 * STEP)
    return found


@functools.cache
def _expected(block: Block) -> tuple[dict[str, Any], ...]:
    return tuple(gradients(block, block.text, number) for number in range(PROBLEMS))


def right(block: Block, text: str, close: float = CLOSE) -> dict[str, bool] | None:
    """Which gradients a text computes right; None where it cannot be run."""
    found: dict[str, bool] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number, expected in enumerate(_expected(block)):
                for name, value in gradients(block, text, number).items():
                    (off,) = differences([expected[name]], [value])
                    found[name] = found.get(name, True) and off <= close
    except Exception:  # noqa: BLE001 - a mistake, or a fix, may break the code in any way
        return None
    return found


# ---- judging ---------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """What a gradient belongs to, whatever it is called: ``self.dW``, ``grads['W']``, ``dLdW``, ``weights_gradient``."""
    name = re.sub(r"^.*\[['\"]?|['\"]?\]$|^.*\.", "", name)
    return re.sub(r"^d(L?d)?(?=[a-zA-Z])|_?grad(ient)?s?_?", "", name).lower()


def judge(block: Block, item: Item | None, check: Checker, clock: Callable[[], float]) -> LifeMark:
    """Have an item marked, or the right block, and judge the report by what was done."""
    text = block.text if item is None else item.text
    started = clock()
    report = check(block, text)
    seconds = clock() - started
    mistakes = [f for f in report.findings if f.severity in ("wrong", "shape")]
    first = mistakes[0] if mistakes else None
    refused = report.problem if report.verdict == "failed" else ""
    said = f"{report.verdict}: line {first.span.line} {first.kind}" if first else f"{report.verdict} {report.problem}"
    said += f" {first.fix.old!r} -> {first.fix.new!r}" if first and first.fix else ""
    if item is None:
        fine = report.verdict == "right" and not mistakes
        return LifeMark(
            block.row, block.backward, False, (), refused, said, fine, fine, fine, None, bool(mistakes), (), seconds
        )

    def good(fixed: str) -> set[str] | None:
        result = right(block, fixed)
        return None if result is None else {_plain(name) for name, fine in result.items() if fine}

    fixed = patched(text, [first.fix]) if first and first.fix else None
    whole = fixed is not None and all((right(block, fixed) or {"": False}).values())
    line = first.span.line if first else int((re.findall(r"\.py:(\d+)", report.problem) or [0])[-1])
    raises = item.row == "exceptions"
    # Right numbers in another shape are found where a remark says so.
    shaped = "keepdims" in item.kinds and any(f.severity == "shape" for f in mistakes)
    return LifeMark(
        item.row, item.name, item.held_out, item.kinds, "" if raises and line == item.line else refused, said,
        report.verdict == "wrong" or shaped or (raises and bool(refused) and line > 0), line == item.line,
        raises or (first is not None and first.kind in item.kinds), whole if item.mends and not raises else None,
        any(f.sure and f.span.line != item.line for f in mistakes),
        tuple(claims(text, item.block.backward, {item.line}, report, mistakes, good, _plain)), seconds,
    )  # fmt: skip


def _row(name: str, mine: Sequence[LifeMark]) -> str:
    def share(values: Sequence[bool | None]) -> str:
        known = [value for value in values if value is not None]
        return f"{int(1000 * sum(known) / len(known) + 1e-9) / 10:g} %" if known else "-"

    cells = [name, str(len(mine))]
    cells += [share([getattr(m, what) for m in mine]) for what in ("found", "line_right", "kind_right", "fix_right")]
    cells += [str(sum(bool(getattr(m, what)) for m in mine)) for what in ("accused", "untrue", "refused")]
    return f"| {' | '.join(cells)} |"


def markdown(marks: Sequence[LifeMark]) -> str:
    """A table of the items, row by row, and both halves; a line for the right blocks."""
    wrong = [m for m in marks if m.kinds]
    lines = [
        "| code | items | found | first line | class | whole fix | a right line accused | untrue sentence | refused |",
        "| ---- | ----: | ----: | ---------: | ----: | --------: | -------------------: | --------------: | ------: |",
    ]
    lines += [_row(row, [m for m in wrong if m.row == row]) for row in ROWS if any(m.row == row for m in wrong)]
    for held_out, name in ((False, "all, developed on"), (True, "all, held out")):
        half = [m for m in wrong if m.held_out is held_out]
        lines += [_row(name, half)] if half else []
    good = [m for m in marks if not m.kinds]
    alarms, refused = sum(m.accused for m in good), sum(bool(m.refused) for m in good)
    lines += ["", f"The same code without a mistake: {len(good)} pairs, {alarms} false alarms, {refused} refused."]
    return "\n".join(lines)


def misses(marks: Sequence[LifeMark], *, held_out: bool) -> str:
    """Every mark that is not all right."""
    lines = []
    for mark in marks:
        bad = [w for w in ("found", "line_right", "kind_right", "fix_right") if getattr(mark, w) is False]
        bad += [what for what in ("accused", "untrue", "refused") if getattr(mark, what)]
        if bad and (held_out or not mark.held_out):
            what = f"{mark.row} | {mark.name} [{'/'.join(mark.kinds)}]"
            lines.append(textwrap.shorten(f"- {', '.join(bad)} | {what} | {mark.said} {'; '.join(mark.untrue)}", 400))
    return "\n".join(lines)
