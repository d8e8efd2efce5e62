"""What the claims share: training one network, many runs in two processes, and the page that shows what came out."""

import argparse
import hashlib
import importlib.util
import json
import math
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import micrograd as mg
from micrograd import data, functional, nn, optim
from micrograd.training.loop import evaluate

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CHANCE = 0.1  # ten classes; what a network is given whose loss became NaN

Spec = dict[str, Any]
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One claim and how it is tried.

    Attributes:
        name: of the script, the picture and the entry in results.json.
        title: the heading.
        says: the claim in a sentence or two, and whose it is.
        tried: what is trained, and the rule of judgement, fixed beforehand.
        specs: all runs, as plain dictionaries; the argument says whether only a rehearsal is wanted.
        run: one of them to its outcome.
        table: of all ``(spec, outcome)`` the rows to show, the first of them the head.
        judge: of all ``(spec, outcome)`` the verdict (``for``, ``against``, ``neither``) and a sentence.
        plot: draws all ``(spec, outcome)`` into a matplotlib figure.
    """

    name: str
    title: str
    says: str
    tried: str
    specs: Callable[[bool], list[Spec]]
    run: Callable[[Spec], Outcome]
    table: Callable[[list[tuple[Spec, Outcome]]], list[list[str]]]
    judge: Callable[[list[tuple[Spec, Outcome]]], tuple[str, str]]
    plot: Callable[[list[tuple[Spec, Outcome]], Any], None]


# ---- training one network ----------------------------------------------------------------------------------


def stepper(model: nn.Module, optimizer: optim.Optimizer, compiled: bool) -> Callable[[Any, Any], Any]:
    """One training step; as machine code where that is wished for and llvmlite is installed."""

    def step(x: Any, labels: Any) -> Any:
        loss = functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return mg.compile(step, threads=1) if compiled and importlib.util.find_spec("llvmlite") else step


def training(
    model: nn.Module,
    examples: data.Dataset,
    batches: Callable[[int], Any],
    *,
    epochs: int,
    lr: float,
    decay: float = 1.0,
    l2: float = 0.0,
    momentum: float = 0.9,
    every: int = 0,
    compiled: bool = False,
    watch: Callable[[int], None] | None = None,
) -> Outcome:
    """Train `model` with SGD; answer its test accuracies.

    Args:
        model: changed in place.
        examples: to train and to test on.
        batches: the batches of epoch 0, 1...
        epochs: how many.
        lr: the learning rate of the first epoch.
        decay: what it is multiplied by after each epoch.
        l2: weight decay of all parameters.
        momentum: of SGD.
        every: test after so many steps as well, not only after each epoch.
        compiled: whether to compile the step, which takes seconds: for long runs.
        watch: called with the number of steps whenever there was a test.

    Returns:
        ``steps`` and ``accuracy``, two lists; ``diverged``, whether the loss stopped being a number.
    """
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=l2)
    step = stepper(model, optimizer, compiled)
    outcome: Outcome = {"steps": [], "accuracy": [], "diverged": False}
    count = 0

    def test() -> None:
        outcome["steps"].append(count)
        outcome["accuracy"].append(round(evaluate(model, examples.x_test, examples.y_test)[1], 4))
        if watch is not None:
            watch(count)
        model.train()

    with np.errstate(all="ignore"):
        model.train()
        for epoch in range(epochs):
            optimizer.lr = lr * decay**epoch
            for x, labels in batches(epoch):
                loss = float(step(x, labels))
                count += 1
                if not math.isfinite(loss):
                    return outcome | {"diverged": True, "accuracy": [*outcome["accuracy"], CHANCE],
                                      "steps": [*outcome["steps"], count]}  # fmt: skip
                if every and count % every == 0:
                    test()
            if not (every and count % every == 0):
                test()
    return outcome


def shuffled(examples: data.Dataset, size: int, seed: int) -> Callable[[int], Any]:
    """The batches of each epoch, in an order of its own."""
    rng = np.random.default_rng([seed, 1])
    return lambda _epoch: data.batches(examples.x_train, examples.y_train, size, rng)


def first_step(outcome: Outcome, accuracy: float) -> float:
    """After how many steps a test first gave `accuracy`; infinite where none did."""
    reached = (step for step, a in zip(outcome["steps"], outcome["accuracy"], strict=True) if a >= accuracy)
    return next(reached, math.inf)


# ---- over seeds --------------------------------------------------------------------------------------------


def chosen(results: Sequence[tuple[Spec, Outcome]], **wanted: Any) -> list[Outcome]:
    """The outcomes of the runs that have these settings."""
    return [outcome for spec, outcome in results if all(spec[name] == value for name, value in wanted.items())]


def finals(results: Sequence[tuple[Spec, Outcome]], **wanted: Any) -> np.ndarray:
    """The test accuracies at the end."""
    return np.array([outcome["accuracy"][-1] for outcome in chosen(results, **wanted)])


def mean_and_spread(values: np.ndarray) -> str:
    """Percent, with the sample standard deviation over the seeds."""
    return f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f} %" if len(values) > 1 else f"{values[0]:.1%}"


def differs(a: np.ndarray, b: np.ndarray) -> int:
    """1 where the mean of `a` is above that of `b` by more than two standard errors, -1 where it is below, else 0."""
    error = math.sqrt(sum(v.var(ddof=1) / len(v) for v in (a, b))) if min(len(a), len(b)) > 1 else 0.0
    gap = a.mean() - b.mean()
    return 0 if abs(gap) <= 2 * error else int(np.sign(gap))


# ---- running them ------------------------------------------------------------------------------------------


def _stored(claim: Claim, spec: Spec, folder: Path) -> Path:
    """Where the outcome of a run is kept: a file for the run as the scripts and the package describe it today."""
    sources = [*sorted(HERE.glob("*.py")), *sorted(Path(mg.__file__).parent.rglob("*.py"))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    digest.update(json.dumps([claim.name, spec], sort_keys=True).encode())
    return folder / "runs" / f"{claim.name}-{digest.hexdigest()[:16]}.json"


def _run(claim: Claim, spec: Spec, path: Path) -> Outcome:
    outcome = claim.run(spec)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(outcome))
    partial.replace(path)
    return outcome


def results_of(claim: Claim, quick: bool, folder: Path, pool: ProcessPoolExecutor) -> list[tuple[Spec, Outcome]]:
    """Every run of a claim, those of an interrupted call from the store."""
    specs = claim.specs(quick)
    paths = [_stored(claim, spec, folder) for spec in specs]
    outcomes: dict[int, Outcome] = {
        number: json.loads(path.read_text()) for number, path in enumerate(paths) if path.exists()
    }
    began, waiting = time.perf_counter(), [number for number in range(len(specs)) if number not in outcomes]
    tasks = {pool.submit(_run, claim, specs[number], paths[number]): number for number in waiting}
    for done in as_completed(tasks):
        outcomes[tasks[done]] = done.result()
        left = len(specs) - len(outcomes)
        rest = (time.perf_counter() - began) / (len(waiting) - left) * left
        if sys.stderr.isatty() or not left:
            line = f"{claim.title}: {len(outcomes)} of {len(specs)} runs, {rest:.0f} s left   "
            sys.stderr.write("\r" * sys.stderr.isatty() + line)
            sys.stderr.flush()
    sys.stderr.write("\n" if waiting else f"{claim.title}: {len(specs)} runs from {folder / 'runs'}\n")
    return [(spec, outcomes[number]) for number, spec in enumerate(specs)]


def _markdown(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def _picture(claim: Claim, results: list[tuple[Spec, Outcome]], path: Path) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style = {"svg.hashsalt": claim.name, "svg.fonttype": "none", "font.size": 11, "axes.grid": True,
             "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
             "axes.prop_cycle": mpl.cycler(color=["#0072b2", "#d55e00", "#009e73", "#cc79a7"])}  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        claim.plot(results, figure)
        figure.savefig(path, metadata={"Date": None})


_WORDS = {"for": "For the claim.", "against": "Against the claim.", "neither": "Neither for nor against."}


def page(parts: list[tuple[Claim, list[tuple[Spec, Outcome]]]], conditions: str, pictures: str) -> str:
    """The page of the docs: each claim, what was tried, what came out, and the judgement."""
    text = [
        "# Five claims about batch normalization, tested",
        "",
        "Papers and blogs that teach batch normalization make five claims about it.",
        "Each is tested here on small networks made of micrograd's primitives, on real data, with five seeds.",
        "The rule that decides is in the script of each claim and was written before the figures were known;",
        "a difference counts if it exceeds two standard errors of the means.",
        "These are small networks on a few thousand small images: what holds here need not hold for large ones.",
        "",
        f"Written by `make claims ARGS=--publish`. {conditions}",
    ]
    for claim, results in parts:
        verdict, sentence = claim.judge(results)
        text += ["", f"## {claim.title}", "", " ".join(claim.says.split()), "", " ".join(claim.tried.split()), "",
                 f"![{claim.title}]({pictures}{claim.name}.svg)", "",
                 _markdown(claim.table(results)), "", f"**{_WORDS[verdict]}** {sentence}"]  # fmt: skip
    return "\n".join(text) + "\n"


def main(claims: Sequence[Claim], arguments: Sequence[str] | None = None) -> int:
    """The command line of one claim or of all."""
    parser = argparse.ArgumentParser(description="Test claims about batch normalization.")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: few short runs, whose figures mean nothing")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "claims", help="where page and pictures go")
    parser.add_argument("--publish", action="store_true", help="also write the page of the docs")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs {options.jobs}: expected at least 1")
    if options.publish and options.quick:
        parser.error("--quick and --publish: figures that mean nothing are not published")
    began = time.perf_counter()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"  # each process takes one core; new ones read it when they load NumPy
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            parts = [(claim, results_of(claim, options.quick, options.out, pool)) for claim in claims]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    minutes = (time.perf_counter() - began) / 60
    conditions = (
        f"micrograd {mg.__version__}, NumPy {np.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()}; "
        f"{sum(len(results) for _, results in parts)} trainings."
    )
    places = [(options.out, "", options.out / "claims.md")]
    if options.publish:
        docs = ROOT / "docs" / "explanation"
        places.append((docs / "claims", "claims/", docs / "claims.md"))
    record = {claim.name: {"verdict": claim.judge(results)[0], "runs": results} for claim, results in parts}
    for folder, pictures, text in places:
        folder.mkdir(parents=True, exist_ok=True)
        for claim, results in parts:
            _picture(claim, results, folder / f"{claim.name}.svg")
        text.write_text(page(parts, conditions, pictures), encoding="utf-8")
    (options.out / "results.json").write_text(json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n")
    for claim, results in parts:
        verdict, sentence = claim.judge(results)
        print(f"{claim.title}: {_WORDS[verdict]} {sentence}")
    print(f"{places[-1][2]}: written after {minutes:.1f} minutes")
    return 0
