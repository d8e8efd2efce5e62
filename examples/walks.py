"""Pages to step through, one for each lesson: forward, then backward, node by node.

python examples/walks.py [FOLDER] [en|zh]     writes them to out/walks, or to FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from bn import batchnorm_forward

import micrograd as mg


def batchnorm_compact(x, gamma, beta, eps=1e-5):
    # step 1: normalize
    xhat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    # step 2: scale and shift
    return gamma * xhat + beta


def layernorm(x, gamma, beta, eps=1e-5):
    # step 1: mean of each row
    mu = np.mean(x, axis=1, keepdims=True)
    # step 2: centre
    xmu = x - mu
    # step 3: variance of each row
    var = np.mean(xmu**2, axis=1, keepdims=True)
    # step 4: invert the standard deviation
    ivar = 1.0 / np.sqrt(var + eps)
    # step 5: normalize
    xhat = xmu * ivar
    # step 6: scale and shift
    out = gamma * xhat + beta
    return out


def softmax_cross_entropy(scores, labels):
    N = scores.shape[0]
    # step 1: shift, so that no exponential overflows
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    # step 2: exponentials and their sum
    total = np.sum(np.exp(shifted), axis=1, keepdims=True)
    # step 3: logarithms of the probabilities
    logp = shifted - np.log(total)
    # step 4: those of the labels
    picked = logp[np.arange(N), labels]
    # step 5: their mean, with the sign of a loss
    loss = -np.sum(picked) / N
    return loss


target = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])


def two_layers(x, w1, b1, w2, b2):
    # step 1: first layer
    hidden = x @ w1 + b1
    # step 2: relu
    active = np.maximum(hidden, 0.0)
    # step 3: second layer
    y = active @ w2 + b2
    # step 4: mean squared error
    miss = y - target
    loss = np.mean(miss**2)
    return loss


def why_plus_equals(a):
    # step 1: a is used twice here
    square = a * a
    # step 2: and once more here, so three gradients are added for it
    out = square + a
    return out


def neuron(x1, x2, w1, w2, b):
    # step 1: weigh the inputs
    x1w1 = x1 * w1
    x2w2 = x2 * w2
    # step 2: add them up, and the bias
    x1w1x2w2 = x1w1 + x2w2
    n = x1w1x2w2 + b
    # step 3: activation
    o = np.tanh(n)
    return o


def graphs():
    """The graph of each lesson by the name of its page, after the backward pass."""
    rng = np.random.default_rng(0)
    x = rng.normal(5.0, 2.0, (4, 3)).round(2)
    gamma, beta = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.0, -1.0])
    dout = rng.standard_normal((4, 3)).round(2)
    weights = [rng.standard_normal(shape).round(2) for shape in ((3, 4), (4,), (4, 2), (2,))]
    numbers = [np.array(value) for value in (2.0, 0.0, -3.0, 1.0, 6.8813735870195432)]
    return {
        "batch-norm": mg.trace(batchnorm_forward, x, gamma, beta).backward(dout),
        "batch-norm-compact": mg.trace(batchnorm_compact, x, gamma, beta).backward(dout),
        "layer-norm": mg.trace(layernorm, x, gamma, beta).backward(dout),
        "softmax-cross-entropy": mg.trace(
            softmax_cross_entropy, rng.standard_normal((4, 3)).round(2), np.array([0, 2, 1, 1])
        ).backward(),
        "two-layer-mlp": mg.trace(two_layers, (x - 5.0).round(2), *weights).backward(),
        "why-plus-equals": mg.trace(why_plus_equals, np.array(3.0)).backward(),
        "neuron": mg.trace(neuron, *numbers).backward(),
    }


def main(folder="out/walks", lang="en"):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, graph in graphs().items():
        walk = mg.walk(graph, folder / f"{name}.html", lang=lang)
        print(f"{folder / name}.html: {len(walk.data['steps'])} steps")
    mg.walk(graphs()["batch-norm"].backward_graph(), folder / "batch-norm-backward.html", lang=lang)


if __name__ == "__main__":
    main(*sys.argv[1:])
