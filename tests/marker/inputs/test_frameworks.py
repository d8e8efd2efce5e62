"""How frameworks of people's own spell their layers: names of methods, rates, weights that are made late."""

from __future__ import annotations

from pathlib import Path

import pytest

from micrograd.marker.inputs.pairs import pairs_in, unpaired
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report

HEAD = "import numpy as np\n"


def report_of(text: str, forward: str, backward: str) -> Report:
    return run(Request(HEAD + text, "/nowhere/hw.py", forward, backward, "layer"), Limits(seconds=20.0))


def outputs(report: Report) -> dict[str, bool]:
    return {output.name: output.right for output in report.outputs}


# ---- names ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        ("forward", "backprop"),
        ("forward", "backpropagation"),
        ("feed_forward", "back_propagation"),
        ("feedForward", "backPropagate"),
        ("forward_pass", "backward_pass"),
        ("propagate_forward", "propagate_backwards"),
        ("__call__", "backward"),
        ("forward", "derivative"),
    ],
)
def test_the_methods_of_a_layer_are_found_by_their_names(forward: str, backward: str) -> None:
    text = (
        f"class Layer:\n    def {forward}(self, x):\n        return x\n    def {backward}(self, d):\n        return d\n"
    )
    assert [(pair.forward, pair.backward) for pair in pairs_in(text)] == [(f"Layer.{forward}", f"Layer.{backward}")]
    assert unpaired(text, pairs_in(text)) == []


def test_a_backward_is_preferred_to_a_slope_beside_it() -> None:
    text = "class Layer:\n" + "".join(
        f"    def {name}(self, x):\n        return x\n"
        for name in ("derivative", "forward_step", "forward", "backward")
    )
    assert [(pair.forward, pair.backward) for pair in pairs_in(text)] == [("Layer.forward", "Layer.backward")]


@pytest.mark.parametrize(
    "body", ["raise NotImplementedError", "raise NotImplementedError('later')", "return NotImplemented"]
)
def test_a_base_class_is_no_layer(body: str) -> None:
    text = "class Base:\n" + "".join(
        f"    def {name}(self, x):\n        '''Say what.'''\n        {body}\n" for name in ("forward", "backward")
    )
    assert pairs_in(text) == ()
    assert unpaired(text, ()) == []
    assert len(pairs_in(text.replace(body, "pass"))) == 1  # not written yet


# ---- parameters that only the backward takes --------------------------------------------


STEP = """
class Scaled:
    def __init__(self, w):
        self.w = w
    def forward(self, x):
        self.x = x
        return x * self.w
    def backward(self, dout, lr):
        dw = (dout * self.x).sum(axis=0)
        dx = dout * self.w
        self.w = self.w - lr * dw
        return dx
"""


@pytest.mark.parametrize("rate", ["lr", "learning_rate", "learnRate", "eta", "step_size"])
def test_a_backward_may_take_a_rate(rate: str) -> None:
    text = STEP.replace("lr", rate)
    assert report_of(text, "Scaled.forward", "Scaled.backward").ok


def test_a_mistake_beside_a_step_is_seen() -> None:
    wrong = report_of(STEP.replace("= dout * self.w\n", "= 2 * dout * self.w\n"), "Scaled.forward", "Scaled.backward")
    assert wrong.findings[0].source.strip() == "dx = 2 * dout * self.w"


def test_a_step_before_the_weights_are_read_is_told() -> None:
    lines = ("        dx = dout * self.w\n", "        self.w = self.w - lr * dw\n")
    report = report_of(STEP.replace("".join(lines), "".join(lines[::-1])), "Scaled.forward", "Scaled.backward")
    assert report.verdict == "failed"
    assert "every gradient is right with lr = 0, and wrong with lr = 0.1" in report.problem


@pytest.mark.parametrize("flag", ["is_first", "verbose", "skip: bool"])
def test_a_backward_may_take_a_flag(flag: str) -> None:
    name = flag.partition(":")[0]
    text = STEP.replace("lr):", f"{flag}):").replace(
        "self.w = self.w - lr * dw", f"if {name}:\n            return None"
    )
    assert report_of(text, "Scaled.forward", "Scaled.backward").ok


LOSS = """
class Loss:
    def forward(self, y_true, y_pred_logits):
        e = np.exp(y_pred_logits - y_pred_logits.max(axis=1, keepdims=True))
        probs = e / e.sum(axis=1, keepdims=True)
        return -np.sum(y_true * np.log(probs)) / len(probs), probs
    def backward(self, y_true, y_pred, probs):
        return (probs - y_true) / len(probs)
"""


def test_an_argument_may_have_a_shorter_name_in_the_backward() -> None:
    assert report_of(LOSS, "Loss.forward", "Loss.backward").ok
    assert report_of(LOSS.replace("/ len(probs)\n", "\n"), "Loss.forward", "Loss.backward").verdict == "wrong"


# ---- gradients that are kept ---------------------------------------------------------


KEPT = """
class Square:
    def forward(self, y_pred, y_true):
        self.d = y_pred - y_true
        return np.mean(self.d ** 2)
    def backward(self):
        self.dinputs = 2 * self.d / self.d.size
"""


def test_a_loss_may_keep_its_gradient_under_another_name() -> None:
    assert outputs(report_of(KEPT, "Square.forward", "Square.backward")) == {"dy_pred": True}
    wrong = report_of(KEPT.replace("self.d.size", "len(self.d)"), "Square.forward", "Square.backward")
    assert outputs(wrong) == {"dy_pred": False}
    assert "self.dinputs = 2 * self.d / len(self.d)" in wrong.findings[0].source


# ---- weights that are made late --------------------------------------------------------


LATE = """
class Dense:
    def __init__(self, num_neurons):
        self.n, self.W, self.b = num_neurons, None, None
    def {build}(self, {given}):
        self.W = np.random.randn({size}, self.n)
        self.b = np.zeros((1, self.n))
    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.W + self.b
    def backpropagation(self, d_score):
        self.dW = self.inputs.T @ d_score
        self.db = d_score.sum(axis=0, keepdims=True)
        return d_score @ self.W.T
"""


@pytest.mark.parametrize(
    ("build", "given", "size"),
    [
        ("setup", "input_shape: int", "input_shape"),
        ("build", "input_shape", "input_shape[-1]"),
        ("init_weights", "n_in", "n_in"),
    ],
)
def test_weights_may_be_made_for_the_data_that_comes(build: str, given: str, size: str) -> None:
    text = LATE.format(build=build, given=given, size=size)
    right = report_of(text, "Dense.forward", "Dense.backpropagation")
    assert outputs(right) == {"dinputs": True, "dW": True, "db": True}
    wrong = report_of(
        text.replace("d_score.sum(axis=0", "d_score.mean(axis=0"), "Dense.forward", "Dense.backpropagation"
    )
    assert outputs(wrong) == {"dinputs": True, "dW": True, "db": False}


# ---- images, chances, kinds ----------------------------------------------------------


IMAGE = """
class Conv:
    def __init__(self, in_channels, num_filters, filter_size):
        self.W = np.random.randn(filter_size, filter_size, in_channels, num_filters)
    def forward(self, x):
        self.x, k = x, len(self.W)
        out = np.zeros((len(x), x.shape[1] - k + 1, x.shape[2] - k + 1, self.W.shape[3]))
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[:, i, j] = np.tensordot(x[:, i:i + k, j:j + k], self.W, axes=3)
        return out
    def backward(self, dout):
        dx, self.dW, k = np.zeros_like(self.x), np.zeros_like(self.W), len(self.W)
        for i in range(dout.shape[1]):
            for j in range(dout.shape[2]):
                dx[:, i:i + k, j:j + k] += np.tensordot(dout[:, i, j], self.W, axes=(1, 3))
                self.dW += np.tensordot(self.x[:, i:i + k, j:j + k], dout[:, i, j], axes=(0, 0))
        return dx
"""


def test_channels_may_come_last() -> None:
    right = report_of(IMAGE, "Conv.forward", "Conv.backward")
    assert outputs(right) == {"dx": True, "dW": True}
    assert report_of(IMAGE.replace("j:j + k] +=", "j:j + k] ="), "Conv.forward", "Conv.backward").verdict == "wrong"


SHAPED = """
class MaxPool:
    def __init__(self, input_dim, filter_size):
        self.k = filter_size
        self.out = input_dim[0] // self.k, input_dim[1] // self.k
    def forward(self, x):
        self.x = x
        out = np.zeros((len(x), *self.out, x.shape[3]))
        for i in range(self.out[0]):
            for j in range(self.out[1]):
                out[:, i, j] = self.window(x, i, j).max(axis=(1, 2))
        return out
    def window(self, x, i, j):
        return x[:, i * self.k:(i + 1) * self.k, j * self.k:(j + 1) * self.k]
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(self.out[0]):
            for j in range(self.out[1]):
                win = self.window(self.x, i, j)
                self.window(dx, i, j)[...] = (win == win.max(axis=(1, 2), keepdims=True)) * dout[:, i, j][:, None, None]
        return dx
"""


def test_a_constructor_may_be_told_the_shape_of_an_image() -> None:
    assert report_of(SHAPED, "MaxPool.forward", "MaxPool.backward").ok


CLIPPED = """
class CrossEntropy:
    def forward(self, y_pred, y_true):
        self.p, self.y = np.clip(y_pred, 1e-12, 1.0), y_true
        return -np.sum(y_true * np.log(self.p)) / len(y_true)
    def backward(self):
        return -self.y / self.p / len(self.y)
"""


def test_what_is_clipped_before_a_logarithm_is_a_chance() -> None:
    assert report_of(CLIPPED, "CrossEntropy.forward", "CrossEntropy.backward").ok


KINDS = """
class Activation:
    def __init__(self, kind):
        self.kind = kind
    def forward(self, x):
        if self.kind == "tanh":
            self.y = np.tanh(x)
        elif self.kind == "sigmoid":
            self.y = 1 / (1 + np.exp(-x))
        return self.y
    def backward(self, dout):
        return dout * (1 - self.y ** 2) if self.kind == "tanh" else dout * self.y * (1 - self.y)
"""


def test_the_kinds_that_an_object_keeps_are_tried() -> None:
    right = report_of(KINDS, "Activation.forward", "Activation.backward")
    assert right.ok
    assert any("'tanh', 'sigmoid'" in one for one in right.tried)
    wrong = report_of(KINDS.replace("self.y * (1 - self.y)", "self.y"), "Activation.forward", "Activation.backward")
    assert wrong.verdict == "wrong"


NORMED = """
def conv_norm_forward(x, w, b, gamma, beta):
    a = np.einsum("nchw,fc->nfhw", x, w[:, :, 0, 0]) + b[:, None, None]
    return gamma[:, None, None] * a + beta[:, None, None], (x, w, gamma, a)
def conv_norm_backward(dout, cache):
    x, w, gamma, a = cache
    dgamma, dbeta, da = (dout * a).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3)), dout * gamma[:, None, None]
    dw = np.zeros_like(w)
    dw[:, :, 0, 0] = np.einsum("nfhw,nchw->fc", da, x)
    return np.einsum("nfhw,fc->nchw", da, w[:, :, 0, 0]), dw, da.sum(axis=(0, 2, 3)), dgamma, dbeta
"""


def test_a_norm_behind_a_convolution_has_as_many_channels_as_filters() -> None:
    request = Request(HEAD + NORMED, "/nowhere/hw.py", "conv_norm_forward", "conv_norm_backward")
    report = run(request, Limits(seconds=20.0))
    assert report.ok, report.text()


STATIC = """
class Softplus:
    @staticmethod
    def forward(x):
        return np.log1p(np.exp(x))
    @staticmethod
    def backward(dout, x):
        return dout / (1 + np.exp(-x))
"""


def test_static_methods_need_no_object() -> None:
    (pair,) = pairs_in(STATIC)
    assert pair.kind == "function"
    request = Request(HEAD + STATIC, "/nowhere/hw.py", pair.forward, pair.backward)
    assert run(request, Limits(seconds=20.0)).ok
    wrong = run(Request(HEAD + STATIC.replace("exp(-x)", "exp(x)"), "/nowhere/hw.py", pair.forward, pair.backward))
    assert wrong.findings[0].fix is not None


FLAT = """
class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(-1, x.shape[-1])
    def backward(self, dout):
        return dout.T.reshape(self.shape[::-1]).T
"""


def test_what_flattens_is_tried_on_images() -> None:
    assert report_of(FLAT, "Flatten.forward", "Flatten.backward").verdict == "wrong"
    right = FLAT.replace("dout.T.reshape(self.shape[::-1]).T", "dout.reshape(self.shape)")
    assert report_of(right, "Flatten.forward", "Flatten.backward").ok


def test_a_layer_may_import_from_folders_above(tmp_path: Path) -> None:
    for folder in ("net", "net/layers"):
        (tmp_path / folder).mkdir()
    (tmp_path / "net" / "helpers.py").write_text("def double(x):\n    return 2 * x\n")
    (tmp_path / "net" / "layers" / "base.py").write_text("from ..helpers import double\n\nclass Layer:\n    pass\n")
    text = (
        "from .base import Layer, double\n\nclass Double(Layer):\n    def forward(self, x):\n        return double(x)\n"
        "    def backward(self, dout):\n        return double(dout)\n"
    )
    file = tmp_path / "net" / "layers" / "double.py"
    file.write_text(text)
    report = run(Request(text, str(file), "Double.forward", "Double.backward", "layer"))
    assert report.ok, report.text()


NET = """
def forward_propagation(X, parameters):
    W1, b1, W2, b2 = (parameters[key] for key in ("W1", "b1", "W2", "b2"))
    A1 = np.tanh(np.dot(parameters["W1"], X) + parameters["b1"])
    A2 = 1 / (1 + np.exp(-np.dot(parameters["W2"], A1) - parameters["b2"]))
    return A2, (A1, A2, parameters["W2"])
def compute_cost(A2, Y):
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / Y.shape[1]
def backward_propagation(X, Y, cache):
    A1, A2, W2 = cache
    dZ2 = (A2 - Y) / X.shape[1]
    dZ1 = np.dot(W2.T, dZ2) * (1 - A1 ** 2)
    return {
        "dW1": np.dot(dZ1, X.T), "db1": dZ1.sum(axis=1, keepdims=True),
        "dW2": np.dot(dZ2, A1.T), "db2": dZ2.sum(axis=1, keepdims=True),
    }
"""


@pytest.mark.parametrize("unit", ["", "    assert A2.shape == (1, X.shape[1])\n"])
def test_a_backward_that_takes_labels_begins_at_the_loss_of_its_file(unit: str) -> None:
    text = HEAD + NET.replace("    return A2, (A1", f"{unit}    return A2, (A1")
    names = ("forward_propagation", "backward_propagation")
    right = run(Request(text, "/nowhere/hw.py", *names), Limits(seconds=20.0))
    assert outputs(right) == dict.fromkeys(("dW1", "db1", "dW2", "db2"), True)
    assert right.forward == "forward_propagation_and_compute_cost"
    wrong = run(Request(text.replace("(1 - A1 ** 2)", "(1 - A1)"), "/nowhere/hw.py", *names), Limits(seconds=20.0))
    assert wrong.findings[0].source.strip() == "dZ1 = np.dot(W2.T, dZ2) * (1 - A1)"


def test_without_a_loss_in_the_file_it_is_said_that_one_is_missing() -> None:
    text = HEAD + NET.replace("def compute_cost", "def distance")
    report = run(Request(text, "/nowhere/hw.py", "forward_propagation", "backward_propagation"))
    assert report.verdict == "failed"


SINGLE = """
class Steps:
    def __init__(self, W, b):
        self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]
    def forward(self, xs):
        self.xs, (W, b) = xs, self.params
        self.hs = np.empty((*xs.shape[:2], len(b)), dtype="f")
        for t in range(xs.shape[1]):
            self.hs[:, t] = np.tanh(xs[:, t] @ W + b)
        return self.hs
    def backward(self, dhs):
        da = dhs * (1 - self.hs ** 2)
        self.grads[0][...] = np.tensordot(self.xs, da, axes=((0, 1), (0, 1)))
        self.grads[1][...] = da.sum(axis=(0, 1))
        return da @ self.params[0].T
"""


def test_what_a_forward_keeps_in_single_precision_is_judged_by_that() -> None:
    report = report_of(SINGLE, "Steps.forward", "Steps.backward")
    assert report.ok, report.text()
    wrong = report_of(SINGLE.replace("1 - self.hs ** 2", "1 - self.hs"), "Steps.forward", "Steps.backward")
    assert wrong.findings[0].source.strip() == "da = dhs * (1 - self.hs)"


OUTPUT = """
class Other:
    def backward(self, dout):
        return dout
class Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights, self.biases = np.random.randn(n_inputs, n_neurons), np.zeros((1, n_neurons))
    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases
    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T
class Loss:
    def forward(self, y, t):
        self.d = y - t
        return np.sum(self.d ** 2) / len(t)
    def backward(self, dout=1):
        return 2 * self.d / len(self.d)
"""


def test_a_forward_may_keep_its_output() -> None:
    right = report_of(OUTPUT, "Dense.forward", "Dense.backward")
    assert outputs(right) == {"dinputs": True, "dweights": True, "dbiases": True}
    wrong = report_of(OUTPUT.replace("@ self.weights.T", "@ self.weights"), "Dense.forward", "Dense.backward")
    assert wrong.verdict == "wrong"


def test_of_two_targets_the_first_is_predicted_and_a_loss_need_not_read_its_upstream() -> None:
    assert outputs(report_of(OUTPUT, "Loss.forward", "Loss.backward")) == {"dy": True}


ALONE = """
class MaxPool:
    def __init__(self, filter_size):
        self.k = filter_size
    def forward(self, x):
        channels, height, width = x.shape
        self.x, self.out = x, np.zeros((channels, height // self.k, width // self.k))
        for i in range(self.out.shape[1]):
            for j in range(self.out.shape[2]):
                self.out[:, i, j] = self.window(x, i, j).max(axis=(1, 2))
        return self.out
    def window(self, x, i, j):
        return x[:, i * self.k:(i + 1) * self.k, j * self.k:(j + 1) * self.k]
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i in range(dout.shape[1]):
            for j in range(dout.shape[2]):
                win = self.window(self.x, i, j)
                self.window(dx, i, j)[...] = (win == win.max(axis=(1, 2), keepdims=True)) * dout[:, i, j][:, None, None]
        return dx
"""


def test_an_image_may_come_alone() -> None:
    assert report_of(ALONE, "MaxPool.forward", "MaxPool.backward").ok


def test_images_are_square_only_where_no_others_will_do() -> None:
    square = ALONE.replace("        self.x, self.out", "        assert height == width\n        self.x, self.out")
    report = report_of(square, "MaxPool.forward", "MaxPool.backward")
    assert report.ok
    assert any("(6, 6, 6)" in one for one in report.tried)
