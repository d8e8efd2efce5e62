"""Settings are drawn too, targets are what a logarithm needs, and a report says with what it was tried."""

from __future__ import annotations

import pytest
from marked import marked

from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.marker.report import Report
from tests.teach import life

POOL = """\
import numpy as np
def pool_forward(x, stride):
    out = np.zeros((*x.shape[:2], (x.shape[2] - 2) // stride + 1))
    for i in range(out.shape[2]):
        out[:, :, i] = x[:, :, i * stride : i * stride + 2].max(axis=2)
    return out, (x, stride)

def pool_backward(dout, cache):
    x, stride = cache
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        win = x[:, :, i * stride : i * stride + 2]
        dx[:, :, i * stride : i * stride + 2] += (win == win.max(axis=2, keepdims=True)) * dout[:, :, i : i + 1]
    return dx
"""
PAD = """\
import numpy as np
def shift_forward(x, conf_param):
    pad = conf_param.get("pad", 1)
    xp = np.pad(x, ((0, 0), (pad, pad)))
    return xp * np.arange(xp.shape[1]), pad

def shift_backward(dout, pad):
    dxp = dout * np.arange(dout.shape[1])
    return dxp[:, pad : dxp.shape[1] - pad]
"""


def report_of(text: str, name: str, kind: str = "function", example: object = ()) -> Report:
    names = (name, name) if kind == "loss" else (f"{name}_forward", f"{name}_backward")
    return run(Request(text, "/nowhere/hw.py", *names, kind, example), Limits(seconds=20.0))


def test_windows_that_overlap_are_tried() -> None:
    right = report_of(POOL, "pool")
    assert right.ok
    assert any(one.startswith("stride 2, 1, 3") for one in right.tried)
    assert "stride 2, 1, 3" in right.text()
    wrong = report_of(POOL.replace("+= (win", "= (win"), "pool")
    assert wrong.findings[0].kind == "overwritten"
    assert "wrong with stride 1." in wrong.text()


def test_settings_that_are_given_stay() -> None:
    report = report_of(POOL.replace("+= (win", "= (win"), "pool", example={"stride": 2})
    assert report.ok
    assert not any(one.startswith("stride 2,") for one in report.tried)


def test_a_pad_of_zero_is_tried_where_it_has_a_default() -> None:
    assert report_of(PAD, "shift").ok
    wrong = report_of(PAD.replace("pad : dxp.shape[1] - pad", "pad:-pad"), "shift")
    assert wrong.verdict == "wrong"
    (finding,) = wrong.findings
    assert finding.fix is not None
    assert (finding.kind, finding.fix.new, finding.fix.whole) == ("index", "-pad or None", True)


LOSS = """\
import numpy as np
def cross_entropy_loss(s, y_true):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.sum(y_true * np.log(p), axis=1))
    ds = (p - y_true) / len(p)
    return loss, ds
"""


def test_targets_of_a_logarithm_are_distributions() -> None:
    assert report_of(LOSS, "cross_entropy_loss", "loss").ok


@pytest.mark.parametrize("guard", ["1e-7", "1e-8"])
def test_a_guard_inside_a_logarithm_is_no_mistake(guard: str) -> None:
    text = LOSS.replace("np.log(p)", f"np.log(p + {guard})")
    report = report_of(text, "cross_entropy_loss", "loss")
    assert (report.verdict, [one.kind for one in report.findings]) == ("right", ["guard"])
    assert "\nRight but for what is said below" in report.text()
    assert report_of(text.replace("/ len(p)", "/ 2"), "cross_entropy_loss", "loss").verdict == "wrong"


MEAN = """\
import numpy as np
def linear_forward(A_prev, W, b):
    return W @ A_prev + b, (A_prev, W, b)

def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = 1 / m * dZ @ A_prev.T
    db = 1 / m * np.sum(dZ, axis=1, keepdims=True)
    return W.T @ dZ, dW, db
"""


def test_gradients_of_parameters_may_be_averaged() -> None:
    report = report_of(MEAN, "linear")
    assert (report.verdict, [one.kind for one in report.findings]) == ("right", ["mean_convention"])
    assert report_of(MEAN.replace("dW = 1 / m", "dW = 2 / m"), "linear").verdict == "wrong"
    assert report_of(MEAN.replace("dW = 1 / m *", "dW ="), "linear").verdict == "wrong"


@pytest.mark.parametrize("wrong", ["1", 'min(conv_param.get("stride", 1), 2)'])
def test_no_stride_is_tried_where_each_loop_runs_once(wrong: str) -> None:
    (block,) = [b for b in life.blocks() if (b.row, b.backward) == ("settings", "conv_backward")]
    head, backward = block.text.split("def conv_backward")
    text = f"{head}def conv_backward" + backward.replace('conv_param.get("stride", 1)', wrong, 1)
    assert text != block.text
    assert marked(text).verdict == "wrong"
