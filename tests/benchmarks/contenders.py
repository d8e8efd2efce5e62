"""What the rows of the compiler have in common: a contender is one function on arrays that it is handed beforehand.

Every peer is given its best setting. Where several ways lead to the same results (PyTorch's library function or its
operations called directly, one thread or two), all are tried for a moment on the machine at hand and the fastest is
measured; the note under the table says which it was.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.benchmarks.row import THREADS, TRIAL, Prepared

__all__ = [
    "KEEP_MEMORY", "compiled", "fastest", "handwritten", "jax_arrays", "jax_jit", "leaf", "prepared",
    "require_compiler", "require_cpp_compiler", "torch_arrays", "torch_compile", "torch_native",
]  # fmt: skip

Run = Callable[[], Any]

BUILDING = 60.0
"""Seconds after which no further setting of a peer is built, once one runs: the likeliest comes first."""

KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**34), "THP_MEM_ALLOC_ENABLE": "1",
}  # fmt: skip
"""Freed memory stays with the process, as ours stays in a pool; and PyTorch asks for huge pages, as NumPy does unasked.

By default glibc gives arrays of more than 32 MB back to the system at once, and a third of a peer's time then goes into
page faults (PyTorch, 65536x256: 180 ms, with this 60).
"""


def prepared(run: Run, names: Sequence[str], **notes: Any) -> Prepared:
    """`run` answers the results called `names`, nested or flat, in whatever arrays the contender has."""

    def results() -> dict[str, Any]:
        import numpy as np

        flat = [np.asarray(a.detach() if hasattr(a, "detach") else a) for a in _flat(run())]
        return dict(zip(names, flat, strict=True))

    return Prepared(run, results=results, notes=notes)


def _flat(answer: Any) -> list[Any]:
    return [leaf for part in answer for leaf in _flat(part)] if isinstance(answer, (tuple, list)) else [answer]


def fastest(
    settings: Mapping[str, Callable[[], Run]],
    names: Sequence[str],
    activate: Callable[[str], object] = lambda name: None,
) -> Prepared:
    """The setting with the lowest time, tried in turns; one that cannot run is named in the notes.

    Args:
        settings: what builds each, by name.
        names: of the results.
        activate: called with the name of a setting before its turn, and at last with that of the fastest.
    """
    seconds = float(os.environ.get(TRIAL, "0.2"))
    runs: dict[str, Run] = {}
    unable: dict[str, Exception] = {}
    untried: list[str] = []
    begun = time.perf_counter()
    for name, build in settings.items():
        if runs and time.perf_counter() - begun > BUILDING:
            untried.append(name)
            continue
        activate(name)
        try:
            runs[name] = build()
            runs[name]()
        except Exception as error:  # noqa: BLE001 - whatever it is, another setting may do
            unable[name] = error
            runs.pop(name, None)
    if not runs:
        raise next(iter(unable.values()))
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(5 if len(runs) > 1 else 0):
        for name, run in runs.items():
            activate(name)
            run()
            samples, stop = [], time.perf_counter() + seconds / 5
            while not samples or time.perf_counter() < stop:
                start = time.perf_counter()
                run()
                samples.append(time.perf_counter() - start)
            taken[name].append(statistics.median(samples))
    best = min(runs, key=lambda name: min(taken[name], default=0.0))
    activate(best)
    notes = {"setting": best} if len(settings) > 1 else {}
    notes |= {"not tried, since building them takes minutes": ", ".join(untried)} if untried else {}
    notes |= {f"cannot run {name}": f"{type(error).__name__}" for name, error in unable.items()}
    return prepared(runs[best], names, **notes)


# ---- ours ------------------------------------------------------------------------------------------------


def compiled(f: Callable[..., Any], arrays: Sequence[Any], names: Sequence[str]) -> Prepared:
    """``mg.compile(f)`` on NumPy arrays. Raises ImportError where llvmlite is missing."""
    import micrograd as mg

    require_compiler()
    step = mg.compile(f)
    return prepared(lambda: step(*arrays), names)


def require_compiler() -> None:
    """Raise ImportError where the extra is not installed."""
    import llvmlite  # noqa: F401


def handwritten(f: Callable[..., Any], arrays: Sequence[Any], names: Sequence[str]) -> Prepared:
    """Plain NumPy."""
    return prepared(lambda: f(*arrays), names)


# ---- PyTorch ---------------------------------------------------------------------------------------------


def torch_arrays(arrays: Sequence[Any]) -> list[Any]:
    """The same memory as tensors, made before anything is timed."""
    import torch

    torch.set_num_threads(THREADS)
    return [torch.from_numpy(a) for a in arrays]


def leaf(tensor: Any) -> Any:
    """A copy that asks for its gradient."""
    return tensor.clone().requires_grad_()


def torch_native(settings: Mapping[str, Run], names: Sequence[str]) -> Prepared:
    """Eager PyTorch: the fastest of `settings`, each with two threads and with one."""
    import torch

    both = {f"{name}, {_threads(count)}": (run, count) for name, run in settings.items() for count in (THREADS, 1)}
    return fastest(
        {name: (lambda run=run: run) for name, (run, _) in both.items()}, names,
        activate=lambda name: torch.set_num_threads(both[name][1]),
    )  # fmt: skip


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def torch_compile(functions: Mapping[str, Callable[..., Any]], arrays: Sequence[Any], names: Sequence[str]) -> Prepared:
    """``torch.compile`` of functions that make all results of the tensors, so that forward and backward are one graph.

    Raises ImportError where it finds no C++ compiler.
    """
    import torch

    tensors = torch_arrays(arrays)
    require_cpp_compiler()
    torch._dynamo.reset()
    small = sum(a.nbytes for a in arrays) < 2**20
    both = {
        f"{name}, {_threads(count)}": (f, count)
        for name, f in functions.items()
        for count in ((THREADS, 1) if small else (THREADS,))
    }

    def building(f: Callable[..., Any]) -> Callable[[], Run]:
        def build() -> Run:
            torch._dynamo.reset()  # what is compiled before stays usable; it must not be found again
            step = torch.compile(f, fullgraph=True, dynamic=False)
            step(*tensors)  # the number of threads goes into the code
            return lambda: step(*tensors)

        return build

    return fastest(
        {name: building(f) for name, (f, _) in both.items()}, names,
        activate=lambda name: torch.set_num_threads(both[name][1]),
    )  # fmt: skip


def require_cpp_compiler() -> None:
    """Raise ImportError where torch.compile would find no C++ compiler."""
    from torch._inductor import cpp_builder, exc  # type: ignore[import-not-found, unused-ignore]

    try:
        cpp_builder.get_cpp_compiler()
    except exc.InvalidCxxCompiler:
        raise ImportError("torch.compile needs a C++ compiler, and finds none") from None


# ---- JAX -------------------------------------------------------------------------------------------------


def jax_arrays(arrays: Sequence[Any]) -> list[Any]:
    """Arrays on JAX's device."""
    import jax
    import numpy as np

    if any(a.dtype == np.float64 for a in arrays):
        jax.config.update("jax_enable_x64", True)
    # dispatching in the calling thread: tried, takes a third less for small arrays and no more for large ones
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    return [jax.device_put(a) for a in arrays]


def jax_jit(
    functions: Mapping[str, Callable[..., Any]], arrays: Sequence[Any], names: Sequence[str], numpy_io: bool = False
) -> Prepared:
    """``jax.jit`` on arrays that are on its device and stay there; with `numpy_io`, NumPy arrays in and out."""
    import jax
    import numpy as np

    on_device = jax_arrays(arrays)

    def building(f: Callable[..., Any]) -> Callable[[], Run]:
        def build() -> Run:
            step = jax.jit(f)
            if numpy_io:
                return lambda: [np.asarray(a) for a in _flat(step(*arrays))]
            return lambda: jax.block_until_ready(step(*on_device))

        return build

    return fastest({name: building(f) for name, f in functions.items()}, names)
