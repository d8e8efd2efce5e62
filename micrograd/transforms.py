"""Transform a function into its derivatives, of any order, without storing anything on the arguments.

Functions take and return arrays, numbers or tensors; arguments may be nested tuples, lists and dictionaries
of them. Called with arrays, a transform returns arrays; called with tensors (as inside another transform), it returns
tensors that carry a graph, so transforms nest.

All are built on `micrograd.engine.sweep`. A Jacobian-vector product is the vjp of the vjp, which is linear in
its cotangent (Christianson 1992; J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from micrograd import primitives as p
from micrograd.core import validation
from micrograd.engine import Tensor, sweep, toposort
from micrograd.errors import GraphError, ShapeError
from micrograd.modes import capturing, current, recording
from micrograd.numpy_api import composites as c
from micrograd.pytree import flatten, paths
from micrograd.tracing.array import present
from micrograd.tracing.refusals import no_function
from micrograd.tracing.run import Run, inside_a_trace, lifted

__all__ = ["grad", "gradients", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


def _plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _alias(x: Tensor) -> Tensor:
    """Copy a tensor to a new node, so that one tensor passed as two arguments has two gradients."""
    same: Tensor = x * 1.0 if type(x.raw) is float else x.reshape(x.shape)  # both exact, -0.0 and nan included
    return same


class _Call:
    """One run of a function, as `trace` runs it, with the chosen arguments as fresh nodes of the graph.

    `tracked` says whether the result must carry a graph: an argument is a tensor, the call is captured, or, inside a
    trace, the result depends on a tensor that was there before.
    """

    def __init__(self, f: Function, argnums: Sequence[int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for number in argnums:
            if not isinstance(number, (int, np.integer)):
                raise GraphError(f"argnums names {number!r}; name arguments by position, 0 for the first.")
            if not -len(args) <= number < len(args):
                raise GraphError(f"argnums names argument {number}, but {len(args)} positional argument(s) were given.")
        if len(argnums) > 1 and len({number % len(args) for number in argnums}) < len(argnums):
            raise GraphError(f"argnums {tuple(argnums)} names an argument twice; name each once.")
        given = list(args)
        self.nodes: list[Tensor] = []
        self.rebuilds: list[tuple[int, Callable[..., Any]]] = []
        self.tracked = capturing() is not None
        before = Tensor(0.0).serial if inside_a_trace() else 0
        run = Run(f)
        for number in argnums:
            leaves, rebuild = flatten(args[number])
            variables = []
            for given_leaf in leaves:
                leaf = present(given_leaf)
                self.tracked |= isinstance(leaf, Tensor)
                node = _alias(leaf) if isinstance(leaf, Tensor) else Tensor(leaf)
                variables.append(run.variable(node, given_leaf))
                self.nodes.append(node)
            given[number] = rebuild(variables)
            self.rebuilds.append((len(leaves), rebuild))
        self.out = run(given, kwargs)
        out = self.out[0] if isinstance(self.out, tuple) and self.out else self.out
        if inside_a_trace() and not self.tracked and isinstance(out, Tensor):
            self.tracked = any(node.serial > before for node in toposort([out], self.nodes))  # they count downwards

    def shaped(self, gradients: list[Any]) -> tuple[Any, ...]:
        """Nest the flat gradients as the arguments are nested."""
        nested, start = [], 0
        for count, rebuild in self.rebuilds:
            nested.append(rebuild(gradients[start : start + count]))
            start += count
        return tuple(nested)


def _computed(f: Function, out: Any) -> Tensor:
    """Return `out`, if it was computed from the arguments of `f`. Raises GraphError where it was not."""
    if not isinstance(out, Tensor):
        name = getattr(f, "__name__", "the function")
        if isinstance(out, (tuple, list, dict)):
            raise GraphError(f"{name} returned a {type(out).__name__}; expected one array or number. Return one of its "
                             "parts, or their sum; mg.jacobian takes them all.")  # fmt: skip
        raise GraphError(
            f"{name} returned a {type(out).__name__} that was not computed from its arguments; "
            "return an array or a number computed from them."
        )
    return out


def _records(transform: F) -> F:
    """Make a transform record whatever is asked for around it, and return what the code around it computes with.

    Inside a trace that is traced arrays; under `no_grad` leaves, as of every other operation there.
    """

    @functools.wraps(transform)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        mode = current()
        with recording():
            found = transform(*args, **kwargs)
        if mode is not None and not mode.keeps:
            found = _cut(found)
        return lifted(found)

    return recorded  # type: ignore[return-value]


def _cut(found: Any) -> Any:
    """Return a result with its tensors as leaves."""
    leaves, rebuild = flatten(found)
    return rebuild([leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves])


def _function(f: F, taker: str) -> F:
    """Return `f`. Raises TypeError where it is no function."""
    if not callable(f):
        raise no_function(f, taker)
    return f


def _numbers(argnums: int | Sequence[int]) -> Sequence[int]:
    return tuple(argnums) if isinstance(argnums, (list, tuple)) else (argnums,)  # type: ignore[return-value]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """Return a function that returns ``(f(...), gradient)``.

    Args:
        f: returns one number (a tensor of one entry).
        argnums: the argument, or the arguments, to differentiate by; a tuple makes the gradient a tuple.
        has_aux: `f` returns ``(value, anything)``; the value becomes ``(value, anything)``.

    Raises:
        GraphError: `f` returns more than one number, or something that was not computed from the arguments.

    >>> value_and_grad(lambda x: x**2)(3.0)
    (9.0, 6.0)
    """

    @functools.wraps(_function(f, "value_and_grad"))
    @_records
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, _numbers(argnums), args, kwargs)
        out, *aux = call.out if has_aux else (call.out,)
        out = _computed(f, out)
        if out.size != 1:
            name = getattr(f, "__name__", "the function")
            raise GraphError(f"{name} returned shape {out.shape}; grad needs one number. Sum it, or use jacobian.")
        seed = Tensor(validation.seed(None, out.raw)) if call.tracked else None
        found = call.shaped(gradients(out, call.nodes, seed, track=call.tracked, allow_unused=True))
        value = out if call.tracked else _plain(out)
        return (value, *aux) if has_aux and not aux else ((value, aux[0]) if has_aux else value), (
            found[0] if isinstance(argnums, int) else found
        )

    return wrapped


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """Return the gradient function of a function that returns one number.

    Arguments and errors are those of `value_and_grad`.

    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(_function(f, "grad"), argnums)

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return wrapped


@_records
def vjp(f: Function, *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return ``f(*args)`` and the function that pulls a cotangent of it back to all arguments.

    Raises:
        GraphError: `f` returns something that was not computed from the arguments.
        ShapeError: (from the pullback) a cotangent of another shape than the output.

    >>> y, pull = vjp(lambda x, w: x * w, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pull(np.array([1.0, 1.0]))
    (array([3., 4.]), array([1., 2.]))
    """
    call, out = _called(_function(f, "vjp"), args)

    @_records
    def pull(cotangent: Any) -> tuple[Any, ...]:
        cotangent = present(cotangent)
        track = call.tracked or isinstance(cotangent, Tensor)
        if isinstance(cotangent, Tensor) and cotangent.shape != out.shape:
            raise ShapeError(f"cotangent has shape {cotangent.shape}, the output {out.shape}; they must be equal.")
        return call.shaped(gradients(out, call.nodes, cotangent, track=track, allow_unused=True))

    return (out if call.tracked else _plain(out)), pull


def _called(f: Function, args: tuple[Any, ...]) -> tuple[_Call, Tensor]:
    """Run `f` with all its arguments as nodes; return the run and its output, which must be a tensor."""
    call = _Call(f, range(len(args)), args, {})
    return call, _computed(f, call.out)


@_records
def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return ``f(*args)`` and its directional derivative along `tangents`, as the vjp of the vjp.

    Args:
        f: a function of arrays, numbers, and containers of them.
        args: its arguments.
        tangents: as many, of the same structure and shapes.

    Raises:
        GraphError: not one tangent for each argument. ShapeError: a tangent of another shape than its argument.

    >>> jvp(lambda x: x**2, [3.0], [1.0])
    (9.0, 6.0)
    """
    _function(f, "jvp")
    if not isinstance(args, (list, tuple)) or not isinstance(tangents, (list, tuple)):
        raise GraphError("jvp takes the arguments, and the tangents, in a list or tuple: jvp(f, (x,), (direction,)).")
    if len(args) != len(tangents):
        raise GraphError(f"jvp got {len(args)} argument(s) and {len(tangents)} tangent(s); give one each.")
    directions: list[Any] = []
    for position, (arg, tangent) in enumerate(zip(args, tangents, strict=True)):
        leaves, along = (dict(paths(tree)) for tree in (arg, tangent))
        if leaves.keys() != along.keys():
            raise GraphError(
                f"tangent {position} has parts {[*along]}, its argument {[*leaves]}; they must be the same."
            )
        for path, leaf in leaves.items():
            if c.shape_of(leaf) != c.shape_of(along[path]):
                where = f"{position}.{path}" if path else str(position)
                raise ShapeError(f"tangent {where} has shape {c.shape_of(along[path])}, its argument "
                                 f"{c.shape_of(leaf)}; they must be equal.")  # fmt: skip
            directions.append(present(along[path]))
    call, out = _called(f, tuple(args))
    tracked = call.tracked or any(isinstance(d, Tensor) for d in directions)
    dummy = Tensor(np.zeros(out.shape, out.dtype) if out.shape or type(out.raw) is not float else 0.0)
    total: Any = 0.0
    pulls = gradients(out, call.nodes, dummy, track=True, allow_unused=True)
    for pulled, tangent in zip(pulls, directions, strict=True):
        total = total + c.sum(pulled * tangent) if c.shape_of(pulled) else total + pulled * tangent
    (found,) = gradients(total, [dummy], track=tracked, allow_unused=True)
    return (out, found) if tracked else (out.data, found)


def jacobian(f: Function, argnum: int = 0) -> Function:
    """Return a function that returns all partial derivatives, in shape ``out.shape + argument.shape``.

    Raises:
        GraphError: (from the function) the output was not computed from the argument.

    Where the argument, or what `f` returns, is a container of arrays, the result has such a matrix for each pair, in
    the structure of the output first.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(_function(f, "jacobian"))
    @_records
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, (argnum,), args, kwargs)
        outs, rebuild = flatten(call.out)
        return rebuild([_matrix(f, call, out) for out in outs])

    return wrapped


def _matrix(f: Function, call: _Call, out: Any) -> Any:
    """Return the partial derivatives of one output by each part of the argument, in the argument's structure."""
    out = _computed(f, out)
    rows = []
    for position in range(out.size):
        unit = np.zeros(out.size, out.dtype)
        unit[position] = 1
        seed = float(unit[0]) if type(out.raw) is float else unit.reshape(out.shape)
        rows.append(gradients(out, call.nodes, seed, track=call.tracked, allow_unused=True))
    parts: list[Any] = []
    for node, column in zip(call.nodes, zip(*rows, strict=True), strict=True):
        shape = (*out.shape, *node.shape)
        if call.tracked:
            parts.append(c.reshape(c.stack([c.reshape(row, node.shape) for row in column]), shape))
        else:
            made = np.array(column, node.dtype).reshape(shape)
            parts.append(made if shape else made.item())
    return call.shaped(parts)[0]


def hessian(f: Function, argnum: int = 0) -> Function:
    """Return a function that returns the second derivatives of a function that returns one number.

    >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(_function(f, "hessian"), argnum), argnum)


def _lowest(chosen: set[Tensor]) -> set[Tensor]:
    """Return those of `chosen` that depend on no other: a sweep may stop there and still reach them all."""
    if all(node.row is None for node in chosen):
        return chosen
    oldest = max((node.serial for node in chosen), default=0)  # serials count downwards: operands have larger ones
    lowest = set()
    for node in chosen:
        stack, seen = [node], {node}
        while stack:
            for operand in stack.pop().operands:
                if operand is not None and operand.serial <= oldest and operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
        if len(seen & chosen) == 1:
            lowest.add(node)
    return lowest


def gradients(
    output: Tensor, inputs: Iterable[Tensor], seed: Any = None, *, track: bool = False, allow_unused: bool = False
) -> list[Any]:
    """Return the gradient of `output` with respect to each of `inputs`, without storing anything on the tensors.

    Args:
        output: any tensor.
        inputs: leaves or intermediate tensors.
        seed: the cotangent of `output`; 1 where left out, for one number.
        track: return tensors that carry a graph, to be differentiated again.
        allow_unused: zeros, instead of an error, for an input that does not influence the output.

    Raises:
        GraphError: an input does not influence the output, or no seed for an output of several numbers.
        ShapeError: a seed of another shape than the output.

    >>> x = Tensor(np.array([1.0, 2.0]))
    >>> gradients((x * x).sum(), [x])
    [array([2., 4.])]
    """
    inputs = list(inputs)
    g = validation.seed(seed.raw if isinstance(seed, Tensor) else seed, output.raw)
    if track:
        g = seed if isinstance(seed, Tensor) else Tensor(g)
    wanted = {*inputs}  # the gradients of others are let go of on the way
    found = {node: g for node, g, _ in sweep({output: g}, _lowest(wanted), track=track) if node in wanted}
    found_for: list[Any] = []
    owners: set[int] = {id(g)}
    for position, node in enumerate(inputs):
        if node not in found and not allow_unused:
            raise GraphError(f"input {position} of shape {node.shape} does not influence the output; "
                             "pass allow_unused=True for zeros.")  # fmt: skip
        gradient: Any = found.get(node)
        if gradient is None:
            zero = 0.0 if type(node.raw) is float else np.zeros(node.shape, node.dtype)
            gradient = Tensor(zero) if track else zero
        if track and type(node.raw) is not float and gradient.dtype != node.dtype:
            gradient = p.cast(gradient, dtype=node.dtype.name)
        found_for.append(gradient if track else validation.owned(gradient, node.raw, owners))
    return found_for
