"""A checkpoint of 64 MB, written to the disk for good and read back into a model, against the bare file."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.row import Case, Goal, Prepared, Row

_MEGABYTES = 64
_ARRAYS = {
    f"layers.{n}": np.random.default_rng(n).standard_normal((1024, 1024), np.float32) for n in range(_MEGABYTES // 4)
}


def _file() -> Path:
    folder = tempfile.mkdtemp(prefix="micrograd-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder, "checkpoint")


def _synced(path: Path, write: Callable[[Any], object]) -> None:
    with path.open("wb", buffering=0) as file:
        write(file)
        os.fsync(file.fileno())


def _prepared(way: str, write: Callable[[], object], read: Callable[[], Any]) -> Prepared:
    """One way; the other is used to see that what was written is what is read: an array in the middle, summed."""
    write()
    return Prepared(
        write if way == "write" else read, answer=lambda: [float(np.sum(read(), dtype=float))], per=_MEGABYTES
    )


def _ours(way: str) -> Prepared:
    from micrograd.nn import Module, Parameter
    from micrograd.training.checkpoint import load, save

    class Layers(Module):
        def __init__(self) -> None:
            self.layers = {name: Parameter(array) for name, array in _ARRAYS.items()}

    path, model = _file(), Layers()

    def read() -> Any:
        load(path, model)
        return model.layers["layers.7"].data

    return _prepared(way, lambda: save(path, model), read)


def _raw(way: str) -> Prepared:
    path, content = _file(), b"".join(array.tobytes() for array in _ARRAYS.values())

    def read() -> Any:
        return np.frombuffer(path.read_bytes(), np.float32, 1 << 20, 7 << 22)

    return _prepared(way, lambda: _synced(path, lambda file: file.write(content)), read)


def _safetensors(way: str) -> Prepared:
    from safetensors.numpy import load_file, save

    path = _file()
    return _prepared(
        way, lambda: _synced(path, lambda file: file.write(save(_ARRAYS))), lambda: load_file(path)["layers.7"]
    )


def _torch(way: str) -> Prepared:
    import torch

    torch.set_num_threads(2)
    path, module = _file(), torch.nn.ParameterDict({k.replace(".", "_"): torch.tensor(v) for k, v in _ARRAYS.items()})

    def read() -> Any:
        module.load_state_dict(torch.load(path, weights_only=True))
        return module["layers_7"].detach().numpy()

    return _prepared(way, lambda: _synced(path, lambda file: torch.save(module.state_dict(), file)), read)


ROW = Row(
    name="checkpoint",
    title="checkpoint of 64 MB, per MB",
    cases=(
        Case("write and fsync", ("write",), Goal(1.5, "raw file"), quick=True),
        Case("read", ("read",)),
    ),
    contenders={"micrograd": _ours, "raw file": _raw, "safetensors": _safetensors, "torch": _torch},
    rounds=9,
)
