"""The corpus that `check` is measured on: what is called right is right, and what is called a fault is one."""

from __future__ import annotations

import ast
import collections
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrograd.marker.report import KINDS
from tests.teach import corpus, faults
from tests.teach.edits import Edit, edits_of
from tests.teach.facts import Facts

PAIRS = corpus.layers() + corpus.variants()
VISIBLE = [fault for fault in faults.faults() if fault.effect in faults.VISIBLE]


def _distance(pair: corpus.Pair, functions: SimpleNamespace) -> float:
    """How far the gradients answered are from central differences, relative to the largest entry."""
    return max(
        max(corpus.differences(corpus.numerical(pair, functions, problem), corpus.answers(pair, functions, problem)))
        for problem in corpus.problems(pair, 3)
    )


@pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
def test_what_is_called_right_agrees_with_differences(pair: corpus.Pair) -> None:
    assert _distance(pair, corpus.load(pair)) < 1e-6


def test_the_differences_can_disagree() -> None:
    layer = next(pair for pair in corpus.layers() if pair.name == "affine")
    text = layer.text.replace("db = np.sum(dout, axis=0)", "db = 1.001 * np.sum(dout, axis=0)")
    assert text != layer.text
    assert _distance(layer, corpus.load(layer, text)) > 1e-4


def test_there_are_variants_enough_and_each_layer_has_some() -> None:
    assert len(corpus.variants()) >= 60
    assert {pair.family for pair in corpus.layers()} <= {pair.family for pair in corpus.variants()}
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("pair", corpus.layers(), ids=[pair.name for pair in corpus.layers()])
def test_problems_tell_sizes_apart_and_repeat(pair: corpus.Pair) -> None:
    first, again, other = (corpus.problems(pair, seed=seed) for seed in (0, 0, 1))
    for one, same, fresh in zip(first, again, other, strict=True):
        assert np.array_equal(one.arguments[0], same.arguments[0])
        assert not np.array_equal(one.arguments[0], fresh.arguments[0])
    assert len({problem.arguments[0].shape for problem in first}) > 1


# ---- faults --------------------------------------------------------------------------------------------------


def test_there_are_faults_enough_in_every_layer() -> None:
    assert len(VISIBLE) >= 400
    count = collections.Counter(fault.layer.name for fault in VISIBLE)
    assert set(count) == {layer.name for layer in corpus.layers()}
    assert min(count.values()) >= 12
    held_out = sum(fault.held_out for fault in VISIBLE)
    assert 0.4 < held_out / len(VISIBLE) < 0.6


def test_every_kind_of_edit_is_among_them() -> None:
    kinds = {fault.kinds[0] for fault in VISIBLE}
    wanted = """sign factor count bessel wrong_count no_axis wrong_axis unsummed keepdims gamma_missing gamma_twice
        eps_missing eps_outside power swapped_value path_missing path_sign path_twice constant_statistics
        upstream_ignored return_order missing_result transposed overwritten in_place mask index operator"""
    assert kinds == set(wanted.split())
    assert {kind for fault in faults.faults() for kind in fault.kinds} <= set(KINDS)


def test_a_fault_is_one_edit_of_one_line_of_the_backward() -> None:
    for fault in faults.faults():
        before, after = fault.layer.text.splitlines(), fault.text.splitlines()
        assert [i for i, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b] == [fault.line]
        backward = next(f for f in ast.parse(fault.text).body if getattr(f, "name", "") == fault.layer.backward)
        assert backward.lineno < fault.line <= backward.end_lineno
    assert len({(fault.layer.name, fault.text) for fault in faults.faults()}) == len(faults.faults())


def _change(fault: faults.Fault, text: str | None, seed: int) -> float:
    """How far a text is from the right one (None: itself) on other inputs; infinite where it cannot index them."""
    right, wrong = corpus.load(fault.layer), corpus.load(fault.layer, text)
    most = 0.0
    for problem in corpus.problems(fault.layer, 4, seed):
        wanted = corpus.answers(fault.layer, right, problem)
        try:
            got = corpus.answers(fault.layer, wrong, problem)
        except (IndexError, ValueError):  # sizes of one may be an index too large
            return float("inf")
        most = max(most, *corpus.differences(wanted, got))
    return most


@given(st.sampled_from(VISIBLE), st.integers(1, 1000))
def test_a_fault_changes_an_output_on_other_inputs_too(fault: faults.Fault, seed: int) -> None:
    assert _change(fault, fault.text, seed) > 1e-9


def test_a_fault_that_changes_nothing_is_found() -> None:
    for fault in VISIBLE[::40]:
        assert _change(fault, None, 1) == 0.0


@given(st.sampled_from([fault for fault in faults.faults() if fault.effect == "harmless"]), st.integers(1, 1000))
def test_a_harmless_edit_changes_nothing_on_other_inputs(fault: faults.Fault, seed: int) -> None:
    right, edited = corpus.load(fault.layer), corpus.load(fault.layer, fault.text)
    for problem in corpus.problems(fault.layer, 2, seed):
        expected, got = (corpus.answers(fault.layer, functions, problem) for functions in (right, edited))
        assert max(corpus.differences(expected, got)) < 1e-9


def test_two_edits_with_the_same_results_are_one_fault_with_both_names() -> None:
    layer = next(pair for pair in corpus.layers() if pair.name == "batchnorm_staged")
    found = [fault for fault in faults.faults_of(layer) if fault.change[0].startswith("dxmu1 =")]
    (over,) = [fault for fault in found if fault.effect == "value" and fault.edit.rule == "* for /"]
    assert {"power", "swapped_value"} <= {*over.kinds}  # dxhat / ivar is dxhat * sqrtvar
    assert not any(fault.change[1] == "dxmu1 = dxhat * sqrtvar" for fault in found)


def test_the_same_seed_draws_the_same_and_another_others() -> None:
    faults.faults.cache_clear()
    again = faults.faults()
    assert [fault.name for fault in again] == [fault.name for fault in faults.faults(0)]
    assert {fault.name for fault in again} != {fault.name for fault in faults.faults(1)}
    assert {f.name: f.held_out for f in again}.items() & {
        f.name: not f.held_out for f in faults.faults(1)
    }.items() == set()


def _edits(layer: str, line: str) -> dict[str, Edit]:
    facts = Facts.of(next(pair for pair in corpus.layers() if pair.name == layer))
    number = facts.text.splitlines().index(line) + 1
    return {e.applied(facts.text).splitlines()[number - 1].strip(): e for e in edits_of(facts) if e.line == number}


@pytest.mark.parametrize(
    ("layer", "line", "edited", "kind"),
    [
        ("batchnorm_staged", "    dbeta = np.sum(dout, axis=0)", "dbeta = np.sum(dout)", "no_axis"),
        ("batchnorm_staged", "    dbeta = np.sum(dout, axis=0)", "dbeta = dout", "unsummed"),
        ("batchnorm_staged", "    dbeta = np.sum(dout, axis=0)", "dbeta = np.mean(dout, axis=0)", "count"),
        ("batchnorm_staged", "    dxhat = dgammax * gamma", "dxhat = dgammax", "gamma_missing"),
        ("batchnorm_staged", "    dx1 = dxmu1 + dxmu2", "dx1 = dxmu1", "path_missing"),
        ("batchnorm_staged", "    dx1 = dxmu1 + dxmu2", "dx1 = dxmu1 - dxmu2", "path_sign"),
        ("batchnorm_staged", "    dx = dx1 + dx2", "dx = dxmu1", "constant_statistics"),
        ("layernorm", "    dxmu2 = 2.0 / D * xmu * dvar", "dxmu2 = 2.0 / N * xmu * dvar", "wrong_count"),
        ("relu", "    mask = x > 0", "mask = x < 0", "mask"),
        ("affine", "    dw = x_row.T.dot(dout)", "dw = dout.T.dot(x_row)", "transposed"),
        ("lstm_step", "    dag = dg * (1 - g**2)", "dag = dg * (1 - g)", "power"),
    ],
)
def test_an_edit_is_called_what_it_is(layer: str, line: str, edited: str, kind: str) -> None:
    assert kind in _edits(layer, line)[edited].kinds


def test_brackets_stay_where_an_operand_goes() -> None:
    found = _edits("batchnorm_compact", "    dgamma = (dout * x_norm).sum(axis=0)")
    assert "dgamma = -(dout * x_norm).sum(axis=0)" in found
    assert "dgamma = dout * x_norm" in found
    paper = "    dx = dx_hat / np.sqrt(var + eps) + dvar * 2 * (x - mean) / m + dmean / m"
    assert all("* x - mean" not in text for text in _edits("batchnorm_paper", paper))
