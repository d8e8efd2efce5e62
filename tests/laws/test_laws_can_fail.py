"""A law that cannot fail says nothing: here each one meets a row that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest

from micrograd import engine
from micrograd.core import pickling
from micrograd.primitives import TABLE, Primitive
from micrograd.testing import LAWS, Case, LawError, cases_of, check_primitive
from micrograd.testing.laws import hold

_MUL: dict[str, Any] = {"array": "multiply", "scalar": "{0} * {1}", "onnx": "Mul", "tex": r"{0} \, {1}", "level": 2,
                        "label": "×", "domain": ("real", "real"),
                        "vjp": (lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)}  # fmt: skip
_EXP: dict[str, Any] = {"array": "exp", "scalar": "exp({0})", "onnx": "Exp", "tex": "e^{{{0}}}", "label": "exp",
                        "vjp": (lambda g, out, x: g * out,)}  # fmt: skip


@contextmanager
def planted(
    *, forward: Callable[..., Any] | None = None, base: dict[str, Any] = _MUL, **fields: Any
) -> Iterator[Primitive]:
    """A row for the time of one test; the table is as before afterwards."""
    row = Primitive("planted", **{**base, **fields})
    if forward is not None:
        object.__setattr__(row, "forward", forward)
    try:
        yield row
    finally:
        del TABLE["planted"]


def test_the_planted_rows_are_right_before_they_are_spoiled() -> None:
    for base in (_MUL, _EXP):
        with planted(base=base) as row:
            assert check_primitive(row) > 50


def _writes(g: Any, out: Any, x: Any, y: Any) -> Any:
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x += 1.0
    return g * y


def _raw_only(g: Any, out: Any, x: Any, y: Any) -> Any:
    """Right on arrays, but 2.001 for 2 where the backward pass is recorded."""
    return g * y if isinstance(g, (np.ndarray, float)) else g * y * 1.0005


def _second_order_lost(g: Any, out: Any, x: Any) -> Any:
    return g * (out.detach() if isinstance(out, engine.Tensor) else out)


def _by_layout(x: Any, y: Any) -> Any:
    spoiled = isinstance(x, np.ndarray) and x.ndim > 1 and not x.flags.c_contiguous
    return np.multiply(x, y) * (1.001 if spoiled else 1.0)


def _by_type(x: Any, y: Any) -> Any:
    return x * y * 1.001 if type(x) is float else np.multiply(x, y)


def _no_empty(x: Any, y: Any) -> Any:
    out = np.multiply(x, y)
    return out if np.size(out) else np.zeros((*np.shape(out), 1))


def _eats(value: float) -> Callable[..., Any]:
    def forward(x: Any, y: Any) -> Any:
        out = np.asarray(np.multiply(x, y))
        spoiled = np.isnan(out) if value != value else np.isinf(out)
        answer = np.where(spoiled, 0.0, out)
        return answer if answer.shape else answer[()]

    return forward


# law -> how to break it; a planted row may break other laws too, but this one must notice
SPOILED: dict[str, dict[str, Any]] = {
    "forward_equals_numpy": {"forward": lambda x, y: np.multiply(x, y) + 1e-9},
    "the_scalar_template_equals_the_array_function": {"scalar": "{0} * {1} * 1.0000001"},
    "float32_stays_float32": {"forward": lambda x, y: np.multiply(x, np.asarray(y, np.float64))},
    "layouts_agree": {"forward": _by_layout},
    "operands_are_left_alone": {"vjp": (_writes, lambda g, out, x, y: g * x)},
    "the_pullback_is_adjoint_to_the_slope": {"vjp": (lambda g, out, x, y: g * y * 1.000001, _MUL["vjp"][1])},
    "every_entry_of_the_gradient_is_right": {"vjp": (lambda g, out, x, y: g * y * 1.000001, _MUL["vjp"][1])},
    "the_pullback_is_linear": {"vjp": (lambda g, out, x, y: g * g * y, _MUL["vjp"][1])},
    "no_cotangent_no_gradient": {"vjp": (lambda g, out, x, y: g * y + 1.0, _MUL["vjp"][1])},
    "the_second_order_is_right": {"base": _EXP, "vjp": (_second_order_lost,)},
    "the_second_order_is_symmetric": {"vjp": (lambda g, out, x, y: g * y * 3.0, _MUL["vjp"][1])},
    "the_pullback_of_the_pullback_is_the_slope": {"vjp": (_raw_only, _MUL["vjp"][1])},
    "the_tracked_sweep_equals_the_raw_sweep": {"vjp": (_raw_only, _MUL["vjp"][1])},
    "one_tensor_in_two_slots_gets_both_parts": {"vjp": (lambda g, out, x, y: g * y, lambda g, out, x, y: g * x * 2.0)},
    "a_number_is_an_array_of_no_axes": {"forward": _by_type},
    "empty_arrays_pass": {"forward": _no_empty},
    "nan_goes_through_as_in_numpy": {"forward": _eats(np.nan)},
    "infinity_goes_through_as_in_numpy": {"forward": _eats(np.inf)},
    "the_formula_has_a_hole_for_every_operand": {"tex": "{0}"},
    "the_row_is_complete": {"label": ""},
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_row_breaks_the_law(name: str) -> None:
    told = re.escape(f"planted breaks the law '{name.replace('_', ' ')}' on (")
    with planted(**SPOILED[name]) as row, pytest.raises(LawError, match=told):
        _one(name, row)


def _one(name: str, row: Primitive) -> None:
    for case in cases_of(row):
        hold(next(one for one in LAWS if one.__name__ == name), row, case)


# ---- laws that a row alone cannot break: the engine around it is spoiled ---------------------------------


def _breaks(name: str, row: Primitive = TABLE["mul"]) -> None:
    with pytest.raises(LawError, match=re.escape(f"breaks the law '{name.replace('_', ' ')}'")):
        _one(name, row)


def test_the_result_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micrograd.core.validation.frozen", lambda value: value)
    _breaks("the_result_cannot_be_changed")


def test_the_result_cannot_be_changed_through_the_authors_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micrograd.core.validation.leaf", lambda x, name="x": x)
    _breaks("the_result_cannot_be_changed", TABLE["reshape"])


def test_a_gradient_has_the_shape_of_its_operand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "fold", lambda g, shape: g)
    _breaks("a_gradient_has_the_shape_of_its_operand")


def test_a_constant_in_another_slot_changes_nothing() -> None:
    def rule(g: Any, out: Any, x: Any, y: Any) -> Any:
        return (
            g * y * (1.0 if rule.__dict__.setdefault("calls", []).append(0) or len(rule.__dict__["calls"]) % 2 else 3.0)
        )

    with planted(vjp=(rule, _MUL["vjp"][1])) as row:
        _breaks("a_constant_in_another_slot_changes_nothing", row)


def test_a_slot_without_rule_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with planted(vjp=(lambda g, out, x, y: g * y, None)) as row:
        _one("a_slot_without_rule_gets_nothing", row)  # right as it is
        monkeypatch.setattr("micrograd.testing.laws._rules", lambda row, count: [False, True])
        _breaks("a_slot_without_rule_gets_nothing", row)


def test_nothing_is_recorded_under_no_grad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micrograd.testing.laws.no_grad", nullcontext)
    _breaks("nothing_is_recorded_under_no_grad")


@pytest.mark.parametrize(
    "forgetful",
    [
        lambda self, x, y: engine.record(self, (y, x), {}),  # the operands exchanged
        lambda self, x, y: engine.record(TABLE["add"], (x, y), {}),
        lambda self, x, y: engine.record(self, (x.detach(), y), {}),
    ],
)
def test_the_node_remembers_the_call(forgetful: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Primitive, "__call__", forgetful)
    _breaks("the_node_remembers_the_call")


def test_keywords_survive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Primitive, "__call__", lambda self, *operands, **attrs: engine.record(self, operands, {"exponent": 2})
    )
    _breaks("keywords_survive", TABLE["pow"])


@pytest.mark.parametrize("how", ["pickle_returns_the_node", "deepcopy_returns_the_node"])
def test_copies_are_whole(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pickling.flatten

    def spoiled(order: Any) -> Any:
        rows, links = whole(order)
        return [
            (raw, grad, row, attrs, tuple(2.0 * np.asarray(a) for a in args)) for raw, grad, row, attrs, args in rows
        ], links

    monkeypatch.setattr(pickling, "flatten", spoiled)
    _breaks(how)


def test_the_row_prints_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Primitive, "__repr__", lambda self: f"<primitive\n{self.name}>")
    _breaks("the_row_prints_in_one_line")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"onnx": "mul!"}, "onnx name 'mul!'"),
        ({"domain": ("real", "imaginary")}, "KeyError|domain"),
        ({"level": 12}, "level 12 is not 1 to 9"),
        ({"tex": "{0} {1} {2}"}, r"hole \['2'\] is no keyword"),
        ({"tex": "{0} {1} }}"}, "braces do not match"),
    ],
)
def test_a_row_that_lacks_something_is_told_what(fields: dict[str, Any], message: str) -> None:
    case = Case((np.ones(2), np.ones(2)))
    with planted(**fields) as row, pytest.raises(LawError, match=message):
        check_primitive(row, [case])


def test_a_broken_law_names_row_law_case_and_seed() -> None:
    with planted(vjp=(lambda g, out, x, y: 2.001 * (g * y), _MUL["vjp"][1])) as row, pytest.raises(LawError) as caught:
        check_primitive(row, seed=7)
    assert re.match(r"planted breaks the law '[a-z ]+' on \(\(2, 3\), \(2, 3\), seed=7\)\n  ", str(caught.value))


def test_every_law_is_shown_to_fail() -> None:
    shown = {*SPOILED} | {name.removeprefix("test_") for name in globals()}
    shown |= {"pickle_returns_the_node", "deepcopy_returns_the_node"}  # test_copies_are_whole
    assert [law.__name__ for law in LAWS if law.__name__ not in shown] == []


def test_the_table_is_as_it_was() -> None:
    assert "planted" not in TABLE
