"""Compiled calls as their printed text computes them, and the comparison of two results."""

from __future__ import annotations

from typing import Any

import numpy as np

from micrograd.compiler.backends.native import Entry
from micrograd.program.capture import capture
from micrograd.program.program import evaluate

__all__ = ["LOOP", "close", "interpreted"]

LOOP = """
def run(n, x, out):
    i = 0
    while i < n:
        out[i] = {}
        i += 1
    return 0
"""
"""A printed function of one loop, with a hole for the expression of ``x[i]``."""


def interpreted(f: Any, *args: Any, threads: int = 1) -> tuple[Any, Any]:
    """The answers of a captured call, as printed and as the program says."""
    with np.errstate(all="ignore"):
        program = capture(f, args, {})
    layouts = {
        feed.value: "F"
        for feed in program.feeds
        if feed.kind == "argument"
        and args[feed.position].flags.f_contiguous
        and not args[feed.position].flags.c_contiguous
    }
    got = Entry(program, layouts, threads, interpreted=True).run(args)
    known = evaluate(program, {f.value: args[f.position] if f.kind == "argument" else f.array for f in program.feeds})
    return got, program.rebuild([known[v] for v in program.outputs])


def close(a: Any, b: Any, scale: float = 1.0, coarsest: Any = np.float64) -> None:
    """Shape, dtype and values are alike, up to the rounding of the dtype, or of the `coarsest` on the way to it."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    if b.dtype.kind != "f":
        assert np.array_equal(a, b)
        return
    u = max(np.finfo(b.dtype).eps, np.finfo(coarsest).eps)
    assert np.array_equal(np.isnan(a), np.isnan(b))
    fine = np.isfinite(b)
    assert np.array_equal(a[~fine & ~np.isnan(b)], b[~fine & ~np.isnan(b)])
    size = max(float(np.abs(b[fine]).max(initial=0.0)), scale)
    assert np.abs(a[fine] - b[fine]).max(initial=0.0) <= 256 * u * size
