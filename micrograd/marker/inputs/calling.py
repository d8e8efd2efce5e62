"""How a pair of functions is called: what the backward is given, and which gradient is which in its result.

Found from signatures, return statements and one run of the forward: ``backward(dout, cache)``, ``backward(dout, x,
gamma, beta)``, ``loss, dx = softmax_loss(x, y)``, ``Relu.backward(dout)``.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError
from micrograd.marker.gradient_names import arrives, gradient_target, normal
from micrograd.marker.inputs.clues import parameters
from micrograd.marker.inputs.conventions import is_float, role_of
from micrograd.marker.inputs.pairs import CACHE, Pair, is_slope
from micrograd.marker.inputs.task import Argument, Call, Probe
from micrograd.marker.messages import problem
from micrograd.marker.student.recording import duplicate, line_of
from micrograd.marker.student.statements import assigned, function_in, parameters_of, returned
from micrograd.pytree import call_by_parameter, paths

__all__ = ["Results", "Stopped", "Watch", "call_of", "function_named", "gradients_of", "inputs_of", "result_of"]

_SETTINGS = re.compile(r"\w*_(?:params?|config|options)|config|options")
_RATE = re.compile(r"_?(?:lr|eta|rate|learn(?:ing)?_?rate|step_?size)_?", re.IGNORECASE)
_FLAG = re.compile(r"(?:is|use|do|update)_\w+|train(?:ing)?(?:_\w+)?|verbose|debug", re.IGNORECASE)


def function_named(module: types.ModuleType, name: str) -> Callable[..., Any]:
    """Return the function of that name, or for ``Class.method`` the method as the class has it.

    Raises:
        GraphError: it is none.
    """
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise GraphError(f"{name} is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def inputs_of(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the inputs that a gradient may belong to: float arrays by parameter, those in containers by their path.

    Settings such as ``bn_param`` hold no inputs, whatever arrays lie in them.

    >>> inputs_of({"x": np.ones(2), "bn_param": {"running_mean": np.zeros(2)}, "eps": 1e-5})
    ('x',)
    """
    return tuple(
        path
        for name, value in arguments.items()
        if not (isinstance(value, dict) and (_SETTINGS.fullmatch(name) or "mode" in value))
        for path, leaf in paths(value, name)
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
    )


def _described(value: Any) -> str:
    """Return a value in words, for somebody who expected another.

    >>> _described((np.zeros((2, 3)), None))
    '(an array of shape (2, 3), None)'
    """
    if value is None:
        return "None"
    if isinstance(value, tuple):
        return f"({', '.join(map(_described, value))})"
    if isinstance(value, np.ndarray):
        what = "" if value.dtype.kind == "f" else f" of {value.dtype.name}"
        return f"an array{what} of shape {value.shape}"
    article = "an" if type(value).__name__[0] in "aeiou" else "a"
    return f"{value!r}, {article} {type(value).__name__}" if np.isscalar(value) else f"{article} {type(value).__name__}"


class Watch:
    """A forward that is tried with several guesses of its arguments: what it raised and returned.

    What has nothing to do with the arguments, such as a name that is not defined, ends the guessing: it is raised as
    `Stopped`, which no ``except Exception`` catches.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.errors: list[Exception] = []
        self.results: list[Any] = []
        self.file = getattr(getattr(inspect.unwrap(forward), "__code__", None), "co_filename", "")

        @functools.wraps(forward)
        def watched(*arguments: Any, **keywords: Any) -> Any:
            try:
                result = forward(*arguments, **keywords)
            except _CERTAIN as error:
                raise Stopped(error) from None
            except Exception as error:
                if _is_not_in_module(error):
                    raise Stopped(error) from None
                self.errors.append(error)
                raise
            self.results.append(result)
            return result

        self.forward = watched

    def cause(self, name: str) -> BaseException | None:
        """Return the likeliest reason why no guess would do; None where nothing is known."""
        if self.results:
            return GraphError(_no_result(name, self.results[0]))
        alike: dict[Any, list[Exception]] = {}
        for error in self.errors:
            alike.setdefault((type(error), line_of(error, self.file)), []).append(error)
        kind, _ = max(alike, key=lambda where: where[1] or 0, default=(Exception, 0))
        if kind in _NO_SHAPE:  # of the guess that came furthest: a number that should be whole, a list for an array
            return max(self.errors, key=lambda error: line_of(error, self.file) or 0)
        most = max(alike.values(), key=len, default=[])
        return most[0] if len(most) > len(self.errors) / 2 else None


def _is_not_in_module(error: Exception) -> bool:
    """Return whether a module has no such name: ``np.int`` was there once."""
    return isinstance(error, AttributeError) and str(error).startswith("module ")


class Stopped(BaseException):
    """Carries an error that no other arguments would mend, as its one argument."""


_CERTAIN = (MemoryError, EOFError, NameError, RecursionError, NotImplementedError, PermissionError, ImportError)


_NO_SHAPE = (TypeError, AttributeError, KeyError, np.exceptions.AxisError)
"""What arrays of other shapes seldom mend."""


def _no_result(name: str, result: Any) -> str:
    return problem("none" if result is None else "result", name=name, got=_described(result))


def result_of(forward: Callable[..., Any], probe: Probe) -> Any:
    """Return what the forward returns for copies of a probe's arguments."""
    return call_by_parameter(forward, probe.arguments, seed=probe.seed)


def gradients_of(backward: Callable[..., Any], call: Call, probe: Probe, result: Any) -> Any:
    """Return what the backward returns for copies of what `call` gives it; the upstream gradients are ones."""
    upstream = [np.ones_like(result if key is None else result[key]) for key in call.outputs]
    positional, keywords = duplicate(call.given(probe, result, upstream))
    return backward(*positional, **keywords)


def call_of(
    pair: Pair,
    backward: Callable[..., Any],
    arguments: Mapping[str, Any],
    result: Any,
    source: str,
    run_backward: Callable[[Call], Any] = lambda _: None,
) -> Call:
    """Return how `pair` is called.

    Args:
        pair: the two names.
        backward: the second function; without `self` where it is a method.
        arguments: what the forward was given, by parameter.
        result: what it returned.
        source: the text of the file.
        run_backward: runs the backward; asked only where its text does not say what it returns.

    Raises:
        GraphError: the forward returns nothing that can be differentiated, or the backward wants what nobody has.
    """
    inputs = inputs_of(arguments)
    if not inputs:
        raise GraphError(problem("no_input", name=pair.forward))
    said = returned(source, pair.forward)
    if pair.kind == "loss":
        return _call_of_loss(pair, inputs, result, said)
    items = list(result) if isinstance(result, (tuple, list)) else [result]
    floats = [i for i, item in enumerate(items) if is_float(item)]
    if not floats:
        raise GraphError(_no_result(pair.forward, result))
    if not inspect.signature(backward).parameters:  # backward() of (probabilities, loss)
        floats = [i for i in floats if not np.ndim(items[i])] or floats
    single = not isinstance(result, (tuple, list))
    named, slope = said[0] if said and said[1] else (), _is_entrywise(source, pair.forward)
    kept = dict.fromkeys(parameters_of(source, pair.forward))  # those that keep their defaults too
    given, seeds = _arguments(pair, backward, kept | dict(arguments), items, floats, named, slope)
    call = Call((None,) if single else tuple(floats[:seeds]), given)
    said = returned(source, pair.backward)
    plain = said is not None and not said[1] and any(_matches(said[0][0], path) for path in inputs)
    if said is None or (not said[1] and not plain):  # what a name holds, or a call returns: a tuple perhaps
        try:
            got = run_backward(call)
        except Exception:  # noqa: BLE001 - told with its line when it is marked
            got = None
        if isinstance(got, dict):
            keyed = [(key, str(key)) for key in got]
            found = _by_name(keyed, inputs) or _by_position(keyed, inputs)
            return Call(call.outputs, given, found + _left_out(found, inputs, assigned(source, pair.backward)))
        names = said[0] if said else ("",)
        said = (("",) * len(got), True) if isinstance(got, (tuple, list)) else (names, False)
    keyed = [(i if said[1] else None, name) for i, name in enumerate(said[0])]
    results, ordered = _results(keyed, inputs)
    results += _forgotten(results, len(keyed), inputs, assigned(source, pair.backward))
    return Call(call.outputs, given, results, ordered or _promised(backward, inputs))


def _forgotten(results: Results, count: int, inputs: Sequence[str], names: Sequence[str]) -> Results:
    """Return the inputs whose gradients the backward computes, by its variables' names, and does not return."""
    missing = set(inputs) - {path for _, path in results}
    found = [path for path in inputs if path in missing and any(_matches(n, path) for n in names if gradient_target(n))]
    return tuple((count + i, path) for i, path in enumerate(found))


def _left_out(named: Results, inputs: Sequence[str], names: Sequence[str]) -> Results:
    """Return the inputs that a dictionary lacks, where the backward computes it or gives one to others beside it."""
    done = {path for _, path in named}
    holders = {path.rpartition(".")[0] for path in done} - {""}
    found = [path for _, path in _forgotten(named, 0, inputs, names)]
    found += [path for path in inputs if path.rpartition(".")[0] in holders and path not in (*done, *found)]
    return tuple((f"d{path.rpartition('.')[2]}", path) for path in found)


def _call_of_loss(pair: Pair, inputs: Sequence[str], result: Any, said: tuple[tuple[str, ...], bool] | None) -> Call:
    if not isinstance(result, tuple) or len(result) < 2 or not is_float(result[0]) or np.ndim(result[0]):
        key = "none" if result is None else "loss"
        raise GraphError(problem(key, name=pair.forward, got=_described(result)))
    names = said[0] if said and len(said[0]) == len(result) else ("",) * len(result)
    keyed: list[tuple[int | str | None, str]] = []
    for i, (name, item) in enumerate(zip(names[1:], result[1:], strict=True), 1):
        if isinstance(item, dict):  # loss, grads
            keyed += [(f"{i}.{key}", str(key)) for key in item]
        elif isinstance(item, (tuple, list)):
            keyed += [(f"{i}.{at}", "") for at in range(len(item))]
        else:
            keyed.append((i, name))
    if any(isinstance(key, str) for key, _ in keyed) and (named := _by_name(keyed, inputs)):
        return Call((0,), (), named + tuple((f"1.{key}", path) for key, path in _left_out(named, inputs, ())))
    results, ordered = _results(keyed, inputs)
    return Call((0,), (), results, ordered)


def _arguments(
    pair: Pair,
    backward: Callable[..., Any],
    arguments: Mapping[str, Any],
    items: Sequence[Any],
    floats: Sequence[int],
    said: Sequence[str],
    slope: bool,
) -> tuple[tuple[Argument, ...], int]:
    """Return where each parameter of the backward comes from, and how many of them are gradients of outputs."""
    taken = parameters(backward)
    names = [p.name for p in taken]
    unknown = [p for p in taken if p.name not in {*arguments, *said} and not arrives(p.name)]
    settings = {p.name: value for p in unknown if (value := _setting(p)) is not None}
    alike = {n: like for n in names if (like := _alike(n, arguments)) and n not in said and not arrives(n)}
    free = [name for name in names if name not in {*arguments, *said} and not CACHE.fullmatch(name)]
    ups = [name for name in free if arrives(name)] or [name for name in free if gradient_target(name)][:1]
    alone = len(names) == 1 and (names[0] in arguments or not CACHE.fullmatch(names[0]))
    if is_slope(pair) and alone and not any(map(arrives, ups)) and np.ndim(items[floats[0]]):
        if not slope:  # softmax_grad(s)
            raise GraphError(problem("no_upstream", name=pair.backward, parameters=names[0]))
        return (Argument(names[0], "input", next(iter(inputs_of(arguments)))),), 1  # tanh_prime(z)
    free = [name for name in free if name not in {*ups, *settings, *alike}]
    ups += [name for name in free if _of_output(name, said, floats)]
    ups = ups or [p.name for p in taken if p.name in free and p.default is p.empty][:1]
    own = [name for name in free if role_of(name) == "labels" and name not in ups[1:]]
    beside = len(free) > 1 or any(name in (*said, *arguments) for name in names)
    if own and not any(map(arrives, ups)) and beside:
        raise GraphError(problem("own_loss", name=pair.backward, parameter=own[0], forward=pair.forward))
    if not ups and np.ndim(items[floats[0]]) and not (slope and is_slope(pair)):
        raise GraphError(problem("no_upstream", name=pair.backward, parameters=", ".join(names)))
    ups = [name for name in names if name in ups][: len(floats)]
    origins: dict[str, tuple[str, Any]] = {name: ("value", value) for name, value in settings.items()}
    origins |= {name: ("upstream", at) for at, name in enumerate(ups)}
    rest = list(range(len(ups), len(items)))  # of the forward's result, what is no output
    for p in taken:
        if p.name in origins:
            continue
        if p.name in arguments:
            origins[p.name] = ("input", p.name)
        elif p.name in alike:
            origins[p.name] = ("input", alike[p.name])
        elif p.name in said:
            origins[p.name] = ("result", said.index(p.name))
        elif p.default is p.empty and rest:
            last = len(names) == len(ups) + len(settings) + 1
            origins[p.name] = ("result", rest[-1] if last else rest.pop(0))
        elif p.default is p.empty:
            raise GraphError(problem("wants", name=pair.backward, parameter=p.name, forward=pair.forward))
    given, skipped = [], False  # without an upstream gradient it is a loss: the one that arrives is 1
    for p in taken:  # after one that keeps its default the others go by keyword
        skipped = skipped or p.name not in origins or p.kind is p.KEYWORD_ONLY
        if p.name in origins:
            given.append(Argument(p.name, *origins[p.name], keyword=skipped))
    return tuple(given), len(ups) or 1


def _alike(name: str, arguments: Iterable[str]) -> str:
    """Return the one argument that a parameter has a part of the name of; empty where there is none, or two.

    >>> _alike("indices", ["x", "input_indices"]), _alike("y_pred", ["y_true", "y_pred_logits"])
    ('input_indices', 'y_pred_logits')
    """
    found = [own for own in arguments if own.endswith(f"_{name}") or own.startswith(f"{name}_")]
    return found[0] if len(found) == 1 and name not in arguments else ""


def _setting(parameter: inspect.Parameter) -> float | bool | None:
    """Return a number or flag that only the backward takes: of a layer that updates its own weights a step of none.

    None where it is something else, or has a default.
    """
    if parameter.default is not parameter.empty:
        return None
    if _RATE.fullmatch(parameter.name):
        return 0.0
    if _FLAG.fullmatch(parameter.name) or parameter.annotation in (bool, "bool"):
        return "train" in parameter.name.lower()
    return None


def _is_entrywise(source: str, name: str) -> bool:
    """Return whether no entry of a function's result depends on several of its argument, as far as its text says."""
    function = function_in(source, name)
    joins = r"sum|mean|\b(max|min)\(|\.(max|min|dot|T)\b|dot\(|norm|einsum| @ |softmax|var\(|std\("
    return function is not None and re.search(joins, ast.unparse(function)) is None


def _of_output(name: str, said: Sequence[str], floats: Sequence[int]) -> bool:
    """Return whether a parameter is the gradient of an output: ``dnext_c`` of ``next_c`` or ``c``."""
    target = gradient_target(name)
    ends = {said[i].rpartition("_")[2] for i in floats if i < len(said)}
    return bool(target) and (target in said or target.rpartition("_")[2] in ends)


Keyed = Sequence[tuple[int | str | None, str]]
Results = tuple[tuple[int | str | None, str], ...]


def _matches(name: str, path: str) -> bool:
    """Return whether a gradient's name says that it belongs to an input.

    ``dgamma`` to ``gamma``, ``W1`` to ``params.W1``.
    """
    last = path.rpartition(".")[2]
    return name == f"d{last}" or normal(gradient_target(name) or name) == normal(last)


def _by_name(keyed: Keyed, inputs: Sequence[str]) -> Results:
    """Return the inputs that the names say; empty where they do not say one each."""
    found = [(key, [path for path in inputs if _matches(name, path)]) for key, name in keyed]
    if any(len(own) > 1 for _, own in found):
        return ()
    known = tuple((key, own[0]) for key, own in found if own)
    return known if len({path for _, path in known}) == len(known) else ()


def _by_position(keyed: Keyed, inputs: Sequence[str]) -> Results:
    return tuple((key, path) for (key, _), path in zip(keyed, inputs, strict=False))


def _results(keyed: Keyed, inputs: Sequence[str]) -> tuple[Results, bool]:
    """Return for each gradient returned the input that it belongs to, and whether their order is certain.

    One gradient for each input comes in the inputs' order, that of the forward's parameters. Where names say another
    order beginning with another input the user may have meant it so.
    """
    named, placed = _by_name(keyed, inputs), _by_position(keyed, inputs)
    if len(keyed) != len(inputs):
        guesses = [path for path in inputs if role_of(path) != "labels"]  # of a loss(y, y_pred), the prediction's
        return (named or _by_position(keyed, guesses or inputs)), False
    return placed, len(named) != len(placed) or named[0] == placed[0]


def _promised(backward: Callable[..., Any], inputs: Sequence[str]) -> bool:
    """Return whether the docstring lists the gradients in the inputs' order, after a word that says so."""
    text = re.split(r"(?i)returns?\b", inspect.getdoc(backward) or "")[-1]
    found = [re.search(rf"\bd_?{re.escape(path.rpartition('.')[2])}\b", text) for path in inputs]
    at = [match.start() for match in found if match]
    return len(at) == len(inputs) > 1 and at == sorted(at)
