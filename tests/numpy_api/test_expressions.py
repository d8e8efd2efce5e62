"""The long list of NumPy's functions, each by every route: right, or refused in words; never something else.

`tests/support/numpy_expressions.py` holds the list, and what counts as right: NumPy's values, shapes and dtypes, and
slopes as measured on NumPy itself.
"""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest

import micrograd as mg
from tests.support import numpy_expressions as listed

REFUSED = {"np.i0(v)"}  # Bessel's function, of which NumPy has no derivative
EVERY = [*listed.expressions()]
GROUPS = [pytest.param([e for e in EVERY if e.group == group], id=group) for group in listed.GROUPS]


def not_right(route: str, chosen: list[listed.Expression]) -> list[str]:
    found = [(e.text, *listed.verdict(route, e)) for e in chosen]
    return [f"{verdict} {text}: {said}" for text, verdict, said in found if (verdict, text in REFUSED) != ("right", False)
            and (verdict, text in REFUSED) != ("refused", True)]  # fmt: skip


def test_the_list_is_long_and_names_no_expression_twice() -> None:
    assert len({e.text for e in EVERY}) == len(EVERY) > 800


@pytest.mark.parametrize("group", GROUPS)
def test_a_trace_has_numpys_values(group: list[listed.Expression]) -> None:
    assert not_right("trace", group) == []


@pytest.mark.parametrize("group", GROUPS)
def test_slopes_are_those_of_numpys_values(group: list[listed.Expression]) -> None:
    assert not_right("grad", group) == []


@pytest.mark.parametrize("group", GROUPS)
def test_slopes_of_slopes_are_right(group: list[listed.Expression]) -> None:
    assert not_right("second", group[::4]) == []  # the rows' own second order is under the laws


@pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "fuzz", reason="long; `make functions` asks them all")
@pytest.mark.parametrize("group", GROUPS)
def test_slopes_of_slopes_are_right_everywhere(group: list[listed.Expression]) -> None:
    assert not_right("second", [e for n, e in enumerate(group) if n % 4]) == []


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_captured_is_right_for_other_numbers_or_refused(group: list[listed.Expression]) -> None:
    found = {e.text: listed.verdict("capture", e) for e in group}
    assert {text: found[text] for text in found if found[text][0] == "wrong"} == {}
    right = [text for text, (verdict, _) in found.items() if verdict == "right"]
    assert len(right) >= 0.5 * len(group), found


def test_the_list_finds_a_wrong_slope_and_a_wrong_value(monkeypatch: pytest.MonkeyPatch) -> None:
    from micrograd.numpy_api.functions import FUNCTIONS

    group = [e for e in EVERY if e.text in ("np.median(v)", "np.ptp(x)")]
    monkeypatch.setitem(FUNCTIONS, np.median, lambda a: np.sort(a)[2])
    monkeypatch.setitem(
        FUNCTIONS, np.ptp, lambda a, **_: (np.max(a) - np.min(a)) * mg.Tensor(1.0) + 0 * np.sum(a.detach())
    )
    assert [listed.verdict("trace", e)[0] for e in group] == ["right", "wrong"]
    monkeypatch.setitem(FUNCTIONS, np.ptp, lambda a, **_: np.max(a.detach()) - np.min(a))
    assert [listed.verdict("grad", e)[0] for e in group] == ["wrong", "wrong"]


def test_several_functions_compiled_are_numpys() -> None:
    def several(m: np.ndarray, t: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.linalg.inv(m), np.linalg.solve(m, t.T), np.linalg.det(m), np.linalg.cholesky(m @ m.T),
                np.linalg.eigvalsh(m + m.T), np.linalg.svdvals(t), np.linalg.pinv(t), np.median(t, axis=0), np.sort(v),
                np.quantile(v, [0.2, 0.7]), np.convolve(v, v[:2]), np.cov(t), np.trapezoid(v), np.gradient(v),
                np.einsum("...ij,jk->...ik", t, m), np.kron(m, t), np.nanmean(t, axis=0))  # fmt: skip

    m, t, v = (listed.ARRAYS[name] for name in "mtv")
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # some moves are NumPy's
        compiled = mg.compile(several)
        compiled(m, t, v)
        for other in (0.9, -1.1):  # the second call has other numbers than were captured
            given = m * other, t * other, v[::-1].copy()
            for ours, numpys in zip(compiled(*given), several(*given), strict=True):
                np.testing.assert_allclose(ours, numpys, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_call_of_lapack_compiled_is_the_one_that_is_not() -> None:
    def loss(m: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sum(np.linalg.solve(m, b) ** 2) + np.linalg.slogdet(m)[1] + np.sum(np.sort(b, axis=0)[0])

    m, b = listed.ARRAYS["m"], listed.ARRAYS["t"][:3]
    compiled = mg.compile(mg.grad(loss, (0, 1)))
    for scale in (1.0, -0.7):
        for ours, plain in zip(compiled(m * scale, b), mg.grad(loss, (0, 1))(m * scale, b), strict=True):
            np.testing.assert_allclose(ours, plain, rtol=1e-10)
