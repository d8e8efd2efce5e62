"""Validate what becomes a value of a graph; refuse the rest in words.

Arrays are copied, so no view made earlier can reach what the graph reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.core import array_pool
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.modes import capturing
from micrograd.numpy_api.promotion import whole_numbers
from micrograd.primitives import Primitive
from micrograd.source.names import user_line

__all__ = ["constant", "evaluate", "frozen", "leaf", "mismatch", "owned", "seed", "unchanged"]


_DOUBLE = np.dtype(float)


def frozen(value: Any) -> Any:
    """Return `value` itself, made read-only where it is an array."""
    if type(value) is np.ndarray:
        value.setflags(write=False)  # half the time of `flags.writeable = False`
    return value


def _refusal(x: Any, name: str) -> str | None:
    """Return why `x` cannot take part in a graph; None where it can."""
    if isinstance(x, np.ma.MaskedArray):
        return f"{name} is a masked array: fill or drop masked rows first (x.filled(0), x.compressed())."
    if isinstance(x, np.matrix):
        return f"{name} is an np.matrix, whose * and ** mean something else; pass np.asarray(x)."
    if isinstance(x, (list, tuple)):
        return f"{name} is a {type(x).__name__}; pass np.asarray(x, float)."
    if not isinstance(x, (np.ndarray, np.generic)):
        for method in ("to_numpy", "toarray"):
            if hasattr(x, method):
                return f"{name} is a {type(x).__name__}; pass x.{method}()."
        if hasattr(x, "__array__"):  # of PyTorch, JAX and others: their tensors are called as ours
            return f"{name} is a {type(x).__module__.partition('.')[0]} {type(x).__name__}; pass np.asarray(x)."
        return f"{name} is a {type(x).__name__}; pass a float or a NumPy array."
    if x.dtype.kind == "c":
        return f"{name} is {x.dtype}: complex is not supported (xmu**2 is not |xmu|^2); pass real and imaginary parts."
    if x.dtype.kind not in "fiub":
        return f"{name} has dtype {x.dtype}, which is not numeric; pass x.astype(np.float64)."
    return None


def leaf(x: Any, name: str = "x") -> Any:
    """Return `x` as the value of a leaf: a Python float, or a float array that nobody else holds.

    Raises:
        DTypeError: for everything that has no gradient, or that NumPy would compute silently wrong.
    """
    if type(x) is float:
        return x
    if type(x) is np.ndarray and x.dtype.kind == "f" and x.dtype.isnative:
        # a read-only one too: a view made before it was locked can still write
        return frozen(x.copy(order="K") if x.nbytes < array_pool.SMALLEST else array_pool.copy(x))
    if isinstance(x, (bool, np.bool_)):
        raise DTypeError(f"{name} is a bool; gradients need a float. Use float(x).")
    if isinstance(x, int) or type(x) is np.float64:
        return float(x)
    if hasattr(x, "__primitive__"):
        if isinstance(now := getattr(x, "node", x), np.ndarray):  # an array in a traced function that is plain as yet
            return leaf(now, name)
        if (capture := capturing()) is not None:
            return capture.copied(x)  # the arrays of the user's function are tensors there
        raise DTypeError(f"{name} is a Tensor already; use it as it is, or x.detach() to stop gradients.")
    if (refusal := _refusal(x, name)) is not None:
        raise DTypeError(refusal)
    if x.dtype.kind != "f":
        raise DTypeError(f"{name} is {x.dtype}; gradients need a float dtype. Use x.astype(np.float64).")
    return frozen(np.array(x, x.dtype.newbyteorder("="), order="K", subok=False))


def constant(x: Any, row: Primitive) -> Any:
    """Return `x`, an operand that is no tensor, as the graph keeps it: a Python number or a read-only copy.

    NumPy scalars become Python floats, which do not widen float32 (a `np.float64` eps would).
    """
    if type(x) is float:
        return x
    if isinstance(x, (int, float, np.floating, np.integer, np.bool_)):
        return float(x)
    if (refusal := _refusal(x, f"an operand of {row.name}")) is not None:
        raise DTypeError(refusal + _at())
    return frozen(np.array(x, subok=False))


def seed(given: Any, out: Any) -> Any:
    """Return the cotangent that a backward pass from the value `out` starts with.

    Raises:
        GraphError: none is given and `out` has more than one entry. ShapeError, DTypeError: it does not match `out`.
    """
    shape = np.shape(out)
    dtype = np.float64 if type(out) is float else out.dtype
    if given is None:
        if np.size(out) != 1:
            raise GraphError(f"out has shape {shape}; pass backward(seed) with that shape, or sum() first.")
        return 1.0 if type(out) is float else frozen(np.ones(shape, dtype))
    if type(given) is np.ndarray and given.dtype == dtype and given.shape == shape:
        return frozen(given[...])  # a view of our own: the sweep keeps nothing of it
    value = leaf(given, "seed")
    if np.shape(value) != shape:
        raise ShapeError(f"seed has shape {np.shape(value)}, out has {shape}; they must be equal (no broadcasting).")
    if type(out) is float:
        return float(value)
    if type(value) is not float and value.dtype != dtype:
        raise DTypeError(f"seed is {value.dtype}, out is {dtype}; cast it with seed.astype(np.{dtype}).")
    return frozen(np.asarray(value, dtype))


def evaluate(row: Primitive, operands: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Any, Sequence[Any]]:
    """Return the value of `row` on its operands, a float or an array, and the raw values that it read.

    Raises:
        ShapeError: shapes that do not fit, with the primitive, the user's line and the axis at fault.
    """
    args: Sequence[Any]
    if len(operands) == 1:
        args = (operands[0].raw,)
    else:
        args = [o.raw if hasattr(o, "__primitive__") else constant(o, row) for o in operands]
    if float in map(type, args):
        if row.kind != "map":
            args = [np.asarray(a) for a in args]
        elif getattr(args[-(type(args[0]) is float)], "dtype", _DOUBLE).kind != "f":  # beside floats numbers are floats
            args = whole_numbers(row, operands, args)
    try:
        for a in args:
            if type(a) is np.ndarray and a.nbytes >= array_pool.SMALLEST:
                value = _into_kept(row, args, attrs)
                break
        else:
            value = row.forward(*args, **attrs)
    except ValueError as error:
        raise mismatch(row, args, error) from None
    if type(value) is not float and type(value) is not np.ndarray:
        value = np.asarray(value)
    return value, args


def _into_kept(row: Primitive, args: Sequence[Any], attrs: dict[str, Any]) -> Any:
    """Return ``row.forward(*args, **attrs)``, written into a kept array where the row is a NumPy ufunc."""
    ufunc = getattr(np, row.array, None)
    if row.name == "pow":  # as the operator ``**`` does, which makes fractions of whole numbers to the power 2.0
        ufunc = np.square if attrs["exponent"] == 2 and args[0].dtype.kind == "f" else None
    if row.kind == "map" and row.flows and isinstance(ufunc, np.ufunc):
        return array_pool.apply(ufunc, *args)
    return row.forward(*args, **attrs)


def unchanged(operand: Any, read: Any) -> Any:
    """Return the operand as a node, for a tracked rule; what was read where it is a constant (None).

    Raises:
        GraphError: the operand was assigned after the forward pass read it.
    """
    if operand is None:
        return read
    raw = operand.raw
    # Numbers are compared by value: a reduction reads them as arrays, and pickling makes new objects of them.
    if raw is not read and not (type(raw) is float and (raw == read or raw != raw)):
        raise GraphError(
            f"a leaf of shape {operand.shape} was assigned after the forward pass read it, so its gradient "
            "cannot be differentiated again; compute the output anew."
        )
    return operand


def owned(g: Any, raw: Any, taken: set[int]) -> Any:
    """Return the gradient `g` of a leaf of value `raw` as an array that this leaf alone holds.

    Copied where it is a view, where it cannot be written to, and where its id is in `taken`: given to another leaf.
    """
    if type(raw) is float:
        return float(g)
    if type(g) is np.ndarray and g.base is None and g.flags.writeable and id(g) not in taken and g.dtype == raw.dtype:
        taken.add(id(g))
        return g
    return np.array(g, raw.dtype, order="C")


def _at() -> str:
    line = user_line()
    return f" (line {line})" if line else ""


def mismatch(row: Primitive, args: Sequence[Any], error: ValueError) -> ValueError:
    """Return NumPy's error about shapes with the primitive, the line and the axis at fault."""
    shapes = [np.shape(a) for a in args]
    where = f"{row.name}{_at()}"
    if row.kind == "map" and len(shapes) > 1:
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            ndim = max(map(len, shapes))
            padded = [(1,) * (ndim - len(s)) + s for s in shapes]
            for axis in range(ndim):
                sizes = {s[axis] for s in padded} - {1}
                if len(sizes) > 1:
                    pair = " and ".join(map(str, shapes))
                    clash = " vs ".join(str(s[axis]) for s in padded if s[axis] != 1)
                    return ShapeError(f"{where}: shapes {pair} do not broadcast; dim {axis}: {clash}. "
                                      "Transpose or reshape one of them.")  # fmt: skip
    kind = type(error) if isinstance(error, np.linalg.LinAlgError) else ShapeError
    return kind(f"{where}: {error} (operand shapes {', '.join(map(str, shapes))})")
