"""Arguments whose names say nothing are looked for, and all gradients that a user's code leaves are checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from micrograd.errors import GraphError
from micrograd.marker.diagnosis.marking import mark
from micrograd.marker.inputs.pairs import pairs_in
from micrograd.marker.process.arguments import task_of
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request
from micrograd.marker.report import Report

HEAD = "import numpy as np\n"


def marked(text: str, file: str = "/nowhere/hw.py") -> Report:
    pair = pairs_in(HEAD + text)[-1]
    request = Request(HEAD + text, file, pair.forward, pair.backward, pair.kind)
    return mark(*task_of(json.loads(request.to_json(Limits(seconds=30.0), walk=False))))


FUNCTIONS = {
    "a series, square weights": """
def f_forward(xs, W):
    N, T, D = xs.shape
    hs = np.zeros((N, T, D))
    for t in range(T):
        hs[:, t] = np.tanh(xs[:, t] @ W)
    return hs, (xs, W, hs)
def f_backward(dhs, cache):
    xs, W, hs = cache
    da = dhs * (1 - hs ** 2)
    return da @ W.T, np.einsum("ntd,nte->de", xs, da)
""",
    "gates of three": """
def f_forward(x, prev_h, Wx, Wh):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh
    return a[:, :H] * a[:, H : 2 * H] * a[:, 2 * H : 3 * H] + prev_h, (x, prev_h, Wx, Wh, a)
def f_backward(dout, cache):
    x, prev_h, Wx, Wh, a = cache
    H = prev_h.shape[1]
    p, q, r = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H]
    da = np.hstack([dout * q * r, dout * p * r, dout * p * q])
    return da @ Wx.T, dout + da @ Wh.T, x.T @ da, prev_h.T @ da
""",
    "rows by whole numbers": """
def f_forward(words, E, W):
    h = E[words].mean(axis=1)
    return h @ W, (words, E, W, h)
def f_backward(dout, cache):
    words, E, W, h = cache
    dE = np.zeros_like(E)
    for c in range(words.shape[1]):
        np.add.at(dE, words[:, c], dout @ W.T / words.shape[1])
    return dE, h.T @ dout
""",
}
LAYERS = {
    "a shape": """
class Layer:
    def __init__(self, X_dim):
        self.c, self.h, self.w = X_dim
        self.W = np.ones((1, self.c * self.h * self.w))
    def forward(self, X):
        self.X, self.shape = X.reshape(len(X), -1), X.shape
        return self.X * self.W
    def backward(self, dout):
        self.dW = np.sum(dout * self.X, axis=0, keepdims=True)
        return (dout * self.W).reshape(self.shape)
""",
    "windows that must fit": """
class Layer:
    def __init__(self, size, stride):
        self.size, self.stride = size, stride
    def forward(self, X):
        n, c, h, w = X.shape
        self.shape = X.shape
        if (h - self.size) % self.stride or (w - self.size) % self.stride:
            raise ValueError("does not fit")
        return X[:, :, :: self.stride, :: self.stride]
    def backward(self, dout):
        dX = np.zeros(self.shape)
        dX[:, :, :: self.stride, :: self.stride] = dout
        return dX
""",
    "sizes": """
class Layer:
    def __init__(self, in_size, n_hidden_units):
        self.W = np.random.randn(in_size, n_hidden_units)
    def forward(self, X):
        self.X = X
        return X @ self.W
    def backward(self, dout):
        self.dW = self.X.T @ dout
        return dout @ self.W.T
""",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_shapes_that_no_name_gives_away_are_found(name: str) -> None:
    report = marked(FUNCTIONS[name])
    assert report.ok, report.text()
    assert not marked(
        FUNCTIONS[name].replace("dout @ W.T", "-dout @ W.T").replace("da @ W.T", "-da @ W.T").replace("dout + da", "da")
    ).ok


@pytest.mark.parametrize("name", LAYERS)
def test_constructors_get_sizes_shapes_and_images_that_fit(name: str) -> None:
    text = LAYERS[name]
    report = marked(text)
    assert report.ok, report.text()
    assert not marked(
        text.replace("dout * self.W", "dout").replace("= dout\n", "= -dout\n").replace("X.T @ dout", "X.T @ -dout")
    ).ok


# ---- what the backward leaves --------------------------------------------------------------------------------------

AFFINE = """
class Layer:
    def __init__(self, W, b):
        self.weights, self.b = W, b
        self.dW = self.db = None
    def forward(self, x):
        self.x = x
        return x @ self.weights + self.b
    def backward(self, dout):
{body}
"""
RIGHT = {
    "attributes": ("self.dW = self.x.T @ dout", "self.db = dout.sum(axis=0)", "return dout @ self.weights.T"),
    "a list beside it": ("dW = self.x.T @ dout", "db = dout.sum(axis=0)", "return dout @ self.weights.T, [dW, db]"),
    "nothing returned": ("self.dW = self.x.T @ dout", "self.db = dout.sum(axis=0)", "self.dx = dout @ self.weights.T"),
}


def _affine(*lines: str) -> str:
    return AFFINE.format(body="\n".join(f"        {line}" for line in lines)).replace(
        "return dout @ self.weights.T, [", "dx = dout @ self.weights.T\n        return dx, ["
    )


@pytest.mark.parametrize("style", RIGHT)
def test_every_gradient_that_is_left_is_checked_whatever_its_shape(style: str) -> None:
    lines = RIGHT[style]
    report = marked(_affine(*lines))
    assert report.ok, report.text()
    assert len(report.outputs) == 3, report.text()
    for number, (old, new) in enumerate((("self.x.T @ dout", "dout.T @ self.x"), ("dout.sum(axis=0)", "dout.sum()"))):
        wrong = list(lines)
        wrong[number] = wrong[number].replace(old, new)
        assert marked(_affine(*wrong)).verdict == "wrong", wrong


def test_a_gradient_that_is_none_is_missed() -> None:
    report = marked(_affine("self.dW = self.x.T @ dout", "self.db = None", "return dout @ self.weights.T"))
    assert [output.name for output in report.outputs if not output.right] == ["db"], report.text()


# ---- every setting, the loss, the folder ---------------------------------------------------------------------------

ACTIVATION = """
def f_forward(x, activation):
    if activation == "sigmoid":
        return 1 / (1 + np.exp(-x)), x
    return np.maximum(0, x), x
def f_backward(dout, cache, activation):
    if activation == "relu":
        return dout * (cache > 0)
    s = 1 / (1 + np.exp(-cache))
    return dout * s * (1 - s)
"""


def test_every_text_that_a_parameter_is_compared_with_is_tried() -> None:
    assert marked(ACTIVATION).ok
    for old, new in (("cache > 0", "cache < 0"), ("s * (1 - s)", "s")):
        assert marked(ACTIVATION.replace(old, new)).verdict == "wrong", new


LOSS = """
class Loss:
    def forward(self, y_pred, y):
        return np.mean((y_pred - y) ** 2)
    def backward(self, y_pred, y):
        return 2 * (y_pred - y) / y.size
"""


def test_a_loss_that_is_given_its_arguments_again_needs_no_gradient_that_arrives() -> None:
    assert marked(LOSS).ok
    assert marked(LOSS.replace("def forward(self, y_pred, y)", "def forward(self, y, y_pred)")).ok
    assert marked(LOSS.replace("y.size", "len(y)")).verdict == "wrong"


def test_a_backward_of_another_loss_than_the_forwards_is_refused() -> None:
    text = "def net_forward(X, W):\n    A = X @ W\n    return A, (X, W)\n"
    text += "def net_backward(A, Y, cache):\n    X, W = cache\n    return (A - Y) @ W.T, X.T @ (A - Y)\n"
    with pytest.raises(
        GraphError, match=r"net_backward takes 'Y', which net_forward does not: .* have net_forward return that loss"
    ):
        marked(text)


def test_targets_are_tried_until_the_backward_runs() -> None:
    text = """
class SoftmaxWithLoss:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        n = len(x)
        picked = self.y[np.arange(n), t] if t.ndim == 1 else (self.y * t).sum(axis=1)
        return -np.sum(np.log(picked)) / n
    def backward(self, dout=1):
        return (self.y - self.t) * dout / len(self.y)
"""
    report = marked(text)
    assert report.ok, report.text()
    assert "t (5, 3)" in " ".join(report.tried)


def test_labels_fit_in_every_size() -> None:
    """Rows of one array by labels of another: in some sizes the labels drawn are too many only by bad luck."""
    text = """
class Lookup:
    def __init__(self, W):
        self.W, self.dW = W, np.zeros_like(W)
    def forward(self, idx):
        self.idx = idx
        return self.W[idx]
    def backward(self, dout):
        for i, row in enumerate(self.idx):
            self.dW[i] += dout[row]
"""
    report = marked(text)
    assert (report.verdict, [one.span.line for one in report.findings]) == ("wrong", [11])


def test_folders_on_the_path_are_taken_from_the_files_own(tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "helpers_of_mine.py").write_text("def twice(x):\n    return 2 * x\n")
    (tmp_path / "chapter").mkdir()
    text = "import sys\nsys.path.append('../common')\nfrom helpers_of_mine import twice\n"
    text += "def f_forward(x):\n    return twice(x)\ndef f_backward(dout, x):\n    return 2 * dout\n"
    assert marked(text, str(tmp_path / "chapter" / "hw.py")).ok


NET = """
from layers_of_mine import SoftmaxWithLoss
class Net:
    def __init__(self, input_size, output_size):
        W, b = np.random.randn(input_size, output_size), np.zeros(output_size)
        self.layer, self.last = Affine(W, b), SoftmaxWithLoss()
        self.params, self.grads = [W, b], self.layer.grads
    def forward(self, x, t):
        return self.last.forward(self.layer.forward(x), t)
    def backward(self, dout=1):
        return self.layer.backward(self.last.backward(dout))
"""
PARTS = """
class Affine:
    def __init__(self, W, b):
        self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]
    def forward(self, x):
        self.x = x
        return x @ self.params[0] + self.params[1]
    def backward(self, dout):
        self.grads[0][...], self.grads[1][...] = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.params[0].T
"""


def test_a_guard_in_a_module_of_the_users_and_arrays_that_two_objects_hold(tmp_path: Path) -> None:
    (tmp_path / "functions_of_mine.py").write_text(
        "import numpy as np\ndef cross_entropy(y, t):\n    return -np.sum(np.log(y[np.arange(len(t)), t] + 1e-7)) / len(t)\n"
    )
    (tmp_path / "layers_of_mine.py").write_text(
        "import numpy as np\nfrom functions_of_mine import cross_entropy\nclass SoftmaxWithLoss:\n"
        "    def forward(self, x, t):\n        e = np.exp(x - x.max(axis=1, keepdims=True))\n"
        "        self.y, self.t = e / e.sum(axis=1, keepdims=True), t\n        return cross_entropy(self.y, t)\n"
        "    def backward(self, dout=1):\n        dx = self.y.copy()\n        dx[np.arange(len(dx)), self.t] -= 1\n"
        "        return dx * dout / len(dx)\n"
    )
    report = marked(PARTS + NET, str(tmp_path / "net.py"))
    assert report.ok, report.text()
    assert [finding.kind for finding in report.findings] == ["guard"]
    assert len(report.outputs) == 3
    assert not marked((PARTS + NET).replace("self.x.T @ dout", "-self.x.T @ dout"), str(tmp_path / "net.py")).ok


def test_sums_in_the_backward_say_what_is_shared_by_the_rows() -> None:
    text = """
def gauss_loss(x, mu, s):
    d = (x - mu) / s
    loss = np.sum(0.5 * d ** 2 + np.log(s))
    dx, dmu = d / s, -np.sum(d / s, axis=0)
    ds = np.sum((1 - d * d) / s, axis=0)
    return loss, dx, dmu, ds
"""
    report = marked(text)
    assert report.ok, report.text()
    assert {"mu (3,), (6,), (4,)", "s (3,), (6,), (4,)"} <= {*report.tried}
    wrong = marked(text.replace("(1 - d * d) / s, axis=0", "(1 - d) / s, axis=0"))
    assert [output.right for output in wrong.outputs] == [True, True, False]
