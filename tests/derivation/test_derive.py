"""What `derive` takes and returns, what it refuses and in which words, and where the staged line stays."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np
import pytest
from derivable import TARGETS
from held_out import HELD_OUT, arguments
from spoilt import derived

import micrograd as mg
from micrograd.derivation import Unsupported
from micrograd.errors import GraphError

RNG = np.random.default_rng(2)
X = RNG.normal(size=(5, 4))


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return p


def batchnorm(x: Any, gamma: Any, beta: Any, eps: float = 1e-5) -> Any:
    mu = np.mean(x, axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out, (xhat, ivar)


def test_the_compact_batch_norm() -> None:
    made = mg.derive(batchnorm, X, np.ones(4), np.zeros(4))
    assert made.program[-1] == "dx = gamma * ivar / N * (N * dout - dbeta - dgamma * xhat)"
    assert {s.rule for s in made.steps} >= {"substitute", "linear", "vanish", "definition", "known sum", "factor"}
    assert all(s.proved for s in made.steps)
    assert "Σ_n xhat = 0" in {str(f) for f in made.facts}
    assert all(f.proved and len(f.proof) >= 2 for f in made.facts)
    vanish = next(s for s in made.steps if s.rule == "vanish")
    assert vanish.facts == ("Σ_n xhat = 0",)
    assert made.check()
    assert repr(made) == "<Derivation: batchnorm, 3 lines>"


def test_the_function_runs_and_shows_its_text() -> None:
    backward = mg.derive(softmax, X).numpy()
    x, dp = RNG.normal(size=(3, 7)), RNG.normal(size=(3, 7))
    graph = mg.trace(softmax, x).backward(dp)
    assert np.allclose(backward(dp, x), graph.grad["x"], rtol=1e-12, atol=1e-15)
    assert inspect.getsource(backward).startswith(
        "def softmax_backward(dp, x):\n    e_max = np.max(x, axis=1, keepdims=True)\n"
    )


def test_everything_shown_as_data_and_latex() -> None:
    made = mg.derive(softmax, X)
    data = json.loads(json.dumps(made.data()))
    assert data["checked"] == {"exact": True, "field": True, "error": made.check().error}
    assert [s["rule"] for s in data["steps"]] == [s.rule for s in made.steps]
    tex = made.latex()
    assert tex.startswith("\\begin{align*}")
    assert tex.count("{") == tex.count("}")
    assert r"p \, \left(\mathrm{d}p - \sum_{d} \mathrm{d}p \, p\right)" in tex
    assert made._repr_latex_() == tex
    assert "srcdoc" in made._repr_html_()


def test_a_sum_that_is_not_last_stands_in_brackets() -> None:
    made = mg.derive(batchnorm, X, np.ones(4), np.zeros(4))
    assert r"\left(\sum_{n} \mathrm{dout} \, \hat{x}\right) \, \sum_{n} \hat{x}" in made.latex()


def test_a_graph_is_derived_for_its_own_lengths() -> None:
    made = mg.derive(mg.trace(batchnorm, X, np.ones(4), np.zeros(4)))
    assert made.program[-1] == "dx = gamma * ivar / N * (N * dout - dbeta - dgamma * xhat)"
    assert made.notes[0] == "Proved for the lengths of this run: N = 5, D = 4."
    assert made.check()
    with pytest.raises(ValueError, match=r"derived for these shapes only: x \(5, 4\), gamma \(4,\)"):
        made.numpy()(np.ones((3, 4)), np.ones((3, 4)), np.ones(4), np.zeros(4))


def test_a_length_that_is_built_in_is_said() -> None:
    def grouped(x: Any) -> Any:
        g = x.reshape(x.shape[0], 2, -1)
        c = g - g.mean(axis=2, keepdims=True)
        return c.reshape(x.shape)

    made = mg.derive(grouped, RNG.normal(size=(3, 6)))
    assert made.check()
    assert made.notes[0] == "Proved for every length of N, K; G = 2 built into the function."
    backward = made.numpy()
    x, dout = RNG.normal(size=(4, 10)), RNG.normal(size=(4, 10))
    assert np.allclose(backward(dout, x), mg.trace(grouped, x).backward(dout).grad["x"])


def test_numbers_and_lengths_are_told_apart() -> None:
    def scaled(x: Any, tau: float = 0.2) -> Any:
        y = 0.2 * x / x.shape[0] + x / tau + 0.25 * x
        return y

    made = mg.derive(scaled, RNG.normal(size=(5, 4)))  # of length 5: 1/N is 0.2 too
    backward = made.numpy()
    x, dy = RNG.normal(size=(8, 3)), RNG.normal(size=(8, 3))
    assert np.allclose(backward(dy, x), mg.trace(scaled, x).backward(dy).grad["x"])


# ---- refusals ----------------------------------------------------------------------------------------------


def concatenated(x: Any) -> Any:
    return np.concatenate([x, 2 * x], axis=1)


def sliced(x: Any) -> Any:
    return x[:, 1:] * 2


def looked_up(x: Any) -> Any:
    return x[np.array([0, 0, 2])] * 3


def running(x: Any) -> Any:
    return np.cumsum(x, axis=0)


def odd_power(x: Any) -> Any:
    return np.exp(x) ** 0.123456


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (concatenated, r"test_derive.py:\d+: np.concatenate\(.*has no formula for 'concat'.*derive the parts one by one"),
        (sliced, r"test_derive.py:\d+: x\[:, 1:\]: derive has no formula for parts of an array.*a matrix of 0 and 1"),
        (looked_up, r"x\[np.array\(\[0, 0, 2\]\)\]: derive has no formula for parts of an array"),
        (running, r"np.cumsum\(x, axis=0\): derive has no formula for .*triangular matrix"),
        (odd_power, r"the power 0.123456; use an exponent that is a fraction, such as 2 or 0.5"),
    ],
)  # fmt: skip
def test_what_has_no_formula_is_refused_with_the_line(f: Any, said: str) -> None:
    with pytest.raises(Unsupported, match=said) as caught:
        mg.derive(f, X)
    assert isinstance(caught.value, ValueError)


def test_what_trace_refuses_is_said_as_trace_says_it() -> None:
    with pytest.raises(GraphError, match="no float array among the arguments"):
        mg.derive(softmax, np.arange(4))
    with pytest.raises(GraphError, match="holds no tensor"):
        mg.derive(lambda x: 3.0, X)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="derive takes a function and its arguments, or a Graph; got int"):
        mg.derive(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a Graph alone"):
        mg.derive(mg.trace(softmax, X), X)
    with pytest.raises(ValueError, match="lang must be one of en, zh; got 'de'"):
        mg.derive(softmax, X, lang="de")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seconds must be a positive number; got 0"):
        mg.derive(softmax, X, seconds=0)
    with pytest.raises(GraphError, match=r"name it bn\.html"):
        mg.derive(softmax, X).html("softmax.svg")


def test_arrays_without_entries_are_refused() -> None:
    with pytest.raises(GraphError, match=r"derive needs arrays with at least one entry; got x \(0, 4\)"):
        mg.derive(softmax, np.zeros((0, 4)))


def test_powers_that_the_field_has_not_are_no_doubt() -> None:
    made = mg.derive(lambda x: np.abs(x) ** 1.7, X)
    assert made.check().field in (True, None)
    assert made._doubted is None


def windows(x: Any) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, 3, axis=0).sum(axis=-1)


def test_windows_are_refused_with_the_line() -> None:
    with pytest.raises(Unsupported, match=r"test_derive.py:\d+: np.lib.stride_tricks.sliding_window_view\(x, 3"):
        mg.derive(windows, X)


def test_sums_inside_sums_over_one_axis() -> None:
    made = mg.derive(lambda x: np.sum(x * np.sum(x * np.sum(x, axis=0), axis=0), axis=0), X)
    assert made.check().field
    backward = made.numpy()
    x, dout = RNG.normal(size=(3, 6)), RNG.normal(size=6)
    graph = mg.trace(lambda x: np.sum(x * np.sum(x * np.sum(x, axis=0), axis=0), axis=0), x).backward(dout)
    assert np.allclose(backward(dout, x), graph.grad["x"], rtol=1e-12)


def test_a_division_by_what_is_always_zero_is_refused() -> None:
    with pytest.raises(GraphError, match="divides by what is always 0"):
        mg.derive(lambda x: x / (x - x), X)


# ---- where the staged line stays ---------------------------------------------------------------------------


def test_without_time_every_line_stays_and_the_result_says_so() -> None:
    target = next(t for t in TARGETS if t.name == "attention")
    made = derived(target, seconds=1e-4)
    assert made.check()
    assert any("the staged line stays; there was no time for more (0.0001 s)" in note for note in made.notes)
    assert any("保留逐步形式；时间用完了" in note for note in made.in_language("zh").notes)


def test_a_longer_result_is_not_taken() -> None:
    def rbf(x: Any, c: Any) -> Any:
        d2 = np.sum((x[:, None, :] - c[None, :, :]) ** 2, axis=2)
        return np.exp(-d2)

    made = mg.derive(rbf, X, RNG.normal(size=(3, 4)))
    assert made.check()
    assert made.steps == () or not any("more operations" in note for note in made.notes)


@pytest.mark.parametrize("log", [lambda e: np.log(1 + e), np.log1p])
def test_the_stable_form_of_bce_is_the_same_in_both_cases(log: Any) -> None:
    """max(z, 0) - z*y + log(1 + exp(-|z|)) is differentiated with signs; whatever they are, it is sigmoid(z) - y."""

    def stable(z: Any, y: Any) -> Any:
        return np.mean(np.maximum(z, 0) - z * y + log(np.exp(-np.abs(z))))

    made = mg.derive(stable, RNG.normal(size=7), RNG.random(7))
    assert made.check().field
    assert made.program[-1] == "dz = (1 / (1 + np.exp(-z)) - y) / N"
    assert "What the function takes the sign or the absolute value of, or compares with 0, is not 0." in str(made)
    z = np.array([-900.0, 900.0])
    with np.errstate(over="ignore"):
        assert np.array_equal(made.numpy()(z, np.zeros(2))[0], [0.0, 0.5])  # no NaN where exp overflows


def test_a_line_that_differs_by_case_keeps_its_signs() -> None:
    made = mg.derive(lambda x: np.abs(x) * x, X)
    assert made.check()
    assert "np.abs(x)" in "".join(made.program)
    assert not any("compares with 0" in one for one in made.assumptions)


def test_later_values_of_a_name_are_numbered_and_said() -> None:
    def again(x: Any, w: Any) -> Any:
        x = np.tanh(x @ w)
        x = np.tanh(x @ w)
        return x

    made = mg.derive(again, X, RNG.normal(size=(4, 4)))
    assert made.check()
    assert "x_1, x_2: x, assigned again." in made.notes
    assert not any("__" in line for line in made.program)


def test_products_of_stacks_of_matrices_are_products() -> None:
    def heads(q: Any, k: Any) -> Any:
        s = q @ k.transpose(0, 2, 1)
        return s

    made = mg.derive(heads, RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 5, 4)))
    assert made.check()
    assert made.program == ("dq = ds @ k", "dk = ds.transpose(0, 2, 1) @ q")


def test_values_without_a_name_get_one() -> None:
    """Open: a forward without names gives generic names."""
    made = mg.derive(lambda x: x / np.sqrt(np.sum(x**2, axis=1, keepdims=True)), X)
    assert made.check()
    assert any("out" in line for line in made.program)


def test_two_layers_are_simplified_each_by_itself() -> None:
    def twice(x: Any, g: Any, b: Any, h: Any, c: Any) -> Any:
        m1 = x.mean(-1, keepdims=True)
        c1 = x - m1
        r1 = 1 / np.sqrt((c1**2).mean(-1, keepdims=True) + 1e-5)
        h1 = c1 * r1
        y1 = g * h1 + b
        m2 = y1.mean(-1, keepdims=True)
        c2 = y1 - m2
        r2 = 1 / np.sqrt((c2**2).mean(-1, keepdims=True) + 1e-5)
        h2 = c2 * r2
        return h * h2 + c

    made = mg.derive(twice, X, *(RNG.normal(size=4) for _ in range(4)), seconds=10.0)
    assert made.check()
    assert made.program[-1] == (
        "dx = r1 / D * (D * dh1 - np.sum(dh1, axis=1, keepdims=True) - np.sum(dh1 * h1, axis=1, keepdims=True) * h1)"
    )


def test_a_gradient_that_is_passed_on_is_named_for_the_input() -> None:
    def shifted(x: Any, y: Any) -> Any:
        out = x + y
        return out

    made = mg.derive(shifted, X, X)
    assert made.program == ("dx = dout", "dy = dout")
    assert made.check()


@pytest.mark.parametrize(("dtype", "mean"), [("float32", 0.0), ("float64", 1e6), ("float32", 1e4)])
def test_inputs_of_few_digits_or_far_from_zero_are_no_doubt(dtype: str, mean: float) -> None:
    x = (RNG.normal(size=(6, 3)) + mean).astype(dtype)
    made = mg.derive(batchnorm, x, np.ones(3, dtype), np.zeros(3, dtype), seconds=30.0)
    assert made.check()
    assert made.program[-1] == "dx = gamma * ivar / N * (N * dout - dbeta - dgamma * xhat)"
    wrong = made.search.lines["dx"].simple
    ((m, c),) = wrong.items()
    assert not made._judged({**made.lines, "dx": {m: c * 2}})


def test_a_graph_of_float32_is_judged_by_its_own_digits() -> None:
    x = RNG.normal(size=(6, 3)).astype("float32")
    made = mg.derive(mg.trace(batchnorm, x, np.ones(3, "float32"), np.zeros(3, "float32")), seconds=30.0)
    assert made.check()
    assert made.program[-1] == "dx = gamma * ivar / N * (N * dout - dbeta - dgamma * xhat)"


@pytest.mark.parametrize("name", ["group_norm_2d", "unit_range", "brier", "svm", "lstm_pointwise", "causal_attention",
                                  "linear_attention", "kl_divergence", "masked_mse", "rms_linear_layer_norm"])  # fmt: skip
def test_a_forward_that_was_written_later_is_derived(name: str) -> None:
    f, inputs = next(pair for pair in HELD_OUT if pair[0].__name__ == name)
    made = mg.derive(f, *arguments(inputs), seconds=30.0)
    assert made.check()
    assert made._doubted is None
    assert made.check().field
