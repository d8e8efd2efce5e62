"""Mutants of a backward pass: each is the mistake that it says, and what changes nothing has a reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import SMOOTH, Program, inputs_of, programs

from micrograd.batchnorm import batchnorm_backward, batchnorm_forward
from micrograd.marker.inputs.guessing import make
from micrograd.marker.probing.mutants import mutants_of
from micrograd.marker.probing.probe_messages import described
from micrograd.marker.probing.trial import Mutant, Trial
from micrograd.marker.probing.visibility import VISIBLE, survey_of
from micrograd.tracing import trace

RNG = np.random.default_rng(0)
X, GAMMA, BETA, DOUT = RNG.normal(2.0, 1.5, (5, 3)), RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=(5, 3))
EPS = 0.3
ARGUMENTS = {"x": X, "gamma": GAMMA, "beta": BETA, "eps": EPS}


@pytest.fixture(scope="module")
def trial() -> Trial:
    return Trial(batchnorm_forward, ARGUMENTS, (DOUT,))


@pytest.fixture(scope="module")
def mutants(trial: Trial) -> dict[str, Mutant]:
    return {described(mutant): mutant for mutant in mutants_of(trial)}


def test_the_factors_change_nothing(trial: Trial) -> None:
    dx, dgamma, dbeta = batchnorm_backward(DOUT, batchnorm_forward(X, GAMMA, BETA, EPS)[1])
    for got, wanted in zip(trial.outputs() or (), (dx, dgamma, dbeta), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    plain = trace(batchnorm_forward, X, GAMMA, BETA, EPS).backward(DOUT)
    for name, got in zip(("x", "gamma", "beta"), trial.outputs() or (), strict=True):
        np.testing.assert_array_equal(got, plain.grad[name])


def hand(**wrong: Any) -> tuple[Any, Any, Any]:
    """The backward pass by hand, with lines replaced."""
    _, (xhat, gamma, xmu, ivar, sqrtvar, var, eps) = batchnorm_forward(X, GAMMA, BETA, EPS)
    N = len(X)
    names: dict[str, Any] = {
        "np": np, "dout": DOUT, "xhat": xhat, "gamma": gamma, "xmu": xmu, "ivar": ivar, "sqrtvar": sqrtvar, "var": var,
        "eps": eps, "N": N, "D": 3, "ones": np.ones((N, 3)),
    }  # fmt: skip
    lines = {
        "dbeta": "np.sum(dout, axis=0)",
        "dgamma": "np.sum(dout * xhat, axis=0)",
        "dxhat": "dout * gamma",
        "divar": "np.sum(dxhat * xmu, axis=0)",
        "dxmu1": "dxhat * ivar",
        "dsqrtvar": "-divar / sqrtvar**2",
        "dvar": "0.5 * dsqrtvar / sqrtvar",
        "dsq": "ones * dvar / N",
        "dxmu2": "2 * xmu * dsq",
        "dx1": "dxmu1 + dxmu2",
        "dmu": "-np.sum(dx1, axis=0)",
        "dx2": "ones * dmu / N",
        "dx": "dx1 + dx2",
    }
    for name, line in (lines | wrong).items():
        names[name] = eval(line, names)
    return names["dx"], names["dgamma"], names["dbeta"]


SAID: list[tuple[str, dict[str, str]]] = [
    ("dxmu2 left out of dxmu", {"dx1": "dxmu1"}),
    ("dxmu2 subtracted in dxmu", {"dx1": "dxmu1 - dxmu2"}),
    ("dx2 left out of dx", {"dx": "dx1"}),
    ("dx1 counted twice in dx", {"dx": "2 * dx1 + dx2"}),
    ("dmu with the other sign", {"dmu": "np.sum(dx1, axis=0)"}),
    ("dvar taken as 0", {"dvar": "0 * dsqrtvar"}),
    ("dsqrtvar doubled", {"dsqrtvar": "-2 * divar / sqrtvar**2"}),
    ("the factor 1/5 missing in d(Σ sq)", {"dsq": "ones * dvar"}),
    ("N - 1 for N in the 1/5 of d(Σ sq)", {"dsq": "ones * dvar / (N - 1)"}),
    ("1/3, with the length of another axis, in d(Σ x)", {"dx2": "ones * dmu / D"}),
    ("gamma missing in dxhat", {"dxhat": "dout"}),
    ("gamma twice in dxhat", {"dxhat": "dout * gamma**2"}),
    ("1/(ivar) for ivar in dxmu1", {"dxmu1": "dxhat * sqrtvar"}),
    ("xmu for xhat in dgamma", {"dgamma": "np.sum(dout * xmu, axis=0)"}),
    ("the factor 0.5 missing in dvar", {"dvar": "dsqrtvar / sqrtvar"}),
    ("eps = 0.3 missing from sqrtvar in dvar", {"dvar": "0.5 * dsqrtvar / np.sqrt(var)"}),
    ("dbeta summed over everything", {"dbeta": "np.sum(dout)"}),
    ("dbeta summed along axis 1", {"dbeta": "np.sum(dout, axis=1)"}),
    ("dgamma not summed over the broadcast axis", {"dgamma": "dout * xhat"}),
    ("dgamma with one axis too many (keepdims)", {"dgamma": "np.sum(dout * xhat, axis=0, keepdims=True)"}),
    ("divar summed over everything", {"divar": "np.sum(dxhat * xmu)"}),
    ("dxmu2 left out of dmu", {"dmu": "-np.sum(dxmu1, axis=0)"}),
    ("dxmu1 left out of dmu", {"dmu": "-np.sum(dxmu2, axis=0)"}),
    ("ones in the place of dout",
     {"dbeta": "np.sum(ones, axis=0)", "dgamma": "np.sum(xhat, axis=0)", "dxhat": "ones * gamma"}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "wrong"), SAID, ids=[said for said, _ in SAID])
def test_a_mutant_is_the_mistake_that_it_says(
    said: str, wrong: dict[str, str], trial: Trial, mutants: dict[str, Mutant]
) -> None:
    got = trial.outputs(mutants[said])
    assert got is not None
    for mine, wanted in zip(got, hand(**wrong), strict=True):
        assert np.shape(mine) == np.shape(wanted)
        np.testing.assert_allclose(mine, wanted, rtol=1e-9, atol=1e-11)


def test_returned_in_another_order(trial: Trial, mutants: dict[str, Mutant]) -> None:
    got, true = trial.outputs(mutants["dgamma and dbeta exchanged"]), trial.outputs()
    assert got is not None
    assert true is not None
    assert [got[1] is true[2], got[2] is true[1]] == [True, True]


def test_a_sum_along_the_wrong_axis_does_not_even_run(trial: Trial, mutants: dict[str, Mutant]) -> None:
    assert trial.outputs(mutants["dmu summed along axis 1"]) is None
    assert trial.change(mutants["dmu summed along axis 1"]) == np.inf


def test_one_mutant_of_batch_norm_is_harmless_and_no_other(trial: Trial, mutants: dict[str, Mutant]) -> None:
    assert [said for said, mutant in mutants.items() if trial.change(mutant) == 0] == ["dxmu2 left out of dmu"]
    assert min(trial.change(m) for said, m in mutants.items() if said != "dxmu2 left out of dmu") > VISIBLE


def test_shapes_count_unless_they_broadcast(trial: Trial, mutants: dict[str, Mutant]) -> None:
    kept = mutants["dgamma with one axis too many (keepdims)"]
    assert trial.change(kept) == np.inf
    assert trial.change(kept, broadcast=True) == 0.0


def test_change_is_measured_against_the_largest_entry(trial: Trial, mutants: dict[str, Mutant]) -> None:
    assert trial.change(mutants["dbeta doubled"]) == pytest.approx(1.0)
    assert trial.change(mutants["dbeta with the other sign"]) == pytest.approx(2.0)


# ---- other layers --------------------------------------------------------


def layer_norm(x, gamma, beta, eps=1e-5):  # type: ignore[no-untyped-def]
    N, D = x.shape
    mu = np.sum(x, axis=1) / D
    xmu = x - mu[:, None]
    var = np.sum(xmu**2, axis=1) / D
    return gamma * xmu / np.sqrt(var + eps)[:, None] + beta


def softmax(x, y):  # type: ignore[no-untyped-def]
    shifted = x - np.max(x, axis=1, keepdims=True)
    e = np.exp(shifted)
    total = np.sum(e, axis=1, keepdims=True)
    p = e / total
    return -np.sum(np.log(p[np.arange(len(y)), y])) / len(y)


def biased(x, b, gamma, beta):  # type: ignore[no-untyped-def]
    z = x + b
    xmu = z - np.mean(z, axis=0)
    out = gamma * xmu / np.sqrt(np.mean(xmu**2, axis=0) + 0.1) + beta
    return out


def looped(x, w):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(3):
        total = total + x[:, k : k + 1] * w[k]
    return total


def affine(x, w, b):  # type: ignore[no-untyped-def]
    return np.maximum(x @ w + b, 0)


def hidden_in(forward: Any) -> dict[str, tuple[str, float]]:
    trials = [Trial(forward, p.arguments, seed=p.seed) for p in make(forward, count=6)]
    return {described(h.mutant): (h.identity, h.error) for h in survey_of(trials).hidden()}


def test_identities_make_mistakes_harmless() -> None:
    found = hidden_in(softmax)
    assert {identity for identity, _ in found.values()} == {"sum(de * e, axis=1) = 0"}
    assert "dx2 left out of dx" in found
    assert {said: identity for said, (identity, _) in hidden_in(biased).items() if said.startswith("db")} == {
        "db taken as 0": "sum(dz, axis=0) = 0",
        "db with the other sign": "sum(dz, axis=0) = 0",
        "db doubled": "sum(dz, axis=0) = 0",
    }
    for forward in (softmax, biased, layer_norm):
        assert all(error < 1e-13 for _, error in hidden_in(forward).values())
    assert {identity for identity, _ in hidden_in(layer_norm).values()} == {"sum(xmu, axis=1) = 0"}
    assert hidden_in(affine) == {}


def test_a_loop_is_wrong_in_all_its_rounds() -> None:
    trial = Trial(looped, {"x": X, "w": GAMMA})
    (scaled,) = [m for m in mutants_of(trial) if m.kind == "gamma_missing" and m.what.startswith("w")]
    assert len(scaled.edits) == 3
    assert len(mutants_of(trial)) < 40


def test_what_only_square_arrays_hide() -> None:
    square = Trial(batchnorm_forward, {**ARGUMENTS, "x": X[:3]}, (DOUT[:3],))
    found = {described(m): square.change(m) for m in mutants_of(square)}
    assert found["1/3, with the length of another axis, in d(Σ x)"] == 0.0
    assert 0 < found["dsq spread along the wrong axis"] < np.inf  # it runs, and is wrong


def test_masks_and_transposes() -> None:
    trial = Trial(affine, make(affine)[0].arguments)
    found = {described(m): trial.change(m) for m in mutants_of(trial)}
    assert found["the mask inverted in d(x @ w + b)"] > 0.5
    assert found["w without its transpose in dx"] == np.inf


def test_large_graphs_are_tried_in_part() -> None:
    trial = Trial(batchnorm_forward, ARGUMENTS, (DOUT,))
    few = survey_of([trial], most=30 * len(trial.backward.nodes))
    assert len(few.changes) == 30
    assert len(survey_of([trial]).changes) > 90


def test_surveys_are_put_together() -> None:
    one, two = (survey_of([Trial(batchnorm_forward, ARGUMENTS, (DOUT,), seed)]) for seed in (0, 1))
    both = one.extended(two)
    assert len(both.trials) == 2
    assert all(len(row) == 2 for row in both.changes.values())
    assert both.best("path_missing|x|xmu|0|") == max(both.changes["path_missing|x|xmu|0|"])
    assert both.unseen(0) == []


# ---- any program --------------------------------------------------------


@given(programs(SMOOTH, longest=5), st.integers(0, 2**32 - 1))
def test_dropping_a_path_takes_away_what_it_sends(steps: Program, seed: int) -> None:
    """Of `a * 1 + program(a)` the first path is dropped: the gradient of the program is left."""
    a, b = inputs_of(seed)

    def forward(a: Any, b: Any) -> Any:
        return steps(np, a, b) + a * 1.0

    trial = Trial(forward, {"a": a, "b": b}, seed=seed)
    last = max(node.index for node in trial.graph.nodes if node.op == "mul" and 1.0 in node.operands)
    name = trial.graph.nodes[last].name
    paths = [edge for edge in trial.graph.edges if trial.graph.nodes[edge.source].name == "a"]
    assume(len(paths) > 1)  # the program reads `a` too
    (dropped,) = [m for m in mutants_of(trial) if m.kind == "path_missing" and m.key.split("|")[1:3] == ["a", name]]
    g = trial.graph.backward(trial.upstream[0])
    got = trial.outputs(dropped)
    assert got is not None
    np.testing.assert_allclose(got[0], g.grad["a"] - trial.upstream[0], rtol=1e-9, atol=1e-12 * trial.scale)


def test_the_survey_can_miss_what_a_blind_trial_does_not_show() -> None:
    blind = Trial(batchnorm_forward, {**ARGUMENTS, "gamma": np.ones(3)}, (np.ones((5, 3)),))
    seeing = Trial(batchnorm_forward, ARGUMENTS, (DOUT,))
    survey = survey_of([blind, seeing])
    assert len(survey.unseen(0)) > 50
    assert survey.unseen(1) == []
