"""The table in JavaScript: each rule, run by node, answers what NumPy answers, NaN and infinities included."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from micrograd import Tensor
from micrograd.graph import Graph
from micrograd.primitives import TABLE, Primitive
from micrograd.stepper.page import script
from micrograd.stepper.rules_js import javascript, live_operations, map_rule, reduce_rule, rules
from micrograd.tracing import trace

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the rules in JavaScript were not run")

# `cast` has no scalar template: three dtypes are written by hand. JavaScript has none of the others.
NOT_LIVE = {"cast", "sinc", "heaviside", "fmax", "fmin", "rint", "remainder", "floor_divide", "logaddexp", "logaddexp2"}
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 1e-300, 1e300, -1e300, math.inf, -math.inf, math.nan]
EXPONENTS = [2, 3, 0, 1, -1, 0.5, -0.5, 1.5, -2, math.inf, -math.inf, math.nan]


def run_js(script: str) -> Any:
    done = subprocess.run([NODE or "node", "-"], input=script, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


WRITE = "const out = (x) => Number.isNaN(+x) ? 'NaN' : Math.abs(+x) === Infinity ? String(+x) : +x;\n"


def disagreements(script: str) -> list[tuple[Any, ...]]:
    """Where the rules in `script` and NumPy answer differently: row, operands, attributes, NumPy's answer, theirs."""
    cases: list[tuple[str, list[float], dict[str, Any]]] = []
    for row in TABLE.values():
        if map_rule(row) is None:
            continue
        operands = [[0.0, 1.0] if kind == "mask" else NUMBERS for kind in row.domain]
        for attrs in [{"exponent": e} for e in EXPONENTS] if "{exponent}" in row.scalar else [{}]:
            cases += [(row.name, list(values), attrs) for values in itertools.product(*operands)]
    calls = json.dumps(cases)  # NaN and Infinity as JavaScript writes them
    got = run_js(f"{script}{WRITE}console.log(JSON.stringify({calls}.map(([n, x, a]) => out(RULES.map[n](x, a)))))")
    wrong = []
    with np.errstate(all="ignore"):
        for (name, values, attrs), answer in zip(cases, got, strict=True):
            kinds = zip(values, TABLE[name].domain, strict=True)
            arrays = [np.array(value, bool if kind == "mask" else float) for value, kind in kinds]
            wanted, found = float(TABLE[name].forward(*arrays, **attrs)), float(answer)
            both = found != found and wanted != wanted
            if not (both or found == wanted or math.isclose(found, wanted, rel_tol=1e-14)):
                wrong.append((name, values, attrs, wanted, found))
    return wrong


def test_every_map_row_is_translated_or_listed() -> None:
    found = {row.name for row in TABLE.values() if row.kind == "map" and map_rule(row) is None}
    assert {name for name in found if not name.startswith("special_")} == NOT_LIVE  # SciPy's come as they are met


def test_every_reduce_row_folds_with_a_map_row() -> None:
    assert {row.name: reduce_rule(row) for row in TABLE.values() if row.kind == "reduce"} == {
        "sum": "add", "max": "maximum",
    }  # fmt: skip


@needs_node
def test_the_rules_agree_with_numpy_on_every_number() -> None:
    assert disagreements(rules()) == []


@needs_node
@pytest.mark.parametrize(
    ("right", "wrong", "row"),
    [("(x[0] - x[1])", "(x[1] - x[0])", "sub"), ("(x[0] >= x[1])", "(x[0] > x[1])", "greater_equal"),
     ("x == 1 ||", "", "pow")],
)  # fmt: skip
def test_the_comparison_can_fail(right: str, wrong: str, row: str) -> None:
    assert right in rules()
    assert row in {name for name, *_ in disagreements(rules().replace(right, wrong))}


@needs_node
def test_casts_and_reductions() -> None:
    assert run_js(f"{rules()}console.log(JSON.stringify(RULES.reduce))") == {"sum": "add", "max": "maximum"}
    got = run_js(f"{rules()}console.log(JSON.stringify([RULES.cast.float32(0.1), RULES.cast.float64(0.1)]))")
    assert got == [float(np.float32(0.1)), 0.1]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{0} + {1}", "(x[0] + x[1])"),
        ("-{0}", "(-x[0])"),
        ("({0} if {0} >= {1} else {1})", "((x[0] >= x[1]) ? x[0] : x[1])"),
        ("{0} ** 2", "pow(x[0], 2)"),
        ("pow({0}, {exponent})", "pow(x[0], a.exponent)"),
        ("0.5 * sqrt({0})", "(0.5 * Math.sqrt(x[0]))"),
        ("{0} > 0 and {1} > 0 or not {2}", "(((x[0] > 0) && (x[1] > 0)) || (!x[2]))"),
        ("True", "true"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    assert javascript(template) == expected


@pytest.mark.parametrize("template", ["erf({0})", "{0} @ {1}", "[{0}]", "{0} < {1} < {2}", "{0} if", "'a'", "x.y"])
def test_what_is_not_translated_is_refused(template: str) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        javascript(template)


def test_a_row_that_is_not_translated_makes_a_graph_not_live() -> None:
    x = np.ones((2, 2))
    assert live_operations(trace(lambda a: np.exp(a @ a).sum(axis=0), x))
    assert not live_operations(trace(lambda a: a * a, np.ones(2, np.float16)))


def test_a_row_declared_later_is_in_the_page() -> None:
    row = Primitive("wave", array="sin", scalar="sin({0})", tex=r"\sin {0}", level=3, vjp=(None,))
    try:
        assert '"wave": (x, a) => Math.sin(x[0]),' in script()
        assert live_operations(Graph.of(row(Tensor(np.ones(2)))))
    finally:
        del TABLE["wave"]
    assert "wave" not in script()
