"""From the text of a function to machine code: what the text may name, and the types of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd.compiler.lowering import Lowered, Native
from micrograd.errors import MissingExtraError

__all__ = ["machine_code", "require_numba"]


def require_numba() -> None:
    """Say how to install Numba where it is missing."""
    try:
        import numba  # noqa: F401
    except ImportError:
        raise MissingExtraError("mg.compile needs numba: pip install 'micrograd-graph[compile]'") from None


def names() -> dict[str, Any]:
    """What a printed function may refer to."""
    from micrograd.compiler import blas, intrinsics, mathematics, meeting, pointers

    found: dict[str, Any] = {"np": np, "f32": np.float32, "f64": np.float64}
    for name, versions in mathematics.FUNCTIONS.items():
        found[f"{name}32"], found[f"{name}64"] = versions["float32"], versions["float64"]
    found |= {f"largest{bits}": intrinsics.maximum for bits in (32, 64)}
    found |= {f"plus{bits}": intrinsics.add_any for bits in (32, 64)}
    found |= {name: getattr(meeting, name) for name in ("take", "load", "store", "leave_core")}
    found |= {"at": pointers.at, "at_bool": pointers.at_bool}
    found |= {"gemm32": blas.gemm32, "gemm64": blas.gemm64}
    return found


def signature(lowered: Lowered, native: Native) -> Any:
    """The Numba types of a printed function's arguments: arrays that are read come in read-only, all are in C order."""
    from numba import types

    of = {name: getattr(types, "boolean" if name == "bool" else name) for name in
          ("float32", "float64", "bool", "int64", "int32", "int16", "int8", "uint8")}  # fmt: skip
    fed = {lowered.memory.own[feed.value] for feed in lowered.program.feeds}
    arrays = {lowered.memory.own[v]: v for v in native.segment.arrays}
    kinds: list[Any] = []
    for argument in native.arguments:
        if argument == "tid":
            kinds.append(types.int64)
        elif argument in ("sizes", "sync"):
            kinds.append(types.Array(types.int64, 1, "C"))
        elif argument == "numbers":
            kinds.append(types.Array(types.float64, 1, "C"))
        elif argument.startswith("work_"):
            kinds.append(types.Array(of[argument.removeprefix("work_")], 1, "C"))
        else:
            value = lowered.program.values[arrays[argument]]
            axes = lowered.memory.axes.get(arrays[argument], len(value.shape))
            kinds.append(types.Array(of[value.dtype], max(axes, 1), "C", readonly=argument in fed))
    return types.int64(*kinds)


def machine_code(lowered: Lowered, native: Native) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The callable of a printed function, and how it was had: seconds, and whether from disk."""
    require_numba()
    from micrograd.compiler.cache import load_or_compile

    return load_or_compile(native.source, native.name, signature(lowered, native), names())
