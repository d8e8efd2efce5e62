"""Layers that are classes: made from the names of their constructor's parameters, gradients of parameters checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from micrograd.marker.inputs.pairs import pairs_in, unpaired
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

HEAD = "import numpy as np\n"
METHODS = """
    def forward(self, x):
        self.x = x
        return x @ {W} + {b}
    def backward(self, dout):
        {dW} = self.x.T @ dout
        {db} = dout.sum(axis=0)
        return dout @ {W}.T
"""
SIZES = "self.W, self.b = np.random.randn(in_features, out_features), np.zeros(out_features)"
STYLES = {
    "arrays given": ("W, b", "self.W, self.b = W, b", "self.W", "self.b", "self.dW", "self.db"),
    "sizes given": ("in_features, out_features", SIZES, "self.W", "self.b", "self.grad_W", "self.grad_b"),
    "dictionary": (
        "input_size, output_size",
        "self.params = {'W': np.random.randn(input_size, output_size), 'b': np.zeros(output_size)}; self.grads = {}",
        "self.params['W']", "self.params['b']", "self.grads['W']", "self.grads['b']",
    ),
    "list": (
        "W, b", "self.params = [W, b]; self.grads = [np.zeros_like(W), np.zeros_like(b)]",
        "self.params[0]", "self.params[1]", "self.grads[0][...]", "self.grads[1][...]",
    ),
    "parameter": (
        "W, b", "self.W, self.b = Param(W), Param(b)", "self.W.value", "self.b.value", "self.W.grad", "self.b.grad",
    ),
}  # fmt: skip
PARAM = "class Param:\n    def __init__(self, value):\n        self.value, self.grad = value, np.zeros_like(value)\n"


def report_of(text: str, name: str = "Layer", **more: str) -> Report:
    request = Request(HEAD + text, "/nowhere/hw.py", f"{name}.forward", f"{name}.backward", "layer")
    return run(request, Limits(seconds=20.0))


@pytest.mark.parametrize("style", STYLES)
def test_the_gradients_of_parameters_are_checked(style: str) -> None:
    parameters, body, W, b, dW, db = STYLES[style]
    text = f"class Layer:\n    def __init__(self, {parameters}):\n        {body}\n" + METHODS.format(
        W=W, b=b, dW=dW, db=db
    )
    right = report_of(PARAM + text)
    assert right.ok, right.text()
    assert [output.name for output in right.outputs[1:]] == (
        ["dparams0", "dparams1"] if style == "list" and parameters != "W, b" else ["dW", "db"]
    )
    wrong = report_of(PARAM + text.replace("self.x.T @ dout", "2 * self.x.T @ dout"))
    assert [output.right for output in wrong.outputs].count(False) == 1
    assert ["2 * self.x.T @ dout" in finding.source for finding in wrong.findings] == [True]


LOSS = """
class MSE:
    def forward(self, A, Y):
        self.A, self.Y = A, Y
        return np.mean((A - Y) ** 2)
    def backward(self):
        return 2 * (self.A - self.Y) / self.A.size
"""


LOOKUP = """
class Embedding:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]
    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]
    def backward(self, dout):
        self.grads[0][...] = 0
        np.add.at(self.grads[0], self.idx, dout)
        return None
"""
CONV = """
class Conv1D:
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1):
        self.K, self.stride = kernel_size, stride
        self.W = np.random.randn(out_channels, in_channels, kernel_size)
    def forward(self, A):
        self.A = A
        out = (A.shape[2] - self.K) // self.stride + 1
        Z = np.zeros((A.shape[0], self.W.shape[0], out))
        for i in range(out):
            s = i * self.stride
            Z[:, :, i] = np.tensordot(A[:, :, s:s + self.K], self.W, axes=([1, 2], [1, 2]))
        return Z
    def backward(self, dLdZ):
        dLdA = np.zeros_like(self.A)
        self.dLdW = np.zeros_like(self.W)
        for i in range(dLdZ.shape[2]):
            s = i * self.stride
            self.dLdW += np.tensordot(dLdZ[:, :, i].T, self.A[:, :, s:s + self.K], axes=([1], [0]))
            dLdA[:, :, s:s + self.K] += np.tensordot(dLdZ[:, :, i], self.W, axes=([1], [0]))
        return dLdA
"""
POOL = """
class AvgPool:
    def __init__(self, pool_h=2, pool_w=2):
        self.h, self.w = pool_h, pool_w
    def forward(self, x):
        N, C, H, W = x.shape
        return x.reshape(N, C, H // self.h, self.h, W // self.w, self.w).mean(axis=(3, 5))
    def backward(self, dout):
        return np.repeat(np.repeat(dout, self.h, axis=2), self.w, axis=3) / (self.h * self.w)
"""


@pytest.mark.parametrize(
    ("text", "name", "old", "new"),
    [
        (POOL, "AvgPool", "(self.h * self.w)", "self.h ** 2"),
        (LOOKUP, "Embedding", "np.add.at(self.grads[0], self.idx, dout)", "self.grads[0][self.idx] += dout"),
        (CONV, "Conv1D", "dLdA[:, :, s:s + self.K] +=", "dLdA[:, :, s:s + self.K] ="),
    ],
)
def test_indices_and_windows_show_their_mistakes(text: str, name: str, old: str, new: str) -> None:
    assert report_of(text, name).ok
    assert report_of(text.replace(old, new), name).verdict == "wrong"


def test_arrays_that_a_layer_fills_are_traced() -> None:
    """By a method of its own, too; where there is no trace, slopes are measured, which is slow and no more exact than 1e-6."""
    text = """
class Scale:
    def __init__(self, gamma):
        self.gamma = gamma
    def filled(self, x):
        out = np.zeros(x.shape)
        for i in range(x.shape[1]):
            out[:, i] = x[:, i] * self.gamma[i]
        return out
    def forward(self, x):
        self.x, out = x, np.zeros_like(x)
        out[...] = self.filled(x)
        return out
    def backward(self, dout):
        self.dgamma = (dout * self.x).sum(axis=0)
        return dout * self.gamma
"""
    report = report_of(text, "Scale")
    assert report.ok
    assert all(output.bound < 1e-7 for output in report.outputs)


def test_a_loss_needs_no_gradient_that_arrives() -> None:
    assert report_of(LOSS, "MSE").ok
    assert report_of(LOSS.replace("return 2 *", "return"), "MSE").findings[0].kind == "factor"


SIGN = """
class Tanh:
    def __init__(self):
        self.out = None
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out
    def backward(self, dout):
        dx = -dout * (1 - self.out**2)
        return dx
"""


def test_a_mistake_in_a_method_is_mended_as_in_a_function() -> None:
    (finding,) = report_of(SIGN, "Tanh").findings
    assert finding.kind == "sign"
    assert finding.fix is not None
    assert finding.fix.whole


NET = """
class Net:
    def __init__(self, input_size, hidden_size, output_size):
        self.params = {"W1": 0.01 * np.random.randn(input_size, hidden_size)}
        self.params["W2"] = 0.01 * np.random.randn(hidden_size, output_size)
    def loss(self, X, y=None, reg=0.1):
        W1, W2 = self.params["W1"], self.params["W2"]
        h = np.maximum(0, X @ W1)
        s = h @ W2
        if y is None:
            return s
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        n = np.arange(len(X))
        loss = -np.log(p[n, y]).mean() + reg * (np.sum(W1**2) + np.sum(W2**2))
        p[n, y] -= 1
        p /= len(X)
        grads = {"W2": h.T @ p + 2 * reg * W2, "W1": X.T @ ((p @ W2.T) * (h > 0)) + 2 * reg * W1}
        return loss, grads
"""


def test_a_net_that_returns_its_loss_and_gradients() -> None:
    text = HEAD + NET.replace("y=None", "y")
    (pair,) = pairs_in(text)
    assert (pair.forward, pair.kind) == ("Net.loss", "loss")
    right = run(Request(text, "/nowhere/hw.py", pair.forward, pair.backward, pair.kind), Limits(seconds=20.0))
    assert (right.verdict, {output.name for output in right.outputs}) == ("right", {"dW1", "dW2"})
    wrong = run(
        Request(text.replace("+ 2 * reg * W1}", "}"), "/nowhere/hw.py", *(pair.forward,) * 2, "loss"),
        Limits(seconds=20),
    )
    assert {output.name: output.right for output in wrong.outputs} == {"dW1": False, "dW2": True}


NAMES = {
    "activation": "def f_forward(A_prev, W, activation):\n    Z = W @ A_prev\n"
    "    return (np.maximum(0, Z) if activation == 'relu' else Z), (A_prev, W, Z)\n"
    "def f_backward(dA, cache, activation):\n    A_prev, W, Z = cache\n"
    "    dZ = dA * (Z > 0) if activation == 'relu' else dA\n    return W.T @ dZ, dZ @ A_prev.T\n",
    "state": "def f_forward(x, h, Wx, Wh):\n    out = np.tanh(x @ Wx + h @ Wh)\n    return out, (x, h, Wx, Wh, out)\n"
    "def f_backward(dout, cache):\n    x, h, Wx, Wh, out = cache\n    da = dout * (1 - out**2)\n"
    "    return da @ Wx.T, da @ Wh.T, x.T @ da, h.T @ da\n",
    "built keys": "def f_forward(X, parameters):\n    A = X\n    for l in (1, 2):\n"
    "        A = parameters['W' + str(l)] @ A + parameters['b' + str(l)]\n    return A, (X, parameters)\n"
    "def f_backward(dA, cache):\n    X, p = cache\n    A1 = p['W1'] @ X + p['b1']\n    d1 = p['W2'].T @ dA\n"
    "    return {'X': p['W1'].T @ d1, 'W1': d1 @ X.T, 'b1': d1.sum(axis=1, keepdims=True),"
    " 'W2': dA @ A1.T, 'b2': dA.sum(axis=1, keepdims=True)}\n",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_and_text_say_what_an_argument_is(name: str) -> None:
    report = run(Request(HEAD + NAMES[name], "/nowhere/hw.py", "f_forward", "f_backward"), Limits(seconds=20.0))
    assert report.ok, report.text()
    assert len(report.outputs) == {"activation": 2, "state": 4, "built keys": 5}[name]


def test_a_name_that_is_not_known_is_asked_for() -> None:
    text = HEAD + "def f_forward(x, quux):\n    return x * quux.deep\ndef f_backward(dout, x): return dout\n"
    report = run(Request(text, "/nowhere/hw.py", "f_forward", "f_backward"), Limits(seconds=20.0))
    assert report.verdict == "failed"
    assert "What quux is cannot be known from its name; give --param quux=VALUE" in report.problem


def test_imports_from_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "functions.py").write_text("import numpy as np\ndef half(x):\n    return x / 2\n")
    file = tmp_path / "shop" / "layers.py"
    text = "from shop.functions import half\ndef f_forward(x):\n    return half(x), x\ndef f_backward(dout, x):\n    return dout / 2\n"
    file.write_text(text)
    assert run(Request(text, str(file), "f_forward", "f_backward"), Limits(seconds=20.0)).ok


def test_what_was_not_checked_is_listed() -> None:
    text = "def f_forward(x): ...\ndef f_backward(d): ...\ndef relu_backward(d): ...\nclass A:\n    def backward(self, d): ..."
    assert unpaired(text, pairs_in(text)) == ["relu_backward", "A.backward"]


def test_a_bias_without_a_gradient_is_missed_where_its_weight_has_one() -> None:
    """A layer that keeps no gradient of its bias would never learn it."""
    text = """
import numpy as np

class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T
"""
    report = run(Request(text, "/nowhere/hw.py", "Linear.forward", "Linear.backward", "class"), Limits(seconds=20.0))
    assert [(one.name, one.right) for one in report.outputs] == [("dx", True), ("dW", True), ("db", False)]
    assert [(one.kind, one.target) for one in report.findings] == [("missing_result", "self.db")]
    assert "Up to line 15, nothing is put into self.db." in report.text()
    plain = text.replace(" + self.b", "").replace("        self.b = np.zeros(n_out)\n", "")
    report = run(Request(plain, "/nowhere/hw.py", "Linear.forward", "Linear.backward", "class"), Limits(seconds=20.0))
    assert report.verdict == "right"
