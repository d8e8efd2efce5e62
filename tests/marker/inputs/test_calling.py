"""How a pair is called, and which gradient is which."""

from __future__ import annotations

import types
from typing import Any

import numpy as np
import pytest

from micrograd.errors import GraphError
from micrograd.marker.inputs.calling import (
    Stopped,
    Watch,
    call_of,
    function_named,
    gradients_of,
    inputs_of,
    result_of,
)  # fmt: skip
from micrograd.marker.inputs.pairs import chosen
from micrograd.marker.inputs.task import Argument, Call, Probe
from micrograd.marker.present.advice import hint

X, W, B = np.ones((5, 3)), np.ones((3, 4)), np.ones(4)


def call(text: str, arguments: dict[str, Any], forward: str = "f", backward: str = "g") -> Call:
    """The call of two functions of a text, after one run of the forward."""
    space: dict[str, Any] = {"np": np}
    exec(text, space)
    (pair,) = chosen(text, "a.py", forward, backward)
    probe = Probe(arguments)
    result = result_of(space[forward], probe)
    return call_of(
        pair, space[backward], arguments, result, text, lambda how: gradients_of(space[backward], how, probe, result)
    )


def origins(made: Call) -> list[tuple[str, str, Any]]:
    return [(argument.name, argument.origin, argument.key) for argument in made.arguments]


# ---- what the backward is given --------------------------------------------------------------------------------------


def test_an_upstream_gradient_and_a_cache() -> None:
    made = call(
        "def f(x, w, b):\n return x@w+b, (x, w)\ndef g(dout, cache):\n return dx, dw, db", {"x": X, "w": W, "b": B}
    )
    assert origins(made) == [("dout", "upstream", 0), ("cache", "result", 1)]
    assert (made.outputs, made.results) == ((0,), ((0, "x"), (1, "w"), (2, "b")))
    assert made.ordered


def test_the_cache_may_come_first_and_be_an_array() -> None:
    made = call("def f(x):\n return x*2, x\ndef g(cache, dout):\n return dx", {"x": X})
    assert origins(made) == [("cache", "result", 1), ("dout", "upstream", 0)]
    assert (made.outputs, made.results) == ((0,), ((None, "x"),))


def test_inputs_by_their_names() -> None:
    text = "def f(x, w, eps=1e-5):\n return x@w\ndef g(dout, x, w, eps=1e-5):\n return dx, dw"
    made = call(text, {"x": X, "w": W, "eps": 0.1})
    assert origins(made) == [("dout", "upstream", 0), ("x", "input", "x"), ("w", "input", "w"), ("eps", "input", "eps")]
    assert made.outputs == (None,)


def test_values_that_the_forward_returns_by_name() -> None:
    text = "def f(x, w):\n xh = x\n mask = x > 0\n return x@w, xh, mask\ndef g(dz, w, mask, xh):\n return dw"
    made = call(text, {"x": X, "w": W})
    assert origins(made) == [("dz", "upstream", 0), ("w", "input", "w"), ("mask", "result", 2), ("xh", "result", 1)]
    assert made.results == ((None, "w"),)


def test_several_outputs() -> None:
    text = "def f(x, h):\n next_h = x + h\n next_c = x * h\n return next_h, next_c, (x, h)\n"
    text += "def g(dnext_h, dnext_c, cache):\n return dx, dh"
    made = call(text, {"x": X, "h": X})
    assert (made.outputs, [a.origin for a in made.arguments]) == ((0, 1), ["upstream", "upstream", "result"])


def test_what_has_a_default_and_is_not_known_keeps_it() -> None:
    text = "def f(x):\n return x, x\ndef g(dout, cache, verbose=False, *, x=None):\n return dx"
    made = call(text, {"x": X})
    assert [(a.name, a.keyword) for a in made.arguments] == [("dout", False), ("cache", False), ("x", True)]


# ---- which gradient is which -----------------------------------------------------------------------------------------


def test_fewer_gradients_than_inputs_go_by_their_names() -> None:
    made = call("def f(x, w, mask):\n return x@w, 0\ndef g(dout, cache):\n return dw", {"x": X, "w": W, "mask": X})
    assert made.results == ((None, "w"),)


def test_a_gradient_that_is_computed_and_not_returned_is_missed() -> None:
    text = "def f(x, w, b):\n return x@w+b, 0\ndef g(dout, cache):\n dx = dw = db = 1\n return {}"
    arguments = {"x": X, "w": W, "b": B}
    assert call(text.format("dx, dw"), arguments).results == ((0, "x"), (1, "w"), (2, "b"))
    assert call(text.format("dw"), arguments).results == ((None, "w"), (1, "x"), (2, "b"))
    assert call(text.replace("= db ", "").format("dx, dw"), arguments).results == ((0, "x"), (1, "w"))


def test_an_order_of_the_authors_own() -> None:
    text = "def f(x, gamma, beta):\n return x*gamma+beta, 0\ndef g(dout, cache):\n {}return dgamma, dbeta, dx"
    arguments = {"x": X, "gamma": np.ones(3), "beta": np.ones(3)}
    made = call(text.format(""), arguments)
    assert (made.results, made.ordered) == (((0, "x"), (1, "gamma"), (2, "beta")), False)
    promised = call(text.format("'''Returns:\n - dx: a\n - dgamma: b\n - dbeta: c\n '''\n "), arguments)
    assert promised.ordered
    swapped = call(text.format("").replace("dgamma, dbeta, dx", "dx, dbeta, dgamma"), arguments)
    assert swapped.ordered  # x comes first, as everybody has it: the others are out of order


def test_what_a_name_holds_is_found_by_running() -> None:
    base = "def f(x, w):\n return x@w, 0\ndef g(dout, cache):\n "
    assert call(base + "grads = (1, 2)\n return grads", {"x": X, "w": W}).results == ((0, "x"), (1, "w"))
    dictionary = call(base + "return {'dw': 1, 'dx': 2}", {"x": X, "w": W})
    assert dictionary.results == (("dw", "w"), ("dx", "x"))
    assert call(base.replace(", w)", ")").replace("@w", "") + "dx = 1\n return dx", {"x": X}).results == ((None, "x"),)


def test_a_loss_that_answers_its_gradients() -> None:
    text = "def f(x, y):\n return 1.5, dx"
    made = call(text.replace("dx", "x"), {"x": X, "y": np.zeros(5, int)}, "f", "f")
    assert (made.outputs, made.arguments, made.results) == ((0,), (), ((1, "x"),))
    both = call("def f(W, x):\n dW = W\n dx = x\n return 1.5, dx, dW", {"W": W, "x": X}, "f", "f")
    assert (both.results, both.ordered) == (((1, "W"), (2, "x")), False)
    grads = call("def f(W, b):\n grads = {'b': b, 'W': W}\n return 0.5, grads", {"W": W, "b": B}, "f", "f")
    assert {path: key for key, path in grads.results} == {"W": "1.W", "b": "1.b"}


def test_settings_are_no_inputs() -> None:
    assert inputs_of({"x": X, "bn_param": {"mode": "train", "running_mean": B}, "y": np.zeros(5, int)}) == ("x",)
    assert inputs_of({"params": {"W1": W, "b1": B}, "x": X}) == ("params.W1", "params.b1", "x")
    assert inputs_of({"net": {"W1": W, "b1": B}, "x": X}) == ("net.W1", "net.b1", "x")


# ---- what cannot be called -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(x):\n pass\ndef g(dout, cache):\n return dx", "f returned None: its return statement is missing"),
        (
            "def f(x):\n return 3\ndef g(dout):\n return dx",
            r"f should return an array of floats.* it returned 3, an int",
        ),
        (
            "def f(x):\n return (x > 0), None\ndef g(dout, c):\n return dx",
            r"returned \(an array of bool of shape \(5, 3\), None\)",
        ),
        ("def f(x):\n return x\ndef g(dout, cache):\n return dx", "g wants 'cache', but f has no such parameter"),
        ("def f(x):\n return x\ndef g(x):\n return x", r"g\(x\) has no parameter for the gradient that arrives, dout"),
    ],
)
def test_what_is_wrong_with_a_pair_is_told(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        call(text, {"x": X})


def test_a_loss_without_a_gradient_is_told() -> None:
    with pytest.raises(GraphError, match=r"f should return \(loss, gradient\); it returned 1.5, a float"):
        call("def f(x):\n return 1.5", {"x": X}, "f", "f")
    with pytest.raises(GraphError, match="given no array of floats"):
        call("def f(y):\n return 1.5, y", {"y": np.zeros(3, int)}, "f", "f")


def test_methods_are_found() -> None:
    module = types.ModuleType("a")
    exec("class A:\n def forward(self, x): ...", vars(module))
    assert function_named(module, "A.forward") is module.A.forward
    module.three = 3
    with pytest.raises(GraphError, match="three is a int, not a function"):
        function_named(module, "three")


# ---- running ---------------------------------------------------------------------------------------------------------


def test_arguments_are_copied_and_seeded() -> None:
    def forward(x: Any, /, scale: float) -> Any:
        x *= scale
        return x + np.random.rand()  # noqa: NPY002

    probe = Probe({"x": X, "scale": 2.0}, seed=3)
    first = result_of(forward, probe)
    assert np.array_equal(first, result_of(forward, probe))
    assert np.array_equal(X, np.ones((5, 3)))


def test_the_backward_gets_what_the_call_says() -> None:
    seen = []
    how = Call(
        (0,),
        (
            Argument("dout", "upstream", 0),
            Argument("c", "result", 1),
            Argument("x", "input", "x", True),
            Argument("k", "value", 7),
        ),
    )
    gradients_of(lambda *a, **k: seen.append((a, k)), how, Probe({"x": X}), (X, "cache"))
    (positional, keywords) = seen[0]
    assert np.array_equal(positional[0], np.ones((5, 3)))
    assert positional[1:] == ("cache", 7)
    assert np.array_equal(keywords["x"], X)


def test_a_certain_error_ends_the_guessing() -> None:
    watch = Watch(lambda x: undefined)  # type: ignore[name-defined] # noqa: F821
    with pytest.raises(Stopped) as stopped:
        watch.forward(X)
    assert isinstance(stopped.value.args[0], NameError)


def test_the_likeliest_cause_is_the_commonest() -> None:
    def forward(x: Any) -> Any:
        if x.ndim == 1:
            raise IndexError("another place")
        raise KeyError("eps")

    watch = Watch(forward)
    for x in (X, B, X):
        with pytest.raises(LookupError):
            watch.forward(x)
    assert isinstance(watch.cause("f"), KeyError)
    assert Watch(forward).cause("f") is None


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NameError("name 'xrange' is not defined"), "in Python 3 write range"),
        (AttributeError("'dict' object has no attribute 'iteritems'"), "write items"),
        (SyntaxError("Missing parentheses in call to 'print'. Did you mean print(...)?"), "write print(...)"),
        (AttributeError("module 'numpy' has no attribute 'float'"), "no np.float; write float"),
        (AttributeError("module 'numpy.lib' has no attribute 'pad'"), "no np.lib.pad; write np.pad"),
        (TypeError("'float' object cannot be interpreted as an integer"), "write // there"),
        (TypeError("slice indices must be integers or None"), "write // there"),
        (ModuleNotFoundError("No module named 'torch.nn'"), "install torch.nn there"),
        (TypeError("sum() got multiple values for argument 'axis'"), "np.sum(a * b, axis=0)"),
        (ValueError("anything else"), ""),
    ],
)
def test_advice_for_old_code(error: Exception, advice: str) -> None:
    assert advice in hint(error)
    assert bool(advice) == bool(hint(error))


def test_the_advice_fits_the_errors_that_numpy_raises() -> None:
    for code in ("np.float", "np.lib.pad", "np.zeros(4 / 2)", "np.arange(6)[: 4 / 2]", "np.sum(X, X, axis=0)"):
        with pytest.raises(Exception) as raised:  # noqa: PT011
            eval(code, {"np": np, "X": X})
        assert hint(raised.value), raised.value
