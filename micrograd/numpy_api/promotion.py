"""Give numbers beside whole numbers and truth values the dtype that NumPy gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from micrograd.primitives import Primitive

__all__ = ["whole_numbers"]


def whole_numbers(row: Primitive, operands: Sequence[Any], args: Sequence[Any]) -> Sequence[Any]:
    """Return the raw operands, numbers beside whole numbers and truth values in the dtype that NumPy gives them.

    ``mask * 1`` counts in int64 and ``mask * np.float32(2)`` is float32; beside floats a number stays a number. What
    chooses in `where` is beside nothing.
    """
    slots = range(row.name == "where", len(args))
    numbers = [slot for slot in slots if isinstance(operands[slot], (int, np.generic))]
    others = [operands[slot] if type(args[slot]) is float else args[slot].dtype for slot in slots]
    if not numbers or any(hasattr(o, "__primitive__") or (isinstance(o, np.dtype) and o.kind == "f") for o in others):
        return args
    dtype = np.result_type(*others)
    made = list(args)
    for slot in numbers:
        number = operands[slot]
        if isinstance(number, np.generic):
            made[slot] = _locked(np.array(number))
        elif dtype.kind in "biu":
            made[slot] = _locked(_of_dtype(number, dtype, row))
    return made


def _locked(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    value.setflags(write=False)
    return value


def _of_dtype(number: int, dtype: np.dtype[Any], row: Primitive) -> Any:
    try:
        return np.array(number, dtype)
    except OverflowError:
        made = row.forward(np.ones(1, dtype), np.ones(1, dtype)).dtype
        if made.kind in "iu":
            raise
        return np.array(number, made if made.kind == "f" else None)  # a quotient or a comparison takes any whole number
