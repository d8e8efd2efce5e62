"""One contender in a process of its own: `serve` answers requests on standard input, `Worker` asks.

A request is one JSON line, ``{"case": i, "do": "prepare" | "sample" | "probe", ...}``, and so is the answer.
Standard output belongs to the protocol; whatever a library prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.exact import FLOAT64, distances, errors, many_bits
from tests.benchmarks.row import THREADS, TRIAL, Prepared, Probe, Row, load

__all__ = ["FAILED", "ROOT", "THREADS", "ContenderFailed", "Crew", "MissingContender", "Worker", "environment"]

ROOT = Path(__file__).resolve().parents[2]
FAILED = "failed: "
SAMPLE = 2e-4


class MissingContender(Exception):
    """The library of a contender is not installed, or cannot be had."""


class ContenderFailed(Exception):
    """A contender raised, or its process ended. The message begins with `FAILED`."""


def environment() -> dict[str, str]:
    """What every contender's process is given: two threads, whatever the library; OpenBLAS chooses its own kernel.

    Bytecode is kept, as after any installation, or each new process would compile what it imports.
    """
    dropped = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
    libraries = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    threads = {f"{library}_NUM_THREADS": str(THREADS) for library in libraries}
    kept = {k: v for k, v in os.environ.items() if k not in dropped}
    return kept | threads | {"PJRT_NPROC": str(THREADS), "JAX_PLATFORMS": "cpu"}


def two_cores() -> None:
    """Keep this process to as many cores as it has threads: not every library can be told its number of threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


class Worker:
    """The near end of the pipe to one contender."""

    def __init__(self, row: Row, contender: str) -> None:
        self.name = contender
        given = environment() | row.environment
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.worker", row.name, contender],
            cwd=ROOT, env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    def ask(self, **request: Any) -> Any:
        """The answer to one request. Raises MissingContender or ContenderFailed."""
        try:
            self._stdin.write(json.dumps(request) + "\n")
            self._stdin.flush()
        except BrokenPipeError:
            pass  # the answer below tells why
        line = self._stdout.readline()
        if not line:
            raise ContenderFailed(f"{FAILED}its process ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise MissingContender(answer["missing"])
        if "error" in answer:
            print(f"{self.name}: {answer['error']}", file=sys.stderr)
            raise ContenderFailed(FAILED + answer["error"].strip().splitlines()[-1])
        return answer["value"]

    def close(self) -> None:
        """End the contender's process."""
        self._stdin.close()
        self._stdout.close()
        self._process.wait()


class Crew:
    """The workers of a row, each started when it is first asked, and again after it was dismissed."""

    def __init__(self, row: Row, names: Sequence[str]) -> None:
        self.row, self.names = row, list(names)
        self._workers: dict[str, Worker] = {}

    def ask(self, name: str, **request: Any) -> Any:
        """The answer of that contender. Raises as `Worker.ask`, and then ends its process."""
        if name not in self._workers:
            self._workers[name] = Worker(self.row, name)
        try:
            return self._workers[name].ask(**request)
        except (MissingContender, ContenderFailed):
            self.dismiss(name)
            raise

    def dismiss(self, *names: str) -> None:
        """End the processes of these contenders; of all where none is named."""
        for name in names or (*self._workers,):
            self._workers.pop(name).close()


def _time_once(prepared: Prepared) -> float | dict[str, float]:
    start = time.perf_counter()
    told = prepared.step()
    elapsed = time.perf_counter() - start
    if isinstance(told, dict):
        return told
    return (told if isinstance(told, float) else elapsed) / prepared.per


def _sample(prepared: Prepared, seconds: float, repeat: int) -> list[Any]:
    """About `seconds` worth of samples, each of `repeat` steps in a row."""
    samples: list[Any] = []
    if repeat == 1:
        stop = time.perf_counter() + seconds
        while not samples or time.perf_counter() < stop:
            samples.append(_time_once(prepared))
        return samples
    step, clock = prepared.step, time.perf_counter
    stop = clock() + seconds
    while not samples or clock() < stop:
        start = clock()
        for _ in range(repeat):
            step()
        samples.append((clock() - start) / (repeat * prepared.per))
    return samples


def _check(row: Row, prepared: Prepared, args: tuple[Any, ...]) -> dict[str, Any]:
    """How far each result is from the reference, in multiples of what is allowed (above 1 is wrong), and its dtype."""
    if row.reference is None or row.allowed is None or prepared.results is None:
        return {"distance": {}, "dtypes": {}}
    got = prepared.results()
    distance = distances(got, row.reference(FLOAT64, *args), row.allowed(*args))
    return {"distance": distance, "dtypes": {name: str(value.dtype) for name, value in got.items()}}


def _probe(row: Row, contender: str, probe: Probe) -> dict[str, float]:
    """The largest error of each result, relative to the largest exact entry."""
    assert row.reference is not None
    os.environ[TRIAL] = "0"  # any setting will do: nothing is timed
    results = row.contenders[contender](*probe.args).results
    assert results is not None
    return errors(results(), row.reference(many_bits(), *probe.args))


def _prepare(prepared: Prepared, warm_up: float) -> dict[str, Any]:
    """Warm up, and find how many steps make a sample of some `SAMPLE` seconds."""
    answer = prepared.answer() if prepared.answer else None
    repeat, calls, begin = 1, 0, time.perf_counter()
    step_seconds = None
    if not prepared.fresh:
        while calls < 3 or time.perf_counter() - begin < warm_up:
            start = time.perf_counter()
            prepared.step()
            step_seconds = min(time.perf_counter() - start, step_seconds or 1e9)
            calls += 1
            if step_seconds > 1.0:
                break
        assert step_seconds is not None
        alone = not isinstance(prepared.step(), (float, dict))  # else the step measures by itself
        repeat = max(1, int(SAMPLE / step_seconds)) if alone else 1
    return {"answer": answer, "repeat": repeat, "step_seconds": step_seconds, "notes": dict(prepared.notes)}


def serve(row_name: str, contender: str) -> None:
    """Answer requests until standard input ends."""
    two_cores()
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    row = load(row_name)
    prepared: dict[int, tuple[Prepared, int]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        try:
            index = request["case"]
            if request["do"] == "probe":
                answer = {"value": _probe(row, contender, row.probes[index])}
            elif request["do"] == "prepare":
                os.environ[TRIAL] = request["trial"]
                prepared.clear()  # one case at a time: its arrays go before the next one's come
                made = row.contenders[contender](*row.cases[index].args)
                facts = _check(row, made, row.cases[index].args) | _prepare(made, request["warm_up"])
                prepared[index] = made, facts["repeat"]
                answer = {"value": facts}
            else:
                made, repeat = prepared[index]
                answer = {"value": _sample(made, request["seconds"], repeat)}
        except ImportError as error:
            answer = {"missing": f"missing: {error}"}
        except Exception:  # noqa: BLE001 - whatever a contender raises is told at the near end
            answer = {"error": traceback.format_exc()}
        pipe.write(json.dumps(answer) + "\n")
        pipe.flush()


if __name__ == "__main__":
    serve(*sys.argv[1:])
