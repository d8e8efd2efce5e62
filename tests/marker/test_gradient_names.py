"""What a gradient may be called: one table of spellings, and the readers of names that go by it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import micrograd as mg
from micrograd.marker.gradient_names import _is_word, arrives, gradient_target, meanings, node_of, normal
from micrograd.marker.inputs.calling import call_of
from micrograd.marker.inputs.pairs import Pair
from micrograd.marker.truth.alignment import Quantities


def words(*lines: str) -> list[str]:
    return " ".join(lines).split()


OF_X = words(
    "dx d_x Dx D_x gradx grad_x grads_x gradient_x gradients_x x_grad xgrad x_grads x_gradient x_d x_bar xbar delta_x",
    "deltax del_x partial_x nabla_x delta_nabla_x g_x dL_dx dLdx dL_d_x dl_dx dldx dJ_dx dJdx dj_dx dE_dx dEdx dC_dx dCdx",
    "dloss_dx dLoss_dx dlossdx dcost_dx dCost_dx dout_dx d_out_dx dL_x dJ_x",
)
OTHERS = {
    "dX": "X", "gX": "X", "gW": "W", "gW1": "W1", "g_w": "w", "grad_W": "W", "gradW1": "W1", "deltaW": "W", "dW1": "W1",
    "db": "b", "dx_hat": "x_hat", "dx_bar": "x_bar", "dxmu1": "xmu1", "dgamma": "gamma", "d_gamma": "gamma",
    "gammagrad": "gamma", "gamma_grad": "gamma", "dgammax": "gammax", "dout": "out", "d_out": "out", "dL_dout": "out",
    "out_grad": "out", "dprev_h": "prev_h", "dC_prev": "C_prev", "dW_d": "W_d", "dE_dw": "w", "dJdw": "w",
    "divar": "ivar", "dvar": "var", "dstd": "std", "dinv": "inv", "dmask": "mask", "dscores": "scores", "dLoss": "Loss",
    "dloss": "loss", "dL": "L", "dLogits": "Logits", "dlogits": "logits", "dDelta": "Delta", "ddelta": "delta",
    "ddata": "data", "d1": "1", "d_1": "1", "delta1": "1", "delta_1": "1", "grad2": "2", "data_grad": "data",
    "dist_grad": "dist", "dropout_grad": "dropout", "d_data": "data", "dL_data": "data", "dz_dw": "z_dw",
}  # fmt: skip
NONE = words(
    "x out gamma beta gx gain g d D grad grads Grad gradient gradients graded bar _ __ d_ dx. delta Delta deltas data",
    "Data DATA data2 dataX dim dims Dim dim_x dtype dot dot_product double div divisor diff diff_sq denom denominator",
    "dist distance dev dense depth domain done drop dropout drop_mask decay degree diag dilation",
)
SPELLED = {**dict.fromkeys(OF_X, "x"), **OTHERS, **dict.fromkeys(NONE, "")}


@pytest.mark.parametrize("name", SPELLED)
def test_what_a_name_is_the_gradient_of(name: str) -> None:
    assert gradient_target(name) == SPELLED[name]


@pytest.mark.parametrize("name", [name for name in SPELLED if "." not in name])
def test_the_meanings_of_a_name_begin_with_that(name: str) -> None:
    whole = [(SPELLED[name].strip("_"), 0)] if SPELLED[name] else []
    for held in (name, f"self.{name}", f"grads['{name}']", f'out["{name}"]'):
        assert [meaning for meaning in meanings(held) if not meaning[1]] == whole


@pytest.mark.parametrize(("name", "base", "number"), [("dxmu1", "xmu", 1), ("d_xmu_2", "xmu", 2), ("dL_dx3", "x", 3)])
def test_a_number_is_that_of_a_path(name: str, base: str, number: int) -> None:
    assert meanings(name)[1:] == [(base, number)]


@given(st.from_regex(r"[A-Za-z_]\w{0,12}", fullmatch=True))
def test_d_before_any_name_says_it(name: str) -> None:
    plain = name.lstrip("_")
    assume(plain and not name.startswith("elta"))
    assume(not re.fullmatch(r"([Ll]oss|[Cc]ost|[LlJjEC])_?d\w+|[LJ]_\w+|(out_d|el_)\w+|\w+_(grad|gradient)s?", name))
    assume(name.startswith("_") or not _is_word(f"d{name}"))
    assert gradient_target(f"d{name}") == plain


@given(st.from_regex(r"[A-Za-z_]\w{0,12}", fullmatch=True))
def test_a_label_of_the_engine_is_read_back_whatever_the_node_is_called(node: str) -> None:
    assume(node.isidentifier())
    assert node_of(f"d{node}") == node


@pytest.mark.parametrize("label", ["batch_norm", "dx'", "dvar_sum'", "dparams.W1", "d", ""])
def test_a_label_that_is_in_no_code_names_no_node(label: str) -> None:
    assert node_of(label) == ""


@given(st.text("aA_x'1", max_size=8))
def test_style_does_not_matter(name: str) -> None:
    assert normal(name) == normal(name.upper()) == normal(normal(name))
    assert not {*normal(name)} & {*"_'A"}


@pytest.mark.parametrize(
    "name", ["dout", "d_out", "dy", "grad", "grads", "g", "grad_output", "out_grad", "delta", "delta3", "dL_dy"]
)
def test_names_of_the_gradient_that_arrives(name: str) -> None:
    assert arrives(name)
    assert not arrives(f"not_{name}")


# ---- the readers -----------------------------------------------------------------------------------------------------


def scale_forward(x: Any, gamma: Any) -> Any:
    out = gamma * x
    return out


@pytest.mark.parametrize("name", OF_X)
def test_the_engine_s_gradient_is_found_under_every_spelling(name: str) -> None:
    graph = mg.trace(scale_forward, np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([2.0, 3.0]))
    graph.backward(np.ones((2, 2)))
    assert [quantity.key for quantity in Quantities(graph).meant_by(name, {})] == [("grad", "x")]
    assert Quantities(graph).meant_by("data", {}) == []


@pytest.mark.parametrize("name", OF_X)
def test_a_returned_gradient_is_matched_with_its_input_under_every_spelling(name: str) -> None:
    source = f"def f(x, gamma): ...\ndef f_back(dout, cache):\n    return {name}, dgamma"
    swapped = source.replace(f"{name}, dgamma", f"dgamma, {name}")

    def backward(dout: Any, cache: Any) -> Any: ...

    x, gamma = np.ones((2, 3)), np.ones(3)
    pair = Pair("f", "f_back", "function", 2)
    for text, ordered in ((source, True), (swapped, False)):
        call = call_of(pair, backward, {"x": x, "gamma": gamma}, (x, None), text)
        assert call.results == ((0, "x"), (1, "gamma"))
        assert call.ordered is ordered


@pytest.mark.parametrize("name", ["dim", "data"])
def test_a_word_is_a_gradient_where_an_input_is_called_like_the_rest_of_it(name: str) -> None:
    x, gamma = np.ones((2, 3)), np.ones(3)

    def backward(dout: Any, cache: Any) -> Any: ...

    source = f"def f({name[1:]}, gamma): ...\ndef f_back(dout, cache):\n    return dgamma, {name}"
    call = call_of(Pair("f", "f_back", "function", 2), backward, {name[1:]: x, "gamma": gamma}, (x, None), source)
    assert not call.ordered
