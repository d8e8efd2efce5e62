"""What a test that exists cannot see, and why: gamma = 1, dout = 1, N = D, N = 2, an eps of 1e-5.

Nothing here is a rule of thumb. Every mistake is made in the backward pass on the test's own inputs; then one
weakness of these is mended at a time, and the mistakes that come to light are those that it hid.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.graph.graph import upstream_for
from micrograd.marker.inputs.conventions import EPS, SIZES, ArgumentLayout
from micrograd.marker.inputs.guessing import fitted, outputs_of
from micrograd.marker.messages import say
from micrograd.marker.probing.mutants import mutants_of
from micrograd.marker.probing.probe_messages import WORDS, described, number
from micrograd.marker.probing.traps import Trap, traps_of
from micrograd.marker.probing.trial import Mutant, Trial
from micrograd.marker.probing.visible_inputs import LARGE, SPREADS, VisibleProbe, searched

__all__ = ["Cause", "Lint", "judged"]

_EXAMPLES = 3  # mistakes that are named for each cause
Found = tuple[tuple[Mutant, float], ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """A weakness of a test.

    Attributes:
        key: of its sentence in `micrograd.marker.probing.probe_messages.WORDS`; empty for what only all repairs
        together show. holes: what fills it. hides: the mistakes that mending it alone brings to light, with how much
        they change in the test as it is.
    """

    key: str
    holes: Mapping[str, Any]
    hides: Found

    def text(self, language: str = "en") -> str:
        """Return the weakness in a few words: ``gamma = 1 everywhere``."""
        return say(language, WORDS[self.key], **self.holes)


@dataclass(frozen=True, slots=True)
class Lint:
    """The judgement of a test.

    Attributes:
        forward: the name of the function.
        visible: how many mistakes some input shows.
        blind: those that this test does not, with how much they change.
        causes: its weaknesses, that which hides most first.
        traps: what else is misleading about it.
        better: a probe to use instead.
        bar: what counts as seen: a change by this share of a gradient's largest entry.
    """

    forward: str
    visible: int
    blind: Found
    causes: tuple[Cause, ...]
    traps: tuple[Trap, ...]
    better: VisibleProbe
    bar: float

    @property
    def ok(self) -> bool:
        """Return whether the test sees every mistake that can be seen."""
        return not self.blind

    def text(self, language: str = "en") -> str:
        """Return the judgement, in ``en`` or ``zh``."""
        counts = {"blind": len(self.blind), "visible": self.visible, "bar": f"{self.bar:g}"}
        lines = [say(language, WORDS["lint.good" if self.ok else "lint.blind"], **counts)]
        if self.better.possible > self.better.mutants:
            lines.append(say(language, WORDS["probe.part"], tried=self.better.mutants, possible=self.better.possible))
        for cause in self.causes:
            key = "lint.cause" if cause.key else "lint.together"
            named = cause.text(language) if cause.key else ""
            lines.append(say(language, WORDS[key], cause=named, count=len(cause.hides)))
            for mutant, change in _unlike(cause.hides)[:_EXAMPLES]:
                mistake = described(mutant, language)
                lines.append(say(language, WORDS["lint.mistake"], mistake=mistake, change=number(change)))
        if self.traps:
            lines.append(say(language, WORDS["lint.traps"]))
            lines += [say(language, WORDS["lint.trap"], trap=trap.text(language)) for trap in self.traps]
        if not self.ok:
            lines.append(say(language, WORDS["lint.better"], inputs=self.better.inputs(), seen=self.better.seen,
                             visible=self.visible, name=self.forward))  # fmt: skip
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Lint of a test of {self.forward}: cannot see {len(self.blind)} of {self.visible} mistakes>"


def _unlike(found: Found) -> Found:
    """Return one of each kind first."""
    kinds = {mutant.kind: (mutant, change) for mutant, change in reversed(found)}
    first = tuple(kinds[kind] for kind in dict.fromkeys(mutant.kind for mutant, _ in found))
    return first + tuple(entry for entry in found if entry not in first)


# ---- the test --------------------------------------------------------


def _listed(value: Any) -> Any:
    return np.asarray(value, float) if isinstance(value, list) else value


def _split(forward: Callable[..., Any], test: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Return a test as arguments by parameter and upstream gradients.

    Raises:
        GraphError: the function cannot be called with it.
    """
    signature = inspect.signature(forward)
    called = f"{getattr(forward, '__name__', 'the function')}{signature}"
    if isinstance(test, Mapping):
        given = {name: _listed(value) for name, value in test.items() if name in signature.parameters}
        upstream = tuple(_listed(value) for name, value in test.items() if name not in signature.parameters)
        return given, upstream
    if not isinstance(test, Sequence) or isinstance(test, str):
        test = (test,)
    values = [_listed(value) for value in test]
    unbound: Exception | None = None
    problem: Exception | None = None
    for behind in (1, 2, 0):  # as many upstream gradients, where their shapes are those of the outputs
        count = len(values) - behind
        try:
            arguments = dict(signature.bind(*values[:count]).arguments)
        except TypeError as error:
            unbound = error  # of the last attempt, which takes all of them for arguments
            continue
        try:
            outputs = outputs_of(forward, arguments)
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises
            problem = problem or error
            continue
        if [np.shape(out) for out in outputs[:behind]] == [np.shape(value) for value in values[count:]]:
            return arguments, tuple(values[count:])
    problem = problem or unbound
    told = f"{type(problem).__name__}: {problem}" if problem else "the last array has not the shape of the output"
    raise GraphError(f"lint: {called} does not run on these {len(values)} values ({told}); "
                     "give its arguments in order, and the upstream gradient (dout) behind them.")  # fmt: skip


# ---- its weaknesses --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Repair:
    """How one weakness of a test is mended: the arguments and upstream gradients (by place) that are put in.

    `whole` says that it is a test of its own, in other sizes, and goes with no other repair.
    """

    key: str
    holes: Mapping[str, Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[int, Any] = field(default_factory=dict)
    whole: bool = False


def _is_constant(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1 and bool(np.ptp(value) == 0)


def _same_rows(value: Any) -> bool:
    many = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim > 1 and len(value) > 1
    return bool(many and not _is_constant(value) and np.all(value == value[:1]))


def _weakness(name: str, value: Any) -> tuple[str, dict[str, Any]] | None:
    if _is_constant(value):
        return "cause.constant", {"name": name, "value": f"{value.flat[0]:g}"}
    return ("cause.rows", {"name": name}) if _same_rows(value) else None


class _Patient:
    """A test, and ways to mend it."""

    def __init__(
        self,
        forward: Callable[..., Any],
        arguments: dict[str, Any],
        upstream: tuple[Any, ...],
        layout: ArgumentLayout,
        seed: int,
    ) -> None:
        self.forward, self.arguments, self.upstream, self.layout, self.seed = forward, arguments, upstream, layout, seed
        self.sizes = {**SIZES[0], **layout.sizes}

    def drawn(self, sizes: Mapping[str, int], spread: float = 1.0) -> dict[str, Any]:
        return self.layout.draw(np.random.default_rng(self.seed), sizes, spread=spread)

    def repairs(self) -> Iterator[_Repair]:
        """Yield the test with each weakness mended by itself."""
        fresh = self.drawn(self.sizes)
        for name, value in self.arguments.items():
            if (weak := _weakness(name, value)) is not None and name in fresh and np.shape(fresh[name]) == value.shape:
                yield _Repair(*weak, {name: fresh[name].astype(value.dtype)})
        for place, g in enumerate(self.upstream):
            name = "upstream" if len(self.upstream) == 1 else f"upstream {place + 1}"
            if (weak := _weakness(name, g)) is not None:
                other = upstream_for(g, np.random.default_rng([self.seed, place]))
                yield _Repair(*weak, upstream={place: other})
        yield from self._of_sizes()
        yield from self._of_eps()

    def _of_sizes(self) -> Iterator[_Repair]:
        own = [axis for axis in self.layout.sizes if axis in self.sizes]
        if self.layout.fixed or not own:
            return
        for i, first in enumerate(own):
            for second in own[:i]:
                if self.sizes[first] == self.sizes[second]:
                    holes = {"first": second, "second": first, "length": self.sizes[first]}
                    yield from self._resized("cause.equal", holes, {first: self._unlike(own)})
        if self.sizes[own[0]] <= 2:
            holes = {"axis": own[0], "length": self.sizes[own[0]]}
            yield from self._resized("cause.few", holes, {own[0]: max(4, self._unlike(own))})

    def _unlike(self, axes: Sequence[str]) -> int:
        taken = {self.sizes[axis] for axis in axes}
        return next(length for length in range(3, 99) if length not in taken)

    def _resized(self, key: str, holes: Mapping[str, Any], sizes: Mapping[str, int]) -> Iterator[_Repair]:
        """Yield the test in other sizes, constants kept."""
        arguments = self.drawn({**self.sizes, **sizes})
        for name, value in self.arguments.items():
            if _is_constant(value) and name in arguments:
                arguments[name] = np.full(np.shape(arguments[name]), value.flat[0])
            elif not isinstance(value, np.ndarray):
                arguments[name] = value
        try:
            outputs = outputs_of(self.forward, arguments)
        except Exception:  # noqa: BLE001 - the function takes no other sizes
            return
        rng = np.random.default_rng([self.seed, 9])
        upstream = {
            place: np.full(np.shape(out), g.flat[0]) if _is_constant(g) else upstream_for(out, rng)
            for place, (out, g) in enumerate(zip(outputs, self.upstream, strict=False))
        }
        yield _Repair(key, holes, arguments, upstream, whole=True)

    def _of_eps(self) -> Iterator[_Repair]:
        if self.layout.takes_eps:
            given = self.layout.draw(np.random.default_rng(0), self.sizes, eps=LARGE)
            for name, value in given.items():
                if EPS.fullmatch(name):
                    now = self.arguments.get(name, self.layout.entries[name].value)
                    mended: Any = value
                elif isinstance(value, dict) and (key := next((k for k in value if EPS.fullmatch(str(k))), None)):
                    settings = self.arguments.get(name, {})
                    now, mended = settings.get(key, 1e-5), {**settings, key: LARGE}
                else:
                    continue
                if now < LARGE / 4:
                    holes = {"value": f"{now:g}"}
                    yield _Repair("cause.eps", holes, {name: mended})
            return
        arrays = [n for n, v in self.arguments.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
        name = next((n for n in arrays if self.arguments[n].ndim > 1), "")
        if name:
            now = float(np.std(self.arguments[name]))
            for spread in SPREADS:
                smaller = {name: self.arguments[name] * (spread / (now or 1.0))}
                yield _Repair("cause.scale", {"name": name, "value": number(now)}, smaller, whole=True)

    def sees(self, repairs: Sequence[_Repair], keys: Sequence[str], tolerance: float) -> set[str]:
        """Return those of the mistakes that the test sees with these repairs."""
        arguments, upstream = dict(self.arguments), dict(enumerate(self.upstream))
        for repair in repairs:
            arguments.update(repair.arguments)
            upstream.update(repair.upstream)
        try:
            trial = Trial(self.forward, arguments, tuple(upstream.values()), self.seed)
        except Exception:  # noqa: BLE001 - the function does not take what was mended
            return set()
        mutants = {mutant.key: mutant for mutant in mutants_of(trial)}
        return {key for key in keys if key in mutants and trial.change(mutants[key]) > tolerance}

    def hides(self, blind: Sequence[str], tolerance: float) -> list[tuple[_Repair, set[str]]]:
        """Return what each weakness hides.

        What shows when it alone is mended, and what does not when all others are.
        """
        repairs = list(self.repairs())
        small = [repair for repair in repairs if not repair.whole]
        mended = self.sees(small, blind, tolerance)
        found = []
        for repair in repairs:
            hidden = self.sees([repair], blind, tolerance)
            if not repair.whole and len(small) > 1:
                others = self.sees([other for other in small if other is not repair], blind, tolerance)
                hidden |= mended - others
            found.append((repair, hidden))
        return found


def judged(forward: Callable[..., Any], test: Any, *, seed: int = 0, tolerance: float = 1e-3) -> Lint:
    """Return what a test cannot see.

    Args:
        forward: a function of arrays; it is run.
        test: its arguments in order and the upstream gradient behind them, or all by name.
        seed: of the inputs that it is compared with.
        tolerance: how much of a gradient's largest entry a mistake must change to be seen.

    Raises:
        GraphError: the function does not run on the test's arguments, or cannot be traced.
    """
    arguments, upstream = _split(forward, test)
    layout = fitted(forward, arguments)
    patient = Trial(forward, arguments, upstream, seed)
    upstream = patient.upstream
    search = searched(forward, layout, seed=seed, tolerance=tolerance)
    own = {mutant.key: mutant for mutant in mutants_of(patient)}
    visible = [key for key in search.survey.visible if key in own]
    changes = {key: patient.change(own[key]) for key in visible}
    blind = [key for key in visible if not changes[key] > tolerance]

    def found(keys: Sequence[str]) -> Found:
        return tuple((own[key], changes[key]) for key in keys)

    causes, shown = dict[tuple[str, str], Cause](), set[str]()
    mended = _Patient(forward, arguments, upstream, layout, seed)
    for repair, hidden in mended.hides(blind, tolerance) if blind else ():
        shown |= hidden
        name = (repair.key, str(repair.holes))
        if hidden and (name not in causes or len(causes[name].hides) < len(hidden)):
            causes[name] = Cause(repair.key, repair.holes, found([key for key in blind if key in hidden]))
    ranked = sorted(causes.values(), key=lambda cause: -len(cause.hides))
    if rest := [key for key in blind if key not in shown]:
        ranked.append(Cause("", {}, found(rest)))
    return Lint(
        getattr(forward, "__name__", type(forward).__name__),
        len(visible),
        found(blind),
        tuple(ranked),
        tuple(traps_of(forward, patient, [own[key] for key in visible], tolerance, seed)),
        search.chosen(forward, tolerance),
        tolerance,
    )
