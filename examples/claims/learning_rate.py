"""Claim 1: with batch norm a network can start at a large learning rate and decay it fast."""

import math
import sys
from functools import cache

import numpy as np
import study

from micrograd import data, nn

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
GOAL = 0.95
DECAYS = {"constant": 1.0, "fast decay": 0.8}
NETS = {True: "with batch norm", False: "without"}

digits = cache(data.digits)


def specs(quick):
    rates, seeds, epochs = ((0.3,), 2, 1) if quick else (RATES, 5, 30)
    return [
        {"batch_norm": batch_norm, "lr": lr, "decay": decay, "seed": seed, "epochs": epochs}
        for decay in DECAYS
        for lr in rates
        for batch_norm in NETS
        for seed in range(seeds)
    ]


def run(spec):
    examples = digits(dtype=np.float32)
    model = nn.mlp([64, 100, 100, 100, 10], batch_norm=spec["batch_norm"], rng=spec["seed"], dtype=np.float32)
    return study.training(
        model, examples, study.shuffled(examples, 64, spec["seed"]),
        epochs=spec["epochs"], lr=spec["lr"], decay=DECAYS[spec["decay"]], momentum=0.0, every=11,
    )  # fmt: skip


def _rates(results):
    return sorted({spec["lr"] for spec, _ in results})


def _working(results, batch_norm, decay):
    """The rates at which the mean accuracy at the end is the goal or above."""
    wanted = {"batch_norm": batch_norm, "decay": decay}
    return [lr for lr in _rates(results) if study.finals(results, lr=lr, **wanted).mean() >= GOAL]


def _steps(results, **wanted):
    return float(np.median([study.first_step(outcome, GOAL) for outcome in study.chosen(results, **wanted)]))


def table(results):
    rows = [["learning rate", *(f"{net}, {decay}" for decay in DECAYS for net in NETS.values())]]
    for lr in _rates(results):
        row = [f"{lr:g}"]
        for decay in DECAYS:
            for batch_norm in NETS:
                wanted = {"lr": lr, "decay": decay, "batch_norm": batch_norm}
                steps = _steps(results, **wanted)
                after = f"; 95 % after {steps:.0f}" if math.isfinite(steps) else ""
                row.append(study.mean_and_spread(study.finals(results, **wanted)) + after)
        rows.append(row)
    return rows


def judge(results):
    highest = {(net, decay): max(_working(results, net, decay), default=0.0) for net in NETS for decay in DECAYS}
    with_it, without = highest[True, "constant"], highest[False, "constant"]
    quickest = {
        net: min(_steps(results, batch_norm=net, decay="constant", lr=lr) for lr in _rates(results)) for net in NETS
    }
    fast, slow = highest[True, "fast decay"], highest[False, "fast decay"]
    steps = {net: f"{count:.0f}" if math.isfinite(count) else "no number of" for net, count in quickest.items()}
    sentence = (
        f"The highest rate that ends at 95 % or more is {with_it:g} with batch norm and {without:g} without "
        f"({fast:g} and {slow:g} with fast decay); at its best rate each first reaches 95 % after "
        f"{steps[True]} and {steps[False]} steps."
    )
    if with_it > without and fast >= slow:
        return "for", sentence
    return ("against" if with_it < without else "neither"), sentence


def plot(results, figure):
    left, right = figure.subplots(1, 2)
    rates = _rates(results)
    for net, colour in zip(NETS, ("C0", "C1"), strict=True):
        for decay, line in zip(DECAYS, ("-", "--"), strict=True):
            wanted = {"batch_norm": net, "decay": decay}
            ends = [100 * study.finals(results, lr=lr, **wanted) for lr in rates]
            label = f"{NETS[net]}, {decay}"
            left.plot(rates, [e.mean() for e in ends], line, color=colour, marker="o", ms=4, label=label)
            left.fill_between(rates, [e.min() for e in ends], [e.max() for e in ends], color=colour, alpha=0.15, lw=0)
            counts = [_steps(results, lr=lr, **wanted) for lr in rates]
            right.plot(
                rates, [n if math.isfinite(n) else math.nan for n in counts], line, color=colour, marker="o", ms=4
            )
    left.set(xscale="log", xlabel="learning rate", ylabel="test accuracy at the end, %", ylim=(0, 102))
    left.set_title("mean of the seeds; band: lowest to highest", fontsize=11)
    right.set(
        xscale="log",
        yscale="log" if right.dataLim.size[1] > 0 else "linear",
        xlabel="learning rate",
        ylabel="steps to 95 %",
    )
    right.set_title("median of the seeds; no point: not reached", fontsize=11)
    left.legend(loc="lower left", fontsize=9)


CLAIM = study.Claim(
    name="learning_rate",
    title="A large initial learning rate, and fast decay",
    says="""
    With batch normalization one can choose a large initial learning rate and let it decay fast (Ioffe and
    Szegedy, 2015, sections 3.3 and 4.2.1).
    """,
    tried="""
    The perceptron 64-100-100-100-10 with relu on scikit-learn's digits, SGD without momentum, batches of 64, 30
    epochs; constant rate, or multiplied by 0.8 after each epoch. The claim holds if the highest rate whose mean
    test accuracy at the end is 95 % or more is larger with batch norm, and no smaller under fast decay.
    """,
    specs=specs, run=run, table=table, judge=judge, plot=plot,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(study.main([CLAIM]))
