"""Make the object of a layer, and see its methods as functions: of `Affine(W, b).forward(x)` the inputs are x, W and b.

What the constructor is given comes from its parameters' names, as that of a function does. Arrays that the constructor
makes itself are inputs too where the backward leaves a gradient for them: ``self.dW``, ``self.grads["W"]``, ``W.grad``.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.gradient_names import belongs, gradient_target, normal
from micrograd.marker.inputs.calling import Results, call_of, gradients_of, inputs_of, result_of
from micrograd.marker.inputs.clues import parameters, source_of
from micrograd.marker.inputs.pairs import Pair
from micrograd.marker.inputs.task import Call, Task
from micrograd.marker.messages import problem
from micrograd.marker.student.statements import entries_returned

__all__ = ["at_path", "forward_of_layer", "lifted", "made_of", "object_of", "parameters_in"]

_WINDOW = re.compile(r"stride|pad(ding)?|(pool|kernel|filter|window)_?(h|w|height|width|size)?")
_GRADS = ("grads", "grad", "gradients", "dparams", "gradient")


def made_of(module: types.ModuleType, name: str) -> list[inspect.Parameter]:
    """Return the parameters of a constructor that a check draws.

    Those without a default, rates, and numbers that the backward reads, but for what becomes an array of the object's.
    """
    plain, methods = parameters(getattr(module, name)), ("__init__", "backward", "forward")
    made, text, ahead = (source_of(getattr(getattr(module, name), which, made_of)) for which in methods)
    rate = [p.name for p in plain if type(p.default) is float and 0.1 <= p.default <= 0.9]
    for kinds, read in (((int, float), text), ((float,), ahead)):
        rate += [p.name for p in plain if type(p.default) in kinds and re.search(rf"self\._?{p.name}\b", read)]
    rate = [name for name in rate if not re.search("std|scale|sigma|init", name)]  # how wide weights are drawn
    rate += [p.name for p in plain if type(p.default) is int and _WINDOW.fullmatch(p.name)]
    rate = [name for name in rate if not re.search(rf"self\.{name}\s*=\s*np\.", made)]
    return [p for p in plain if p.default is p.empty or p.name in rate]


def object_of(module: types.ModuleType, task: Task, arguments: Mapping[str, Any]) -> Any:
    """Return a new object for these arguments; None where the task is one of functions."""
    if not task.receiver:
        return None
    made = getattr(module, task.receiver)(**{name: arguments[name] for name in task.made if name in arguments})
    _built_for(made, [value for name, value in arguments.items() if name not in task.made])
    for name, path in task.lifted:
        for holder, last in list(_holders(made, at_path(made, path), set())):
            if isinstance(holder, (list, dict)):
                holder[last] = arguments[name]
            else:
                setattr(holder, last, arguments[name])
    return made


_BUILDERS = ("build", "setup", "set_up", "init", "initialize", "init_weights", "init_params", "init_parameters")
_INPUT = re.compile(r"_?(x|n|in(put)?)_?(shape|size|dims?|features|units|channels|num)?|shape|dim|fan_in|n_?in(puts?)?")


def _built_for(made: Any, own: Sequence[Any]) -> None:
    """Have an object make its weights for the data that comes, where it does so in a method: ``layer.build(shape)``."""
    name = next((name for name in _BUILDERS if inspect.ismethod(getattr(made, name, None))), "")
    data = next((value for value in own if isinstance(value, np.ndarray) and value.ndim), None)
    if not name or data is None:
        return
    wanted = [p for p in inspect.signature(getattr(made, name)).parameters.values() if p.default is p.empty]
    if [p.name for p in wanted if not _INPUT.fullmatch(p.name)] or len(wanted) != 1:
        return
    number, shape = data.shape[-1], data.shape[1:]
    counted = wanted[0].annotation in (int, "int")
    for tried in (number, shape) if counted else (shape, number) if shape else (number,):
        with contextlib.suppress(TypeError, ValueError, IndexError):
            getattr(made, name)(tried)
            return


def _holders(value: Any, wanted: Any, seen: set[int]) -> Iterator[tuple[Any, Any]]:
    """Yield where an object holds an array, each place: a net's list of parameters, and its layers."""
    if id(value) in seen:
        return
    seen.add(id(value))
    for key, entry in _entries(value):
        if entry is wanted:
            yield value, key
        elif not isinstance(entry, (np.ndarray, str, types.FunctionType, types.ModuleType)):
            yield from _holders(entry, wanted, seen)


def _entries(value: Any) -> list[tuple[Any, Any]]:
    """Return what a list, a dictionary or an object holds, with where; of a class nothing."""
    if isinstance(value, list):
        return list(enumerate(value))
    held = value if isinstance(value, dict) else {} if isinstance(value, type) else getattr(value, "__dict__", {})
    return list(held.items())


def at_path(value: Any, path: str) -> Any:
    """Return what lies under ``params.W1`` or ``grads.0`` in an object.

    >>> at_path(types.SimpleNamespace(grads=[{"W": 3}]), "grads.0.W")
    3
    """
    if isinstance(value, dict) and path in value:
        return value[path]
    for part in path.split("."):
        known = isinstance(value, dict)
        value = value[part] if known else value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def forward_of_layer(
    module: types.ModuleType, name: str, task: Task, method: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """Return the method as a function of its own arguments and those of its object, which is new in every call.

    The object of the last call is its attribute `instance`.
    """
    method = method or getattr(getattr(module, task.receiver), name.partition(".")[2])
    own = parameters(method)
    taken = {p.name for p in own}
    made = [p for p in made_of(module, task.receiver) if p.name in task.made and p.name not in taken]
    taken |= {p.name for p in made}

    def made_for(values: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        given = dict(forward.__signature__.bind_partial(*values, **keywords).arguments)
        forward.instance = object_of(module, task, given)
        return forward.instance, {p.name: given[p.name] for p in own if p.name in given}

    kind = getattr(module, task.receiver)
    space = {**vars(module), "_mg_made": made_for, "_mg_method": method}
    space["_mg_returned"] = _or_kept
    space["_mg_class"] = kind if isinstance(kind, type) else None
    exec(_FORWARD, space)  # noqa: S102 - as code of the user's, of which a trace sees the arrays that it makes
    forward: Any = space["_mg_forward"]
    flat = [inspect.Parameter(p.name, p.POSITIONAL_OR_KEYWORD, annotation=p.annotation) for p in made]
    flat += [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n, _ in task.lifted if n not in taken]
    forward.__signature__ = inspect.Signature([*flat, *own])
    forward.__name__, forward.__qualname__ = method.__name__, name
    forward.defaults = {p.name: p.default for p in (*made, *own) if p.default is not p.empty}
    forward.constructor = getattr(kind, "__init__", None)
    forward.__wrapped__ = method
    return cast("Callable[..., Any]", forward)


def _or_kept(instance: Any, result: Any) -> Any:
    """Return what a forward returned, or what it keeps in its object instead: ``self.output``."""
    held = getattr(instance, "__dict__", {})
    return result if result is not None else next((held[n] for n in _OUTPUTS if held.get(n) is not None), None)


_OUTPUTS = ("output", "outputs", "out", "y", "activation", "activations")
_FORWARD = compile(
    "def _mg_forward(*values, **keywords):\n"
    "    instance, given = _mg_made(values, keywords)\n"
    "    if _mg_class and instance.__class__ is not _mg_class:\n"  # of a trace, which has a class of its own
    "        instance.__class__ = _mg_class\n"
    "    return _mg_returned(instance, _mg_method(instance, **given))\n",
    "<layer>",
    "exec",
)


def _leaves(value: Any, prefix: str, depth: int = 3) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of floats in an object by their path."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size:
            yield prefix, value
        return
    if depth == 0 or isinstance(value, (types.FunctionType, types.ModuleType)):
        return
    for key, entry in _entries(value):
        yield from _leaves(entry, f"{prefix}.{key}" if prefix else str(key), depth - 1)


def parameters_in(before: Any, after: Any) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield each array of an object that its backward leaves a gradient for: its path, the gradient's, its value.

    Args:
        before: the object as the constructor made it.
        after: the same after a backward.
    """
    found = dict(_leaves(after, ""))
    numbers = (float, int, np.generic, type(None))
    others = [name for name, value in getattr(after, "__dict__", {}).items() if isinstance(value, numbers)]
    for path, value in _leaves(before, ""):
        owner, _, last = path.rpartition(".")
        root, _, rest = path.partition(".")
        names = [f"{owner}.grad", f"{path}.grad", f"{owner}.grads", *(f"{grads}.{rest or root}" for grads in _GRADS)]
        for other, gradient in found.items():
            own, _, called = other.rpartition(".")
            named = own == owner and belongs(called, last)
            kept = other in names and not path.startswith(_GRADS)
            if other != path and (named or (kept and (gradient.shape == value.shape or not called.isdigit()))):
                yield path, other, value
                break
        else:  # self.db = None, not written yet; self.db = dout.sum(), a number
            for name in others:
                if "." not in path and belongs(name, path):
                    yield path, name, value
                    break


def lifted(task: Task, module: types.ModuleType, pair: Pair, forward: Callable[..., Any], result: Any) -> Task:
    """Return the task with the gradients that the object holds as results, and what they belong to as arguments."""
    first = task.probes[0]
    own = {name: value for name, value in first.arguments.items() if name not in task.made}
    instance = forward.instance  # type: ignore[attr-defined]
    before = object_of(module, task, copy.deepcopy(dict(first.arguments)))
    leaves = dict(_leaves(before, ""))
    method = pair.backward.rpartition(".")[2]
    found: list[tuple[str, int | str, Any]]
    if pair.kind == "loss":
        rest = result[1:] if isinstance(result, tuple) else ()
        keys = {str(key) for entry in rest if isinstance(entry, dict) for key in entry}
        found = [(path, "", value) for path, value in leaves.items() if path.rpartition(".")[2] in keys]
        call = Call((0,))
    else:
        known = own if inputs_of(own) else {**own, "": np.zeros(1)}
        call = call_of(
            pair, getattr(instance, method), known, result, task.source,
            lambda how: gradients_of(getattr(copy.deepcopy(instance), method), how, first, result),
        )  # fmt: skip
        call = replace(call, results=tuple(entry for entry in call.results if entry[1]))
        after, got = copy.deepcopy(instance), None
        with contextlib.suppress(Exception):  # reported where it is marked
            got = gradients_of(getattr(after, method), call, first, result)
        if got is None:  # self.dx = ..., and nothing is returned
            kept = {normal(gradient_target(n)): f".{n}" for n, value in vars(after).items() if value is not None}
            shapes = {n: getattr(getattr(after, n[1:]), "shape", ()) for n in kept.values()}
            at = _kept_at(call.results, kept, shapes, own)
            call = replace(call, results=tuple(zip(at, (name for _, name in call.results), strict=True)))
        returned = _returned(task, pair, got)
        found = [(path, key, value) for path, value in leaves.items() for key, n in returned if belongs(n, path)]
        held = {path for path, _, _ in found}
        found += [(path, f".{name}", value) for path, name, value in parameters_in(before, after) if path not in held]
        found += _mates(leaves, found)
        if not found:  # nothing is written yet; with weights of 0 nothing would have an influence either
            found = [
                (path, "", value) for path, value in leaves.items()
                if not np.any(value) and not gradient_target(path.rpartition(".")[2]) and not path.startswith(_GRADS)
            ]  # fmt: skip
    places: list[tuple[str, str]] = []
    for path, key, value in found:
        drawn = {n: v for n in task.made if isinstance(v := first.arguments.get(n), np.ndarray)}
        given = [n for n, v in drawn.items() if np.array_equal(v, value)]
        last = path.rpartition(".")[2]
        name = path.split(".")[-2] if last in ("value", "data", "val") and "." in path else last  # W.value is W
        name = name if name.isidentifier() else path.replace(".", "")
        if not given and name not in {*first.arguments, *(n for n, _ in places)}:
            places.append((name, path))
        if key != "" and (given or (name, path) in places):
            call = replace(call, results=(*call.results, (key, given[0] if given else name)))
    probes = []
    for number, probe in enumerate(task.probes):
        rng = np.random.default_rng([3, number])
        bare = object_of(module, task, copy.deepcopy(dict(probe.arguments)))
        new = {name: _other(at_path(bare, path), rng) for name, path in places}
        inside = {name: value for name, value in probe.arguments.items() if name in task.made}
        probes.append(replace(probe, arguments={**inside, **new, **probe.arguments}))
    task = replace(task, call=call, probes=tuple(probes), lifted=tuple(places))
    if pair.kind == "loss":
        again = result_of(forward_of_layer(module, task.forward, task), task.probes[0])
        call = call_of(pair, getattr(instance, method), task.probes[0].arguments, again, task.source)
    if not call.results:
        raise GraphError(problem("no_input", name=pair.forward))
    return replace(task, call=call)


def _kept_at(
    results: Results, kept: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]], own: Mapping[str, Any]
) -> list[int | str | None]:
    """Return where each gradient is kept in an object: under its input's name; one that is left in one place left."""
    places = {name: kept.get(normal(name), key) for key, name in results}
    missing = [name for _, name in results if normal(name) not in kept]
    free = [at for target, at in kept.items() if target and at not in places.values()]
    free = [at for at in free if missing and shapes[at] == np.shape(own.get(missing[0], ()))]  # self.dinputs of y_pred
    if len(missing) == len(free) == 1:
        places[missing[0]] = free[0]
    return [places[name] for _, name in results]


_MATES = {"W": "b", "w": "b", "weights": "biases", "weight": "bias", "gamma": "beta"}


def _mates(leaves: dict[str, np.ndarray], found: Sequence[tuple[str, int | str, Any]]) -> list[tuple[str, str, Any]]:
    """Return each bias that has no gradient though its weight has one: its path, where that should be, its value."""
    known, made = {path for path, _, _ in found}, list[tuple[str, str, Any]]()
    for path, key, _ in found:
        owner, dot, last = path.rpartition(".")
        mate = f"{owner}{dot}{_MATES.get(last, last)}"
        if mate in leaves and mate not in known and isinstance(key, str) and key.count(last) == 1:
            made.append((mate, key.replace(last, _MATES[last]), leaves[mate]))
    return made


def _returned(task: Task, pair: Pair, got: Any) -> list[tuple[int | str, str]]:
    """Return the arrays in the result of a backward, by place and name: of ``return dx, [dW, db]`` all three."""
    if not isinstance(got, (tuple, list)):
        return []
    named = entries_returned(task.source, pair.backward)
    with contextlib.suppress(IndexError, KeyError, AttributeError, ValueError):
        return [(key, name) for key, name in named if isinstance(at_path(got, str(key)), np.ndarray)]
    return []


def _other(value: Any, rng: np.random.Generator) -> Any:
    """Return other numbers for an array that a constructor made: gamma = 1 and b = 0 show nothing."""
    return np.asarray(rng.choice((-1.0, 1.0), value.shape) * rng.uniform(0.3, 1.4, value.shape))
