"""Run by .ci/run in an empty folder, beside the built wheel with its core dependencies only: draw and walk."""

import sys
from pathlib import Path

before = set(sys.modules)
import micrograd as mg

loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
extra = {name for name in loaded - sys.stdlib_module_names - {"micrograd", "numpy"} if not name.startswith("_")}
assert not extra, f"import micrograd loads {sorted(extra)}"
assert "site-packages" in mg.__file__, f"{mg.__file__} is not the installed wheel"
assert (Path(mg.__file__).parent / "py.typed").exists(), "py.typed is not in the wheel"

import numpy as np
from bn import batchnorm_forward

rng = np.random.default_rng(0)
x, gamma, beta, dout = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=(4, 3))
graph = mg.trace(batchnorm_forward, x, gamma, beta).backward(dout)

_, (xhat, _, _, ivar, *_) = batchnorm_forward(x, gamma, beta)
dx = gamma * ivar / 4 * (4 * dout - dout.sum(0) - xhat * (dout * xhat).sum(0))
assert np.abs(graph.grad["x"] - dx).max() < 1e-12, "the gradient of x is not the handwritten one"

mg.draw(graph, "bn.svg")
svg = Path("bn.svg").read_text(encoding="utf-8")
for word in ("<svg", "xmu", "sqrtvar", "dxmu2", "normalize"):
    assert word in svg, f"bn.svg lacks {word!r}"
print(f"bn.svg: {len(graph.nodes)} nodes, {len(svg)} characters, drawn with the core dependencies alone")

mg.walk(graph, "bn.html")
html = Path("bn.html").read_text(encoding="utf-8")
for word in ("<!doctype html>", "default-src 'none'", "dxmu2", "RULES"):
    assert word in html, f"bn.html lacks {word!r}"
print(f"bn.html: {len(html)} characters")
