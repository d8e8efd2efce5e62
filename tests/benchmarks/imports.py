"""Row 4: what importing a library costs once NumPy is loaded, each time in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from tests.benchmarks.row import Case, Goal, Prepared, Row

_TIMED = "import time, numpy; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
_EVERYTHING = (
    "import micrograd as m; m.trace, m.grad, m.nn, m.optim, m.data, m.functional, m.testing, m.checked, m.draw"
)


def _importing(module: str, statement: str | None = None) -> Prepared:
    if find_spec(module.partition(".")[0]) is None:
        raise ImportError(f"No module named {module!r}")

    def step() -> float:
        command = [sys.executable, "-c", _TIMED.format(statement or f"import {module}")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return float(done.stdout)

    step()  # the first import may compile to bytecode
    return Prepared(step, fresh=True)


ROW = Row(
    name="imports",
    title="import, over NumPy's own",
    cases=(Case("fresh interpreter", goal=Goal(60e-3), quick=True),),
    contenders={
        "micrograd": lambda: _importing("micrograd"),
        # `import micrograd` leaves to first use what not every program needs; this is all of it
        "micrograd, all of it": lambda: _importing("micrograd", _EVERYTHING),
        "torch": lambda: _importing("torch"),
        "autograd": lambda: _importing("autograd.numpy"),
        "mygrad": lambda: _importing("mygrad"),
    },
    rounds=5,
)
