"""Row 16: what a call of a compiled function costs before and after its kernel: three arrays of eight numbers.

The kernel of eight multiplications and additions takes some nanoseconds, so the whole call is held against the goal.
"""

from __future__ import annotations

from typing import Any

from tests.benchmarks import contenders, exact
from tests.benchmarks.row import Case, Goal, Prepared, Row


def arrays(size: int) -> tuple[Any, Any, Any]:
    import numpy as np

    x, y, z = np.random.default_rng(0).standard_normal((3, size), np.float32)
    return x, y, z


def function(x: Any, y: Any, z: Any) -> Any:
    return x * y + z


def reference(arithmetic: exact.Arithmetic, size: int) -> dict[str, Any]:
    return {"out": function(*(arithmetic.array(a) for a in arrays(size)))}


def allowed(size: int) -> dict[str, Any]:
    import numpy as np

    x, y, z = arrays(size)
    return {"out": 2.0**-23 * (np.abs(x * y) + np.abs(z))}


def ours(size: int) -> Prepared:
    return contenders.compiled(function, arrays(size), ("out",))


def plain_numpy(size: int) -> Prepared:
    return contenders.handwritten(function, arrays(size), ("out",))


def torch(size: int) -> Prepared:
    import torch

    x, y, z = contenders.torch_arrays(arrays(size))
    settings = {"operators": lambda: function(x, y, z), "addcmul": lambda: torch.addcmul(z, x, y)}
    return contenders.torch_native(settings, ("out",))


def torch_compile(size: int) -> Prepared:
    return contenders.torch_compile({"function": function}, arrays(size), ("out",))


def jax(size: int, numpy_io: bool = False) -> Prepared:
    return contenders.jax_jit({"function": function}, arrays(size), ("out",), numpy_io)


ROW = Row(
    name="overhead",
    title="call of a compiled function with three arrays, x * y + z",
    cases=(Case("8 numbers each", (8,), Goal(1e-6), quick=True),),
    contenders={
        "micrograd": ours, "NumPy": plain_numpy, "torch": torch, "torch.compile": torch_compile, "jax": jax,
        "jax, NumPy in and out": lambda size: jax(size, numpy_io=True),
    },
    reference=reference,
    allowed=allowed,
    environment=contenders.KEEP_MEMORY,
)  # fmt: skip
