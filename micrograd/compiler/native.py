"""From the text of a function to machine code: what the text may name, and the types of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd.compiler.grouping import PRINTED
from micrograd.compiler.lowering import Lowered, Native
from micrograd.errors import MissingExtraError

__all__ = ["machine_code", "require_numba"]


def require_numba() -> None:
    """Say how to install Numba where it is missing."""
    try:
        import numba  # noqa: F401
    except ImportError:
        raise MissingExtraError("mg.compile needs numba: pip install 'micrograd-graph[compile]'") from None


def names(*, interpreted: bool = False) -> dict[str, Any]:
    """What a printed function may refer to; with `interpreted` the same in plain Python."""
    from micrograd.compiler import blas, intrinsics, mathematics, meeting, pointers

    found: dict[str, Any] = {"np": np, "f32": np.float32, "f64": np.float64}
    for name, versions in mathematics.FUNCTIONS.items():
        for bits in (32, 64):
            function = versions[f"float{bits}"]
            found[f"{name}{bits}"] = getattr(function, "py_func", function) if interpreted else function
    for bits in (32, 64):
        found |= {f"largest{bits}": intrinsics.maximum, f"plus{bits}": intrinsics.add_any}
        found[f"gemm{bits}"] = blas.plain_product if interpreted else getattr(blas, f"gemm{bits}")
    found["at"] = pointers.flat_slice if interpreted else pointers.at
    found["at_bool"] = pointers.flat_slice_bool if interpreted else pointers.at_bool
    return found | {name: plain if interpreted else getattr(meeting, name) for name, plain in meeting.PLAIN.items()}


def signature(lowered: Lowered, native: Native) -> Any:
    """The Numba types of a printed function's arguments: arrays that are read come in read-only, all are in C order."""
    from numba import types

    of = {name: getattr(types, "boolean" if name == "bool" else name) for name in PRINTED}
    fed = {lowered.memory.own[feed.value] for feed in lowered.program.feeds}
    arrays = {lowered.memory.own[v]: v for v in native.segment.arrays}
    kinds: list[Any] = []
    for argument in native.arguments:
        if argument == "tid":
            kinds.append(types.int64)
        elif argument in ("sizes", "sync", "board"):
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


def machine_code(
    lowered: Lowered, native: Native, *, interpreted: bool = False
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The callable of a printed function, and how it was had: seconds, and whether from disk."""
    require_numba()
    if interpreted:
        found = names(interpreted=True)
        exec(native.source, found)  # noqa: S102 (printed by micrograd.compiler.segment)
        return np.errstate(all="ignore")(found[native.name]), {"seconds": 0.0, "from_disk": False}
    from micrograd.compiler.cache import load_or_compile

    return load_or_compile(native.source, native.name, signature(lowered, native), names())
