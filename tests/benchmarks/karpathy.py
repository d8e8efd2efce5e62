"""Karpathy's micrograd 0.1.0, imported under its own name, which is ours as well: only in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

from tests.benchmarks.worker import ROOT

__all__ = ["his_package", "nn_on"]

_FOLDER = ROOT / "out" / "bench" / "cache"
_PINNED = "micrograd==0.1.0"


def folder() -> Path:
    """Where his package lies, fetched on first use. Raises ImportError where it cannot be had."""
    home = _FOLDER / _PINNED
    if not (home / "micrograd" / "engine.py").exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                   "--dest", str(_FOLDER), _PINNED]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = sorted(_FOLDER.glob("micrograd-0.1.0-*.whl"))
        if not wheels:
            raise ImportError(f"cannot download {_PINNED}: {(done.stderr.strip().splitlines() or ['no wheel'])[-1]}")
        unpacked = home.with_name(f"{home.name}.{os.getpid()}")  # two workers may arrive at once
        zipfile.ZipFile(wheels[0]).extractall(unpacked)
        try:
            unpacked.rename(home)
        except OSError:
            if not home.exists():
                raise
    return home


def his_package() -> ModuleType:
    """His `micrograd.engine`; from here on, this process cannot import ours."""
    home = folder()
    sys.path.insert(0, str(home))
    import micrograd.engine

    if not str(micrograd.engine.__file__).startswith(str(home)):
        raise RuntimeError("our micrograd was imported first; his needs a process of its own")
    return micrograd.engine


def nn_on() -> ModuleType:
    """His `nn.py`, line for line, on whichever `micrograd.engine` this process imports."""
    spec = importlib.util.spec_from_file_location("karpathy_nn", folder() / "micrograd" / "nn.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
