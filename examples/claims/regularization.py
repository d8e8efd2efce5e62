"""Claim 2: with batch norm there is less need for dropout and L2."""

import sys
from functools import cache

import numpy as np
import study

from micrograd import data, nn

DROPOUTS = (0.0, 0.2, 0.5)
DECAYS = (0.0, 1e-4, 1e-3, 1e-2)
NETS = {True: "with batch norm", False: "without"}


@cache
def few_digits(count):
    """The digits with only `count` to train on: with all of them there is little to overfit."""
    whole = data.digits(dtype=np.float32)
    return data.Dataset(whole.x_train[:count], whole.y_train[:count], whole.x_test, whole.y_test)


def specs(quick):
    dropouts, decays, seeds, epochs = ((0.0, 0.2), (0.0,), 2, 1) if quick else (DROPOUTS, DECAYS, 5, 60)
    return [
        {"batch_norm": batch_norm, "dropout": dropout, "l2": l2, "seed": seed, "epochs": epochs}
        for dropout in dropouts
        for l2 in decays
        for batch_norm in NETS
        for seed in range(seeds)
    ]


def run(spec):
    examples = few_digits(400)
    model = nn.mlp(
        [64, 100, 100, 10], batch_norm=spec["batch_norm"], dropout=spec["dropout"], rng=spec["seed"], dtype=np.float32
    )
    return study.training(
        model, examples, study.shuffled(examples, 50, spec["seed"]), epochs=spec["epochs"], lr=0.05, l2=spec["l2"]
    )


def _settings(results):
    return sorted({(spec["dropout"], spec["l2"]) for spec, _ in results})


def _best(results, net):
    """The setting with the highest mean, and what it gains over none of both."""
    ends = {s: study.finals(results, batch_norm=net, dropout=s[0], l2=s[1]) for s in _settings(results)}
    best = max(ends, key=lambda setting: ends[setting].mean())
    return best, ends[best], ends[0.0, 0.0]


def table(results):
    rows = [["dropout", "L2", *NETS.values()]]
    for dropout, l2 in _settings(results):
        ends = [study.finals(results, batch_norm=net, dropout=dropout, l2=l2) for net in NETS]
        rows.append([f"{dropout:g}", f"{l2:g}", *map(study.mean_and_spread, ends)])
    return rows


def judge(results):
    gains, words = {}, []
    for net, name in NETS.items():
        (dropout, l2), best, plain = _best(results, net)
        gains[net] = best - plain  # seed by seed
        words.append(
            f"{name} from {study.mean_and_spread(plain)} to {study.mean_and_spread(best)} "
            f"(dropout {dropout:g}, L2 {l2:g})"
        )
    order = study.differs(gains[False], gains[True])
    sentence = "The best mixture of dropout and L2 brings the network " + " and the one ".join(words) + "."
    return {1: "for", -1: "against", 0: "neither"}[order], sentence


def plot(results, figure):
    axes = figure.subplots(1, 2, sharey=True)
    decays = sorted({spec["l2"] for spec, _ in results})
    places = np.arange(len(decays))
    for axis, (net, name) in zip(axes, NETS.items(), strict=True):
        for dropout in sorted({spec["dropout"] for spec, _ in results}):
            ends = [100 * study.finals(results, batch_norm=net, dropout=dropout, l2=l2) for l2 in decays]
            axis.plot(places, [e.mean() for e in ends], marker="o", ms=4, label=f"dropout {dropout:g}")
            axis.fill_between(places, [e.min() for e in ends], [e.max() for e in ends], alpha=0.15, lw=0)
        axis.set_title(name, fontsize=11)
        axis.set_xticks(places, [f"{l2:g}" for l2 in decays])
        axis.set_xlabel("L2 (weight decay)")
    axes[0].set_ylabel("test accuracy at the end, %")
    axes[0].legend(loc="lower left", fontsize=9)


CLAIM = study.Claim(
    name="regularization",
    title="Less need for dropout and L2",
    says="""
    Batch normalization regularises by itself, so dropout can be left out and L2 reduced (Ioffe and Szegedy,
    2015, sections 3.4 and 4.2.1).
    """,
    tried="""
    The perceptron 64-100-100-10 with relu on only 400 of the digits, so that there is something to overfit; SGD
    with momentum 0.9 at 0.05, batches of 50, 60 epochs; L2 as weight decay of all parameters. The claim holds
    if the best mixture of both gains less, over none of both, with batch norm than without. (The best of twelve
    is picked by the same test images, alike for both, so the gains are a little too high.)
    """,
    specs=specs, run=run, table=table, judge=judge, plot=plot,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(study.main([CLAIM]))
