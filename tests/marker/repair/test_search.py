"""How a mistake is looked for: by value among all that the engine knows, and by edits that show on the inputs chosen."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from micrograd.marker.diagnosis.kinds import constant_ratio, tensor_ratio
from micrograd.marker.process.limits import Limits
from micrograd.marker.process.runner import Request, run
from micrograd.marker.repair.search import _telling_apart
from micrograd.marker.report import Report
from micrograd.marker.truth.alignment import Quantities, Quantity, agree

# ---- by value --------------------------------------------------------------------------------------------------------


def known(values: dict[tuple[str, ...], Any]) -> Quantities:
    made = Quantities(None)
    for key, value in values.items():
        made._add(Quantity(key, key[1], value), key[1])
    return made


entries = st.sampled_from([0.0, 1.0, -2.0, 1e-9, 3.0, np.inf, np.nan])
arrays = st.lists(entries, min_size=3, max_size=3).map(np.array)
groups = st.lists(st.tuples(st.sampled_from(["value", "grad", "edge"]), arrays), min_size=1, max_size=6)


@given(groups, arrays)
def test_what_a_value_is_equal_to_is_what_agrees_with_it_entry_by_entry(group: Any, value: Any) -> None:
    values = {(kind, f"v{place}"): array for place, (kind, array) in enumerate(group)}
    found = {quantity.key for quantity in known(values).equal_to(value)}
    assert found == {key for key, array in values.items() if agree(array, value)}


@given(groups, arrays)
def test_the_sums_of_two_gradients_are_those_that_agree_with_the_value(group: Any, value: Any) -> None:
    values = {(kind, f"v{place}"): array for place, (kind, array) in enumerate(group)}
    found = {(one.key, other.key) for one, other in known(values).sums_to(value)}
    usable = {key: a for key, a in values.items() if key[0] != "value" and np.isfinite(a).all()}
    expected = {
        (a, b) for a, b in product(usable, usable)
        if str(a) < str(b) and np.isfinite(value).all() and agree(usable[b], value - usable[a])
    }  # fmt: skip
    assert found == expected


def test_a_value_of_another_shape_is_another_value() -> None:
    quantities = known({("grad", "x"): np.ones((2, 3)), ("grad", "y"): np.ones(6)})
    assert [quantity.label for quantity in quantities.equal_to(np.ones((2, 3)))] == ["x"]


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_a_ratio_is_never_read_off_what_is_not_finite(strange: float) -> None:
    wanted = np.array([1.0, 2.0, 4.0])
    assert constant_ratio([2 * wanted], [wanted], [{}]) == ("factor", "2")
    assert constant_ratio([np.full(3, strange)], [wanted], [{}]) is None
    gamma = np.array([3.0, 0.5, 2.0])
    assert tensor_ratio([wanted * gamma], [wanted], [{"gamma": gamma}]) == ("gamma", 1.0, "gamma")
    assert tensor_ratio([np.array([3.0, strange, 8.0])], [wanted], [{"gamma": gamma}]) is None


# ---- by edits --------------------------------------------------------------------------------------------------------


def test_rounds_of_a_loop_are_chosen_in_which_its_variables_differ() -> None:
    rounds = [{"i": i, "f": f} for i in range(3) for f in range(3)]
    chosen = [rounds[place] for place in _telling_apart(rounds, ("i", "f"), most=3)]
    assert chosen[0] == {"i": 0, "f": 0}
    assert chosen[-1] == {"i": 2, "f": 2}
    assert chosen[1]["i"] not in (0, chosen[1]["f"])
    assert chosen[1]["f"] != 0


LOOP = """\
import numpy as np

def forward(x, w):
    out = np.zeros((len(x), len(w)))
    for n in range(len(x)):
        for f in range(len(w)):
            out[n, f] = np.sum(x[n] * w[f])
    return out, (x, w)

def backward(dout, cache):
    x, w = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for n in range(len(x)):
        for f in range(len(w)):
            dx[n] += {dx}
            dw[f] += dout[n, f] * x[n]
    return dx, dw
"""


def checked(text: str, *example: Any, seconds: float = 20.0) -> Report:
    request = Request(text, "/nowhere/loop.py", "forward", "backward", example=example)
    return run(request, Limits(seconds=seconds, memory=400 << 20))


@pytest.mark.parametrize("wrong", ["dout[n, f]", "dout[n, 0] * w[f]", "dout[f, f] * w[f]", "dout[n, f] * w[0]"])
def test_an_index_and_a_factor_that_loops_run_over_are_found(wrong: str) -> None:
    (finding,) = checked(LOOP.format(dx=wrong), np.ones((5, 4)), np.ones((3, 4))).findings
    assert (finding.severity, finding.span.line) == ("wrong", 15)
    assert finding.fix is not None
    mended = LOOP.format(dx=wrong).splitlines()[14]
    mended = mended[: finding.fix.span.column] + finding.fix.new + mended[finding.fix.span.end_column :]
    assert mended.strip() in ("dx[n] += dout[n, f] * w[f]", "dx[n] += w[f] * dout[n, f]")
    assert checked(LOOP.format(dx="dout[n, f] * w[f]"), np.ones((5, 4)), np.ones((3, 4))).ok


# ---- a verdict that is known is not lost -----------------------------------------------------------------------------

SLOW = """\
import time

def forward(x):
    return x * x, x

calls = []

def backward(dout, x):
    calls.append(1)
    if len(calls) > {quick}:
        time.sleep(60)
    return 3 * x * dout
"""


def test_a_wrong_backward_is_told_even_if_the_search_for_the_line_takes_too_long() -> None:
    report = checked(SLOW.format(quick=7), np.ones(3), seconds=2.0)
    assert (report.verdict, report.findings) == ("wrong", ())
    assert [(output.name, output.right) for output in report.outputs] == [("dx", False)]
    assert "The search for the line was not done after 2 s and was ended." in report.text()
    assert "2 秒后仍未找到出错的行" in report.text(language="zh")
    assert "was not done after 2 s" in report.html()


def test_a_backward_that_does_not_come_back_at_all_has_no_verdict() -> None:
    report = checked(SLOW.format(quick=0), np.ones(3), seconds=1.0)
    assert report.verdict == "failed"
    assert "still running after 1 s" in report.problem
