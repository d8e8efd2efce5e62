"""Run a lesson's Python file and make from it all that its pages show; knows nothing of Sphinx.

A file of `docs/book/lessons/` is cut into cells by lines such as ``# %% forward``; both languages show the same cells.
The last cell, ``# %% lesson``, is shown nowhere. It assigns `lesson`, a dictionary:

    forward     the function that is drawn, walked through and asked about
    arguments   its arguments by parameter, small numbers that are easy to read
    upstream    the gradient of its result
    mistakes    the kinds of mistakes of `micrograd.marker.mistakes` to tell of, in order: ``"sign"``, or ``"sign dc"``
                for the one in `dc`
    exercise    another function, so that nothing can be copied: forward, shapes by parameter, and what
                `micrograd exercise` takes: kind, blanks, seed
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import os
import re
import sys
import tempfile
import types
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import micrograd as mg
from micrograd.cli import main as command
from micrograd.marker.messages import say
from micrograd.marker.mistakes import MISTAKES
from micrograd.marker.probing.mutants import mutants_of
from micrograd.marker.probing.probe_messages import described
from micrograd.marker.probing.trial import Mutant, Trial

__all__ = ["LESSONS", "Cell", "Failure", "Lesson", "lesson"]

LESSONS = Path(__file__).parents[1] / "book" / "lessons"
_PARTS = ("forward", "arguments", "upstream", "mistakes", "exercise")
_MARK = re.compile(r"^# %% (\w+)\n", re.MULTILINE)


class Cell(NamedTuple):
    """One cell: its text, the line of the file that it starts on, and what it printed when it ran."""

    text: str
    line: int
    output: str


class Failure(NamedTuple):
    """A kind of mistake, and what it does to the backward of a lesson's function.

    Attributes:
        summary, planted, why, step: as the table of mistakes has them, in one language.
        gradient: the gradient that changes most.
        shapes: its right and its wrong shape, where they differ.
        change: else the largest change of an entry, as a share of its largest entry.
        raises: whether NumPy stops with an error instead.
        single: whether the gradient is a single number.
    """

    summary: str
    planted: str
    why: str
    step: str
    gradient: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None
    change: float
    raises: bool
    single: bool

    def escaped(self) -> Failure:
        """Return it with its words as Markdown, in which `2*u` is no emphasis."""
        words = (self.summary, self.planted, self.why, self.step)
        return Failure(*(re.sub(r"([\\*_`<\[])", r"\\\1", text) for text in words), *self[4:])


class Lesson:
    """A lesson's file, executed once for both languages.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module = types.ModuleType(f"lesson_{path.stem.replace('-', '_')}")
        self.module.__file__ = str(path)
        sys.modules[self.module.__name__] = self.module
        text = path.read_text(encoding="utf-8")
        marks = [*_MARK.finditer(text)]
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        self.cells: dict[str, Cell] = {}
        for mark, end in zip(marks, ends, strict=True):
            cell = text[mark.end() : end]
            self.cells[mark[1]] = self._ran(cell, text.count("\n", 0, mark.end()))
        made = vars(self.module).get("lesson", {key: {} for key in _PARTS})  # the teacher's page has cells only
        self.forward, self.upstream = made["forward"], made["upstream"]
        self.arguments = {n: np.array(v) if isinstance(v, float) else v for n, v in made["arguments"].items()}
        self.mistakes: tuple[str, ...] = made["mistakes"]
        self.exercise: dict[str, Any] = made["exercise"]
        self.asked_of: Any = self.exercise.get("forward")

    def _ran(self, text: str, before: int) -> Cell:
        """Run a cell at its own lines, as a notebook would: the value of a last expression is shown."""
        tree = ast.parse(text, str(self.path))
        ast.increment_lineno(tree, before)
        shown = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, str(self.path), "exec"), vars(self.module))  # noqa: S102 - our own lesson
            if isinstance(shown, ast.Expr):
                value = self._value(compile(ast.Expression(shown.value), str(self.path), "eval"))
                if value is not None:
                    print(repr(value))
        return Cell(text.strip(), before + 1, printed.getvalue().rstrip())

    def _value(self, code: Any) -> Any:
        return eval(code, vars(self.module))  # noqa: S307 - our own lesson

    def text_of(self, expression: str) -> str:
        """Return the value of an expression, computed after the cells ran, as it stands in a sentence."""
        value = self._value(expression)
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    # ---- the graph ----

    @cached_property
    def graph(self) -> Any:
        """The graph of the lesson's function, after its backward pass."""
        return mg.trace(self.forward, **self.arguments).backward(self.upstream)

    def picture(self, **keywords: Any) -> str:
        """Return the picture of the graph as SVG."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "graph.svg")
            mg.draw(self.graph, path, **keywords)
            return path.read_text(encoding="utf-8")

    def walk(self, language: str) -> str:
        """Return the page that walks through the graph."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "walk.html")
            mg.walk(self.graph, path, lang=language)
            return path.read_text(encoding="utf-8")

    # ---- what goes wrong ----

    @cached_property
    def probe(self) -> Any:
        """Inputs on which every mistake shows."""
        # Labels stay as they are: only real numbers can be drawn.
        given = {n: np.shape(v) if np.asarray(v).dtype.kind == "f" else v for n, v in self.arguments.items()}
        return mg.probe(self.forward, given)

    @cached_property
    def _mutants(self) -> tuple[Trial, list[Mutant]]:
        upstream = self.probe.upstream
        given = upstream if isinstance(upstream, tuple) else (upstream,)
        trial = Trial(self.forward, self.probe.arguments, given)
        hidden = {found.mutant.key for found in self.probe.hidden}
        return trial, [mutant for mutant in mutants_of(trial) if mutant.key not in hidden]

    def failures(self, language: str) -> list[Failure]:
        """Return what each kind of mistake of the lesson does, planted in the engine's backward of its function."""
        trial, mutants = self._mutants
        found = []
        for wanted in self.mistakes:
            kind, _, target = wanted.partition(" ")
            fitting = [m for m in mutants if m.kind == kind and target in ("", m.target)]
            if kind == "path_missing":  # of several: a gradient that is left out whole is another mistake
                fitting = [m for m in fitting if m.what != m.target]
            if not fitting:
                known = ", ".join(sorted({f"{m.kind} {m.target}" for m in mutants}))
                raise ValueError(f"{self.path.name}: no mistake {wanted!r} can be made here; there are {known}")
            mutant = fitting[0]
            row, source = MISTAKES[kind], mutant.target.removeprefix("d")
            words = [say(language, phrase, source=source) for phrase in (row.summary, row.why, row.step)]
            summary, why, step = words
            found.append(Failure(summary, described(mutant, language), why, step, *self._seen(trial, mutant)))
        return found

    def _seen(self, trial: Trial, mutant: Mutant) -> tuple[str, Any, float, bool, bool]:
        """Return the gradient that a mutant changes most: its name, shapes if they differ, the change; how."""
        right, wrong = trial.outputs(), trial.outputs(mutant)
        if wrong is None or right is None:
            return mutant.target, None, 0.0, True, False
        names = [f"d{node.name}" for node in self.graph.inputs if node.name in self.arguments]
        changes = []
        for name, true, got in zip(names, right, wrong, strict=True):
            shapes = None if np.shape(true) == np.shape(got) else (np.shape(true), np.shape(got))
            change = np.inf if shapes else float(np.abs(true - got).max() / np.abs(true).max())
            changes.append((name, shapes, change, False, not np.shape(true)))
        return max(changes, key=lambda seen: seen[2])

    # ---- the exercise ----

    @property
    def shapes(self) -> list[str]:
        """The shapes of the exercise's arguments, as `--input` takes them."""
        shapes = self.exercise["shapes"].items()
        return [word for name, n in shapes for word in ("--input", f"{name}={'x'.join(map(str, n)) or 'scalar'}")]

    @property
    def name(self) -> str:
        """The name of the exercise's files, without their ends."""
        return f"{self.path.stem}-exercise"

    @cache  # noqa: B019 - there are a dozen lessons
    def files(self, language: str) -> dict[str, str]:
        """Return the exercise and its solution by the names of their files, as `micrograd exercise` writes them."""
        options = [f"--{name}={self.exercise[name]}" for name in ("kind", "blanks", "seed")]
        target = f"{self.path.name}:{self.asked_of.__name__}"
        with tempfile.TemporaryDirectory() as folder, _inside(folder):
            alone = f"import numpy as np\n\n\n{self.cells['exercise'].text}\n"  # not the story: it is run four times
            Path(self.path.name).write_text(alone, encoding="utf-8")
            said = io.StringIO()
            for suffix in (".py", ".ipynb"):
                with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                    words = ["exercise", target, *self.shapes, *options, "--lang", language, "-o", self.name + suffix]
                    if command(words):
                        raise ValueError(f"{self.path.name}: no exercise was made: {said.getvalue()}")
            return {p.name: p.read_text(encoding="utf-8") for p in sorted(Path().glob(f"{self.name}*"))}

    def shown_alone(self) -> str:
        """Return the lesson's function as a file of its own, with its backward, and what both use."""
        found: dict[str, Any] = {}
        name = self.forward.__name__
        waiting = [name, name.replace("_forward", "_backward")]
        while waiting:
            name = waiting.pop()
            value = vars(self.module).get(name)
            if name not in found and isinstance(value, types.FunctionType | int | float):
                found[name] = value
                waiting += value.__code__.co_names if isinstance(value, types.FunctionType) else ()
        functions = [f for f in found.values() if isinstance(f, types.FunctionType)]
        functions.sort(key=lambda f: f.__code__.co_firstlineno)
        numbers = [f"{name} = {value!r}\n" for name, value in found.items() if value not in functions]
        return "\n\n".join(["import numpy as np\n", *numbers, *map(inspect.getsource, functions)])

    def asked(self, language: str, *, solved: bool = False) -> str:
        """Return the code of the exercise with its blanks, or of the solution."""
        text = self.files(language)[f"{self.name}{'_solution' if solved else ''}.py"]
        return text[text.index("\ndef ") + 1 : text.index('\n\n\nif __name__ == "__main__":')]


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    """Work in a folder; nothing that is printed is coloured, and no program is named by this machine's paths."""
    before, argv = os.getcwd(), sys.argv
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.argv = argv


@cache
def lesson(stem: str) -> Lesson:
    """Return the lesson of that name, ``04-broadcasting``, executed."""
    return Lesson(LESSONS / f"{stem}.py")
