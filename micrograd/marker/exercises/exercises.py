"""Exercises: the backward pass of any traced function with blanks in it, or with a mistake planted.

Nothing is written per layer: the backward is printed from the graph (`micrograd.export.numpy_source.listing`), run
against the engine before it is handed out, and marked by `check`. The same seed makes the same exercise.
"""

from __future__ import annotations

import ast
import copy
import dis
import importlib.resources
import inspect
import itertools
import linecache
import random
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.export.numpy_source.listing import Line, Listing, listed_backward
from micrograd.marker.exercises.blanks import BLANK, AlteredLine, axis_blanked, mistakes_in, rule_blanked, shape_blanked
from micrograd.marker.exercises.exercise_messages import EXERCISES, WORDS, translated
from micrograd.marker.inputs.guessing import make
from micrograd.marker.inputs.task import Probe
from micrograd.marker.messages import place_of, say
from micrograd.marker.probing.trial import Trial, largest
from micrograd.marker.probing.visibility import VISIBLE
from micrograd.pytree import call_by_parameter

__all__ = ["LESSONS", "Answer", "Exercise", "Lesson", "exercise", "lesson", "lesson_of"]

LESSONS = ("batchnorm", "layernorm", "groupnorm", "softmax", "affine_relu")
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A forward function to make exercises of.

    Attributes:
        text: its source, with what it needs around it.
        forward: the function.
    """

    text: str
    forward: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What belongs in a blank, or where a mistake was planted.

    Attributes:
        number: of the blank, as it is marked in the text.
        right: what belongs there.
        wrong: the planted line; empty for a blank.
        why: the kind of mistake, as in `micrograd.marker.report.KINDS`; empty for a blank.
    """

    number: int
    right: str
    wrong: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise and its solution.

    Attributes:
        kind: one of `micrograd.marker.exercises.exercise_messages.EXERCISES`.
        language: ``en`` or ``zh``.
        seed: that it was made from.
        forward, backward: names of the functions.
        given: the text of the forward pass.
        asked: the text of the backward pass with its blanks or mistakes.
        solved: the same, right.
    """

    kind: str
    language: str
    seed: int
    forward: str
    backward: str
    given: str
    asked: str
    solved: str
    answers: tuple[Answer, ...]
    """One for each blank."""
    example: tuple[tuple[str, Any], ...] = ()
    """The shapes and settings that it was made with, by parameter: it is marked with the same."""


# ---- forward functions --------------------------------------------------------


def _executed(text: str, name: str) -> Callable[..., Any]:
    """Return the function of that name in a text of its own, whose lines `trace` can read."""
    file = f"<exercise {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": "exercise"}
    exec(compile(text, file, "exec"), space)  # noqa: S102 - a lesson, or what was printed from a graph
    found: Callable[..., Any] = space[name]
    return found


def lesson(name: str, language: str = "en") -> Lesson:
    """Return one of the lessons that come with the project.

    Args:
        name: one of `LESSONS`.
        language: of its comments.

    Raises:
        GraphError: there is none of that name.
    """
    if name not in LESSONS:
        raise GraphError(f"there is no lesson {name!r}; there are {', '.join(LESSONS)}, or give FILE.py:FUNCTION.")
    text = (importlib.resources.files("micrograd.marker.exercises.lessons") / f"{name}.py").read_text(encoding="utf-8")
    text = text[text.index("import numpy") :]
    text = translated(text) if place_of(language) else text
    return Lesson(text, _executed(text, f"{name}_forward"))


def lesson_of(forward: Callable[..., Any]) -> Lesson:
    """Return a function of the user's, with the imports, helpers and constants of its file that it uses.

    Raises:
        GraphError: its source cannot be read.
    """
    try:
        text, own = inspect.getsource(inspect.getmodule(forward) or forward), inspect.getsource(forward)
    except (OSError, TypeError):
        name = getattr(forward, "__name__", "the function")
        raise GraphError(f"the source of {name} cannot be read; put it into a file.") from None
    tree = ast.parse(text)
    makers = {name: statement for statement in tree.body for name in _made_by(statement)}
    start = next((s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == forward.__name__), None)
    if start is None:
        return Lesson(textwrap.dedent(own), forward)
    wanted: set[ast.stmt] = {start}
    stack: list[ast.stmt] = [start]
    while stack:
        made = {makers[name] for name in _read_by(stack.pop()) if name in makers} - wanted
        wanted |= made
        stack += made
    kept = {statement: ast.get_source_segment(text, statement) or "" for statement in tree.body if statement in wanted}
    imports = [part for statement, part in kept.items() if isinstance(statement, (ast.Import, ast.ImportFrom))]
    parts = [part for part in kept.values() if part not in imports]
    return Lesson("\n".join(imports) + "\n\n\n" + "\n\n\n".join(parts) + "\n", forward)


def _read_by(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement finds in its module; what a function assigns itself is not among them."""
    stack = [compile(ast.Module([statement], []), "<statement>", "exec")]
    while stack:
        code = stack.pop()
        stack += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for step in dis.get_instructions(code):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                yield step.argval


def _made_by(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


# ---- exercises --------------------------------------------------------


def exercise(
    start: Lesson, kind: str = "line", *, blanks: int = 3, seed: int = 0, language: str = "en",
    example: Mapping[str, Any] | Sequence[Any] = (),
) -> Exercise:  # fmt: skip
    """Return an exercise.

    Args:
        start: the forward function.
        kind: ``line``, ``rule``, ``edge``, ``shape``, ``axis``, or ``bug`` for a planted mistake.
        blanks: how many; fewer where there are not so many places. Of mistakes and edges one is made for each.
        seed: of what is chosen.
        language: ``en`` or ``zh``.
        example: arguments of the forward, where they cannot be guessed.

    Raises:
        GraphError: an unknown kind, a function without a place for it, or one whose backward cannot be listed.

    >>> made = exercise(lesson("affine_relu"), "axis")
    >>> [line.strip() for line in made.asked.splitlines() if "___" in line]
    ['db = np.sum(dh, axis=___)  # 1: which axis?']
    """
    if kind not in EXERCISES:
        raise GraphError(f"there is no kind of exercise {kind!r}; there are {', '.join(EXERCISES)}.")
    place_of(language)
    rng = random.Random(f"{seed} {kind}")  # noqa: S311 - which line is blank
    found = [*make(start.forward, example), *make(start.forward, example, seed=1)]
    varied = [_varied(probe, place).arguments for place, probe in enumerate(found[:3])]
    listing = listed_backward(start.forward, varied, shapes=kind == "shape")
    judge = _Judge(start, listing, found[:4])
    if judge.apart(listing.source()) > 1e-9:
        raise GraphError(f"the backward printed for {listing.name} is not the engine's; please report this function.")
    maker = _Maker(listing, judge, language, rng)
    edits, answers = maker.bugs(blanks) if kind == "bug" else maker.blanks(kind, blanks)
    if not answers:
        raise GraphError(f"{listing.name} has no place for an exercise of the kind {kind!r}; choose another kind.")

    name = getattr(start.forward, "__name__", "f")
    return Exercise(
        kind, language, seed, name, listing.name, _with_numpy(start.text.strip() + "\n"), maker.written(edits),
        listing.source(), tuple(answers), _by_parameter(start.forward, example),
    )  # fmt: skip


def _with_numpy(text: str) -> str:
    """Return a forward's text with the import that its backward needs, where the forward itself did without."""
    bound = [name for statement in ast.parse(text).body for name in _made_by(statement)]
    return text if "np" in bound else f"import numpy as np\n\n\n{text}"


def _by_parameter(
    forward: Callable[..., Any], example: Mapping[str, Any] | Sequence[Any]
) -> tuple[tuple[str, Any], ...]:
    """Return shapes for the arrays of an example, and its settings, in the order of the parameters."""
    signature = inspect.signature(forward)
    given = signature.bind_partial(**example) if isinstance(example, Mapping) else signature.bind_partial(*example)
    return tuple((name, np.shape(v) if isinstance(v, np.ndarray) else v) for name, v in given.arguments.items())


def _varied(probe: Probe, place: int) -> Probe:
    """Return a probe with other numbers for its settings, so that they are distinguished from constants."""
    arguments = {
        name: value * (1 + 0.1 * place) if type(value) is float else value for name, value in probe.arguments.items()
    }
    return Probe(arguments, probe.upstream, probe.seed)


class _Judge:
    """Runs backwards against the engine."""

    def __init__(self, start: Lesson, listing: Listing, found: Sequence[Probe]) -> None:
        self.listing, self.name = listing, listing.name
        self.trials = [Trial(start.forward, probe.arguments, seed=probe.seed) for probe in found]
        self.given: list[list[Any]] = []
        for probe in found:
            result = call_by_parameter(start.forward, probe.arguments, seed=probe.seed)
            cached = listing.parameters == ("cache",)
            self.given.append([result[-1]] if cached else [probe.arguments[name] for name in listing.parameters])

    def apart(self, text: str) -> float:
        """Return how far a backward is from the engine's, against the size of each gradient.

        Infinite where it fails.
        """
        worst = 0.0
        try:
            backward = _executed(f"import numpy as np\n\n\n{text}", self.name)
            for trial, given in zip(self.trials, self.given, strict=True):
                with np.errstate(all="ignore"):
                    got = backward(*copy.deepcopy(trial.upstream), *copy.deepcopy(given))
                for mine, true in zip(got if isinstance(got, tuple) else (got,), trial.outputs() or (), strict=True):
                    if np.shape(mine) != np.shape(true):
                        return np.inf
                    apart, size = largest(mine - true), largest(true)
                    worst = max(worst, apart / size if size > 1e-12 * trial.scale else apart / trial.scale)
        except Exception:  # noqa: BLE001 - a planted mistake may raise anything
            return np.inf
        return worst

    def shapes(self) -> dict[str, list[tuple[int, ...]]]:
        """Return the shapes, on every probe, of the arrays that the backward has to work with."""
        found: dict[str, list[tuple[int, ...]]] = {}
        for trial, given in zip(self.trials, self.given, strict=True):
            at_hand = dict(zip(self.listing.parameters, given, strict=True))
            at_hand.update(zip(self.listing.upstream, trial.upstream, strict=True))
            for statement in self.listing.opening:
                exec(statement, {"np": np}, at_hand)  # noqa: S102 - it unpacks the cache
            for name, value in at_hand.items():
                if isinstance(value, np.ndarray) and value.dtype.kind == "f" and name not in self.listing.upstream:
                    found.setdefault(name, []).append(value.shape)
        return found


class _Maker:
    """Chooses what to leave out or to plant."""

    def __init__(self, listing: Listing, judge: _Judge, language: str, rng: random.Random) -> None:
        self.listing, self.judge, self.language, self.rng = listing, judge, language, rng
        self.lines = [line for line in listing.lines if line.kind in ("path", "sum")]
        opening = "\n".join(listing.opening)
        self.lengths = [name for line in ast.parse(opening).body for name in _made_names(line)] if opening else []

    def blanks(self, kind: str, count: int) -> tuple[dict[str, str], list[Answer]]:
        """Return for each line that gets a blank its text, and what belongs there."""
        if kind == "edge":
            return self._edges(count)
        places = [(line, edit) for line in self.lines if (edit := self._blank(line, kind)) is not None]
        chosen = self._unlike([edit.answer for _, edit in places], count)
        edits, answers = {}, []
        for number, place in enumerate(chosen, 1):
            line, edit = places[place]
            edits[line.target] = self._marked(edit.statement, number, self._hint(line, kind))
            answers.append(Answer(number, edit.answer))
        return edits, answers

    def _unlike(self, answers: Sequence[str], count: int) -> list[int]:
        """Return places in order, so that as many different blanks come as there are."""
        order = self.rng.sample(range(len(answers)), len(answers))
        seen: dict[str, int] = {}
        turn = {}
        for place in order:
            turn[place] = seen[answers[place]] = seen.get(answers[place], 0) + 1
        return sorted(sorted(order, key=lambda place: turn[place])[:count])

    def _blank(self, line: Line, kind: str) -> AlteredLine | None:
        if kind == "line":
            return AlteredLine(f"{line.target} = {BLANK}", line.text) if "\n" not in line.statement else None
        if kind == "rule":
            return rule_blanked(line) if line.kind == "path" else None
        if kind == "axis":
            return axis_blanked(line)
        return shape_blanked(line, say(self.language, WORDS["shape.assert"]), self.lengths)

    def _hint(self, line: Line, kind: str) -> str:
        if kind in ("axis", "shape"):
            return say(self.language, WORDS[f"hint.{kind}"])
        if kind == "rule":
            return say(self.language, WORDS["hint.rule"], of=line.of, to=line.to)
        if line.kind == "sum":
            return say(self.language, WORDS["hint.sum"], of=line.of)
        several = any(other.kind == "sum" and other.of == line.of for other in self.listing.lines)
        return say(self.language, WORDS["hint.path" if several else "hint.only"], of=line.of, to=line.to)

    @staticmethod
    def _marked(statement: str, number: int, hint: str) -> str:
        """Return the statement with a comment behind the line that has the blank."""
        lines = statement.split("\n")
        at = next(i for i, line in enumerate(lines) if BLANK in line)
        lines[at] += f"  # {number}: {hint}"
        return "\n".join(lines)

    def _edges(self, count: int) -> tuple[dict[str, str], list[Answer]]:
        """Return a path and the sum that it goes into."""
        sums = {line.of: line for line in self.lines if line.kind == "sum"}
        places = [line for line in self.lines if line.kind == "path" and line.of in sums and "\n" not in line.statement]
        edits: dict[str, str] = {}
        answers: list[Answer] = []
        targets = {line.target for line in self.rng.sample(places, min(count, len(places)))}
        wanted = {line.of for line in places if line.target in targets}
        for line in self.lines:
            if line.target in targets or (line.kind == "sum" and line.of in wanted):
                number = len(answers) + 1
                edits[line.target] = self._marked(f"{line.target} = {BLANK}", number, self._hint(line, "edge"))
                answers.append(Answer(number, line.text))
        return edits, answers

    def bugs(self, count: int) -> tuple[dict[str, str], list[Answer]]:
        """Lines with mistakes that run, and that the probes show."""
        alike = self._alike()
        places = [(line, edit) for line in self.lines for edit in mistakes_in(line, alike)]
        self.rng.shuffle(places)
        edits: dict[str, str] = {}
        kinds: dict[str, str] = {}
        for line, edit in places:
            if len(edits) == count:
                break
            if line.target in edits:
                continue
            own = {line.target: edit.statement}
            alone, together = self.written(own), self.written(edits | own)
            if VISIBLE < self.judge.apart(alone) < np.inf > self.judge.apart(together):
                edits |= own
                kinds[line.target] = edit.kind
        wrong = [line for line in self.listing.lines if line.target in edits]
        return edits, [
            Answer(number, line.statement, edits[line.target], kinds[line.target])
            for number, line in enumerate(wrong, 1)
        ]

    def written(self, edits: Mapping[str, str]) -> str:
        """Return the backward with other statements."""
        return self.listing.source(lambda line: edits.get(line.target, line.statement))

    def _alike(self) -> dict[str, list[str]]:
        """Return for each array that the backward is given the others of the same shape."""
        shapes = self.judge.shapes()
        return {
            name: [other for other in shapes if other != name and shapes[other] == shape]
            for name, shape in shapes.items()
        }


def _made_names(statement: ast.stmt) -> list[str]:
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, (ast.Attribute, ast.Subscript)):
        return []
    return [node.id for node in ast.walk(statement.targets[0]) if isinstance(node, ast.Name)]
