"""`make fuzz`: write programs, judge each by every route, print what fails as shrunk source, and count refusals."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from .judging import Odd, Verdict, judge
from .planted import FAULTS
from .programs import Program
from .routes import DEAR, ROUTES
from .shrinking import shrink
from .writing import write

__all__ = ["Tally", "found_after", "main", "programs", "routes_of"]

BATCH = 200


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Programs as Hypothesis draws them."""
    return write(lambda count: draw(st.integers(0, count - 1)))


def routes_of(number: int, *, dear: bool) -> list[str]:
    """The routes that program `number` takes."""
    every = {route: DEAR[route] if dear and route in DEAR else often for route, (_, often) in ROUTES.items()}
    return [route for route, often in every.items() if often and number % often == 0]


class Tally:
    """Counts of what became of programs, and one shrunk program for each way to fail."""

    def __init__(self, folder: Path | None = None) -> None:
        self.programs = 0
        self.odd: Counter[str] = Counter()
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.skipped: Counter[str] = Counter()
        self.wrong: dict[Verdict, tuple[int, Program]] = {}
        self.shown: set[str] = set()
        self.folder = folder

    def add(self, program: Program, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """Count a program; return what is wrong with it in a way that has not been seen."""
        self.programs += 1
        fresh = []
        for verdict in verdicts:
            self.outcomes[verdict.route, verdict.outcome] += 1
            if verdict.outcome == "refused":
                self.refusals[verdict.route, verdict.why] += 1
            elif verdict.outcome == "skipped":
                self.skipped[verdict.why] += 1
            elif verdict.outcome == "wrong":
                key = Verdict(verdict.route, "wrong", verdict.why)
                count, kept = self.wrong.get(key, (0, program))
                self.wrong[key] = count + 1, kept
                if count < 2:
                    fresh.append(verdict)
        return fresh

    def table(self) -> str:
        """The counts as text: outcomes by route, refusals by kind, what is wrong."""
        routes = dict.fromkeys(route for route, _ in self.outcomes)
        columns = ("right", "rounded", "refused", "skipped", "wrong")
        lines = [
            f"{self.programs} programs; thrown away: {dict(self.odd)}",
            "route".ljust(16) + "".join(c.rjust(10) for c in columns),
        ]
        lines += [
            route.ljust(16) + "".join(str(self.outcomes[route, c]).rjust(10) for c in columns) for route in routes
        ]
        judged = sum(count for (route, _), count in self.outcomes.items() if route != "slope")
        refused = sum(self.refusals.values())
        lines.append(f"refused: {refused} of {judged} runs ({100 * refused / max(judged, 1):.2f} %), by kind:")
        lines += [f"{count:8} {route}: {why}" for (route, why), count in self.refusals.most_common(60)]
        lines.append(f"gradients without a measured slope: {dict(self.skipped.most_common())}")
        lines.append(f"wrong: {sum(count for count, _ in self.wrong.values())}")
        lines += [
            f"{count:8} {v.route}: {v.why}" for v, (count, _) in sorted(self.wrong.items(), key=lambda w: -w[1][0])
        ]
        return "\n".join(lines)

    def keep(self, program: Program, verdict: Verdict) -> None:
        """Shrink a failing program, print it and write it to the folder."""
        small = shrink(program, verdict, 60 if verdict.route in DEAR else 400)
        if small.text in self.shown:
            return
        self.shown.add(small.text)
        text = f"# {verdict.route}: {verdict.why}\n# {verdict.detail}\n{small.text}"
        print("\n" + text)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = "".join(c if c.isalnum() else "_" for c in f"{verdict.route}_{verdict.why}")[:70]
            number = len([*self.folder.glob(f"{name}*")])
            (self.folder / f"{name}_{number}.py").write_text(text, encoding="utf-8")


def batch(number: int, size: int, tally: Tally, only: Sequence[str], *, dear: bool) -> None:
    """Judge programs that Hypothesis draws from one seed."""
    at = tally.programs

    @seed(number)
    @settings(
        max_examples=size, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )  # fmt: skip
    @given(programs())
    def judged(program: Program) -> None:
        nonlocal at
        at += 1
        try:
            verdicts = judge(program, [r for r in routes_of(at, dear=dear) if not only or r in only])
        except Odd as odd:
            tally.odd[str(odd)] += 1
            return
        for verdict in tally.add(program, verdicts):
            tally.keep(program, verdict)

    judged()


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge as many programs as asked for; 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="saved programs to judge again, instead of new ones")
    parser.add_argument("--programs", type=int, default=int(os.environ.get("PROGRAMS") or 2000))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or time.time()))
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    parser.add_argument("--cheap", action="store_true", help="leave out machine code, JAX and ONNX")
    parser.add_argument("--routes", nargs="+", choices=[*ROUTES], default=[], help="these alone")
    parser.add_argument("--plant", nargs="*", choices=[*FAULTS], help="faults to put back (all), until they are seen")
    chosen = parser.parse_args(arguments)
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    if chosen.plant is not None:
        return _plant(chosen.plant or [*FAULTS], chosen.programs)
    if chosen.files:
        return _again(chosen.files, chosen.routes)
    tally, begun, number = Tally(chosen.out), time.monotonic(), chosen.seed
    print(f"seed {number}", flush=True)
    said = begun
    while tally.programs < chosen.programs:
        batch(number, BATCH, tally, chosen.routes, dear=not chosen.cheap)
        number += 1
        if time.monotonic() - said > 30:
            said = time.monotonic()
            rate = tally.programs / (said - begun)
            wrong = sum(count for count, _ in tally.wrong.values())
            print(f"{tally.programs} programs, seed {number}, {rate:.0f} a second, {wrong} wrong", flush=True)
    print(tally.table())
    return 1 if tally.wrong else 0


def found_after(kind: str, most: int) -> int:
    """Return after how many programs a fault that is put back is seen; 0 where it is not after the most."""
    for number in range(1, most + 1):
        program = write(random.Random(number).randrange)
        try:
            with pytest.MonkeyPatch.context() as patch:
                FAULTS[kind].plant(patch)
                seen = _is_wrong(program, FAULTS[kind].routes)
            if seen and not _is_wrong(program, FAULTS[kind].routes):
                return number
        except Odd:
            continue
    return 0


def _is_wrong(program: Program, routes: Sequence[str]) -> bool:
    return any(verdict.outcome == "wrong" for verdict in judge(program, routes))


def _plant(kinds: Sequence[str], most: int) -> int:
    """Put faults back, one at a time, and print after how many programs each is seen."""
    missed = 0
    for kind in kinds:
        number = found_after(kind, most)
        print(f"{kind}: {FAULTS[kind].what}: {f'after {number} programs' if number else 'not found'}", flush=True)
        missed += not number
    return 1 if missed else 0


def _again(files: Sequence[Path], routes: Sequence[str] | None) -> int:
    wrong = 0
    for file in files:
        verdicts = judge(Program(file.read_text(encoding="utf-8")), routes or [*ROUTES])
        for verdict in verdicts:
            print(f"{file.name}: {verdict.route} {verdict.outcome} {verdict.why} {verdict.detail}")
            wrong += verdict.outcome == "wrong"
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
