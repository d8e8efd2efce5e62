"""Claim 4: with batch norm, shuffle thoroughly, so that examples do not keep meeting the same others."""

import sys
from functools import cache

import numpy as np
import study

from micrograd import data, nn

ORDERS = {"each": "shuffled for each epoch", "once": "shuffled once", "sorted": "sorted by class"}
NETS = {True: "with batch norm", False: "without"}

digits = cache(data.digits)


def specs(quick):
    seeds, epochs = (2, 1) if quick else (5, 30)
    return [
        {"batch_norm": batch_norm, "order": order, "seed": seed, "epochs": epochs}
        for batch_norm in NETS
        for order in ORDERS
        for seed in range(seeds)
    ]


def _batches(examples, size, order, seed):
    """The batches of an epoch; sorted ones hold (almost) one class each, and come in an order drawn anew."""
    x, y, rng = examples.x_train, examples.y_train, np.random.default_rng([seed, 1])
    if order == "each":
        return lambda _epoch: data.batches(x, y, size, rng)
    rows = rng.permutation(len(x)) if order == "once" else np.argsort(y, kind="stable")
    parts = list(data.batches(x[rows], y[rows], size))
    return lambda _epoch: (parts[number] for number in rng.permutation(len(parts)))


def run(spec):
    examples = digits(dtype=np.float32)
    model = nn.mlp([64, 100, 100, 10], batch_norm=spec["batch_norm"], rng=spec["seed"], dtype=np.float32)
    batches = _batches(examples, 32, spec["order"], spec["seed"])
    return study.training(model, examples, batches, epochs=spec["epochs"], lr=0.02, decay=0.9)


def table(results):
    rows = [["order", *NETS.values()]]
    for order, name in ORDERS.items():
        rows.append(
            [name, *(study.mean_and_spread(study.finals(results, batch_norm=net, order=order)) for net in NETS)]
        )
    return rows


def judge(results):
    ends = {(net, order): study.finals(results, batch_norm=net, order=order) for net in NETS for order in ORDERS}
    gains = {net: ends[net, "each"] - ends[net, "once"] for net in NETS}  # seed by seed
    losses = {net: ends[net, "each"] - ends[net, "sorted"] for net in NETS}
    sentence = (
        f"With batch norm a new order for each epoch ends at {study.mean_and_spread(ends[True, 'each'])}, the same "
        f"batches throughout at {study.mean_and_spread(ends[True, 'once'])} and batches of one class at "
        f"{study.mean_and_spread(ends[True, 'sorted'])}; without it at {study.mean_and_spread(ends[False, 'each'])}, "
        f"{study.mean_and_spread(ends[False, 'once'])} and {study.mean_and_spread(ends[False, 'sorted'])}."
    )
    drawn = study.differs(ends[True, "each"], ends[True, "once"]) > 0 and study.differs(gains[True], gains[False]) >= 0
    by_class = study.differs(losses[True], losses[False])
    if drawn or by_class > 0:
        return "for", sentence + ("" if drawn else " Only the sorting by class makes the difference.")
    return ("against" if by_class < 0 else "neither"), sentence


def plot(results, figure):
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (net, name) in zip(axes, NETS.items(), strict=True):
        for order, label in ORDERS.items():
            curves = 100 * np.array([o["accuracy"] for o in study.chosen(results, batch_norm=net, order=order)])
            epochs = np.arange(1, curves.shape[1] + 1)
            axis.plot(epochs, curves.mean(0), label=label)
            axis.fill_between(epochs, curves.min(0), curves.max(0), alpha=0.15, lw=0)
        axis.set_title(name, fontsize=11)
        axis.set(xlabel="epoch", ylim=(0, 102))
    axes[0].set_ylabel("test accuracy, %")
    axes[0].legend(loc="lower right", fontsize=9)


CLAIM = study.Claim(
    name="shuffling",
    title="Full shuffling",
    says="""
    Training examples should be shuffled more thoroughly with batch normalization, so that the same ones do not
    always appear together (Ioffe and Szegedy, 2015, section 4.2.1: about 1 % in validation accuracy).
    """,
    tried="""
    The perceptron 64-100-100-10 with relu on the digits, SGD with momentum 0.9 from 0.02, times 0.9 an epoch,
    batches of 32, 30 epochs; the batches drawn anew for each epoch, drawn once and kept, or cut from the
    examples sorted by class. The claim holds if drawing anew gains over drawing once, and no less than without
    batch norm, or if sorting by class costs more with batch norm than without.
    """,
    specs=specs, run=run, table=table, judge=judge, plot=plot,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(study.main([CLAIM]))
