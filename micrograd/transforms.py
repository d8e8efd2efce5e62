"""From a function to its derivatives: functional, of any order, nothing stored on the arguments.

Functions take and return arrays, numbers or tensors; arguments may be nested tuples, lists and dictionaries
of them. Called with arrays, a transform answers arrays; called with tensors (as inside another transform), it answers
tensors that carry a graph, so transforms nest.

All are readers of `micrograd.engine.sweep`. A Jacobian-vector product is the vjp of the vjp, which is linear in
its cotangent (Christianson 1992; J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from micrograd import composites as c
from micrograd import ingest
from micrograd import primitives as p
from micrograd.engine import Tensor, sweep, toposort
from micrograd.errors import GraphError, ShapeError
from micrograd.modes import capturing
from micrograd.tree import flatten

__all__ = ["grad", "gradients", "hessian", "jacobian", "jvp", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def _plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _alias(x: Tensor) -> Tensor:
    """The same value as a node of its own, so that one tensor passed as two arguments keeps two gradients."""
    same: Tensor = x * 1.0 if type(x.raw) is float else x.reshape(x.shape)  # both exact, -0.0 and nan included
    return same


_enclosing: ContextVar[tuple[Tensor, ...]] = ContextVar("micrograd_enclosing", default=())
"""The arguments of the transforms that are running the function in which this one is called."""


class _Call:
    """One run of a function with the chosen arguments as fresh nodes of the graph.

    `tracked` says whether the answer must carry a graph: an argument is a tensor, the call is captured, or `out` was
    computed from the argument of an enclosing transform that the function found in its closure.
    """

    def __init__(self, f: Function, argnums: Sequence[int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for number in argnums:
            if not -len(args) <= number < len(args):
                raise GraphError(f"argnums names argument {number}, but {len(args)} positional argument(s) were given.")
        given = list(args)
        self.nodes: list[Tensor] = []
        self.rebuilds: list[tuple[int, Callable[..., Any]]] = []
        self.tracked = capturing() is not None or any(isinstance(a, Tensor) for a in args)
        for number in argnums:
            leaves, rebuild = flatten(args[number])
            self.tracked |= any(isinstance(leaf, Tensor) for leaf in leaves)
            fresh = [_alias(leaf) if isinstance(leaf, Tensor) else Tensor(leaf) for leaf in leaves]
            given[number] = rebuild(fresh)
            self.nodes += fresh
            self.rebuilds.append((len(leaves), rebuild))
        outer = _enclosing.get()
        token = _enclosing.set((*outer, *self.nodes))
        try:
            self.out = f(*given, **kwargs)
        finally:
            _enclosing.reset(token)
        out = self.out[0] if isinstance(self.out, tuple) and self.out else self.out
        if outer and not self.tracked and isinstance(out, Tensor):
            self.tracked = not {*outer}.isdisjoint(toposort([out], self.nodes))

    def shaped(self, gradients: list[Any]) -> tuple[Any, ...]:
        """The flat gradients in the shape of the arguments."""
        answer, start = [], 0
        for count, rebuild in self.rebuilds:
            answer.append(rebuild(gradients[start : start + count]))
            start += count
        return tuple(answer)


def _numbers(argnums: int | Sequence[int]) -> Sequence[int]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Function:
    """A function that answers ``(f(...), gradient)``.

    Args:
        f: answers one number (a tensor of one entry).
        argnums: the argument, or the arguments, to differentiate by; a tuple makes the gradient a tuple.
        has_aux: `f` answers ``(value, anything)``; the value becomes ``(value, anything)``.

    Raises:
        GraphError: `f` answers more than one number, or nothing that was computed from the arguments.

    >>> value_and_grad(lambda x: x**2)(3.0)
    (9.0, 6.0)
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, _numbers(argnums), args, kwargs)
        out, *aux = call.out if has_aux else (call.out,)
        if not isinstance(out, Tensor):
            raise GraphError(f"{_name(f)} answered a {type(out).__name__} that was not computed from its arguments.")
        if out.size != 1:
            raise GraphError(f"{_name(f)} answered shape {out.shape}; grad needs one number. Sum it, or use jacobian.")
        seed = Tensor(ingest.seed(None, out.raw)) if call.tracked else None
        found = call.shaped(gradients(out, call.nodes, seed, track=call.tracked, allow_unused=True))
        value = out if call.tracked else _plain(out)
        return (value, *aux) if has_aux and not aux else ((value, aux[0]) if has_aux else value), (
            found[0] if isinstance(argnums, int) else found
        )

    return wrapped


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The gradient of a function that answers one number.

    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return wrapped


def vjp(f: Function, *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*args)`` and the function that pulls a cotangent of it back to all arguments.

    >>> y, pull = vjp(lambda x, w: x * w, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> pull(np.array([1.0, 1.0]))
    (array([3., 4.]), array([1., 2.]))
    """
    call = _Call(f, range(len(args)), args, {})
    out = call.out
    if not isinstance(out, Tensor):
        raise GraphError(f"{_name(f)} answered a {type(out).__name__} that was not computed from its arguments.")

    def pull(cotangent: Any) -> tuple[Any, ...]:
        track = call.tracked or isinstance(cotangent, Tensor)
        if isinstance(cotangent, Tensor) and cotangent.shape != out.shape:
            raise ShapeError(f"cotangent has shape {cotangent.shape}, the output {out.shape}; they must be equal.")
        return call.shaped(gradients(out, call.nodes, cotangent, track=track, allow_unused=True))

    return out if call.tracked else _plain(out), pull


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``f(*args)`` and its directional derivative along `tangents`: the vjp of the vjp.

    >>> jvp(lambda x: x**2, [3.0], [1.0])
    (9.0, 6.0)
    """
    if len(args) != len(tangents):
        raise GraphError(f"jvp got {len(args)} argument(s) and {len(tangents)} tangent(s); give one each.")
    for position, (arg, tangent) in enumerate(zip(args, tangents, strict=True)):
        if c.shape_of(arg) != c.shape_of(tangent):
            raise ShapeError(f"tangent {position} has shape {c.shape_of(tangent)}, "
                             f"its argument {c.shape_of(arg)}; they must be equal.")  # fmt: skip
    nodes = [a if isinstance(a, Tensor) else Tensor(a) for a in args]
    out, pull = vjp(f, *nodes)
    tracked = capturing() is not None or any(isinstance(a, Tensor) for a in (*args, *tangents))
    tracked |= not {*_enclosing.get()}.isdisjoint(toposort([out]))
    dummy = Tensor(np.zeros(out.shape, out.dtype) if out.shape or type(out.raw) is not float else 0.0)
    total: Any = 0.0
    for pulled, tangent in zip(pull(dummy), tangents, strict=True):
        total = total + c.sum(pulled * tangent) if c.shape_of(pulled) else total + pulled * tangent
    if not isinstance(total, Tensor):
        zero = np.zeros(out.shape, out.dtype) if out.shape else 0.0
        return (out, Tensor(zero)) if tracked else (out.data, zero)
    (tangent_out,) = gradients(total, [dummy], track=tracked, allow_unused=True)
    return (out, tangent_out) if tracked else (out.data, tangent_out)


def jacobian(f: Function, argnum: int = 0) -> Function:
    """The matrix of all partial derivatives, of shape ``out.shape + argument.shape``.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        call = _Call(f, (argnum,), args, kwargs)
        out = call.out
        if not isinstance(out, Tensor):
            raise GraphError(f"{_name(f)} answered a {type(out).__name__} that was not computed from its arguments.")
        if len(call.nodes) != 1:
            raise GraphError("jacobian differentiates by one array; got a container as argument.")
        rows = []
        for position in range(out.size):
            unit = np.zeros(out.size, out.dtype)
            unit[position] = 1
            seed = float(unit[0]) if type(out.raw) is float else unit.reshape(out.shape)
            rows += gradients(out, call.nodes, seed, track=call.tracked, allow_unused=True)
        shape = (*out.shape, *call.nodes[0].shape)
        if call.tracked:
            return c.reshape(c.stack([c.reshape(row, call.nodes[0].shape) for row in rows]), shape)
        answer = np.array(rows, call.nodes[0].dtype).reshape(shape)
        return answer if shape else answer.item()

    return wrapped


def hessian(f: Function, argnum: int = 0) -> Function:
    """The matrix of second derivatives of a function that answers one number.

    >>> hessian(lambda x: (x**3).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(f, argnum), argnum)


def _lowest(inputs: Sequence[Tensor]) -> set[Tensor]:
    """Those of `inputs` that depend on no other: where a sweep may stop and still reach them all."""
    chosen = {*inputs}
    oldest = max((node.serial for node in inputs), default=0)  # serials count downwards: operands have larger ones
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
    """The gradient of `output` with respect to each of `inputs`; nothing is stored on the tensors.

    Args:
        output: any tensor.
        inputs: leaves or intermediate tensors.
        seed: the cotangent of `output`; 1 where left out, for one number.
        track: answer tensors that carry a graph, to be differentiated again.
        allow_unused: zeros, instead of an error, for an input that does not influence the output.
    """
    inputs = list(inputs)
    g = ingest.seed(seed.raw if isinstance(seed, Tensor) else seed, output.raw)
    if track:
        g = seed if isinstance(seed, Tensor) else Tensor(g)
    found = {node: g for node, g, _ in sweep({output: g}, _lowest(inputs), track=track)}
    answers: list[Any] = []
    owners: set[int] = {id(g)}
    for position, node in enumerate(inputs):
        if node not in found and not allow_unused:
            raise GraphError(f"input {position} of shape {node.shape} does not influence the output; "
                             "pass allow_unused=True for zeros.")  # fmt: skip
        zero = 0.0 if type(node.raw) is float else np.zeros(node.shape, node.dtype)
        answer = found.get(node, Tensor(zero) if track else zero)
        if track and type(node.raw) is not float and answer.dtype != node.dtype:
            answer = p.cast(answer, dtype=node.dtype.name)
        answers.append(answer if track else ingest.owned(answer, node.raw, owners))
    return answers


def _name(f: Function) -> str:
    return getattr(f, "__name__", "the function")
