"""NumPy's functions on traced arrays: what happens when a traced function calls one.

Without anything tracked among the arguments NumPy itself computes. Otherwise the call is composed of primitives, by the
tables of `micrograd.numpy_api.functions`; where the answer has no gradient (places, truth values, rounded numbers)
NumPy computes it from the values, and it is a plain array. Functions that make views or write are in `OWN`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from micrograd import primitives
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.functions import FUNCTIONS, UFUNCS, call_function, call_ufunc
from micrograd.numpy_api.scipy import SCIPY
from micrograd.tracing.array import Traced, adopt, lift
from micrograd.tracing.entries import fitting, present, raw_value
from micrograd.tracing.protocols import Likeness
from micrograd.tracing.refusals import refusal
from micrograd.tracing.storage import surroundings

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


def is_tracked(x: Any) -> bool:
    """Whether something tracked is in `x`, also inside lists, tuples and dictionaries."""
    if isinstance(x, Traced):
        return x.tracked
    if isinstance(x, Tensor):
        return True
    if isinstance(x, dict):
        return any(map(is_tracked, x.values()))
    return isinstance(x, (list, tuple)) and any(map(is_tracked, x))


def leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, (list, tuple)):
        for item in x:
            yield from leaves(item)
    else:
        yield x


def _has_gradient(*values: Any) -> bool:
    found = [leaf for value in values for leaf in leaves(value) if isinstance(leaf, Tensor) and is_tracked(leaf)]
    return any(leaf.dtype.kind == "f" for leaf in found)


def joined(x: Any) -> Any:
    """A list with traced values in it as one array; anything else as it is."""
    if isinstance(x, (list, tuple)) and any(isinstance(leaf, Traced) for leaf in leaves(x)):
        return OWN[np.array](x)
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
        return given_out(out, plainly(called, args, kwargs))
    checks = str(getattr(called, "__module__", "")).startswith("numpy.testing")
    if checks or called in PLAIN or (called not in FUNCTIONS and not _has_gradient(args, tuple(kwargs.values()))):
        return given_out(
            out, adopt(called(*raw_value(args), **{key: raw_value(value) for key, value in kwargs.items()}))
        )
    if called not in FUNCTIONS and called.__name__ not in SCIPY:
        raise GraphError(refusal(called))
    args, kwargs = present(args), {key: present(value) for key, value in kwargs.items()}
    dtype = kwargs.pop("dtype", None)
    if dtype is not None and args and isinstance(args[0], Tensor) and np.dtype(dtype) != args[0].dtype:
        args = (primitives.cast(args[0], dtype=np.dtype(dtype).name), *args[1:])
    if kwargs.get("order") in ("C", "K", "A"):
        del kwargs["order"]
    if kwargs.get("where", True) is not True and called is np.sum:
        args = (primitives.where(kwargs.pop("where"), args[0], 0.0), *args[1:])
    made = call_function(called, args, kwargs) if called in FUNCTIONS else SCIPY[called.__name__](*args, **kwargs)
    return given_out(out, lift(made))


def plainly(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``called(*args, **kwargs)`` by NumPy, where nothing is tracked."""
    inputs = [leaf for leaf in (*leaves(args), *leaves(tuple(kwargs.values()))) if isinstance(leaf, Traced)]
    try:
        made = called(*present(args), **{key: present(value) for key, value in kwargs.items()})
    except TypeError as error:
        if "'float' object cannot be interpreted as an integer" in str(error):
            raise GraphError(f"np.{called.__name__}: a shape or a count is a float. Python 2 divided whole numbers "
                             "without a rest; write // for / there.") from error  # fmt: skip
        raise
    return adopt(made, inputs)


def given_out(out: Any, made: Any) -> Any:
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
    return given_out(trace.adopted(out), made)


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
        return given_out(target, adopt(made, [leaf for leaf in leaves(inputs) if isinstance(leaf, Traced)]))
    made = lift(_composed(called, method, present(inputs), {k: v for k, v in kwargs.items() if v is not None}))
    if where is not True:
        if target is None:
            raise GraphError(f"np.{called.__name__}: where= without out= leaves entries undefined; use np.where.")
        made = lift(primitives.where(present(where), present(made), present(target)))
    if target is not None and isinstance(made, Traced):
        _castable(called, made.dtype, target.dtype)
    return given_out(target, made)


def _castable(called: np.ufunc, have: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    if not np.can_cast(have, wanted, "same_kind"):
        raise TypeError(f"Cannot cast ufunc {called.__name__!r} output from dtype({have.name!r}) to "
                        f"dtype({wanted.name!r}) with casting rule 'same_kind'")  # fmt: skip


def _composed(called: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    dtype = kwargs.pop("dtype", None)
    if method == "__call__" and called in (np.power, np.float_power) and isinstance(inputs[1], Tensor):
        made = _power(*inputs)
    elif method == "__call__" and called.__name__ in SCIPY:
        made = SCIPY[called.__name__](*inputs)
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


Likeness.call_ufunc = staticmethod(ufunc)
Likeness.call_function = staticmethod(function)
