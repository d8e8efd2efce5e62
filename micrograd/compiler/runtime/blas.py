"""Multiply matrices from inside a printed function: the BLAS that NumPy itself uses, called at its address.

The address is an argument of the printed function, so that machine code on disk holds no address of this process. Where
NumPy's BLAS does not export the C interface (Accelerate, a build without BLAS), products are left to ``np.matmul``
between the functions, which costs some microseconds each.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

__all__ = ["address", "product"]

_NAMES = ("scipy_cblas_{0}gemm64_", "cblas_{0}gemm64_", "scipy_cblas_{0}gemm", "cblas_{0}gemm")
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


@functools.cache
def address(dtype: str) -> int:
    """Return where the matrix product of a dtype is in memory; 0 where it cannot be found, or does not multiply.

    Names that end in ``64_`` take 64-bit sizes, the others 32-bit ones; on 64-bit machines both read what is passed
    here, whose upper half is 0. A product of two small matrices proves it before anything relies on it.
    """
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return 0
    try:
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (OSError, AttributeError):
        return 0
    letter, real = ("s", ctypes.c_float) if dtype == "float32" else ("d", ctypes.c_double)
    for name in _NAMES:
        function = getattr(library, name.format(letter), None)
        if function is None:
            continue
        function.restype = None
        size, pointer = ctypes.c_int64, ctypes.c_void_p
        function.argtypes = [
            *(ctypes.c_int,) * 3,
            size,
            size,
            size,
            real,
            pointer,
            size,
            pointer,
            size,
            real,
            pointer,
            size,
        ]
        a, b = np.arange(6.0).astype(dtype).reshape(2, 3), np.arange(12.0).astype(dtype).reshape(3, 4)
        c = np.full((2, 4), np.nan, dtype)
        function(_ROW_MAJOR, _PLAIN, _PLAIN, 2, 4, 3, 1.0, a.ctypes.data, 3, b.ctypes.data, 4, 0.0, c.ctypes.data, 4)
        if np.array_equal(c, a @ b):
            return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0


def product(
    at: int, ta: bool, tb: bool, m: int, n: int, k: int, a: Any, lda: int, b: Any, ldb: int, c: Any, ldc: int
) -> None:
    """Compute the same product by `np.matmul`, where printed text runs as Python."""
    del at
    if not m * n * k:
        c[: m * ldc] = 0
        return
    left, right = a[: (k if ta else m) * lda].reshape(-1, lda), b[: (n if tb else k) * ldb].reshape(-1, ldb)
    np.matmul(left.T if ta else left, right.T if tb else right, out=c[: m * ldc].reshape(m, ldc))
