"""Arguments that nobody gave are what the texts of both functions say, and no guess makes a right line wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from micrograd.errors import GraphError
from micrograd.marker.diagnosis.marking import mark
from micrograd.marker.inputs.clues import clues_of
from micrograd.marker.inputs.conventions import Fill
from micrograd.marker.inputs.pairs import pairs_in
from micrograd.marker.process.arguments import task_of
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request
from micrograd.marker.report import Report

HEAD = "import numpy as np\n"


def requested(text: str) -> dict[str, object]:
    pair = pairs_in(HEAD + text)[-1]
    request = Request(HEAD + text, "/nowhere/hw.py", pair.forward, pair.backward, pair.kind)
    return json.loads(request.to_json(Limits(seconds=16.0), walk=False))  # type: ignore[no-any-return]


def marked(text: str) -> Report:
    return mark(*task_of(requested(text)))


def drawn(text: str) -> dict[str, object]:
    """The arguments of the first probe: of arrays the shape."""
    task, _ = task_of(requested(text))
    return {name: getattr(value, "shape", value) for name, value in task.probes[0].arguments.items()}


COSINE = """
def cosine(a, b):
    na, nb = np.sqrt(np.sum(a ** 2, axis=1)), np.sqrt(np.sum(b ** 2, axis=1))
    return np.sum(a * b, axis=1) / (na * nb), (a, b, na, nb)
def cosine_backward(dout, cache):
    a, b, na, nb = cache
    d, dot = (dout / (na * nb))[:, None], np.sum(a * b, axis=1)
    da = d * b - (dout * dot / (na ** 3 * nb))[:, None] * a
    db = d * a - (dout * dot / (na * nb ** 3))[:, None] * b
    return da, db
"""
EMBED = """
def pick_forward(ids, table):
    return table[ids], (ids, table.shape)
def pick_backward(dout, cache):
    ids, shape = cache
    dtable = np.zeros(shape)
    np.add.at(dtable, ids, dout)
    return dtable
"""
CHANCES = """
def focal_loss(p, y, gamma=2.0):
    pt = np.where(y == 1, p, 1 - p)
    return -np.mean((1 - pt) ** gamma * np.log(pt))
def focal_loss_backward(p, y, gamma=2.0):
    pt = np.where(y == 1, p, 1 - p)
    dpt = gamma * (1 - pt) ** (gamma - 1) * np.log(pt) - (1 - pt) ** gamma / pt
    return np.where(y == 1, dpt, -dpt) / p.size
"""
TRIPLET = """
def triplet_loss(a, p, n, margin=1.0):
    dp, dn = np.sum((a - p) ** 2, axis=1), np.sum((a - n) ** 2, axis=1)
    return np.mean(np.maximum(0, dp - dn + margin))
def triplet_loss_grad(a, p, n, margin=1.0):
    far = np.sum((a - p) ** 2, axis=1) - np.sum((a - n) ** 2, axis=1)
    on = 2 * (far + margin > 0)[:, None] / len(a)
    da = (n - p) * on
    dp_ = (p - a) * on
    dn_ = (a - n) * on
    return da, dp_, dn_
"""
SLOPE = """
class PReLU:
    def __init__(self, a=0.25):
        self.a = np.array(a)
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)
    def backward(self, dout):
        self.da = np.sum(dout * self.x * (self.x <= 0))
        return np.where(self.x > 0, dout, self.a * dout)
"""
SWISH = """
def swish_forward(x, beta):
    s = 1 / (1 + np.exp(-beta * x))
    return x * s, (x, beta, s)
def swish_backward(dout, cache):
    x, beta, s = cache
    dx = dout * (s + beta * x * s * (1 - s))
    dbeta = np.sum(dout * x ** 2 * s * (1 - s))
    return dx, dbeta
"""
POOL = """
def avg_forward(x, k=2):
    N, C, H, W = x.shape
    out = np.zeros((N, C, H // k, W // k))
    for i in range(H // k):
        for j in range(W // k):
            out[:, :, i, j] = x[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k].mean(axis=(2, 3))
    return out, (x.shape, k)
def avg_backward(dout, cache):
    shape, k = cache
    dx = np.zeros(shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * k : (i + 1) * k, j * k : (j + 1) * k] = dout[:, :, i, j][:, :, None, None] / k ** 2
    return dx
"""
RUNNING = """
def norm_forward(x, gamma, beta, running_mean, running_var, mode, eps=1e-5):
    mu, var = (x.mean(axis=0), x.var(axis=0)) if mode == "train" else (running_mean, running_var)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (xhat, gamma, var, eps)
def norm_backward(dout, cache):
    xhat, gamma, var, eps = cache
    d = dout * gamma
    dx = (d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)) / np.sqrt(var + eps)
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)
"""
NORM = """
class LayerNorm:
    def __init__(self, dim, eps=1e-5):
        self.gamma, self.beta, self.eps = np.ones(dim), np.zeros(dim), eps
    def forward(self, x):
        self.sd = np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.xhat = (x - x.mean(-1, keepdims=True)) / self.sd
        return self.gamma * self.xhat + self.beta
    def backward(self, dout):
        self.dgamma = (dout * self.xhat).sum(0)
        self.dbeta = dout.sum(0)
        d = dout * self.gamma
        dx = (d - d.mean(-1, keepdims=True) - self.xhat * (d * self.xhat).mean(-1, keepdims=True)) / self.sd
        return dx
"""


@pytest.mark.parametrize(
    ("text", "shapes", "mistakes"),
    [
        (COSINE, {"a": (5, 3), "b": (5, 3)}, [("na * nb ** 3", "na * nb")]),
        (EMBED, {"ids": (5,), "table": (8, 3)}, [("np.add.at(dtable, ids, dout)", "dtable[ids] += dout")]),
        (
            CHANCES,
            {"p": (5, 3), "y": (5, 3)},
            [("- (1 - pt) ** gamma / pt\n    return", "+ (1 - pt) ** gamma / pt\n    return")],
        ),
        (TRIPLET, {"a": (5, 3), "p": (5, 3), "n": (5, 3)}, [("(p - a)", "(a - p)")]),
        (SLOPE, {"a": (), "x": (5, 3)}, [(" * (self.x <= 0)", ""), ("self.a * dout)", "0.25 * dout)")]),
        (SWISH, {"x": (5, 3), "beta": ()}, [("beta * x * s *", "x * s *")]),
        (POOL, {"x": (5, 6, 4, 8), "k": 2}, [("k ** 2", "k"), ("k ** 2", "4")]),
        (RUNNING, {"running_mean": (3,), "running_var": (3,)}, [("d.mean(axis=0)", "d.sum(axis=0)")]),
        (NORM, {"dim": 3, "x": (5, 3)}, [("* self.xhat).mean(-1, keepdims=True)", "* self.xhat).mean(-1)")]),
    ],
    ids=["cosine", "embed", "chances", "triplet", "slope", "swish", "pool", "running", "norm"],
)
def test_arguments_are_what_the_texts_say(
    text: str, shapes: dict[str, object], mistakes: list[tuple[str, str]]
) -> None:
    found = drawn(text)
    assert {name: found[name] for name in shapes} == shapes
    right = marked(text)
    assert right.verdict == "right", right.text()
    for old, new in mistakes:
        wrong = marked(text.replace(old, new))
        line = (HEAD + text)[: (HEAD + text).index(old)].count("\n") + 1
        assert {one.span.line for one in wrong.findings} == {line}, wrong.text()


def test_what_a_row_that_is_picked_twice_gets_is_seen_in_every_probe() -> None:
    task, _ = task_of(requested(EMBED))
    for probe in task.probes:
        ids = probe.arguments["ids"]
        assert ids.flat[-1] == ids.flat[0]


def test_a_default_that_is_a_number_is_drawn_as_one() -> None:
    text = "def f(x, slope=0.3):\n    return np.where(x > 0, x, slope * x), (x, slope)\n"
    text += "def f_backward(dout, cache):\n    x, slope = cache\n    return np.where(x > 0, dout, slope * dout)\n"
    found = [probe.arguments["slope"] for probe in task_of(requested(text))[0].probes]
    assert all(isinstance(value, float) for value in found)
    assert len({*found}) == len(found)
    assert marked(text).verdict == "right"
    assert marked(text.replace("slope * dout", "0.3 * dout")).verdict == "wrong"


def test_a_default_that_the_backward_does_not_read_stays() -> None:
    text = "def f(x, slope=0.3):\n    return np.where(x > 0, x, slope * x), x\n"
    text += "def f_backward(dout, x):\n    return np.where(x > 0, dout, 0.3 * dout)\n"
    assert marked(text).verdict == "right"


def test_the_bias_of_a_weight_is_no_matrix_because_a_sum_is_missing() -> None:
    text = """
def affine_forward(x, W, b):
    return x @ W + b, (x, W)
def affine_backward(dout, cache):
    x, W = cache
    return dout @ W.T, x.T @ dout, dout
"""
    report = marked(text)
    assert [one.right for one in report.outputs] == [True, True, False]
    assert report.findings[0].span.line == 7


STYLES = {
    "a dictionary of weights": (
        """
def layer_fwd(params, x):
    W1, b1, W2 = params["W1"], params["b1"], params["W2"]
    a = np.tanh(x @ W1 + b1)
    return a @ W2, {"x": x, "a": a}
def layer_bwd(params, cache, dout):
    grads = {"W2": cache["a"].T @ dout}
    dz = (dout @ params["W2"].T) * (1 - cache["a"] ** 2)
    grads["W1"], grads["b1"] = cache["x"].T @ dz, dz.sum(0)
    return grads
""",
        ("dz.sum(0)", "dz.sum(1)"),
    ),
    "one example": (
        """
def softmax_forward(z):
    e = np.exp(z - np.max(z))
    s = e / np.sum(e)
    return s, s
def softmax_backward(ds, s):
    J = np.diag(s) - np.outer(s, s)
    return J @ ds
""",
        ("np.diag(s) -", "np.diag(s) +"),
    ),
    "one neuron": (
        """
def neuron(x, w, b):
    z = np.dot(w, x) + b
    return np.tanh(z), (x, w, z)
def neuron_backward(da, cache):
    x, w, z = cache
    dz = da * (1 - np.tanh(z) ** 2)
    dx = dz * w
    dw = dz * x
    return dx, dw, dz
""",
        ("dx = dz * w", "dx = dz * x"),
    ),
    "pairs of columns": (
        """
def turn_forward(x, theta):
    c, s, a, b = np.cos(theta), np.sin(theta), x[:, ::2], x[:, 1::2]
    return np.concatenate([a * c - b * s, a * s + b * c], axis=1), (x, c, s)
def turn_backward(dy, cache):
    x, c, s = cache
    a, b = x[:, ::2], x[:, 1::2]
    d1, d2 = dy[:, : a.shape[1]], dy[:, a.shape[1] :]
    dx = np.zeros_like(x)
    dx[:, ::2] = d1 * c + d2 * s
    dx[:, 1::2] = -d1 * s + d2 * c
    return dx, d1 * (-a * s - b * c) + d2 * (a * c - b * s)
""",
        ("-d1 * s + d2 * c", "d1 * s + d2 * c"),
    ),
    "both sides of a margin": (
        """
def pair_loss(x1, x2, y, margin=1.0):
    d = np.sqrt(np.sum((x1 - x2) ** 2, axis=1))
    return np.mean(y * d ** 2 + (1 - y) * np.maximum(0, margin - d) ** 2)
def pair_loss_grad(x1, x2, y, margin=1.0):
    d = np.sqrt(np.sum((x1 - x2) ** 2, axis=1))
    coef = 2 * y - 2 * (1 - y) * np.maximum(0, margin - d) / d
    dx1 = coef[:, None] * (x1 - x2) / len(y)
    return dx1, -dx1
""",
        ("margin - d) / d", "margin - d)"),
    ),
    "rows that an object keeps": (
        """
class Embedding:
    def __init__(self, vocab_size, dim):
        self.W = np.random.randn(vocab_size, dim)
    def forward(self, tokens):
        self.tokens = tokens
        return self.W[tokens]
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.tokens, dout)
""",
        ("np.add.at(self.dW, self.tokens, dout)", "self.dW[self.tokens] += dout"),
    ),
    "a slope with a default": (
        """
class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha
    def forward(self, x):
        self.out, self.mask = np.where(x > 0, x, self.alpha * (np.exp(x) - 1)), x > 0
        return self.out
    def backward(self, dout):
        return np.where(self.mask, dout, dout * (self.out + self.alpha))
""",
        ("(self.out + self.alpha)", "self.out"),
    ),
    "eps of a constructor": (
        """
class Scale:
    def __init__(self, eps=1e-5):
        self.eps = eps
    def forward(self, x):
        self.x, self.ms = x, np.mean(x ** 2, axis=1, keepdims=True)
        return x / np.sqrt(self.ms + self.eps)
    def backward(self, dout):
        r = 1 / np.sqrt(self.ms + self.eps)
        return dout * r - self.x * r ** 3 * np.mean(dout * self.x, axis=1, keepdims=True)
""",
        ("r = 1 / np.sqrt(self.ms + self.eps)", "r = 1 / np.sqrt(self.ms)"),
    ),
    "what is divided in the end": (
        """
def bce_forward(z, y):
    p = 1 / (1 + np.exp(-z))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
def bce_backward(z, y):
    p = 1 / (1 + np.exp(-z))
    dz = p - y
    return dz / y.size
""",
        ("return dz / y.size", "return 2 * dz / y.size"),
    ),
    "a forgotten product of matrices": (
        """
def gate_forward(x, h, W, U):
    r = 1 / (1 + np.exp(-(x @ W + h @ U)))
    return r * h, (x, h, r, W, U)
def gate_backward(dy, cache):
    x, h, r, W, U = cache
    da = dy * h * r * (1 - r)
    dh = dy * r + da @ U.T
    return da @ W.T, dh, x.T @ da, h.T @ da
""",
        ("dy * r + da @ U.T", "dy * r"),
    ),
    "the sign of what is large": (
        """
def huber_loss(pred, target, delta=1.0):
    e = pred - target
    return np.where(np.abs(e) <= delta, 0.5 * e ** 2, delta * (np.abs(e) - 0.5 * delta)).mean()
def huber_loss_backward(pred, target, delta=1.0):
    e = pred - target
    grad = np.where(np.abs(e) <= delta, e, delta * np.sign(e))
    return grad / pred.size
""",
        ("delta * np.sign(e)", "delta"),
    ),
    "new axes by an index": (
        """
def film_forward(x, gamma, beta):
    return x * gamma[:, :, None, None] + beta[:, :, np.newaxis, np.newaxis], (x, gamma)
def film_backward(dout, cache):
    x, gamma = cache
    dgamma, dbeta = (dout * x).sum(axis=(2, 3)), dout.sum(axis=(2, 3))
    dx = dout * gamma[:, :, None, None]
    return dx, dgamma, dbeta
""",
        ("(dout * x)", "dout"),
    ),
    "letters of einsum": (
        """
def scores_forward(q, k, bias):
    return np.einsum("bhtd, bhsd -> bhts", q, k) + bias, (q, k)
def scores_backward(ds, cache):
    q, k = cache
    dq, dk = np.einsum("bhts,bhsd->bhtd", ds, k), np.einsum("bhts,bhtd->bhsd", ds, q)
    dbias = ds.sum(axis=(0, 1, 2))
    return dq, dk, dbias
""",
        ("ds, k)", "ds, -k)"),
    ),
    "one row beside a table of rows": (
        """
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
def sampling_loss(v, u_pos, U_neg):
    pos, neg = sigmoid(u_pos @ v), sigmoid(-U_neg @ v)
    loss = -np.log(pos) - np.sum(np.log(neg))
    dv = (pos - 1) * u_pos + (1 - neg) @ U_neg
    du_pos, dU_neg = (pos - 1) * v, np.outer(1 - neg, v)
    return loss, dv, du_pos, dU_neg
""",
        ("(pos - 1) * u_pos +", "(pos - 1) * u_pos -"),
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_other_styles_are_right_as_they_are_and_one_mistake_is_mended(style: str) -> None:
    text, (old, new) = STYLES[style]
    right = marked(text)
    assert right.verdict == "right", right.text()
    assert not right.findings
    wrong = marked(text.replace(old, new))
    line = (HEAD + text)[: (HEAD + text).index(old)].count("\n") + 1
    (finding,) = wrong.findings
    assert finding.span.line == line, wrong.text()
    assert finding.fix is not None
    assert finding.fix.whole


# ---- which function goes with which ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        ("ridge_loss", "ridge_grad"), ("ridge_loss", "ridge_gradient"), ("loss_ridge", "grad_ridge"), ("loss", "grad"),
        ("cost", "gradient"), ("RidgeForward", "RidgeBackward"), ("forward_r", "backward_r"), ("f", "df"),
        ("f", "f_prime"), ("f", "d_f"), ("act", "act_derivative"), ("f", "grad_f"), ("ridge_cost", "ridge_grads"),
    ],
)  # fmt: skip
def test_common_names_of_pairs(forward: str, backward: str) -> None:
    text = f"def {forward}(w, X):\n    return np.sum(X * w)\ndef {backward}(w, X):\n    return X * np.ones_like(w)\n"
    assert [(p.forward, p.backward) for p in pairs_in(text)] == [(forward, backward)]


def test_measuring_slopes_is_no_backward() -> None:
    text = "def f(x):\n    return x\ndef loss(x):\n    return x\n"
    text += "def gradient(f, x, h):\n    return (f(x + h) - f(x - h)) / (2 * h)\n"
    assert pairs_in(text) == ()


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("def tanh(x):\n    return np.tanh(x)\ndef tanh_prime(x):\n    return 1 - np.tanh(x) ** 2\n", "right"),
        ("def tanh(x):\n    return np.tanh(x)\ndef tanh_prime(z):\n    return 1 - np.tanh(z)\n", "wrong"),
        ("def act(x):\n    return np.tanh(x)\ndef act_derivative(x):\n    return 1 - x ** 2\n", "right"),
        ("def cube(x):\n    return x ** 3\ndef dcube(x):\n    return 3 * x ** 2\n", "right"),
    ],
)
def test_slopes_without_an_upstream(text: str, verdict: str) -> None:
    assert marked(text).verdict == verdict


def test_what_is_no_slope_needs_an_upstream() -> None:
    text = "def share(x):\n    return x / x.sum()\ndef share_grad(s):\n    return s * (1 - s)\n"
    with pytest.raises(GraphError, match="no parameter for the gradient that arrives"):
        marked(text)


# ---- what a text says ------------------------------------------------------------------------------------------


def test_clues() -> None:
    def forward(x, p, y, ids, table, k=2):  # type: ignore[no-untyped-def]
        return -np.mean(np.where(y == 1, np.log(p), np.log(1 - p))) + table[ids].sum() + x.shape[0] * k

    def backward(dout, p, cache):  # type: ignore[no-untyped-def]
        x, k = cache
        dx_ = dout * k
        return dx_, p.size

    found = clues_of(forward, backward)
    assert (found.graded, found.chances, found.truths) == ({"x"}, {"p"}, {"y"})
    assert found.arrays == {"x", "p"}
    assert found.rows == {"ids": "table"}
    assert {"k", "p"} <= found.read
    assert not found.batch


def test_axes_that_are_written() -> None:
    def forward(x, gamma, w, b, v):  # type: ignore[no-untyped-def]
        return np.einsum("nd,dm->nm", x, w) * gamma[None] + b[None, :] + v[:, np.newaxis] + x[:, 0:1] + x[:, :]

    axes = clues_of(forward).axes
    assert axes.letters == {"x": "nd", "w": "dm"}
    assert axes.spread == {"b": (False, True), "v": (True, False)}
    entries = {name: Fill("array", ("N", "D")) for name in ("x", "w", "b", "v")}
    made = axes.put_into(entries)
    assert made is not None
    assert made["x"].dims[1] == made["w"].dims[0] != made["w"].dims[1]
    assert made["b"].dims == (made["x"].dims[1],)
    assert made["v"].dims == (made["x"].dims[0],)
    assert axes.put_into({name: Fill("array", ("D",)) for name in entries if name not in axes.letters}) is None
