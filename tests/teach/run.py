"""`make teach`: have every fault and every right backward marked by `micrograd check`; print and write the table."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import ablate, corpus, life, report, several
from .faults import Fault, faults
from .table import Mark, judge_fault, judge_right, traces

__all__ = ["by_check", "in_process", "main", "measure", "measure_life", "measure_several"]

ROOT = Path(__file__).parents[2]


def _request(pair: corpus.Pair | life.Block, text: str) -> Any:
    """What is to be marked: two functions and example arrays, or a file as the command finds its pairs."""
    from micrograd.marker.inputs.pairs import chosen
    from micrograd.marker.process.runner import Request

    if isinstance(pair, corpus.Pair):
        kind = "loss" if pair.is_loss else "function"
        return Request(text, str(pair.path), pair.forward, pair.backward, kind, example=corpus.example(pair))
    (found,) = chosen(text, "user.py", pair.forward, pair.backward)
    return Request(text, "user.py", found.forward, found.backward, found.kind)


def by_check(pair: corpus.Pair | life.Block, text: str) -> Any:
    """As a user calls it, in a process of its own: with example arrays, or as the command does."""
    import micrograd as mg
    from micrograd.marker.process.runner import run

    if isinstance(pair, life.Block):
        return run(_request(pair, text))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / pair.path.name
        path.write_text(text, encoding="utf-8")
        functions = corpus.load(pair, text, str(path))
        return mg.check(functions.backward, functions.forward, *corpus.example(pair))


def in_process(pair: corpus.Pair | life.Block, text: str, seconds: float = 10.0) -> Any:
    """The same without the process: what `--quick`, `--ablate` and the tests ask."""
    from micrograd.marker.diagnosis.marking import mark
    from micrograd.marker.process.arguments import task_of
    from micrograd.marker.process.limits import Limits
    from micrograd.marker.report import Report

    request = _request(pair, text)
    try:
        return mark(*task_of(json.loads(request.to_json(Limits(seconds=seconds), walk=False))))
    except Exception as error:  # noqa: BLE001 - as the process would answer
        where = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{Path(where.filename).name}:{where.lineno}: {type(error).__name__}: {error}"
        return Report("failed", pair.forward, pair.backward, request.file, problem=problem)


def _all(do: Callable[[Any], Any], things: Sequence[Any], name: str, *, quick: bool, jobs: int) -> list[Any]:
    """Do it with all things; say so on standard error."""
    started = time.perf_counter()
    with ThreadPoolExecutor(1 if quick else jobs) as pool:
        found = list(pool.map(do, things))
    if things:
        print(f"{name}: {len(things)} in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def measure(
    planted: Sequence[Fault], right: Sequence[corpus.Pair], *, quick: bool = False, jobs: int = 1
) -> tuple[list[Mark], dict[str, str]]:
    """Mark them all; the marks, and of the right pairs why a forward could not be traced (empty where it could)."""
    check, clock = (in_process if quick else by_check), time.perf_counter
    marks: list[Mark] = []
    for name in dict.fromkeys(fault.layer.name for fault in planted):
        mine = [fault for fault in planted if fault.layer.name == name]
        marks += _all(lambda fault: judge_fault(fault, check, clock), mine, name, quick=quick, jobs=jobs)
    marks += _all(lambda pair: judge_right(pair, check, clock), right, "right backwards", quick=quick, jobs=jobs)
    return marks, {pair.name: traces(pair) for pair in right}


def measure_several(
    made: Sequence[several.Several], *, quick: bool = False, jobs: int = 1
) -> list[several.SeveralMark]:
    """Mark backwards with several faults."""
    check, clock = (in_process if quick else by_check), time.perf_counter
    return _all(lambda one: several.judge_several(one, check, clock), made, "two and three", quick=quick, jobs=jobs)


def measure_life(
    rows: Sequence[str], seed: int = 0, *, every: int = 1, quick: bool = False, jobs: int = 1
) -> list[life.LifeMark]:
    """Mark code as in real life, right and with its mistakes."""
    check, clock = (in_process if quick else by_check), time.perf_counter
    marks: list[life.LifeMark] = []
    for row in rows:
        mine = [item for item in life.items(seed) if item.row == row][::every]
        marks += _all(lambda item: life.judge(item.block, item, check, clock), mine, row, quick=quick, jobs=jobs)
    right = [block for block in life.blocks() if block.row in rows]
    return marks + _all(lambda block: life.judge(block, None, check, clock), right, "right", quick=quick, jobs=jobs)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; answers 1 where a right backward is found wrong, or a wrong one is not found."""
    names = [layer.name for layer in corpus.layers()]
    parser = argparse.ArgumentParser(prog="python -m tests.teach.run", description=__doc__)
    parser.add_argument(
        "--layers",
        "--only",
        default=",".join((*names, *life.ROWS)),
        help="which layers and rows of code as in real life, comma-separated (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="in this process, every fourth fault")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="every N-th fault alone")
    parser.add_argument("--seed", type=int, default=0, help="which of the possible faults are drawn (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="checks at a time; times are right for 1 (the default)")
    parser.add_argument("--misses", action="store_true", help="list what was missed, of the half that is developed on")
    parser.add_argument("--held-out", action="store_true", help="with --misses: of the other half, too")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "teach", help="folder for table and reports")
    parser.add_argument(
        "--ablate",
        nargs="*",
        metavar="NAME",
        help="switch off mechanisms of the diagnosis, one at a time; all without a name",
    )
    parser.add_argument("--publish", action="store_true", help="also write docs/benchmarks/teach.md")
    chosen = parser.parse_args(arguments)
    if chosen.ablate is not None:
        text = ablate.ablated(lambda pair, text: in_process(pair, text, 40.0), chosen.ablate, chosen.every)
        print(text)
        if chosen.publish:
            report.publish_ablation(text, ROOT / "docs" / "benchmarks" / "ablation.md")
        return 0
    wanted = [name.strip() for name in chosen.layers.split(",")]
    if unknown := sorted({*wanted} - {*names, *life.ROWS}):
        parser.error(f"unknown layers: {', '.join(unknown)}; there are {', '.join((*names, *life.ROWS))}")
    families = {corpus.LAYERS[name] for name in wanted if name in names}
    step = 4 * chosen.every if chosen.quick else chosen.every
    planted = [fault for fault in faults(chosen.seed) if fault.layer.name in wanted][::step]
    right = [pair for pair in corpus.layers() if pair.name in wanted]
    right += [pair for pair in corpus.variants() if pair.family in families or {*names} <= {*wanted}]
    chosen_layers = [layer for layer in corpus.layers() if layer.name in wanted]
    together = [made for layer in chosen_layers for made in several.drawn(layer, chosen.seed)][::step]
    how = {"quick": chosen.quick, "jobs": chosen.jobs}
    started = time.perf_counter()
    lived = measure_life([row for row in life.ROWS if row in wanted], chosen.seed, every=step, **how)
    marks, traced = measure(planted, right, **how)
    many = measure_several(together, **how)
    result = {
        "seed": chosen.seed, "quick": chosen.quick, "jobs": chosen.jobs, "cores": os.cpu_count(),
        "seconds": time.perf_counter() - started, "marks": [asdict(mark) for mark in marks], "traced": traced,
        "several": [asdict(mark) for mark in many], "life": [asdict(mark) for mark in lived],
    }  # fmt: skip
    text = report.told(marks, traced, names, several.markdown(many), life.markdown(lived))
    print(text)
    if chosen.misses:
        print(report.misses(marks, held_out=chosen.held_out))
        print(life.misses(lived, held_out=chosen.held_out))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "table.md").write_text(text + "\n", encoding="utf-8")
    (chosen.out / "results.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if chosen.publish:
        report.publish(text, result, ROOT / "docs" / "benchmarks" / "teach.md")
    return 1 if report.failures(marks) else 0


if __name__ == "__main__":
    sys.exit(main())
