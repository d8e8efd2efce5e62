"""A training, or a writer of large checkpoints, killed at random moments: run by test_checkpoint_kill.py.

A process of its own forks what is killed, so that a start costs a millisecond and not an import. It prints a report.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from micrograd import nn, optim
from micrograd.engine import Tensor
from micrograd.training import files
from micrograd.training import loop as training
from micrograd.training.checkpoint import load, peek, save
from micrograd.training.data import Dataset

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((48, 3))
DATA = Dataset(X[:40], (X[:40, 0] > 0).astype(int), X[40:], (X[40:, 0] > 0).astype(int))


def build() -> tuple[nn.Module, optim.Optimizer]:
    model = nn.mlp([3, 4, 2], batch_norm=True, dropout=0.25, rng=1)
    return model, optim.Adam(model.parameters(), 0.01)


def run(folder: Path, every: int | None) -> dict[str, Any]:
    """Train to the end, from the checkpoint if there is one; all that must not depend on how often it was killed."""
    model, optimizer = build()
    history = training.train(
        model, DATA, epochs=3, batch_size=8, optimizer=optimizer, schedule=optim.cosine(0.01, 3), clip=1.0,
        checkpoint=folder / "c", resume=True, every=every, log=folder / "log", patience=3,
    )  # fmt: skip
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    numbers = {name: values for name, values in history.as_dict().items() if name != "seconds"}
    state = {name: array.tobytes().hex() for name, array in model.state_dict().items()}
    return {"state": state, "history": numbers, "log": [{**line, "seconds": 0} for line in lines]}


def killed(work: Callable[[], object], seconds: float) -> bool:
    """Do the work in a child and kill it after some time; whether it was still at work."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        try:
            work()
        except BaseException:  # noqa: BLE001 - told, and then the child must end here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit("the child failed")
    return os.WIFSIGNALED(status)


def trainings(folder: Path, kills: int) -> dict[str, Any]:
    """Kill trainings, and the resumed trainings again; after each kill a copy is resumed to the end."""
    wrong: list[str] = []
    done, within, steps = 0, 0, set()
    for number in range(10**6):
        if done >= kills:
            break
        every = (1, 2, None)[number % 3]
        here, whole, copy = folder / str(number), folder / "whole", folder / "copy"
        here.mkdir()
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        begun = time.perf_counter()
        expected = run(whole, every)
        seconds = time.perf_counter() - begun
        while done < kills:
            if not killed(lambda: run(here, every), random.uniform(0.0, seconds)):  # noqa: B023 - called at once
                break
            done += 1
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(here, copy)
            if (copy / "c").exists():
                at = load(copy / "c", *build()).extra["train"]["at"]
                steps.add(at["step"])
                within += at["batch"] > 0
            if run(copy, every) != expected:
                wrong.append(f"run {number}, every {every}, kill {done}")
        if run(here, every) != expected:
            wrong.append(f"run {number}, every {every}")
        left = [name for name in os.listdir(here) if name.endswith(".tmp")]
        if left:
            wrong.append(f"run {number} left {left}")
        shutil.rmtree(here)
    return {"kills": done, "within an epoch": within, "steps": sorted(steps), "wrong": wrong}


class Large(nn.Module):
    def __init__(self, value: float) -> None:
        self.values = [Tensor(np.full(1 << 20, value)) for _ in range(4)]


def writer(path: Path) -> None:
    for step in range(peek(path).step + 1, 10**6):
        save(path, Large(float(step)), step=step)


def writings(folder: Path, kills: int) -> dict[str, Any]:
    """Kill a process that writes 32 MB again and again; what is there afterwards is of one step."""
    path, wrong, leftovers = folder / "large", [], 0
    save(path, Large(0.0))
    for kill in range(kills):
        if not killed(lambda: writer(path), random.uniform(0.0, 0.3)):
            wrong.append(f"kill {kill}: not at work")
        leftovers += len(os.listdir(folder)) - 1
        model = Large(-1.0)
        step = load(path, model).step
        if any((tensor.data != step).any() for tensor in model.values):
            wrong.append(f"kill {kill}: a mixture")
    save(path, Large(0.0))
    if os.listdir(folder) != ["large"]:
        wrong.append(f"left {os.listdir(folder)}")
    return {"kills": kills, "leftovers": leftovers, "wrong": wrong}


def sabotage(what: str) -> None:
    """Make the resumption wrong in one way, to see that it would be found."""
    right = files.load
    if what == "rng":
        files.load = lambda path, model, optimizer, rng: right(path, model, optimizer)
    elif what == "optimizer":
        files.load = lambda path, model, optimizer, rng: right(path, model, rng=rng)
    elif what == "log":
        files._until = lambda path, step: path.read_bytes().splitlines(keepends=True) if step else []


if __name__ == "__main__":
    what, folder, kills, seed, *how = sys.argv[1:]
    random.seed(int(seed))
    for name in how:
        sabotage(name)
    print(json.dumps({"train": trainings, "write": writings}[what](Path(folder), int(kills))))
