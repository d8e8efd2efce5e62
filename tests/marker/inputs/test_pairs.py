"""Which function goes with which, found in a file's text without running it."""

from __future__ import annotations

import pytest
from paths import TESTS

from micrograd.errors import GraphError
from micrograd.marker.inputs.pairs import chosen, pairs_in
from micrograd.marker.student.statements import parameters_of, returned

TEACH = TESTS / "teach"


def names(text: str) -> list[tuple[str, str, str]]:
    return [(pair.forward, pair.backward, pair.kind) for pair in pairs_in(text)]


def functions(*found: str) -> str:
    return "\n".join(f"def {name}(x, cache=None):\n    return x" for name in found)


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        ("batchnorm_forward", "batchnorm_backward"),
        ("forward_affine", "backward_affine"),
        ("forward", "backward"),
        ("conv_forward_naive", "conv_backward_naive"),
        ("relu_fwd", "relu_bwd"),
        ("ReluForward", "ReluBackward"),
        ("sigmoid", "sigmoid_backward"),
        ("linear", "linear_grad"),
        ("norm_forward", "norm_backprop"),
    ],
)
def test_a_pair_is_found_by_its_names(forward: str, backward: str) -> None:
    assert names(functions(forward, backward)) == [(forward, backward, "function")]
    assert names(functions(backward, forward)) == [(forward, backward, "function")]


def test_a_second_backward_belongs_to_the_same_forward() -> None:
    text = functions("batchnorm_forward", "batchnorm_backward", "batchnorm_backward_alt")
    assert [pair[1] for pair in names(text)] == ["batchnorm_backward", "batchnorm_backward_alt"]


def test_helpers_and_strangers_are_no_pairs() -> None:
    assert names(functions("_norm_forward", "_norm_backward", "relu_forward", "conv_backward", "rel_error")) == []


def test_a_loss_that_answers_its_gradient_is_both_at_once() -> None:
    text = """
def softmax_loss(x, y):
    return loss, dx
def svm_loss_naive(W, X, y, reg):
    dW = 0
    return loss, dW
def criterion(p, y):
    return cost, grads
def accuracy_loss(x, y):
    return loss
def split(x):
    return left, dright
"""
    assert names(text) == [(name, name, "loss") for name in ("softmax_loss", "svm_loss_naive", "criterion")]


def test_a_return_inside_an_inner_function_is_not_the_loss_s() -> None:
    text = "def a_loss(x):\n    def inner():\n        return loss, dx\n    return inner()[0]"
    assert names(text) == []


def test_a_class_with_both_methods_is_a_pair() -> None:
    text = "class Relu:\n    def forward(self, x): ...\n    def backward(self, dout): ...\n"
    text += "class Model:\n    def forward(self, x): ..."
    assert names(text) == [("Relu.forward", "Relu.backward", "layer")]


def test_functions_under_an_if_or_try_count() -> None:
    text = "try:\n    def f_forward(x): ...\nexcept Exception: pass\nif True:\n    def f_backward(d, c): ..."
    assert names(text) == [("f_forward", "f_backward", "function")]


def test_every_pair_of_the_corpus_is_found() -> None:
    for path in sorted(TEACH.glob("*/*.py")):
        text = path.read_text(encoding="utf-8")
        found = {pair.backward for pair in pairs_in(text)}
        wanted = {line[4:].partition("(")[0] for line in text.splitlines() if line.startswith("def ")}
        wanted = {name for name in wanted if name.endswith("_backward") and not name.startswith("_")}
        assert wanted <= found, path.name


# ---- naming them by hand ---------------------------------------------------------------------------------------------


def test_names_given_by_hand_need_no_likeness() -> None:
    (pair,) = chosen(functions("f", "g"), "a.py", "f", "g")
    assert (pair.forward, pair.backward, pair.kind) == ("f", "g", "function")
    assert chosen(functions("f"), "a.py", "f", "f")[0].kind == "loss"
    layer = "class A:\n    def run(self, x): ...\n    def back(self, d): ..."
    assert chosen(layer, "a.py", "A.run", "A.back")[0].kind == "layer"


def test_one_name_chooses_among_the_pairs_found() -> None:
    text = functions("a_forward", "a_backward", "b_forward", "b_backward", "b_backward_alt")
    assert [pair.backward for pair in chosen(text, "a.py", backward="b_backward")] == ["b_backward"]
    assert len(chosen(text, "a.py", forward="b_forward")) == 2
    assert len(chosen(text, "a.py")) == 3


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("def f(x):\n  return (", {}, r"a\.py:2: '\(' was never closed"),
        ("x = 1", {}, r"a\.py: found no NAME_forward .* It defines no functions\. Name yours: --forward NAME --back"),
        (functions("f", "g"), {}, r"It defines f, g\."),
        (functions(*(f"f{i}" for i in range(2000))), {}, r"It defines f0, .*, f9, and 1990 more\. Name yours"),
        (functions(*(f"f{i}" for i in range(12))), {"forward": "zzz"}, r"it defines f0, .*, f9, and 2 more\."),
        (functions("f_forward", "f_backward"), {"backward": "f_bakward"}, r"no function 'f_bakward'; did you mean f_b"),
        (functions("f"), {"backward": "zzz"}, r"no function 'zzz'; it defines f\."),
        (
            functions("f_forward", "f_backward", "other"), {"backward": "other"},
            r"other belongs to no pair .* \(these are: f_forward with f_backward\)\. Name both",
        ),
        ("x = 1\0", {}, r"a\.py"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(text: str, given: dict[str, str], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        chosen(text, "a.py", **given)


def test_an_imported_forward_is_one_too() -> None:
    text = "from layers import f_forward, other\n" + functions("f_backward", "other_backward")
    assert names(text) == [("f_forward", "f_backward", "function")]


def test_imported_functions_may_be_named() -> None:
    text = "from layers import f_forward\nfrom others import *\ndef f_backward(dout, cache): ..."
    assert chosen(text, "a.py", "f_forward", "f_backward")[0].forward == "f_forward"
    assert chosen(text, "a.py", "anything", "f_backward")[0].forward == "anything"


# ---- what names and return statements say ----------------------------------------------------------------------------


def test_what_is_returned() -> None:
    text = """
def f(x):
    if x is None:
        return None
    def inner():
        return 1, 2
    return dx, 2 * dgamma
class A:
    def g(self):
        return out
def h(x):
    return other(x)
"""
    assert returned(text, "f") == (("dx", "dgamma"), True)
    assert returned(text, "A.g") == (("out",), False)
    assert returned(text, "h") is None
    assert returned(text, "absent") is None


def test_parameters() -> None:
    text = "class A:\n    def f(self, x, *, y=1): ...\ndef g(*a, **k): ...\ndef h(p, /, q): ..."
    assert parameters_of(text, "A.f") == ("x", "y")
    assert parameters_of(text, "g") == ()
    assert parameters_of(text, "h") == ("p", "q")
