"""The tests that the property tests can fail: faults planted in the staged backward pass, each caught by the bound."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from bn_reference import Problem, compiled, probe, source_of_backward, staged

from micrograd.batchnorm import batchnorm_backward, batchnorm_forward
from micrograd.batchnorm.tolerance import assert_bn_close, bn_bounds

SOURCE = source_of_backward()
DSQ = "1.0 / N * np.ones((N, D), dout.dtype) * dvar"
DX2 = "1.0 / N * np.ones((N, D), dout.dtype) * dmu"

# What students get wrong, one edit each: (what, the text, what it becomes).
FAULTS = [
    # a sum over rows missing, too many, or over the wrong axis
    ("dbeta not summed", "np.sum(dout, axis=0)", "dout"),
    ("dbeta summed over everything", "np.sum(dout, axis=0)", "np.sum(dout)"),
    ("dbeta summed over features", "np.sum(dout, axis=0)", "np.sum(dout, axis=1)"),
    ("dbeta keeps its axis", "np.sum(dout, axis=0)", "np.sum(dout, axis=0, keepdims=True)"),
    ("dbeta is a mean", "np.sum(dout, axis=0)", "np.mean(dout, axis=0)"),
    ("dgamma not summed", "np.sum(dgammax * xhat, axis=0)", "dgammax * xhat"),
    ("dgamma summed over everything", "np.sum(dgammax * xhat, axis=0)", "np.sum(dgammax * xhat)"),
    ("dgamma summed over features", "np.sum(dgammax * xhat, axis=0)", "np.sum(dgammax * xhat, axis=1)"),
    ("dgamma is a mean", "np.sum(dgammax * xhat, axis=0)", "np.mean(dgammax * xhat, axis=0)"),
    ("dgamma sums apart", "np.sum(dgammax * xhat, axis=0)", "np.sum(dgammax, axis=0) * np.sum(xhat, axis=0)"),
    ("divar not summed", "np.sum(dxhat * xmu, axis=0)", "dxhat * xmu"),
    ("divar summed over everything", "np.sum(dxhat * xmu, axis=0)", "np.sum(dxhat * xmu)"),
    ("dmu not summed", "np.sum(dxmu1 + dxmu2, axis=0)", "(dxmu1 + dxmu2)"),
    ("dmu summed over everything", "np.sum(dxmu1 + dxmu2, axis=0)", "np.sum(dxmu1 + dxmu2)"),
    ("dmu is a mean", "np.sum(dxmu1 + dxmu2, axis=0)", "np.mean(dxmu1 + dxmu2, axis=0)"),
    # one forward value taken for another
    ("dgamma from xmu", "dgammax * xhat", "dgammax * xmu"),
    ("dgamma without xhat", "dgammax * xhat", "dgammax"),
    ("divar from xhat", "dxhat * xmu", "dxhat * xhat"),
    ("dxmu1 times the deviation", "dxhat * ivar", "dxhat * sqrtvar"),
    ("dxmu1 over 1/deviation", "dxhat * ivar", "dxhat / ivar"),
    ("dxmu1 without ivar", "dxhat * ivar", "dxhat"),
    ("dxmu2 from xhat", "2.0 * xmu * dsq", "2.0 * xhat * dsq"),
    ("dxmu2 from xmu squared", "2.0 * xmu * dsq", "2.0 * xmu**2 * dsq"),
    ("dxmu2 without xmu", "2.0 * xmu * dsq", "2.0 * dsq"),
    ("the forward value for the gradient", "dgammax * gamma", "xhat * gamma"),
    # gamma
    ("gamma forgotten", "dgammax * gamma", "dgammax"),
    ("gamma twice", "dgammax * gamma", "dgammax * gamma * gamma"),
    ("gamma divides", "dgammax * gamma", "dgammax / gamma"),
    # the variance: root, reciprocal, eps
    ("dsqrtvar has the wrong sign", "-1.0 / sqrtvar**2", "1.0 / sqrtvar**2"),
    ("dsqrtvar not squared", "-1.0 / sqrtvar**2", "-1.0 / sqrtvar"),
    ("dsqrtvar cubed", "-1.0 / sqrtvar**2", "-1.0 / sqrtvar**3"),
    ("dsqrtvar multiplies", "-1.0 / sqrtvar**2", "-1.0 * sqrtvar**2"),
    ("dsqrtvar lacks eps", "-1.0 / sqrtvar**2", "-1.0 / var"),
    ("dvar lacks eps", "np.sqrt(var + eps)", "np.sqrt(var)"),
    ("dvar has eps outside the root", "np.sqrt(var + eps)", "(np.sqrt(var) + eps)"),
    ("dvar subtracts eps", "np.sqrt(var + eps)", "np.sqrt(var - eps)"),
    ("dvar lacks the root", "np.sqrt(var + eps)", "(var + eps)"),
    ("dvar lacks the half", "0.5 / np.sqrt", "1.0 / np.sqrt"),
    ("dvar has the wrong sign", "0.5 / np.sqrt", "-0.5 / np.sqrt"),
    ("dvar multiplies", "0.5 / np.sqrt", "0.5 * np.sqrt"),
    ("dvar skips the root", "np.sqrt(var + eps) * dsqrtvar", "np.sqrt(var + eps) * divar"),
    # 1/N
    ("dsq lacks 1/N", DSQ, "np.ones((N, D), dout.dtype) * dvar"),
    ("dsq has 1/(N-1)", DSQ, "1.0 / (N - 1) * np.ones((N, D), dout.dtype) * dvar"),
    ("dsq has 1/D", DSQ, "1.0 / D * np.ones((N, D), dout.dtype) * dvar"),
    ("dx2 lacks 1/N", DX2, "np.ones((N, D), dout.dtype) * dmu"),
    ("dx2 has 1/D", DX2, "1.0 / D * np.ones((N, D), dout.dtype) * dmu"),
    ("dx2 spreads dvar", DX2, "1.0 / N * np.ones((N, D), dout.dtype) * dvar"),
    # the square
    ("dxmu2 lacks the 2", "2.0 * xmu * dsq", "xmu * dsq"),
    ("dxmu2 has the wrong sign", "2.0 * xmu * dsq", "-2.0 * xmu * dsq"),
    # paths that meet
    ("dx1 lacks the path through sq", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu1"),
    ("dx1 lacks the path through xhat", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu2"),
    ("dx1 subtracts a path", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu1 - dxmu2"),
    ("dx1 counts a path twice", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu1 + dxmu2 + dxmu2"),
    ("dmu has the wrong sign", "-1.0 * np.sum(dxmu1", "np.sum(dxmu1"),
    ("dmu lacks the path through xhat", "np.sum(dxmu1 + dxmu2, axis=0)", "np.sum(dxmu2, axis=0)"),
    ("dx lacks the path through mu", "dx = dx1 + dx2", "dx = dx1"),
    ("dx lacks the path through xmu", "dx = dx1 + dx2", "dx = dx2"),
    ("dx subtracts a path", "dx = dx1 + dx2", "dx = dx1 - dx2"),
    ("dx counts a path twice", "dx = dx1 + dx2", "dx = dx1 + dx2 + dx2"),
    # the ends
    ("dgamma and dbeta exchanged", "return dx, dgamma, dbeta", "return dx, dbeta, dgamma"),
    ("dout scaled", "dgammax = dout", "dgammax = dout / N"),
]  # fmt: skip

HARMLESS = [
    ("dmu without dxmu2: the sum of xmu is 0", "np.sum(dxmu1 + dxmu2, axis=0)", "np.sum(dxmu1, axis=0)"),
    ("dmu from dx1", "np.sum(dxmu1 + dxmu2, axis=0)", "np.sum(dx1, axis=0)"),
    ("dsqrtvar from ivar", "-1.0 / sqrtvar**2", "-ivar * ivar"),
    ("dvar from sqrtvar", "np.sqrt(var + eps)", "sqrtvar"),
]

PROBES = [probe(5, 3, 0.2), probe(4, 6, 0.1, seed=1), probe(6, 2, 0.3, seed=2)]


def edited(old: str, new: str) -> str:
    assert SOURCE.count(old) == 1, f"{old!r} is not in the source once: the table of faults is out of date"
    return SOURCE.replace(old, new)


def verdict(source: str | ast.Module, problem: Problem) -> str:
    """ "" if the edited backward pass is within the bound of the right one; else how it was caught."""
    _, cache = batchnorm_forward(*problem.parameters)
    right = staged(problem)
    try:
        with np.errstate(all="ignore"):
            results = compiled(source)(problem.dout.copy(), tuple(copy.copy(part) for part in cache))
        got = dict(zip(("dx", "dgamma", "dbeta"), results, strict=True))
        assert_bn_close(got, right, bn_bounds(*problem.parameters[:3], problem.dout, problem.eps))
    except AssertionError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a fault may crash in any way
        return f"{type(error).__name__}: {error}"
    return ""


def test_there_are_at_least_forty_and_no_two_alike() -> None:
    assert len({edited(old, new) for _, old, new in FAULTS}) == len(FAULTS) >= 40


@pytest.mark.parametrize(("old", "new"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_caught(old: str, new: str) -> None:
    for problem in PROBES:
        assert verdict(edited(old, new), problem), "the bound lets this fault pass"


@pytest.mark.parametrize(("old", "new"), [edit[1:] for edit in HARMLESS], ids=[edit[0] for edit in HARMLESS])
def test_a_harmless_edit_is_no_fault(old: str, new: str) -> None:
    for problem in PROBES:
        assert verdict(edited(old, new), problem) == ""


def test_the_source_itself_is_no_fault() -> None:
    assert all(verdict(SOURCE, problem) == "" for problem in PROBES)
    assert compiled(SOURCE).__doc__ == batchnorm_backward.__doc__


def test_a_blind_probe_sees_half_as_much() -> None:
    seen = probe()
    blind = Problem(seen.x, np.ones(3), seen.beta, np.ones((5, 3)), seen.eps)
    missed = [what for what, old, new in FAULTS if not verdict(edited(old, new), blind)]
    assert {"gamma forgotten", "gamma twice", "dvar lacks eps", "dx1 lacks the path through sq"} <= {*missed}
    assert len(missed) > len(FAULTS) / 3


# ---- every mechanical single edit --------------------------------------------------------------------------

OPERATORS: tuple[type[ast.operator], ...] = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def mutants() -> Iterator[tuple[str, ast.Module]]:
    """Each operator exchanged, each operand dropped, each number and name changed, one at a time."""
    tree = ast.parse(SOURCE)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    body = function.body[2:]  # after the docstring and the unpacking of the cache
    known = ["xhat", "gamma", "xmu", "ivar", "sqrtvar", "var", "eps", "dout", "N", "D"]
    for number, statement in enumerate(body):
        assigned = [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        dtypes = {
            n.value for n in ast.walk(statement) if isinstance(n, ast.Attribute) and n.attr == "dtype"
        }  # one for all
        for position, node in enumerate(ast.walk(statement)):
            replacements: list[ast.AST] = []
            if isinstance(node, ast.BinOp):
                replacements += [
                    ast.BinOp(node.left, op(), node.right) for op in OPERATORS if not isinstance(node.op, op)
                ]
                replacements += [node.left, node.right, ast.UnaryOp(ast.USub(), node)]
            elif isinstance(node, ast.Constant):
                steps = (1, -1) if isinstance(node.value, int) else (1.0, -1.0, 1e-9)
                replacements += [ast.Constant(node.value + step) for step in steps]  # type: ignore[operator]
            elif (
                isinstance(node, ast.Name)
                and node.id in known
                and node not in dtypes
                and isinstance(node.ctx, ast.Load)
            ):
                replacements += [ast.Name(other, ast.Load()) for other in known if other != node.id]
            for replacement in replacements:
                changed = copy.deepcopy(tree)
                twin = changed.body[0].body[2 + number]  # type: ignore[attr-defined]
                target = list(ast.walk(twin))[position]
                for parent in ast.walk(twin):
                    for field, value in ast.iter_fields(parent):
                        if value is target:
                            setattr(parent, field, replacement)
                        elif isinstance(value, list) and any(item is target for item in value):
                            setattr(parent, field, [replacement if item is target else item for item in value])
                yield ast.unparse(twin), changed
        known += [name for name in assigned if name not in known]


# What survives, and why it must: the edit changes no number but by rounding.
HARMLESS_LINES = {
    "every array of the batch has its shape": {"N, D = xhat.shape", "N, D = xmu.shape"},
    "dgammax is dout": {"dgamma = np.sum(dout * xhat, axis=0)", "dxhat = dout * gamma"},
    "columns of xmu, and so of xhat and dxmu2, add up to 0": {
        "dmu = -1.0 * np.sum(dxmu1, axis=0)",
        "dmu = -1.0 * np.sum(dxmu1 - dxmu2, axis=0)",
        "dmu = -1.0 * np.sum(dxmu1 + xhat, axis=0)",
        "dmu = -1.0 * np.sum(dxmu1 + xmu, axis=0)",
        "dmu = -1.0 * np.sum(dx1 + dxmu2, axis=0)",
    },
    "a one may multiply, divide, be a power, or be left to broadcasting": {
        line.replace("dsq", a).replace("dvar", b)
        for a, b in (("dsq", "dvar"), ("dx2", "dmu"))
        for line in (
            "dsq = (1.0 / N) ** np.ones((N, D), dout.dtype) * dvar",
            "dsq = 1.0 / N / np.ones((N, D), dout.dtype) * dvar",
            "dsq = 1.0 / N * dvar",
        )
    },
}


def test_mechanical_edits_are_caught_unless_they_change_nothing() -> None:
    edits = list(mutants())
    survivors = {line for line, tree in edits if not any(verdict(tree, problem) for problem in PROBES)}
    assert len(edits) > 400
    assert survivors == set().union(*HARMLESS_LINES.values())


# ---- beside a fixed tolerance ------------------------------------------------------------------------------


def _eps_outside(problem: Problem) -> Any:
    x, gamma, beta, eps = problem.parameters
    _, cache = batchnorm_forward(x, gamma, beta, 0.0)
    xhat, gamma, xmu, _, sqrtvar, var, _ = cache
    return batchnorm_backward(
        problem.dout, (xmu / (sqrtvar + eps), gamma, xmu, 1 / (sqrtvar + eps), sqrtvar + eps, var, eps)
    )


def _single_precision(problem: Problem) -> Any:
    _, (xhat, *rest) = batchnorm_forward(*problem.parameters)
    return batchnorm_backward(problem.dout, (xhat.astype(np.float32).astype(np.float64), *rest))


def _slip(problem: Problem) -> Any:
    dx, dgamma, dbeta = batchnorm_backward(problem.dout, batchnorm_forward(*problem.parameters)[1])
    return dx * (1 + 1e-9), dgamma, dbeta


@pytest.mark.parametrize("wrong", [_eps_outside, _single_precision, _slip])
def test_the_bound_catches_in_every_draw_what_a_tolerance_lets_pass(wrong: Any) -> None:
    missed = 0
    for seed in range(60):
        problem = probe(8, 3, eps=1e-5, seed=seed)
        right, bounds = staged(problem), bn_bounds(*problem.parameters[:3], problem.dout, problem.eps)
        got = dict(zip(("dx", "dgamma", "dbeta"), wrong(problem), strict=True))
        with pytest.raises(AssertionError, match="differs"):
            assert_bn_close(got, right, bounds)
        missed += all(np.allclose(got[name], right[name], rtol=1e-3, atol=1e-5) for name in got)
    assert missed > 30
