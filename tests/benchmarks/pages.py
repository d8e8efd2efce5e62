"""The published pages: which rows stand on which, their text and pictures, and the figures that the README repeats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.plot import growth, plot
from tests.benchmarks.row import ROWS

__all__ = ["PAGES", "complete", "publish", "readme"]

TITLES = {
    "index": "Benchmarks", "compile": "Benchmarks of compiled code", "training": "Benchmarks of training",
    "growth": "Growth of time and memory with size",
}  # fmt: skip
PAGES: Mapping[str, tuple[str, ...]] = {
    "index": ("chain", "moons", "batchnorm", "imports", "picture", "walk", "million"),
    "training": ("digits", "checkpoint", "mlp", "transformer", "residual"),
    "growth": ("growth",),
}
PAGES = {"compile": tuple(row for row in ROWS if not any(row in rows for rows in PAGES.values())), **PAGES}
"""The rows of each page; what is on no other is compiled code."""

_PAGE = """# {title}

`make bench` prints this table on your machine.
Every contender runs in a process of its own, warmed up; the contenders take turns, round by round, in one run, with a pause of 4 ms between them.
Python's garbage collector stays as it is by default.
Each figure is the median over all rounds, then the 10th, 90th and 99th percentile of samples of 0.2 ms or one call; each ratio is the median of the ratios within a round.
All contenders of a case compute the same from the same numbers in the same dtype: if results differ, no time is given and the run fails.
A goal is held against the fastest of PyTorch, torch.compile and JAX, each at its best setting; the memory that PyTorch frees stays with its process.
"handwritten" is plain NumPy; for batch norm `micrograd.batchnorm.batchnorm_forward` and `batchnorm_backward`.
Eager tensors are made from the arrays within the measured time, which copies them;
torch's `from_numpy` and MyGrad's `copy=False` share the memory.
"leaves made" starts from tensors that exist already.

{faster}

{pictures}{table}

A run writes its raw samples to `out/bench/results.json`; those of this table are not kept.
"""
_RATIOS = "![Time of each contender as a multiple of micrograd's]({})\n\n"
_GROWTH = "![Time and memory of each contender against the number of entries]({})\n\n"


def complete(measured: set[str]) -> list[str]:
    """The pages all of whose rows were measured."""
    return [page for page, rows in PAGES.items() if {*rows} <= measured]


def publish(result: Mapping[str, Any], folder: Path, page: str) -> list[Path]:
    """Write ``PAGE.md`` with its pictures from those lines of a result that stand on it; samples are not kept."""
    folder.mkdir(parents=True, exist_ok=True)
    own = dict(result)
    for part in ("lines", "errors"):
        own[part] = [entry for entry in result[part] if entry["row"] in PAGES[page]]
    ratios = folder / ("ratios.svg" if page == "index" else f"{page}-ratios.svg")
    curves = folder / "growth.svg"
    drawn = {curves: _GROWTH} if page == "growth" else {ratios: _RATIOS}
    drawn = {path: text for path, text in drawn.items() if (growth if path == curves else plot)(own, path)}
    peers = report.faster_peers(own["lines"])
    faster = "Where a peer is faster than micrograd:\n\n" + "\n".join(f"- {line}" for line in peers)
    text = folder / f"{page}.md"
    text.write_text(
        _PAGE.format(
            title=TITLES[page], table=report.markdown(own), pictures="".join(t.format(p.name) for p, t in drawn.items()),
            faster=faster if peers else "No peer that a goal speaks of is faster than micrograd here.",
        )
    )  # fmt: skip
    return [text, *drawn]


SHOWN = ("micrograd", "handwritten", "torch native", "jax")
"""The columns of the README's row, after its first."""


def readme(result: Mapping[str, Any], path: Path) -> list[Path]:
    """Write the figures of batch norm, 4096x1024 float32, into the one row of a README that links to ``compile.md``."""
    cells = [
        [report.figure(line["contenders"][name]["median"], "s") for name in SHOWN]
        for line in result["lines"]
        if (line["row"], line["case"]) == ("compiled_bn", "4096x1024 float32") and {*SHOWN} <= {*line["contenders"]}
    ]
    if not cells:
        return []
    text = path.read_text(encoding="utf-8")
    start = re.compile(r"(\n\|[^|\n]*benchmarks/compile\.md[^|\n]*\|)[^\n]*")
    path.write_text(start.sub(lambda row: f"{row[1]} {' | '.join(cells[0])} |", text), encoding="utf-8")
    return [path]
