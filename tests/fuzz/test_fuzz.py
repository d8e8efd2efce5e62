"""Random NumPy programs mean the same to NumPy and to every route, or are refused with the user's line."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import Phase, given, settings

from .judging import Odd, Verdict, judge
from .programs import Program
from .run import Tally, programs, routes_of
from .shrinking import reduced, shrink
from .writing import write


def test_programs_mean_the_same_everywhere_and_most_are_judged() -> None:
    tally = Tally()

    @settings(max_examples=300, phases=[Phase.generate])
    @given(program=programs())
    def each(program: Program) -> None:
        try:
            verdicts = judge(program, routes_of(tally.programs, dear=False))
        except Odd as odd:
            tally.odd[str(odd)] += 1
        else:
            tally.add(program, verdicts)
            wrong = [v for v in verdicts if v.outcome == "wrong"]
            assert not wrong, f"{wrong}\n{program.text}"

    each()
    assert tally.programs > 2 * sum(tally.odd.values()), tally.table()
    assert tally.outcomes["slope", "right"] > 0.5 * tally.programs, tally.table()


def text_of(body: str, arguments: str = "np.array([0.5, 1.2, -0.7])") -> str:
    lines = "\n".join("    " + line for line in body.splitlines())
    return f"import numpy as np\n\n\ndef f(x):\n{lines}\n\n\ndef arguments():\n    x = {arguments}\n    return x,\n"


@pytest.mark.parametrize(
    ("body", "route", "outcome", "why"),
    [
        ("return np.exp(x) * x", "slope", "right", "complex step"),
        ("return np.abs(x) * x", "slope", "right", "differences"),
        ("return np.maximum(x, 0.5)", "slope", "skipped", "not smooth"),
        ("x *= 2\nreturn x", "trace", "right", ""),
        ("return x * float(x[0])", "vjp", "refused", "float(NAME) inside"),
    ],
)
def test_what_the_judge_says(body: str, route: str, outcome: str, why: str) -> None:
    found = [v for v in judge(Program(text_of(body)), ["trace", "vjp"]) if v.route == route]
    assert [v.outcome for v in found] == [outcome]
    assert why in found[0].why or "gradient" in found[0].why


@pytest.mark.parametrize(
    ("body", "off", "outcome"),
    [
        ("x -= x.mean()\nreturn np.floor(np.sum(x)) + x[0]", 1.0, "rounded"),  # 0 or -1: of the last digit of a sum
        ("x -= x.mean()\nreturn np.floor(np.sum(x)) + x[0]", 3.0, "wrong"),  # never -3
        ("return np.floor(np.sum(x)) + x[0]", 1.0, "wrong"),  # 1.0, of 1.3
        ("return np.floor(x * 0.0 + 1.0) + x[0]", 1.0, "wrong"),  # on an edge, but without a sum
        ("x -= x.mean()\nreturn np.sum(x) + 0 * x", 1e-16, "rounded"),  # what is left of terms that cancel
        ("x -= x.mean()\nreturn np.sum(x) + 0 * x", 1e-13, "wrong"),
        ("x -= x.mean()\nreturn np.sign(np.sum(x)) + x[0]", -1.0, "rounded"),
        ("x -= x.mean()\nreturn np.sign(np.sum(x)) + x[0]", 3.0, "wrong"),
    ],
)
def test_the_last_digit_of_a_sum_may_decide_where_a_number_is_rounded(
    body: str, off: float, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import micrograd as mg

    right = mg.vjp
    program = Program(text_of(body, "np.array([0.75, 1.2, -0.65])"))
    assert [v.outcome for v in judge(program, ["vjp"]) if v.route == "vjp"] == ["right"]
    monkeypatch.setattr(mg, "vjp", lambda f, *a: (right(f, *a)[0] - off, right(f, *a)[1]))
    assert [v.outcome for v in judge(program, ["vjp"]) if v.route == "vjp"][:1] == [outcome]


def test_jax_takes_subnormal_numbers_for_0_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from . import routes

    pytest.importorskip("jax", reason="JAX is not installed: nothing is judged by it")
    program = Program(text_of("return np.where(x > 0.5, x, x * np.inf)", "np.array([1.0, 5e-324])"))
    assert [v.outcome for v in judge(program, ["jax"])][:1] == ["rounded"]
    wrong = routes.Result(routes.Ran(np.array([np.inf, -np.inf]), []), keeps=False)
    monkeypatch.setitem(routes.ROUTES, "jax", (lambda program, value: wrong, 0))
    assert [v.outcome for v in judge(program, ["jax"])][:1] == ["wrong"]


@pytest.mark.parametrize(("slope", "outcome"), [(np.nan, "right"), (2.0, "wrong")])
@pytest.mark.parametrize("first", ["np.inf", "0.5"])
def test_only_a_compiled_gradient_may_be_nan_where_an_argument_is_infinite(
    first: str, slope: float, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from . import routes

    found = routes.Result(None, gradient=[np.array([slope, 1.0, 1.0])])
    monkeypatch.setitem(routes.ROUTES, "compile grad", (lambda program, value: found, 0))
    right = routes.Result(None, gradient=[np.ones(3)])
    monkeypatch.setitem(routes.ROUTES, "vjp", (lambda program, value: right, 0))
    judged = judge(Program(text_of("return x * 1.0", f"np.array([{first}, 1.2, -0.7])")), ["vjp", "compile grad"])
    wrong = [v for v in judged if v.route == "compile grad" and v.outcome == "wrong"]
    assert bool(wrong) is (outcome == "wrong" or first == "0.5")


def test_the_middle_of_equals_has_no_slope_to_be_measured() -> None:
    program = Program(text_of("return np.median(x)", "np.ones(5)"))
    assert [v.outcome for v in judge(program, ["vjp"])] == ["right", "skipped"]


@pytest.mark.parametrize("body", ["return x > 0", "return np.ones(3)", "return x[7]", "return np.random.rand() + x"])
def test_what_says_nothing_is_thrown_away(body: str) -> None:
    with pytest.raises(Odd):
        judge(Program(text_of(body)), ["vjp"])


def test_a_failing_program_is_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    import micrograd as mg

    body = (
        "a = x * 2\nb = np.tanh(a)\nfor row in x:\n    c = row * 2\nreturn np.concatenate([np.ravel(a), np.ravel(b)])"
    )
    right = mg.vjp
    monkeypatch.setattr(mg, "vjp", lambda f, *a: (right(f, *a)[0] * 1.01, right(f, *a)[1]))
    program = Program(text_of(body))
    (wrong,) = [v for v in judge(program, ["vjp"]) if v.outcome == "wrong"]
    short = shrink(program, wrong)
    assert "tanh" not in short.text or "for row" not in short.text
    assert len(short.text.splitlines()) < len(program.text.splitlines())


def test_no_loop_is_shrunk_to_one_without_an_end() -> None:
    body = "n = 0\nwhile n < 3:\n    x[n] += n\n    n += 1\ny = x * 2\nreturn x"
    tried: list[str] = []
    reduced(Program(text_of(body)), lambda shorter: bool(tried.append(shorter.text)))
    assert any("y = x" not in text for text in tried)
    assert any("while" not in text for text in tried)
    assert all("n += 1" in text or "while" not in text for text in tried)


def test_what_was_written_is_counted() -> None:
    tally = Tally()
    program = Program(text_of("return x"))
    assert tally.add(program, [Verdict("vjp", "wrong", "value", "a"), Verdict("vjp", "refused", "no")])
    assert not tally.add(program, [Verdict("vjp", "right")])
    assert "vjp: no" in tally.table()
    assert "wrong: 1" in tally.table()


def test_a_seed_writes_the_same_program_again() -> None:
    assert write(random.Random(3).randrange).text == write(random.Random(3).randrange).text
    assert write(random.Random(3).randrange).text != write(random.Random(4).randrange).text
