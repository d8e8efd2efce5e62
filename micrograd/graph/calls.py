"""NumPy's functions on traced arrays: what happens when a traced function calls one.

Without anything tracked among the arguments NumPy itself computes. Otherwise the call is composed of primitives, by the
tables of `micrograd.numpy_api`; where the answer has no gradient (places, truth values, rounded numbers) NumPy computes
it from the values, and it is a plain array. Functions that make views or write are in `OWN`.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from types import GeneratorType
from typing import Any

import numpy as np

from micrograd import arrangements, primitives
from micrograd import composites as c
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.graph.hints import refusal
from micrograd.graph.memory import surroundings
from micrograd.graph.traced import Traced, adopt, fitting, lift, present, raw_value
from micrograd.numpy_api import FUNCTIONS, UFUNCS, call_function, call_ufunc

__all__ = ["OWN", "function", "is_tracked", "plainly", "ufunc"]

OWN: dict[Any, Callable[..., Any]] = {}
"""What is done here in place of a function of NumPy's, tracked or not."""

# Answers without a gradient: NumPy computes them from the values.
PLAIN = {
    *(np.all, np.allclose, np.any, np.argmax, np.argmin, np.argpartition, np.argsort, np.argwhere, np.around),
    *(np.array2string, np.array_equal, np.array_equiv, np.array_repr, np.array_str, np.count_nonzero, np.digitize),
    *(np.empty_like, np.fix, np.flatnonzero, np.full_like, np.iscomplexobj, np.isclose, np.isrealobj, np.isneginf),
    *(np.isposinf, np.nonzero, np.ones_like, np.result_type, np.round, np.searchsorted, np.zeros_like, np.common_type),
}
PLAIN_UFUNCS = {
    *(np.ceil, np.floor, np.floor_divide, np.heaviside, np.isfinite, np.isinf, np.isnan, np.logical_and),
    *(np.logical_not, np.logical_or, np.logical_xor, np.rint, np.signbit, np.trunc),
}
# They take a sequence of arrays, where others take one array.
SEQUENCES = {
    *(np.broadcast_arrays, np.block, np.column_stack, np.concatenate, np.dstack, np.einsum, np.hstack, np.meshgrid),
    *(np.stack, np.vstack, np.select, np.lexsort),
}


def _replaces(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(made: Callable[..., Any]) -> Callable[..., Any]:
        OWN.update(dict.fromkeys(functions, made))
        return made

    return register


def is_tracked(x: Any) -> bool:
    """Whether something tracked is in `x`, also inside lists, tuples and dictionaries."""
    if isinstance(x, Traced):
        return x.tracked
    if isinstance(x, Tensor):
        return True
    if isinstance(x, dict):
        return any(map(is_tracked, x.values()))
    return isinstance(x, (list, tuple)) and any(map(is_tracked, x))


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, (list, tuple)):
        for item in x:
            yield from _leaves(item)
    else:
        yield x


def _has_gradient(*values: Any) -> bool:
    found = [leaf for value in values for leaf in _leaves(value) if isinstance(leaf, Tensor) and is_tracked(leaf)]
    return any(leaf.dtype.kind == "f" for leaf in found)


def joined(x: Any) -> Any:
    """A list with traced values in it as one array; anything else as it is."""
    if isinstance(x, (list, tuple)) and any(isinstance(leaf, Traced) for leaf in _leaves(x)):
        return array(x)
    return x


def function(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``called(*args, **kwargs)`` for a function of NumPy's that is no ufunc.

    Raises:
        GraphError: it is not composed of primitives, so that its gradient would be lost.
    """
    if called in OWN:
        return OWN[called](*args, **kwargs)
    return general(called, args, kwargs)


def general(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The same for a function without a way of its own."""
    if called not in SEQUENCES:
        args = tuple(map(joined, args))
    out = kwargs.pop("out", None) if "out" in kwargs else None
    if not is_tracked(args) and not is_tracked(kwargs):
        return _given(out, plainly(called, args, kwargs))
    if called in PLAIN or (called not in FUNCTIONS and not _has_gradient(args, tuple(kwargs.values()))):
        return _given(out, adopt(called(*raw_value(args), **{key: raw_value(value) for key, value in kwargs.items()})))
    if called not in FUNCTIONS:
        raise GraphError(refusal(called))
    args, kwargs = present(args), {key: present(value) for key, value in kwargs.items()}
    dtype = kwargs.pop("dtype", None)
    if dtype is not None and args and isinstance(args[0], Tensor) and np.dtype(dtype) != args[0].dtype:
        args = (primitives.cast(args[0], dtype=np.dtype(dtype).name), *args[1:])
    if kwargs.get("order") in ("C", "K", "A"):
        del kwargs["order"]
    if kwargs.get("where", True) is not True and called is np.sum:
        args = (primitives.where(kwargs.pop("where"), args[0], 0.0), *args[1:])
    return _given(out, lift(call_function(called, args, kwargs)))


def plainly(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``called(*args, **kwargs)`` by NumPy, where nothing is tracked."""
    inputs = [leaf for leaf in (*_leaves(args), *_leaves(tuple(kwargs.values()))) if isinstance(leaf, Traced)]
    try:
        made = called(*present(args), **{key: present(value) for key, value in kwargs.items()})
    except TypeError as error:
        if "'float' object cannot be interpreted as an integer" in str(error):
            raise GraphError(f"np.{called.__name__}: a shape or a count is a float. Python 2 divided whole numbers "
                             "without a rest; write // for / there.") from error  # fmt: skip
        raise
    return adopt(made, inputs)


def _given(out: Any, made: Any) -> Any:
    """`made`, written to `out` where one was given."""
    if out is None:
        return made
    if isinstance(out, tuple):
        (out,) = out
    if not isinstance(out, Traced):
        if not is_tracked(made):
            out[...] = raw_value(present(made))
            return out
        return _filled(out, made)
    if out.tracked or is_tracked(made):
        value = present(made)
        if np.shape(value) != out.shape:
            raise ValueError(f"non-broadcastable output operand with shape {out.shape} doesn't match the broadcast "
                             f"shape {np.shape(value)}")  # fmt: skip
        out.assign(value)
    else:
        out[...] = made
    return out


def _filled(out: Any, made: Any) -> Any:
    """A plain array of the author's into which something tracked is written: traced from now on."""
    trace: Any = surroundings.get()
    if trace is None or type(out) is not np.ndarray or out.dtype.kind != "f":
        kind = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
        raise GraphError(f"writing a traced value into {kind} would lose its gradient silently; "
                         "write x = x + t for x += t, or make the array with np.zeros or np.array.")  # fmt: skip
    return _given(trace.adopted(out), made)


# ---- ufuncs ------------------------------------------------------------------------------------------------


def ufunc(called: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``called(*inputs, **kwargs)``, or one of its methods, such as ``np.add.reduce``."""
    if method == "at":
        return _at(called, *inputs)
    inputs = tuple(map(joined, inputs))
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    if isinstance(out, tuple) and len(out) > 1:
        raise GraphError(refusal(called))
    target = out[0] if isinstance(out, tuple) else out
    if not is_tracked(inputs) and not is_tracked(where):
        if target is not None and not is_tracked(target) and not isinstance(target, Traced):
            kwargs["out"] = target
            target = None
        if where is not True:
            made = fitting(present(target), target.shape, target.dtype) if isinstance(target, Traced) else None
            made = getattr(called, method)(*present(inputs), **kwargs, where=present(where), out=made)
        else:
            made = getattr(called, method)(*present(inputs), **kwargs)
        if target is not None and isinstance(made, np.ndarray) and made.dtype != target.dtype:
            _castable(called, made.dtype, target.dtype)
        return _given(target, adopt(made, [leaf for leaf in _leaves(inputs) if isinstance(leaf, Traced)]))
    made = lift(_composed(called, method, present(inputs), {k: v for k, v in kwargs.items() if v is not None}))
    if where is not True:
        if target is None:
            raise GraphError(f"np.{called.__name__}: where= without out= leaves entries undefined; use np.where.")
        made = lift(primitives.where(present(where), present(made), present(target)))
    if target is not None and isinstance(made, Traced):
        _castable(called, made.dtype, target.dtype)
    return _given(target, made)


def _castable(called: np.ufunc, have: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    if not np.can_cast(have, wanted, "same_kind"):
        raise TypeError(f"Cannot cast ufunc {called.__name__!r} output from dtype({have.name!r}) to "
                        f"dtype({wanted.name!r}) with casting rule 'same_kind'")  # fmt: skip


def _composed(called: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    dtype = kwargs.pop("dtype", None)
    if method == "__call__" and called in (np.power, np.float_power) and isinstance(inputs[1], Tensor):
        made = _power(*inputs)
    elif method == "__call__" and called in UFUNCS:
        made = call_ufunc(called, method, *inputs, **kwargs)
    elif method == "__call__" and called is np.remainder:
        x, y = inputs
        made = x - y * np.floor(raw_value(x) / raw_value(y))
    elif method == "accumulate" and called is np.add:
        made = call_function(np.cumsum, inputs, {"axis": 0, **kwargs})
    elif method == "outer" and called in UFUNCS:
        x, y = inputs
        made = UFUNCS[called](c.reshape(x, c.shape_of(x) + (1,) * len(c.shape_of(y))), y)
    elif (method == "reduce" and called in (np.logical_and, np.logical_or)) or (
        method == "__call__" and (called in PLAIN_UFUNCS or not _has_gradient(inputs))
    ):
        made = getattr(called, method)(*raw_value(inputs), **kwargs)
    elif method == "reduce" and called in (np.add, np.multiply, np.maximum, np.minimum):
        made = call_ufunc(called, method, *inputs, **kwargs)
    else:
        raise GraphError(refusal(called, "" if method == "__call__" else method))
    if dtype is not None and isinstance(made, Tensor) and made.dtype != np.dtype(dtype):
        made = primitives.cast(made, dtype=np.dtype(dtype).name)
    return made


def _power(x: Any, y: Tensor) -> Any:
    """``x ** y`` for a traced exponent: ``exp(y * log(x))``, which is the power where `x` is positive."""
    if not np.all(np.asarray(raw_value(x)) > 0):
        raise GraphError("x ** y with a traced exponent y needs a positive x: it is exp(y * log(x)).")
    return primitives.exp(y * (primitives.log(x) if isinstance(x, Tensor) else np.log(x)))


def _at(called: np.ufunc, target: Any, index: Any, value: Any = None) -> None:
    """``np.add.at(target, index, value)``."""
    value, index = joined(value), raw_value(present(index))
    if not is_tracked(target) and not is_tracked(value):
        called.at(present(target), index, present(value))
        return
    if called not in (np.add, np.subtract):
        raise GraphError(refusal(called, "at"))
    if not isinstance(target, Traced):
        _filled(target, value) if not isinstance(target, np.ndarray) else _cannot_fill(called)
    base = present(target)
    region = np.empty(target.shape, bool)[index].shape
    added = primitives.scatter(fitting(present(value), region, target.dtype), index=index, shape=target.shape)
    if isinstance(base, Tensor) or base.any():
        target.assign(primitives.add(base, added) if called is np.add else primitives.sub(base, added))
    else:
        target.assign(added if called is np.add else primitives.neg(added))


def _cannot_fill(called: np.ufunc) -> None:
    raise GraphError(f"np.{called.__name__}.at adds a traced value to a plain array, which would lose its gradient "
                     "silently; make the array inside the traced function, with np.zeros or np.array.")  # fmt: skip


# ---- arrays made -------------------------------------------------------------------------------------------


@_replaces(np.array)
def array(object: Any, dtype: Any = None, *, copy: Any = True, order: str = "K", subok: bool = False, ndmin: int = 0, like: Any = None) -> Any:  # noqa: A002, ARG001, E501 - NumPy's names
    """`numpy.array`: nested lists of traced values are joined by `stack`."""
    if isinstance(object, Traced):
        made = object.copy(order) if copy else object
    elif is_tracked(object):
        if dtype is not None and np.dtype(dtype) == np.dtype("O"):
            raise GraphError("an array of objects would lose the gradient silently; keep a list, or use np.stack.")
        made = lift(_stacked(object))
    else:
        inputs = [leaf for leaf in _leaves(object) if isinstance(leaf, Traced)]
        return adopt(np.array(present(object), dtype, copy=copy, order=order, ndmin=ndmin), inputs)  # type: ignore[call-overload]
    if dtype is not None and np.dtype(dtype) != made.dtype:
        made = made.astype(dtype)
    return arrangements.atleast(made, ndmin) if made.ndim < ndmin else _no_number(made)


def _stacked(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        parts = [_stacked(item) for item in x]
        shapes = {np.shape(part) for part in parts}
        if len(shapes) > 1:
            raise ValueError("setting an array element with a sequence. The requested array has an inhomogeneous "
                             f"shape: its parts have the shapes {', '.join(map(str, sorted(shapes)))}.")  # fmt: skip
        return c.stack(parts) if is_tracked(tuple(parts)) else np.array(parts)
    return present(x)


def _no_number(made: Any) -> Any:
    if isinstance(made, Traced):
        made.rebinds = False
    return made


@_replaces(np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray, np.require, np.asarray_chkfinite)
def asarray(a: Any, dtype: Any = None, *_: Any, copy: Any = None, **__: Any) -> Any:
    """`numpy.asarray`: the array itself where it is one."""
    if isinstance(a, Traced) and not copy and (dtype is None or np.dtype(dtype) == a.dtype):
        return a
    return array(a, dtype, copy=copy)


@_replaces(np.copy)
def copied(a: Any, order: str = "K", subok: bool = False) -> Any:  # noqa: ARG001
    """`numpy.copy`."""
    return array(a, order=order)


# ---- views -------------------------------------------------------------------------------------------------


def _view(called: Any, step: Callable[..., Callable[[Any], Any]], *, locked: bool = False) -> None:
    """Register `called`, whose first argument is looked at in the way that `step` of the others says."""

    def make(a: Any, *args: Any, **kwargs: Any) -> Any:
        a = joined(a)
        if not isinstance(a, Traced):
            return plainly(called, (a, *args), kwargs)
        return a.view_by(step(*raw_value(args), **kwargs), locked=locked)

    OWN[called] = make


_view(np.transpose, lambda axes=None: lambda x: c.transpose(x, axes))
_view(np.swapaxes, lambda axis1, axis2: lambda x: c.swapaxes(x, axis1, axis2))
_view(np.moveaxis, lambda source, destination: lambda x: c.moveaxis(x, source, destination))
_view(np.rollaxis, lambda axis, start=0: lambda x: arrangements.rollaxis(x, axis, start))
_view(np.matrix_transpose, lambda: lambda x: c.swapaxes(x, -1, -2))
_view(np.expand_dims, lambda axis: lambda x: c.expand_dims(x, axis))
_view(np.squeeze, lambda axis=None: lambda x: c.squeeze(x, axis))
_view(np.flip, lambda axis=None: lambda x: arrangements.flip(x, axis))
_view(np.fliplr, lambda: lambda x: arrangements.flip(x, 1))
_view(np.flipud, lambda: lambda x: arrangements.flip(x, 0))
_view(np.broadcast_to, lambda shape, subok=False: lambda x: c.broadcast_to(x, shape), locked=True)  # noqa: ARG005


@_replaces(np.reshape)
def reshape(a: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:
    """`numpy.reshape`."""
    a = joined(a)
    return a.reshape(shape, order=order, copy=copy) if isinstance(a, Traced) else adopt(np.reshape(a, shape, order))


@_replaces(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """`numpy.ravel`."""
    a = joined(a)
    return a.ravel(order) if isinstance(a, Traced) else adopt(np.ravel(a, order))


def _at_least(called: Any, ndim: int) -> None:
    def make(*arrays: Any) -> Any:
        made = [
            a.view_by(lambda x: arrangements.atleast(x, ndim)) if isinstance(a, Traced) and a.ndim < ndim
            else a if isinstance(a, Traced) else plainly(called, (a,), {})
            for a in map(joined, arrays)
        ]  # fmt: skip
        return made[0] if len(made) == 1 else tuple(made)

    OWN[called] = make


for _called, _ndim in ((np.atleast_1d, 1), (np.atleast_2d, 2), (np.atleast_3d, 3)):
    _at_least(_called, _ndim)


def _splits(called: Any, axis_of: Callable[..., int]) -> None:
    def make(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
        ary = joined(ary)
        if not isinstance(ary, Traced):
            return plainly(called, (ary, indices_or_sections, *([axis] if axis else [])), {})
        place = axis_of(ary, axis) % ary.ndim
        split = arrangements.array_split if called is np.array_split else arrangements.split
        ends = split(np.arange(ary.shape[place]), indices_or_sections)
        return [
            ary[(slice(None),) * place + (slice(int(part[0]), int(part[-1]) + 1) if part.size else slice(0, 0),)]
            for part in ends
        ]

    OWN[called] = make


_splits(np.split, lambda a, axis: axis)
_splits(np.array_split, lambda a, axis: axis)
_splits(np.hsplit, lambda a, axis: 0 if a.ndim == 1 else 1)  # noqa: ARG005
_splits(np.vsplit, lambda a, axis: 0)  # noqa: ARG005
_splits(np.dsplit, lambda a, axis: 2)  # noqa: ARG005


# ---- writing -----------------------------------------------------------------------------------------------


def _destination(name: str, target: Any) -> Traced:
    if not isinstance(target, Traced):
        raise GraphError(f"np.{name} writes a traced value into a plain array, which would lose its gradient silently; "
                         "make the array inside the traced function, with np.zeros or np.array.")  # fmt: skip
    return target


def _writes(called: Any, write: Callable[..., None]) -> None:
    def make(target: Any, *args: Any, **kwargs: Any) -> None:
        if not is_tracked((target, *args)) and not isinstance(target, Traced):
            called(target, *present(args), **kwargs)
        else:
            write(_destination(called.__name__, target), *map(joined, args), **kwargs)

    OWN[called] = make


def _copyto(target: Traced, src: Any, casting: str = "same_kind", where: Any = True) -> None:  # noqa: ARG001
    if where is True:
        target[...] = src
    else:
        mask = np.broadcast_to(raw_value(present(where)), target.shape)
        target[mask] = own_or_number(src, target.shape)[mask] if np.ndim(raw_value(present(src))) else src


def own_or_number(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` in a shape, to be indexed."""
    return lift(c.broadcast_to(present(x), shape))


def _diagonal(a: Traced, val: Any, wrap: bool = False) -> None:  # noqa: ARG001
    places = np.arange(min(a.shape))
    a[(places,) * a.ndim] = val


_writes(np.copyto, _copyto)
_writes(np.fill_diagonal, _diagonal)
_writes(np.put, lambda a, ind, v, mode="raise": a.reshape(-1).__setitem__(ind, v))  # noqa: ARG005
_writes(np.putmask, lambda a, mask, values: _copyto(a, values, where=mask))
_writes(np.place, lambda arr, mask, vals: arr.__setitem__(mask, vals))


# ---- others with a way of their own ------------------------------------------------------------------------


@_replaces(np.sum)
def sum_of(a: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.sum`, of a generator too."""
    if isinstance(a, GeneratorType):
        return builtins.sum(a)
    return general(np.sum, (a, *args), kwargs)


@_replaces(np.where)
def where(condition: Any, *choices: Any) -> Any:
    """`numpy.where`: the places where something holds, or a choice between two arrays."""
    if not choices:
        return np.where(raw_value(present(condition)))
    given = tuple(map(joined, (condition, *choices)))
    if not is_tracked(given):
        return plainly(np.where, given, {})
    mask, x, y = present(given)
    if isinstance(mask, Tensor) and mask.dtype != bool:
        mask = raw_value(mask).astype(bool)
    elif not isinstance(mask, Tensor):
        mask = np.asarray(mask).astype(bool)
    return lift(primitives.where(mask, x, y))


@_replaces(np.nan_to_num)
def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """`numpy.nan_to_num`: a choice between the array and what replaces it."""
    if not is_tracked(x):
        return plainly(np.nan_to_num, (x, copy, nan, posinf, neginf), {})
    values = raw_value(present(x))
    replaced = np.nan_to_num(values, nan=nan, posinf=posinf, neginf=neginf)
    return lift(primitives.where(np.isfinite(values), present(x), np.where(np.isfinite(values), 0, replaced)))


@_replaces(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """`numpy.select`: the first choice whose condition holds."""
    made = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        made = where(condition, choice, made)
    return made


@_replaces(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.choose`: for each place the entry of the choice that `a` names."""
    a, choices = raw_value(present(a)), joined(choices)
    if not is_tracked(choices):
        return _given(out, plainly(np.choose, (a, choices), {"mode": mode}))
    return _given(out, lift(arrangements.rearranged(present(choices), lambda at: np.choose(a, [*at], mode=mode))))  # type: ignore[call-overload]


@_replaces(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:  # noqa: ARG001
    """`numpy.broadcast_arrays`."""
    shape = np.broadcast_shapes(*(np.shape(raw_value(present(a))) for a in args))
    return tuple(OWN[np.broadcast_to](a, shape) for a in args)


@_replaces(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.apply_along_axis`: a loop over the lines, whose results are stacked."""
    moved = np.moveaxis(arr, axis, -1)
    lines = moved.reshape(-1, moved.shape[-1])
    made = array([func1d(line, *args, **kwargs) for line in lines])
    out = made.reshape(moved.shape[:-1] + made.shape[1:])
    return np.moveaxis(out, range(moved.ndim - 1, out.ndim), range(axis, axis + made.ndim - 1)) if made.ndim > 1 else out


@_replaces(np.isscalar)
def isscalar(element: Any) -> bool:
    """`numpy.isscalar`."""
    return element.rebinds if isinstance(element, Traced) else np.isscalar(element)


@_replaces(np.shares_memory, np.may_share_memory)
def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:  # noqa: ARG001
    """`numpy.shares_memory`."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        return a.memory is b.memory and bool(np.intersect1d(a.at, b.at).size)
    return not (isinstance(a, Traced) or isinstance(b, Traced)) and np.shares_memory(a, b)
