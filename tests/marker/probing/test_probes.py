"""`probe`: inputs on which every mistake shows, and guesses of the arguments of functions that come without any."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.batchnorm import batchnorm_forward
from micrograd.errors import GraphError
from micrograd.marker.inputs.clues import settings_read
from micrograd.marker.inputs.conventions import SIZES, ArgumentLayout, Fill, sizes_of
from micrograd.marker.inputs.guessing import fitted, make, outputs_of, variant
from micrograd.marker.messages import LANGUAGES
from micrograd.marker.probing import visibility, visible_inputs
from micrograd.marker.probing.probe_messages import WORDS, described
from micrograd.marker.probing.trial import Trial
from micrograd.marker.report import KINDS
from tests.teach import corpus, faults

# ---- students' signatures --------------------------------------------------------


def bn(x, gamma, beta, bn_param):  # type: ignore[no-untyped-def]
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D))
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = 0.9 * running_mean + 0.1 * np.asarray(x).mean()
    else:
        mu, var = running_mean, bn_param["running_var"]
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, (x, mu)


def affine(x, w, b):  # type: ignore[no-untyped-def]
    return x.reshape(x.shape[0], -1).dot(w) + b, (x, w, b)


def softmax_loss(x, y):  # type: ignore[no-untyped-def]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(y)), y]).sum() / len(y), p


def svm(W, X, y, reg):  # type: ignore[no-untyped-def]
    scores = X.dot(W)
    margins = np.maximum(0, scores - scores[np.arange(len(y)), y][:, None] + 1)
    return margins.sum() / len(y) + reg * np.sum(W * W)


def linear_forward(A, W, b):  # type: ignore[no-untyped-def]
    return np.dot(W, A) + b


def compute_cost(AL, Y):  # type: ignore[no-untyped-def]
    return -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / Y.shape[1]


def conv_forward_naive(x, w, b, conv_param):  # type: ignore[no-untyped-def]
    stride, pad = conv_param["stride"], conv_param["pad"]
    assert (x.shape[2] + 2 * pad - w.shape[2]) % stride == 0
    assert (x.shape[3] + 2 * pad - w.shape[3]) % stride == 0
    return np.tensordot(x[:, :, : w.shape[2], : w.shape[3]], w, ((1, 2, 3), (1, 2, 3))) + b


def max_pool_forward(x, pool_param):  # type: ignore[no-untyped-def]
    height, width = pool_param["pool_height"], pool_param["pool_width"]
    N, C, H, W = x.shape
    assert H % height == 0
    assert W % width == 0
    return x.reshape(N, C, H // height, height, W // width, width).max(axis=(3, 5))


def spatial_groupnorm(x, gamma, beta, G, gn_param):  # type: ignore[no-untyped-def]
    N, C, H, W = x.shape
    assert C % G == 0
    xg = x.reshape(N * G, -1)
    xhat = (xg - xg.mean(1, keepdims=True)) / np.sqrt(xg.var(1, keepdims=True) + gn_param.get("eps", 1e-5))
    return xhat.reshape(x.shape) * gamma + beta


def spatial_batchnorm(x, gamma, beta, bn_param):  # type: ignore[no-untyped-def]
    N, C, H, W = x.shape
    out, cache = bn(x.transpose(0, 2, 3, 1).reshape(-1, C), gamma, beta, bn_param)
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


def lstm_step(x, prev_h, prev_c, Wx, Wh, b):  # type: ignore[no-untyped-def]
    a = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    next_c = a[:, :H] * prev_c + np.tanh(a[:, 3 * H :])
    return np.tanh(next_c), next_c, a


def rnn_step(x, prev_h, Wx, Wh, b):  # type: ignore[no-untyped-def]
    return np.tanh(x @ Wx + prev_h @ Wh + b), ()


def attention(q, k, v):  # type: ignore[no-untyped-def]
    e = np.exp(q @ k.T)
    return e / e.sum(axis=1, keepdims=True) @ v


def two_layers(x, w1, b1, w2, b2):  # type: ignore[no-untyped-def]
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def normed_affine(x, w, b, gamma, beta):  # type: ignore[no-untyped-def]
    return bn(x @ w + b, gamma, beta, {"mode": "train"})[0]


def mse(pred, target):  # type: ignore[no-untyped-def]
    return np.mean((pred - target) ** 2)


def dropout(x, dropout_param):  # type: ignore[no-untyped-def]
    p, mode = dropout_param["p"], dropout_param["mode"]
    mask = (np.random.rand(*x.shape) < p) / p  # noqa: NPY002
    return (x * mask if mode == "train" else x), mask


STUDENTS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (bn, {"x": (5, 3), "gamma": (3,), "beta": (3,)}),
    (affine, {"x": (5, 3, 6), "w": (18, 4), "b": (4,)}),
    (softmax_loss, {"x": (5, 3), "y": (5,)}),
    (svm, {"W": (3, 4), "X": (5, 3), "y": (5,)}),
    (linear_forward, {"A": (3, 5), "W": (4, 3), "b": (4, 1)}),
    (compute_cost, {"AL": (5, 3), "Y": (5, 3)}),
    (conv_forward_naive, {"x": (5, 6, 3, 7), "w": (3, 6, 3, 3), "b": (3,)}),
    (max_pool_forward, {"x": (5, 6, 4, 8)}),
    (spatial_groupnorm, {"x": (5, 6, 3, 7), "gamma": (1, 6, 1, 1), "beta": (1, 6, 1, 1)}),
    (spatial_batchnorm, {"x": (5, 6, 3, 7), "gamma": (6,), "beta": (6,)}),
    (lstm_step, {"x": (5, 3), "prev_h": (5, 7), "prev_c": (5, 7), "Wx": (3, 28), "Wh": (7, 28), "b": (28,)}),
    (rnn_step, {"x": (5, 3), "prev_h": (5, 7), "Wx": (3, 7), "Wh": (7, 7), "b": (7,)}),
    (attention, {"q": (6, 3), "k": (8, 3), "v": (8, 3)}),
    (two_layers, {"x": (5, 3), "w1": (3, 4), "b1": (4,), "w2": (4, 6), "b2": (6,)}),
    (normed_affine, {"x": (5, 3), "w": (3, 4), "b": (4,), "gamma": (4,), "beta": (4,)}),
    (mse, {"pred": (5, 3), "target": (5, 3)}),
    (dropout, {"x": (5, 3)}),
]


@pytest.mark.parametrize(("forward", "shapes"), STUDENTS, ids=[f.__name__ for f, _ in STUDENTS])
def test_arguments_are_guessed_from_names(forward: Callable[..., Any], shapes: dict[str, Any]) -> None:
    made = make(forward, count=4)
    first = made[0].arguments
    assert {name: first[name].shape for name in shapes} == shapes
    assert list(first) == list(inspect.signature(forward).parameters)
    for probe in made:
        assert all(np.isfinite(out).all() for out in outputs_of(forward, probe.arguments))
    assert len({probe.arguments[next(iter(shapes))].shape for probe in made}) >= 3


def test_no_two_axes_of_a_batch_are_alike_and_none_is_short() -> None:
    for sizes in SIZES:
        assert sizes["N"] != sizes["D"] != sizes["M"] != sizes["N"]
        assert len({sizes[axis] for axis in "NCYX"}) == 4
        assert min(sizes.values()) > 2


def test_the_second_probe_keeps_its_own_eps_and_the_others_have_one_that_matters() -> None:
    assert [p.arguments["eps"] for p in make(batchnorm_forward)] == [0.2, 1e-5, 0.12]
    assert [p.arguments["bn_param"]["eps"] for p in make(bn)] == [0.2, 1e-5, 0.12]
    own = make(batchnorm_forward, {"eps": 0.5})
    assert own[1].arguments["eps"] == 0.5


def test_gamma_is_neither_one_nor_zero_and_of_both_signs() -> None:
    gamma = np.concatenate([p.arguments["gamma"] for p in make(bn, count=8)])
    assert np.abs(np.abs(gamma) - 1).min() > 0.1
    assert np.abs(gamma).min() > 0.3
    assert gamma.min() < 0 < gamma.max()


def test_the_example_sets_the_sizes_and_probes_differ_from_it() -> None:
    first, second, third = make(bn, [np.ones((7, 4)), np.ones(4), np.ones(4), {"mode": "train"}])
    assert first.arguments["x"].shape == (7, 4)
    assert second.arguments["x"].shape == (5, 3)
    assert third.arguments["bn_param"]["mode"] == "train"


def test_an_example_with_equal_axes_is_given_unequal_ones() -> None:
    x = make(bn, [np.ones((4, 4)), np.ones(4), np.ones(4), {"mode": "train"}])[0].arguments["x"]
    assert x.shape == (5, 3)


def test_shapes_stand_for_arrays() -> None:
    arguments = make(affine, [(6, 2, 5), (10, 3), (3,)])[0].arguments
    assert [arguments[name].ndim for name in "xwb"] == [3, 2, 1]
    rows, *image = arguments["x"].shape
    assert arguments["w"].shape[0] == np.prod(image)
    assert rows not in image


def test_strange_names_are_known_by_their_lengths() -> None:
    def odd(foo, bar, *, exponent=2.0):  # type: ignore[no-untyped-def]
        return foo @ bar**exponent

    made = make(odd, {"foo": (7, 4), "bar": (4, 9)}, count=2)
    assert next((p.arguments["foo"].shape, p.arguments["bar"].shape) for p in made) == ((7, 4), (4, 9))
    assert made[1].arguments["foo"].shape[1] == made[1].arguments["bar"].shape[0]
    assert made[1].arguments["foo"].shape != (7, 4)


def test_settings_are_read_from_the_text() -> None:
    assert settings_read(bn, "bn_param") == {"eps": False, "mode": True, "running_mean": False, "running_var": True}
    assert settings_read(spatial_batchnorm, "bn_param")["mode"]
    assert settings_read(np.sum, "x") == {}


def _padded(x: Any, param: Any) -> Any:
    return np.pad(x, param["pad"]) * param["scale"]


def _padded_or_not(x: Any, param: Any) -> Any:
    return _padded(x, param) if param.get("pad", 0) else x


def test_what_a_function_reads_itself_counts_before_what_its_helpers_read() -> None:
    assert settings_read(_padded_or_not, "param") == {"pad": False, "scale": True}


def test_the_same_seed_makes_the_same_probes() -> None:
    first, again, other = (make(bn, seed=seed)[0].arguments["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_cannot_be_guessed_is_asked_for() -> None:
    def picky(x, w):  # type: ignore[no-untyped-def]
        raise ValueError("never")

    with pytest.raises(GraphError, match=r"picky\(x, w\): no arguments found with which it runs; give arrays, or shap"):
        mg.probe(picky)
    with pytest.raises(GraphError, match=r"cannot be given these arguments: too many positional arguments"):
        mg.probe(picky, (3,), (3,), (3,))


def test_a_layout_of_one_size_stays_so() -> None:
    def fixed(x):  # type: ignore[no-untyped-def]
        return x * np.arange(12.0).reshape(4, 3)

    assert fitted(fixed, [(4, 3)]).sizes == {"N": 4, "D": 3}
    assert {p.arguments["x"].shape for p in make(fixed, [(4, 3)])} == {(4, 3)}
    assert sizes_of(ArgumentLayout({"x": Fill("array", ("n4",))}, {"n4": 4}, fixed=True)) == [{"n4": 4}]


# ---- the chosen probe --------------------------------------------------------


def test_a_probe_shows_every_mistake_in_batch_norm() -> None:
    found = mg.probe(batchnorm_forward)
    assert found.seen == found.visible > 90
    assert found.faint == ()
    assert found.least is not None
    assert found.least[1] > 1e-3
    assert found.arguments["eps"] == 0.2
    assert [(described(h.mutant), h.identity) for h in found.hidden] == [
        ("dxmu2 left out of dmu", "sum(xmu, axis=0) = 0")
    ]
    assert found.hidden[0].probes == found.tried >= 8
    assert found.hidden[0].error < 1e-14
    assert {*found.arrays} == {"x", "gamma", "beta"}
    assert found["x"] is found.arguments["x"]
    assert np.abs(found.upstream.mean(axis=0)).min() > 0.01


def test_its_account_can_be_read() -> None:
    text = str(mg.probe(batchnorm_forward))
    lines = text.splitlines()
    assert lines[0] == "batchnorm_forward: x (5, 3), gamma (3,), beta (3,), eps = 0.2, upstream (5, 3)"
    assert lines[1].startswith("Each of 10")
    assert lines[2:] == [
        "No input shows these (tried on 8):",
        f"  dxmu2 left out of dmu: sum(xmu, axis=0) = 0, within {text.split('within ')[1]}",
    ]
    chinese = mg.probe(batchnorm_forward).text("zh")
    assert "dmu 中漏掉了 dxmu2：sum(xmu, axis=0) = 0，误差在各项的" in chinese


def test_an_eps_that_cannot_be_put_in_is_made_to_matter_by_small_inputs() -> None:
    found = mg.probe(normed_affine)
    assert found.seen == found.visible
    assert np.std(found["x"]) < 0.5
    targets = {hidden.mutant.target for hidden in found.hidden}
    assert "db" in targets  # a bias in front of a batch norm has no gradient
    assert "db taken as 0: sum(" in found.text()


def test_several_outputs_have_an_upstream_gradient_each() -> None:
    found = mg.probe(lstm_step)
    assert [g.shape for g in found.upstream] == [(5, 7), (5, 7)]
    assert found.seen == found.visible


def test_a_loss_starts_from_a_number() -> None:
    found = mg.probe(softmax_loss)
    assert isinstance(found.upstream, float)
    assert found.upstream != 1.0
    assert "sum(" in found.text()
    assert " = 0" in found.text()


def test_a_probe_is_reproducible() -> None:
    one, same, other = mg.probe(affine), mg.probe(affine), mg.probe(affine, seed=3)
    np.testing.assert_array_equal(one["x"], same["x"])
    assert str(one) == str(same)
    assert not np.array_equal(one["x"], other["x"])


def test_examples_by_position_and_by_name() -> None:
    assert mg.probe(affine, (7, 4), (4, 9), (9,))["x"].shape == (7, 4)
    assert mg.probe(affine, {"x": (7, 4), "w": (4, 9)})["w"].shape == (4, 9)


def test_what_stays_faint_is_said() -> None:
    found = mg.probe(batchnorm_forward, tolerance=0.5)
    assert 0 < len(found.faint) == found.visible - found.seen
    assert f"{found.seen} of {found.visible} mistakes change a gradient by more than 0.5" in str(found)


def test_a_probe_of_no_function_is_refused() -> None:
    with pytest.raises(GraphError, match="probe needs a function of arrays; got int"):
        mg.probe(3)  # type: ignore[call-overload]


def test_the_arguments_are_not_changed_by_the_function() -> None:
    found = mg.probe(bn)
    assert "running_mean" not in found.arguments["bn_param"]
    np.random.seed(0)  # noqa: NPY002
    np.testing.assert_array_equal(
        Trial(bn, found.arguments, (found.upstream,)).outputs()[0],  # type: ignore[index]
        Trial(bn, found.arguments, (found.upstream,)).outputs()[0],  # type: ignore[index]
    )


# ---- words --------------------------------------------------------


def test_every_sentence_has_the_same_holes_in_both_languages() -> None:
    import string

    for key, sentences in WORDS.items():
        assert len(sentences) == len(LANGUAGES)
        holes = [{hole for _, hole, _, _ in string.Formatter().parse(sentence) if hole} for sentence in sentences]
        assert holes[0] == holes[1], key


def test_every_mistake_has_words() -> None:
    made: set[str] = set()
    for forward in (batchnorm_forward, two_layers, softmax_loss, spatial_groupnorm):
        trial = Trial(forward, make(forward)[0].arguments)
        from micrograd.marker.probing.mutants import mutants_of

        for mutant in mutants_of(trial):
            made.add(mutant.kind)
            for language in LANGUAGES:
                assert mutant.target in described(mutant, language) or mutant.kind == "return_order"
    assert made <= {*KINDS}
    assert len(made) >= 17


# ---- mistakes that others planted --------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["batchnorm_staged", "batchnorm_paper", "layernorm", "groupnorm", "softmax", "affine"])
def test_one_probe_shows_all_mistakes_planted_in_handwritten_backwards(name: str) -> None:
    """They are edits of the text of a backward, made without knowing the mutants here."""

    layer = next(layer for layer in corpus.layers() if layer.name == name)
    found = mg.probe(corpus.load(layer).forward)
    upstream = () if layer.is_loss else (found.upstream,)
    problem = corpus.Problem(tuple(found.arguments.values()), upstream, 0)
    right = corpus.answers(layer, corpus.load(layer), problem)
    planted = [fault for fault in faults.faults_of(layer) if fault.effect == "value"]
    assert len(planted) > 20
    for fault in planted:
        try:
            got = corpus.answers(layer, corpus.load(layer, fault.text), problem)
        except (ValueError, IndexError, TypeError):  # it shows at other sizes only by an exception
            continue
        assert max(corpus.differences(right, got)) > 1e-3, fault.name


# ---- very large graphs -----------------------------------------------------------------------------------------------


def test_of_a_very_large_graph_a_part_is_tried_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mg.probe(affine)
    assert whole.possible == whole.mutants
    assert "possible" not in whole.text()
    small = functools.partial(visibility.survey_of, most=1)
    monkeypatch.setattr(visible_inputs, "survey_of", small)
    monkeypatch.setattr(visibility, "LEAST", 5)
    part = mg.probe(affine)
    assert (part.mutants, part.possible) == (5, whole.mutants)
    assert f"5 of its {whole.mutants} possible mistakes were tried" in part.text()
    assert f"在 {whole.mutants} 种可能的错误中" in part.text("zh")
    data = json.loads(part.as_json())
    assert (data["tried"], data["possible"]) == (5, whole.mutants)
    assert json.loads(whole.as_json())["hidden"] == []
    test = (*whole.arguments.values(), whole.upstream)
    assert f"5 of its {whole.mutants} possible mistakes were tried" in mg.probe(affine, lint=test).text()


# ---- other arguments than those of the example -------------------------------------------------------------------


def pool(x, pool_param):  # type: ignore[no-untyped-def]
    tall, wide, step = (pool_param[key] for key in ("pool_height", "pool_width", "stride"))
    rows, columns = (x.shape[2] - tall) // step + 1, (x.shape[3] - wide) // step + 1
    out = np.zeros((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            out[:, :, i, j] = x[:, :, i * step : i * step + tall, j * step : j * step + wide].max(axis=(2, 3))
    return out, (x, pool_param)


def test_a_window_that_is_square_in_the_example_is_not_square_in_the_last_probe() -> None:
    given = {"pool_height": 2, "pool_width": 2, "stride": 2}
    first, *_, last = make(pool, (np.ones((2, 3, 4, 6)), given))
    assert first.arguments["pool_param"] == given
    assert last.arguments["pool_param"] == {"pool_height": 2, "pool_width": 1, "stride": 2}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pool_size": (3, 3)}, {"pool_size": (3, 2)}),
        ({"stride_h": 1, "stride_w": 1}, {"stride_h": 1, "stride_w": 2}),
        ({"kernel_height": 3, "kernel_width": 2}, None),
        ({"pad": 1, "stride": 1}, None),
        ({"seed": 2, "mode": "train", "high": True, "wide": True}, None),
    ],
)
def test_a_height_that_is_a_width_and_nothing_else_is_changed(settings: Any, expected: Any) -> None:
    layout = ArgumentLayout({"x": Fill("array", ("N",)), "param": Fill("settings", value=settings)})
    found = variant(lambda x, param: x * 1.0, layout, SIZES[0])
    assert found.entries["param"].value == (expected or settings)


def test_an_assertion_against_other_windows_is_respected() -> None:
    def square(x, pool_param):  # type: ignore[no-untyped-def]
        assert pool_param["pool_height"] == pool_param["pool_width"]
        return pool(x, pool_param)

    made = make(square, (np.ones((2, 3, 4, 6)), {"pool_height": 2, "pool_width": 2, "stride": 2}))
    assert [probe.arguments["pool_param"]["pool_width"] for probe in made] == [2, 2, 2]


def test_examples_that_are_flattened_come_with_more_axes_in_the_last_probe() -> None:
    first, *_, last = make(affine, (np.ones((4, 6)), np.ones((6, 5)), np.ones(5)))
    assert first.arguments["x"].ndim == 2
    x, w = last.arguments["x"], last.arguments["w"]
    assert x.ndim == 3
    assert x[0].size == len(w)


@pytest.mark.parametrize("forward", [lambda x: np.maximum(x, 0), lambda x: x - x.mean(axis=0), lambda x: x @ x.T])
def test_examples_that_are_not_flattened_keep_their_axes(forward: Any) -> None:
    assert [probe.arguments["x"].ndim for probe in make(forward, (np.ones((4, 6)),))] == [2, 2, 2]


def test_sizes_are_such_that_every_loop_over_an_output_runs_twice() -> None:
    made = make(pool, (np.ones((2, 3, 5, 5)), {"pool_height": 3, "pool_width": 3, "stride": 2}))
    shapes = [pool(**probe.arguments)[0].shape for probe in made]
    assert all(min(shape) > 1 for shape in shapes), shapes


def test_an_output_that_always_has_an_axis_of_one_is_taken_as_it_is() -> None:
    made = make(lambda x: x.sum(axis=1, keepdims=True), (np.ones((4, 7)),))
    assert len({probe.arguments["x"].shape for probe in made}) == 3


# ---- guesses ---------------------------------------------------------------------------------------------------------


def test_settings_with_defaults_still_say_that_an_image_is_pooled() -> None:
    def max_pool_forward(x, pool_param):  # type: ignore[no-untyped-def]
        tall, step = pool_param.get("pool_height", 2), pool_param.get("stride", 2)
        assert (x.shape[2] - tall) % step == 0
        assert (x.shape[3] - tall) % step == 0
        return pool(x, {"pool_height": tall, "pool_width": tall, "stride": step})

    assert all(probe.arguments["x"].shape[3] % 2 == 0 for probe in make(max_pool_forward))


def test_words_are_whole_numbers_below_the_rows_of_the_table() -> None:
    def word_embedding_forward(x, W):  # type: ignore[no-untyped-def]
        return W[x], (x, W)

    for probe in make(word_embedding_forward):
        assert probe.arguments["x"].dtype.kind == "i"
        assert probe.arguments["x"].max() < len(probe.arguments["W"])


def test_a_guess_that_broadcasts_to_more_axes_than_any_array_is_the_last() -> None:
    def groupnorm_forward(x, gamma, beta, G, gn_param):  # type: ignore[no-untyped-def]
        n, c, h, w = x.shape
        rows = x.reshape(n * G, -1)
        xhat = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
        return gamma[None, :, None, None] * xhat.reshape(x.shape) + beta[None, :, None, None]

    assert make(groupnorm_forward)[0].arguments["gamma"].ndim == 1
