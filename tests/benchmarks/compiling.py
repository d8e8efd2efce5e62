"""Row 15: how long compiling takes, from the function to its first answer: batch norm, and a transformer's training step.

Each measurement is a fresh interpreter: ``python -m tests.benchmarks.compiling micrograd bn 64 128``. "cold" starts with
an empty cache directory, "from disk" with the one that processes before have filled. Importing what compiles is not
part of either and has a line of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks import compiled_bn, contenders, networks
from tests.benchmarks.batchnorm import composed
from tests.benchmarks.row import THREADS, Case, Goal, Prepared, Row
from tests.benchmarks.worker import ROOT

Load = Callable[[], Callable[..., Any]]


# ---- in the fresh interpreter ----------------------------------------------------------------------------


def _micrograd() -> Callable[..., Any]:
    import llvmlite.binding  # noqa: F401  (what compiles)
    import numpy as np

    import micrograd as mg

    function = compiled_bn.both_ways(mg.vjp, lambda x, gamma, beta: composed(x, gamma, beta, np.sqrt))
    maker = mg.compile  # loads the compiler
    return lambda *arrays: maker(function)(*arrays)


def _torch() -> Callable[..., Any]:
    import torch
    import torch._inductor.compile_fx

    torch.set_num_threads(THREADS)
    function = compiled_bn.both_ways(torch.func.vjp, lambda x, gamma, beta: composed(x, gamma, beta, torch.sqrt))
    return lambda *arrays: torch.compile(function, fullgraph=True, dynamic=False)(*map(torch.from_numpy, arrays))


def _jax() -> Callable[..., Any]:
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.devices()
    function = compiled_bn.both_ways(jax.vjp, lambda x, gamma, beta: composed(x, gamma, beta, jnp.sqrt))
    return lambda *arrays: jax.block_until_ready(jax.jit(function)(*arrays))


LIBRARIES: Mapping[str, tuple[str, Load, Callable[..., Any]]] = {
    "micrograd": ("llvmlite", _micrograd, networks.micrograd_step),
    "torch.compile": ("torch", _torch, networks.torch_step),
    "jax": ("jax", _jax, networks.jax_step),
}


def measure(library: str, program: str, *sizes: int) -> dict[str, float]:
    """Seconds to import what compiles, over NumPy's own, and seconds to the first answer after that."""
    _, load, step = LIBRARIES[library]
    arrays = compiled_bn.arrays(*sizes) if program == "bn" else ()
    start = time.perf_counter()
    first_call = load()
    loaded = time.perf_counter()
    if program != "bn":
        first_call, _ = step(networks.NETWORKS[program], sizes)  # parameters and batch are made before the clock starts
        start = time.perf_counter()
        first_call()
        return {"import": 0.0, "compile": time.perf_counter() - start}
    first_call(*arrays)
    return {"import": loaded - start, "compile": time.perf_counter() - loaded}


# ---- the contender ---------------------------------------------------------------------------------------


def _caches(folder: str) -> dict[str, str]:
    """Every cache that a library may keep, in a folder of ours."""
    names = ("MICROGRAD_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")
    return {name: str(Path(folder) / name.lower()) for name in names} | {"XDG_CACHE_HOME": folder}


def _fresh(library: str, what: str, program: str, *sizes: int) -> Prepared:
    module, *_ = LIBRARIES[library]
    if find_spec(module) is None:
        raise ImportError(f"No module named {module!r}")
    if library == "micrograd":
        contenders.require_compiler()
    if library == "torch.compile":
        contenders.require_cpp_compiler()

    def run(folder: str) -> dict[str, float]:
        command = [sys.executable, "-m", "tests.benchmarks.compiling", library, program, *map(str, sizes)]
        environment = os.environ | _caches(folder)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    def cold() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return run(folder)["compile"]

    if what == "cold":
        return Prepared(cold, fresh=True)
    kept = tempfile.TemporaryDirectory()  # removed with the step that holds it
    for _ in range(2):  # the second process may still find something to keep
        run(kept.name)
    wanted = "import" if what == "import" else "compile"
    return Prepared(lambda: run(kept.name)[wanted], fresh=True)


ROW = Row(
    name="compiling",
    title="compiling, forward + backward, float32",
    cases=(
        Case("cold, batch norm 64x128", ("cold", "bn", 64, 128), Goal(0.12)),
        Case("cold, batch norm 4096x1024", ("cold", "bn", 4096, 1024), Goal(0.15)),
        Case("cold, transformer's training step", ("cold", "transformer", 16, 64, 64), Goal(1.0)),
        Case("from disk in a new process, batch norm 64x128", ("from disk", "bn", 64, 128), Goal(0.03)),
        Case("from disk in a new process, batch norm 4096x1024", ("from disk", "bn", 4096, 1024), Goal(0.04)),
        Case("importing what compiles", ("import", "bn", 64, 128), Goal(0.05)),
        Case("from disk in a new process, batch norm 8x4", ("from disk", "bn", 8, 4), quick=True),
    ),
    contenders={name: (lambda *args, name=name: _fresh(name, *args)) for name in LIBRARIES},
    rounds=3,
)

if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:3], *map(int, sys.argv[3:]))))
