"""Write a random program: statements of the table, each tried on live arrays and kept where NumPy runs it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .grammar import BLOCKS, HEADER, INDICES, RARE, SLOTS, STATEMENTS, UNARY, WEIGHTS
from .programs import Program

__all__ = ["Choose", "write"]

T = TypeVar("T")
Choose = Callable[[int], int]
"""Returns a whole number from 0 to below its argument: Hypothesis, or a generator of random numbers."""

SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
LONGEST, LARGEST = 9, 40
USUAL = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
SELDOM = [kind for kind, weight in RARE.items() for _ in range(weight)]
SHAPES = ["(3,)", "(2, 3)", "(3, 3)", "(3, 2)", "(3,)", "(2, 3)", "()", "(1, 3)", "(0,)", "(0, 3)", "(2, 2, 3)"]
TAME = [0.3, -0.7, 1.2, 0.9, -1.6, 2.1, -0.2, 0.6, 1.7, -1.1, 0.45, -0.35]
TIED = [1.0, 0.0, -1.0, 2.0, 0.5, 1.0, -0.5]
WILD = ["np.nan", "np.inf", "-np.inf", "5e-324", "1e300", "-0.0", "1e-20", "1e17", "0.5", "-2.0", "1.0", "3.0", "0.0"]
FLOATS = ["np.float64"] * 6 + ["np.float32"] * 2 + ["np.float16"]
OTHERS = ["np.int64", "np.int32", "np.uint8", "np.int8", "np.uint64", "bool"]


class Unwritable(Exception):
    """No variable of the kind that a statement asks for is alive."""


def write(choose: Choose) -> Program:
    """Return a program of up to nine statements, written with what `choose` returns."""
    return _Writer(choose).program()


class _Writer:
    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.fresh = 0

    def pick(self, options: Sequence[T]) -> T:
        return options[self.choose(len(options))]

    def program(self) -> Program:
        arguments, lines = self.arguments(), []
        names = [line.split(" = ")[0] for line in arguments]
        world: dict[str, Any] = {}
        exec(HEADER + "\n".join(arguments), world)
        if self.choose(12) == 5:
            world["TABLE"] = np.array([0.5, -1.0, 2.0])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DeprecationWarning)
            for _ in range(2 + self.choose(LONGEST - 1)):
                if (text := self.statement(world)) is not None:
                    lines += text.splitlines()
        lines += self.returned(world)
        head = ["TABLE = np.array([0.5, -1.0, 2.0])", "", ""] if "TABLE" in world else [""]
        body = [f"def f({', '.join(names)}):", *("    " + line for line in lines)]
        made = ["def arguments():", *("    " + line for line in arguments), f"    return {', '.join(names)},"]
        return Program("\n".join([HEADER, *head, *body, "", "", *made, ""]))

    # ---- arguments ---------------------------------------------------------------------------------------

    def arguments(self) -> list[str]:
        """Return the lines that make the arguments, one a line."""
        values = ("tame", "tame", "tame", "tame", "tied", "wild")[self.choose(6)]
        lines = [f"x = {self.array(self.pick(FLOATS), values)}"]
        for name in "yz"[: self.choose(3)]:
            kind = self.choose(30)
            dtype = self.pick(OTHERS) if kind < 6 else self.pick(FLOATS)
            lines.append(f"{name} = " + ("x" if kind == 29 else self.array(dtype, values)))
        return lines

    def array(self, dtype: str, values: str) -> str:
        shape: tuple[int, ...] = eval(self.pick(SHAPES))
        entries = [self.entry(dtype, values) for _ in range(int(np.prod(shape)))]
        layout = self.pick(["C", "C", "C", "F", "T", "strided", "reversed"]) if shape else "C"
        turned = shape[::-1] if layout == "T" else shape
        text = f"np.array([{', '.join(entries)}], {dtype}).reshape({turned})"
        if layout == "F":
            return f"np.asfortranarray({text})"
        if layout == "strided":
            return f"np.repeat({text}, 2, axis=-1)[..., ::2]"
        return text + {"T": ".T", "reversed": "[::-1]", "C": ""}[layout]

    def entry(self, dtype: str, values: str) -> str:
        if dtype == "bool":
            return self.pick(["True", "False"])
        if "int" in dtype:
            return str(self.choose(4) - (self.choose(3) == 0 and "uint" not in dtype))
        if values == "wild":
            number = self.pick(WILD)
            return "np.inf" if "64" not in dtype and number in ("1e300", "1e17") else number
        return str(self.pick(TIED)) if values == "tied" else str(round(self.pick(TAME) + 0.01 * self.choose(20), 2))

    # ---- statements --------------------------------------------------------------------------------------

    def statement(self, world: dict[str, Any], depth: int = 0) -> str | None:
        """Write a statement that NumPy runs, and run it; None after a few that it does not."""
        for _ in range(6):
            kind = self.pick(SELDOM) if self.choose(120) == 71 else self.pick(USUAL)
            if depth and kind in BLOCKS:
                kind = "write"
            try:
                text = self.filled(self.pick(STATEMENTS[kind]), world, depth)
                trial = {**world}
                exec(text, trial)
            except Exception:  # noqa: BLE001 - NumPy's word on what cannot be written
                continue
            if all(_fits(value) for name, value in trial.items() if value is not world.get(name)):
                world.update(trial)
                return text
        return None

    def filled(self, template: str, world: dict[str, Any], depth: int) -> str:
        """Put variables and numbers into a statement."""
        tags: dict[str, str] = {}
        lines: list[str] = []
        inner = world
        for line in template.splitlines():
            indent = line[: len(line) - len(line.lstrip())]
            if not indent:
                inner = world
            if line.strip() == "{body}":
                inner = self.inside(lines[-1], world)
                for _ in range(1 + self.choose(2)):
                    text = self.statement(inner, depth + 1)
                    lines += [indent + part for part in (text or "pass").splitlines()]
            else:
                lines.append(self.line(line, inner, tags))
        return "\n".join(lines)

    def inside(self, head: str, world: dict[str, Any]) -> dict[str, Any]:
        """What is alive inside of a block: the variable of the loop, the parameters of the helper."""
        inner = {**world}
        head = head.strip()
        if head.startswith("for "):
            target, _, over = head[4:-1].partition(" in ")
            exec(f"{target} = next(iter({over}))", inner)
        elif head.startswith("def "):
            for parameter in "ut":
                if re.search(rf"\b{parameter}\b", head):
                    inner[parameter] = np.array(inner[self.variable("f", world)])
        return inner

    def line(self, template: str, world: dict[str, Any], tags: dict[str, str]) -> str:
        last = ""

        def put(match: re.Match[str]) -> str:
            nonlocal last
            kind, tag = match[1], match[2]
            if tag is None and kind in tags:
                last = tags[kind]
                return last
            if tag in tags:
                return tags[tag]
            text = self.slot(kind, world, last)
            if kind[0] in "fibal" and kind not in ("ax", "at", "fdt"):
                last = text
            if tag:
                tags[tag] = text
            return text

        if "np.empty" in template:  # a name that is new in truth, or its own unset memory would be read to fill it
            tags["new"] = tags["o"] = self.name({})
        elif "{new}" in template:
            tags["new"] = self.name(world)
        return SLOT.sub(put, template)

    def slot(self, kind: str, world: dict[str, Any], last: str) -> str:
        if kind == "new":
            return self.name(world)
        if kind == "at":
            ndim = np.ndim(world[last])
            return self.pick(INDICES[ndim]).replace("{a}", last)
        if kind == "ax":
            return self.pick([*map(str, range(np.ndim(world[last]))), "-1", "None"])
        if kind == "un":
            return self.pick(UNARY)
        if kind in SLOTS:
            return self.pick(SLOTS[kind])
        return self.variable(kind, world)

    def name(self, world: dict[str, Any]) -> str:
        old = [name for name, value in world.items() if name[0] == "v" and isinstance(value, (np.ndarray, float))]
        if old and self.choose(8) == 5:
            return self.pick(old)
        self.fresh += 1
        return f"v{self.fresh}"

    def variable(self, kind: str, world: dict[str, Any]) -> str:
        """A variable of a kind, rather one that was made lately; a number may be an entry or a sum."""
        fitting = [name for name, value in world.items() if _is(kind, value) and name[0] in "vxyzutT"]
        if kind in ("f0", "f") and (not fitting or self.choose(8) == 5):
            array = self.variable("fn", world)
            entry = {1: ["[0]", "[-1]"], 2: ["[0, 1]", "[-1, 0]"], 3: ["[0, 0, 1]"]}[np.ndim(world[array])]
            return array + self.pick([*entry, ".sum()", ".max()"])
        if not fitting:
            raise Unwritable(kind)
        near = min(self.choose(len(fitting)), self.choose(len(fitting)))
        return fitting[-1 - near]

    # ---- what is returned --------------------------------------------------------------------------------

    def returned(self, world: dict[str, Any]) -> list[str]:
        floats = [name for name, value in world.items() if _is("f", value) and name[0] in "vxyz"]
        others = [name for name, value in world.items() if _is("a", value) and name not in floats and name[0] in "vyz"]
        how = self.choose(12)
        if how in (4, 9):
            return [f"return {floats[-1]}"]
        if how == 11 and self.choose(12) == 7:  # truth values that became numbers
            mask = f"({floats[-1]} {self.pick(['>', '<=', '=='])} {self.pick(['0', '0.1', '1'])})"
            return [f"return {mask} * {self.pick(['1.0', '2.0'])}"]
        if how == 10:
            return [f"return np.sum({floats[-1]} * {floats[-1 - self.choose(len(floats))]})"]
        given = [name for name in floats if name in "xyz"]
        shown = dict.fromkeys([self.pick(given), *floats[-4:]])
        parts = [f"np.ravel({name})" for name in shown] + [f"np.ravel({name}) * 1.0" for name in others[-2:]]
        return [f"return np.concatenate([{', '.join(parts)}])"]


def _is(kind: str, value: Any) -> bool:
    """Whether a value is of a kind, as ``f2`` for floats of two axes."""
    if kind[0] == "l":
        return isinstance(value, list) and bool(value) and all(isinstance(v, (np.ndarray, np.generic)) for v in value)
    if not isinstance(value, (np.ndarray, np.generic, int, float)):
        return False
    kinds = {"f": "f", "i": "iu", "b": "b", "a": "fiub"}[kind[0]]
    if np.asarray(value).dtype.kind not in kinds:
        return False
    axes = kind[1:]
    return not axes or (np.ndim(value) > 0 if axes == "n" else np.ndim(value) == int(axes))


def _fits(value: Any) -> bool:
    """Whether arrays are small enough to go on with, and of numbers."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.size <= LARGEST and value.ndim <= 3 and value.dtype.kind in "fiub"
    return not isinstance(value, list) or (len(value) < 7 and all(map(_fits, value)))
