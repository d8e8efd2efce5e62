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
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

__all__ = ["address", "gemm32", "gemm64", "plain_product"]

_NAMES = ("scipy_cblas_{0}gemm64_", "cblas_{0}gemm64_", "scipy_cblas_{0}gemm", "cblas_{0}gemm")
_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112


@functools.cache
def address(dtype: str) -> int:
    """Return where the matrix product of a dtype is in memory; 0 where it cannot be found, or does not multiply.

    Names that end in ``64_`` take 64-bit sizes, the others 32-bit ones; on 64-bit machines both read what is passed
    here, whose upper half is 0. A product of two small matrices proves it before anything relies on it.
    """
    if config.DISABLE_JIT or ctypes.sizeof(ctypes.c_void_p) != 8:
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


def plain_product(
    at: int, ta: bool, tb: bool, m: int, n: int, k: int, a: Any, lda: int, b: Any, ldb: int, c: Any, ldc: int
) -> None:
    """Compute the same product by `np.matmul`, where the JIT is off."""
    del at
    if not m * n * k:
        c[: m * ldc] = 0
        return
    left, right = a[: (k if ta else m) * lda].reshape(-1, lda), b[: (n if tb else k) * ldb].reshape(-1, ldb)
    np.matmul(left.T if ta else left, right.T if tb else right, out=c[: m * ldc].reshape(m, ldc))


def _product(bits: int) -> Any:
    """``gemm(address, ta, tb, m, n, k, a, lda, b, ldb, c, ldc)``: c = op(a) @ op(b) on memory in C order."""
    if config.DISABLE_JIT:
        return plain_product

    @intrinsic
    def gemm(
        typingctx: Any, at: Any, ta: Any, tb: Any, m: Any, n: Any, k: Any,
        a: Any, lda: Any, b: Any, ldb: Any, c: Any, ldc: Any,
    ) -> Any:  # fmt: skip
        del typingctx, at, ta, tb, m, n, k, lda, ldb, ldc

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            where, ta_, tb_, m_, n_, k_, a_, lda_, b_, ldb_, c_, ldc_ = args
            word, long = ir.IntType(32), ir.IntType(64)
            real = ir.FloatType() if bits == 32 else ir.DoubleType()
            pointers = []
            for kind, value in ((signature.args[6], a_), (signature.args[8], b_), (signature.args[10], c_)):
                flat = isinstance(kind, types.Array)  # where bounds are checked
                data = context.make_array(kind)(context, builder, value).data if flat else value
                pointers.append(builder.ptrtoint(data, long))
            kind = ir.FunctionType(
                ir.VoidType(), [word, word, word, long, long, long, real, long, long, long, long, real, long, long]
            )
            function = builder.inttoptr(where, kind.as_pointer())
            no, turned, plain = ir.Constant(long, 0), ir.Constant(word, _TRANSPOSED), ir.Constant(word, _PLAIN)
            ways = [builder.select(builder.icmp_signed("!=", flag, no), turned, plain) for flag in (ta_, tb_)]
            builder.call(function, [
                ir.Constant(word, _ROW_MAJOR), *ways, m_, n_, k_, ir.Constant(real, 1.0), pointers[0], lda_,
                pointers[1], ldb_, ir.Constant(real, 0.0), pointers[2], ldc_,
            ])  # fmt: skip
            return context.get_dummy_value()

        long = types.int64
        return types.void(long, long, long, long, long, long, a, long, b, long, c, long), codegen

    return gemm


gemm32, gemm64 = _product(32), _product(64)
