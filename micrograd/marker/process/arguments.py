"""Choose the arguments that a pair of functions is marked with: of several guesses the one that accuses fewest."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import itertools
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.diagnosis.marking import forward_of
from micrograd.marker.inputs.calling import Stopped, Watch, call_of, function_named, gradients_of, result_of
from micrograd.marker.inputs.clues import clues_of, source_of
from micrograd.marker.inputs.conventions import ArgumentLayout, is_weak, role_of, sizes_of, unknown
from micrograd.marker.inputs.guessing import fitting, probes_of, runs
from micrograd.marker.inputs.layers import lifted, made_of
from micrograd.marker.inputs.own_loss import with_own_loss
from micrograd.marker.inputs.pairs import Pair, is_slope
from micrograd.marker.inputs.task import Call, Probe, Task
from micrograd.marker.messages import problem
from micrograd.marker.process.limits import TRIALS
from micrograd.marker.process.packing import unpacked
from micrograd.marker.student.recording import load
from micrograd.marker.truth.cases import MISSING, Case, judged, prepare
from micrograd.pytree import paths

__all__ = ["task_of"]

_GUESSES = 4  # that are tried where the first does not fit


def task_of(
    request: dict[str, Any],
    part: Callable[[str], object] = lambda _: None,
    note: Callable[[str], object] = lambda _: None,
) -> tuple[Task, types.ModuleType]:
    """Return the task that a request describes, and the student's text as a module.

    The forward is run to see what fits.

    Args:
        request: `micrograd.marker.process.runner.Request` as a dictionary.
        part: called when another part of what is printed begins, with
            `limits.TRIALS` or `limits.SHOWN`: of all runs one is shown.
        note: called with what is passed over in the text.

    Raises:
        MicrogradError: the two functions cannot be called as a pair; and whatever the student's code raises.
    """
    source, file = request["source"], request["file"]
    pair = Pair(request["forward"], request["backward"], request["kind"], 1)
    with contextlib.suppress(SyntaxError, ValueError):  # reported where it is loaded
        source, joined = with_own_loss(source, pair)
        pair = replace(pair, forward=joined)
    namespace = unpacked(request["namespace"])
    module = load(source, file, (pair.forward, pair.backward), namespace=namespace, note=note)
    part(TRIALS)
    owner = pair.forward.rpartition(".")[0] if pair.kind != "function" else ""  # that of a static method is no object
    task = Task(
        source, file, pair.forward, pair.backward, Call(), (), receiver=owner, reference=request["reference"],
        namespace=namespace, seconds=request["seconds"] / 2,
        made=tuple(p.name for p in made_of(module, owner)) if owner else (),
    )  # fmt: skip
    choice = _Choice(
        task, module, pair, forward_of(task, module), function_named(module, pair.backward),
        unpacked(request["example"]), unpacked(request["upstream"]), request["seed"],
    )  # fmt: skip
    return choice.best(), module


@dataclass(slots=True)
class _Guess:
    """One guess of the arguments: its layout, the task, what the backward returns and how that does not fit."""

    layout: ArgumentLayout
    task: Task
    gradients: list[Any] | None
    off: set[str]


@dataclass(slots=True)
class _Choice:
    """All that a guess needs, and the choice between several."""

    task: Task
    module: types.ModuleType
    pair: Pair
    forward: Any
    backward: Callable[..., Any]
    example: Any
    upstream: Any
    seed: int

    def best(self) -> Task:
        """Return the task with the likeliest arguments."""
        watch = Watch(self.forward)
        layouts = fitting(watch.forward, self.example, self.backward)
        try:
            likeliest = next(layouts)
        except Stopped as stopped:
            raise stopped.args[0] from None
        except GraphError as error:
            cause = watch.cause(self.pair.forward) or error
            cause.unknown = unknown(self.forward)  # type: ignore[attr-defined]
            raise cause from None
        first = self.guess(likeliest)
        if not first.off or self.upstream is not None:
            return first.task
        others = list(self.others(first, layouts))
        if others:
            first = min([first, *others], key=lambda one: (*self.wrong(one.task), bool(one.off)))
        named, open_ = first.task.probes[0].arguments, {*unknown(self.forward)}
        if "raises" in first.off and not self.example and any(n in open_ or role_of(n) == "labels" for n in named):

            @functools.wraps(self.forward)
            def whole(**arguments: Any) -> Any:
                """Run the forward and then the backward: what is unknown of the arguments is looked for once more."""
                return self.both(arguments)

            with contextlib.suppress(GraphError):
                return self.guess(next(fitting(self.forward, self.example, self.backward, whole))).task
        return first.task

    def guess(self, layout: ArgumentLayout) -> _Guess:
        """Return the task with probes of a layout, and what its backward returns on the first."""
        text = inspect.getsource(self.backward)
        modes = ("test",) if re.search(r"""mode.*["'](test|train)["']""", text) else ()
        drawn = tuple(
            probes_of(self.forward, layout, self.example, seed=self.seed, modes=modes, backward=self.backward)
        )
        if self.upstream is not None:  # then for exactly these arrays, before the probes
            given = _given(self.forward, self.example, drawn[0].arguments)
            upstream = self.upstream if isinstance(self.upstream, tuple) else (self.upstream,)
            drawn = (Probe(given, upstream, self.seed), *drawn)
        pair, task, first = self.pair, replace(self.task, probes=drawn), drawn[0]
        result = result_of(self.forward, first)
        run: Callable[[Call], Any]
        if task.receiver:
            made = lifted(task, self.module, pair, self.forward, result)
            run = functools.partial(_run_method, self.forward, pair, probe=first, result=result)
        else:
            run = functools.partial(gradients_of, self.backward, probe=first, result=result)
            made = replace(task, call=call_of(pair, self.backward, first.arguments, result, task.source, run))
        if pair.kind == "function" and is_slope(pair) and [a.origin for a in made.call.arguments] == ["input"]:
            made = self.of_result(made)
        made = self.without_step(made)
        if pair.kind == "loss":
            if task.receiver:
                return _Guess(layout, made, None, set())
            run = lambda _: result  # noqa: E731
        return _Guess(layout, made, *_misfits(made, result, run))

    def of_result(self, task: Task) -> Task:
        """Return the task with the slope of what the forward returned, ``s * (1 - s)``, where only that is right."""
        given = tuple(replace(argument, origin="result", key=None) for argument in task.call.arguments)
        other = replace(task, call=replace(task.call, arguments=given))
        return other if self.wrong(task)[0] and not self.wrong(other)[0] else task

    def without_step(self, task: Task) -> Task:
        """Return the task as it is: it has a step of none, which changes no weight before it is read.

        Raises:
            GraphError: its gradients are right, and with a step they are not.
        """
        rates = [a for a in task.call.arguments if a.origin == "value" and type(a.key) is float]
        given = tuple(replace(a, key=0.1) if a in rates else a for a in task.call.arguments)
        if rates and not self.wrong(task)[0] and self.wrong(replace(task, call=replace(task.call, arguments=given)))[0]:
            raise GraphError(problem("step", name=self.pair.backward, rate=rates[0].name))
        return task

    def others(self, first: _Guess, layouts: Iterator[ArgumentLayout]) -> Iterator[_Guess]:
        """Yield other guesses that may be meant where the first does not fit."""
        with contextlib.suppress(GraphError):
            said = self.said_by_gradients(first)
            if said is not None:
                yield self.guess(said)
        for layout in itertools.islice(layouts, _GUESSES - 1):
            with contextlib.suppress(GraphError):
                guess = self.guess(layout)
                plainer = _is_plainer(guess.task.probes[0], first.task.probes[0])
                wider = _axes(guess.task.probes[0]) > _axes(first.task.probes[0])
                if not guess.off and ("strange" in first.off or (plainer if "raises" in first.off else wider)):
                    yield guess
                    return

    def said_by_gradients(self, first: _Guess) -> ArgumentLayout | None:
        """Return the layout with arguments of the shapes of their gradients, where no name says what they are."""
        entries, arguments = dict(first.layout.entries), first.task.probes[0].arguments
        clues, text = clues_of(self.forward, self.backward), source_of(self.forward)
        drawn = {n: (np.shape(arguments[n]), e.dims) for n, e in entries.items() if e.kind != "settings"}
        data = next((n for n, (shape, _) in drawn.items() if shape), "")
        axes = {length: dim for shape, dims in drawn.values() for length, dim in zip(shape, dims, strict=False)}
        for (_, name), gradient in zip(first.task.call.results, first.gradients or (), strict=False):
            got = getattr(gradient, "shape", None)
            if name not in entries or got is None or got == np.shape(arguments[name]) or name in clues.rows:
                continue
            row = np.shape(arguments[name])[-len(got) :] == got and name != data  # what the examples share
            weak = is_weak(name, list(entries), text) and entries[name].kind in ("array", "scale", "positive", "chance")
            if (weak or row) and all(length in axes for length in got) and (got or name not in clues.arrays):
                entries[name] = replace(entries[name], dims=tuple(axes[length] for length in got))
        layout = replace(first.layout, entries=entries)
        changed = entries != first.layout.entries
        return layout if changed and any(runs(self.forward, layout, sizes) for sizes in sizes_of(layout)) else None

    def wrong(self, task: Task) -> tuple[int, int]:
        """Return how many gradients are wrong under a guess, and how many have another shape only."""
        try:
            case = prepare(task, forward_of(task, self.module), task.probes[0])
            got = case.result if self.pair.kind == "loss" else case.call(self.backward)
            states = [one.state for one in judged(case, got)]
        except Exception:  # noqa: BLE001 - whatever the student's code raises
            return len(task.call.results), 0
        return sum(state in ("wrong", "missing") for state in states), states.count("shape")

    def both(self, arguments: Mapping[str, Any]) -> Any:
        """Run the forward and then the backward."""
        probe = Probe(arguments)
        result = result_of(self.forward, probe)
        last = self.pair.backward.rpartition(".")[2]
        method = getattr(self.forward.instance, last) if self.task.receiver else self.backward
        gradients_of(method, call_of(self.pair, method, arguments, result, self.task.source), probe, result)
        return result


def _run_method(forward: Any, pair: Pair, call: Call, probe: Probe, result: Any) -> Any:
    """Run the backward of the object that the forward ran on."""
    method = getattr(copy.deepcopy(forward.instance), pair.backward.rpartition(".")[2])
    return gradients_of(method, call, probe, result)


def _is_plainer(one: Probe, other: Probe) -> bool:
    """Return whether the arrays of one guess have fewer axes together, or it has other labels beside the same arrays.

    Of two guesses that run, the plainer one is meant; of labels and rows with a single one nobody knows which.
    """
    kinds = [
        {n: (np.ndim(v), np.asarray(v).dtype.kind) for n, v in probe.arguments.items() if not isinstance(v, dict)}
        for probe in (one, other)
    ]
    axes = [[n for name, (n, _) in kind.items() if role_of(name) != "labels"] for kind in kinds]
    return sum(axes[0]) < sum(axes[1]) or (axes[0] == axes[1] and kinds[0] != kinds[1])


def _axes(probe: Probe) -> int:
    """Return how many axes the arrays have together."""
    return sum(getattr(value, "ndim", 0) for value in probe.arguments.values())


def _misfits(task: Task, result: Any, run: Callable[[Call], Any]) -> tuple[list[Any] | None, set[str]]:
    """Return the gradients, and how their shapes are not their inputs': the shapes were guessed, perhaps wrongly.

    One that is not yet summed, summed too far or transposed is ``usual``; another is ``strange``.
    """
    try:
        gradients = Case(task, task.probes[0], result, (), [], []).gradients_in(run(task.call))
    except (ValueError, TypeError, IndexError):
        return None, {"raises"}
    except Exception:  # noqa: BLE001 - whatever the student's code raises; other shapes would not mend it
        return None, set()
    given = dict(pair for name, value in task.probes[0].arguments.items() for pair in paths(value, name))
    off: set[str] = set()
    for (_, path), gradient in zip(task.call.results, gradients, strict=True):
        got, wanted = getattr(gradient, "shape", ()), np.shape(given.get(path, ()))
        if gradient is MISSING or got == wanted or sorted(got) == sorted(wanted):
            continue
        try:
            np.broadcast_shapes(got, wanted)
            off.add("usual")
        except ValueError:
            off.add("strange")
    return gradients, off


def _given(forward: Callable[..., Any], example: Any, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the forward as they were given, by parameter; those that were not as they were drawn."""
    bind = inspect.signature(forward).bind_partial
    bound = bind(**example) if isinstance(example, dict) else bind(*example)
    return {**drawn, **{name: value for name, value in bound.arguments.items() if not isinstance(value, tuple)}}
