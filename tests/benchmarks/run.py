"""`make bench`: measure every row, contenders in turn, round by round; write the table, the samples and the plot.

``--only compiled_bn:4096,attention`` measures cases of those names; what was measured lies in ``out/bench/parts/``, and
``--resume`` takes it from there. ``--publish`` writes the pages of the documentation whose rows were all measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import pages, report
from tests.benchmarks.machine import describe
from tests.benchmarks.parts import Parts
from tests.benchmarks.row import ROWS, Case, Row, load
from tests.benchmarks.worker import FAILED, ROOT, ContenderFailed, Crew, MissingContender

__all__ = ["PAUSE", "main", "measure"]

PAUSE = 4e-3
"""Seconds before each contender's samples: until then the threads of the one before may spin on the second core."""


class Disagreement(Exception):
    """Two contenders computed different things, so comparing their times would be wrong."""


def _agree(row: Row, case: str, answers: dict[str, list[float]]) -> None:
    """Raise Disagreement unless all answers are equal up to the row's tolerance."""
    (first, expected), *others = answers.items()
    for name, got in others:
        scale = max(map(abs, expected))
        far = [abs(a - b) for a, b in zip(expected, got, strict=True)]
        if not all(d <= row.rtol * max(abs(a), 1e-3 * scale) for a, d in zip(expected, far, strict=True)):
            raise Disagreement(f"{row.name}, {case}: {first} answers {expected[:8]}, {name} answers {got[:8]}")


def _correct(row: Row, case: str, facts: dict[str, dict[str, Any]]) -> None:
    """Raise Disagreement where a result is further from the reference than allowed, or of a dtype of its own."""
    for name, fact in facts.items():
        for result, distance in fact["distance"].items():
            if not distance <= 1:
                raise Disagreement(
                    f"{row.name}, {case}: {result} of {name} is {distance:.3g} times the allowed distance "
                    "from the reference"
                )
    kinds = {name: fact["dtypes"] for name, fact in facts.items() if fact["dtypes"]}
    if len({tuple(sorted(kind.items())) for kind in kinds.values()}) > 1:
        raise Disagreement(f"{row.name}, {case}: results in different dtypes, {kinds}")


def accuracy(crew: Crew) -> list[dict[str, Any]]:
    """The error of every contender at every probe of the row; of those that are missing, the table tells."""
    row, found = crew.row, []
    for name in crew.names:
        for index, probe in enumerate(row.probes):
            entry = {"row": row.name, "title": row.title, "probe": probe.name, "contender": name, "errors": {}}
            try:
                entry["errors"] = crew.ask(name, do="probe", case=index)
            except MissingContender:
                break
            except ContenderFailed as error:
                entry["failed"] = str(error)
            found.append(entry)
    limits = {probe.name: probe.limits for probe in row.probes}
    return report.judged_errors(found, limits, mine=next(iter(row.contenders)))


def _chosen(row: Row, peers: Sequence[str] | None) -> list[str]:
    mine = next(iter(row.contenders))
    return [n for n in row.contenders if peers is None or n.split(",")[0] == mine or n in peers]


def _rounds(row: Row, wanted: int, round_seconds: float, budget: float) -> int:
    affordable = int(budget / max(round_seconds, 1e-9))
    return max(3, min(wanted, row.rounds or wanted, affordable)) if wanted > 3 else wanted


def measure(crew: Crew, case_index: int, rounds: int, seconds: float, budget: float) -> list[dict[str, Any]]:
    """The lines of the table for one case.

    Args:
        crew: the contenders of a row.
        case_index: which of its cases.
        rounds: how many rounds to aim for.
        seconds: how long each contender samples in a round.
        budget: rounds are cut (never below 3, unless that takes four times as long) so that the case stays within
            this many seconds.
    """
    row, case = crew.row, crew.row.cases[case_index]
    missing: dict[str, str] = {}  # the reasons, of those that are not installed and of those that failed
    facts: dict[str, Any] = {}
    for name in crew.names:
        try:
            facts[name] = crew.ask(name, do="prepare", case=case_index, warm_up=2 * seconds, trial=str(4 * seconds))
        except (MissingContender, ContenderFailed) as error:
            missing[name] = str(error)
    _correct(row, case.name, facts)
    answers = {name: fact["answer"] for name, fact in facts.items() if fact["answer"] is not None}
    if answers:
        _agree(row, case.name, answers)
    lead = sum(max(seconds, fact["step_seconds"] or 0.0) for fact in facts.values())
    rounded: dict[str, list[list[Any]]] = {name: [] for name in facts}
    begun = time.perf_counter()
    for number in range(_rounds(row, rounds, lead, budget)):
        names = list(rounded)
        at = number % max(len(names), 1)
        for name in names[at:] + names[:at]:  # nobody always follows the same neighbour
            time.sleep(PAUSE)
            try:
                rounded[name].append(crew.ask(name, do="sample", case=case_index, seconds=seconds))
            except ContenderFailed as error:
                missing[name] = str(error)
                rounded.pop(name)
        if time.perf_counter() - begun > 4 * budget:
            break  # new processes that compile for a minute
    if row.anew:
        crew.dismiss()
    return report.lines(row, case, rounded, missing, {n: f["notes"] for n, f in facts.items() if f["notes"]})


def _selected(only: str) -> dict[str, list[str]]:
    """The rows that ``--only`` names, each with what its cases' names are to contain; [] for all of them."""
    wanted: dict[str, list[str]] = {}
    for part in only.split(","):
        name, _, case = part.strip().partition(":")
        wanted.setdefault(name, []).extend([case] if case else [])
    return wanted


def _cases(row: Row, contained: Sequence[str], quick: bool) -> list[tuple[int, Case]]:
    return [
        (index, case) for index, case in enumerate(row.cases)
        if (case.quick or not quick) and (not contained or any(text in case.name for text in contained))
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; answers 1 where a contender failed or disagreed (a goal not reached is only reported)."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "--only",
        "--rows",
        default=",".join(ROWS),
        metavar="ROW[:CASE],...",
        help=f"which rows, and of a row only cases whose name holds CASE (default: all of {' '.join(ROWS)})",
    )
    parser.add_argument("--peers", help="which peers, comma-separated (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds per case (default: %(default)s)")
    parser.add_argument("--budget", type=float, default=12.0, help="seconds per case at most (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="the quick cases alone, 3 short rounds")
    parser.add_argument("--resume", action="store_true", help="measure only what OUT/parts does not hold yet")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "bench", help="folder for table, samples and plot")
    parser.add_argument("--publish", action="store_true",
                        help="also write docs/benchmarks/ and the README's figures, of pages measured as a whole")  # fmt: skip
    chosen = parser.parse_args(arguments)
    wanted = _selected(chosen.only)
    if unknown := sorted({*wanted} - {*ROWS}):
        parser.error(f"unknown rows: {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if chosen.publish and (chosen.quick or chosen.peers is not None):
        parser.error("--publish takes no --quick and no --peers: a page shows every case and every contender")
    peers = None if chosen.peers is None else [name.strip() for name in chosen.peers.split(",")]
    rounds, seconds = (3, 0.01) if chosen.quick else (chosen.rounds, 0.04)
    started = time.perf_counter()
    machine = describe()  # before our own work shows in the load
    rows = [(load(name), contained) for name, contained in wanted.items()]
    total = sum(len(_cases(row, contained, chosen.quick)) for row, contained in rows)
    parts = Parts(chosen.out / "parts", [chosen.quick, peers, machine["processor"], machine["versions"]], chosen.resume)
    table: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    whole: set[str] = set()
    disagreed: list[str] = []  # their times are nowhere; those of the other cases are kept
    done = 0
    for row, contained in rows:
        lines: list[dict[str, Any]] = []
        crew = Crew(row, _chosen(row, peers))
        cases = _cases(row, contained, chosen.quick)
        for index, case in cases:
            done, begun = done + 1, time.perf_counter()
            print(f"[{done}/{total}] {row.title}, {case.name} ...", file=sys.stderr, end="", flush=True)
            try:
                lines += parts.kept(f"{row.name}-{case.name}", lambda crew=crew, index=index: measure(
                    crew, index, rounds, seconds, chosen.budget))  # fmt: skip
                print(f" {time.perf_counter() - begun:.0f} s", file=sys.stderr)
            except Disagreement as error:
                disagreed.append(f"{row.title}, {case.name}")
                print(f"\ncontenders disagree: {error}", file=sys.stderr)
        table += lines + report.mean_lines(row, lines) + (row.derived(lines) if row.derived else [])
        errors += parts.kept(f"{row.name}, errors", lambda crew=crew: accuracy(crew))
        crew.dismiss()
        whole |= {row.name} if len(cases) == len(row.cases) else set()
    elapsed = time.perf_counter() - started
    result = {"machine": machine, "quick": chosen.quick, "seconds": elapsed, "lines": table, "errors": errors}
    written = report.write(result, chosen.out)
    print(report.markdown(result))
    if chosen.publish and not disagreed:
        for page in pages.complete(whole):
            written += pages.publish(result, ROOT / "docs" / "benchmarks", page)
        for name in ("README.md", "README.zh-CN.md") if "compiled_bn" in whole else ():
            written += pages.readme(result, ROOT / name)
    print("written: " + ", ".join(str(p.relative_to(ROOT) if p.is_relative_to(ROOT) else p) for p in written))
    print(f"{total} cases in {elapsed / 60:.1f} minutes", file=sys.stderr)
    reasons = {f"{line['row']}: {name}": why for line in table for name, why in line["missing"].items()}
    failed = [f"{case}: contenders disagree" for case in disagreed]
    failed += [who for who, why in reasons.items() if why.startswith(FAILED)]
    failed += [f"{e['row']}, {e['probe']}: {e['contender']}" for e in errors if "failed" in e]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
