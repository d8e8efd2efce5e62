"""What a report says: the sentences of every kind, the marked line, hint levels, two languages, colours."""

from __future__ import annotations

import re
from dataclasses import replace
from tempfile import gettempdir
from typing import Any

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marker_samples import DOUBLE, FACTOR, HARMLESS, PATH, SHAPE, STUDENT, VECTOR, place, report

from micrograd.errors import GraphError
from micrograd.marker.messages import PROBLEMS, WORDS, problem, say, translated
from micrograd.marker.present.telling import edited, marked, sample
from micrograd.marker.report import KINDS, Finding, Fix, Report, Shown, Span

CHINESE = re.compile(r"[\u4e00-\u9fff]")


# ---- the words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [*WORDS, *PROBLEMS])
def test_the_two_languages_have_the_same_holes(key: str) -> None:
    english, chinese = (WORDS | PROBLEMS)[key]
    holes = [set(re.findall(r"\{(\w+)", text)) for text in (english, chinese)]
    assert holes[0] == holes[1]
    if re.sub(r"\{\w+(!r)?\}|\W|dtype", "", english):
        assert CHINESE.search(chinese), key
    assert not CHINESE.search(english)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_is_said_without_a_hole(kind: str, language: str) -> None:
    finding = replace(
        FACTOR, kind=kind, edge=("xmu", "sq"), reason="sum(xmu, axis=0) = 0", got=Shown((5, 3), "float64", ())
    )
    for bare in (finding, replace(finding, edge=None, ratio="", expected=None, got=None, means="", target="")):
        for hint in ("where", "kind", "fix"):
            text = report(bare).text(hint=hint, language=language)
            assert not re.search(r"\{|\}|None|  is |\(\)", re.sub(r"None(?=,\s+:|, is|。)", "", text)), text
            assert bool(CHINESE.search(text)) == (language == "zh")


@pytest.mark.parametrize("key", PROBLEMS)
def test_a_problem_is_read_back_into_chinese(key: str) -> None:
    holes = {name: f"<{name}>" for name in re.findall(r"\{(\w+)", PROBLEMS[key][0])}
    text = problem(key, **holes)
    chinese = translated(text, "zh")
    assert CHINESE.search(chinese) or key == "exception"
    for value in holes.values():
        assert value in chinese
    assert translated(text, "en") == text


@given(st.text(alphabet=st.characters(exclude_characters="\n\r", codec="utf-8")))
def test_what_fills_a_hole_is_no_template(text: str) -> None:
    assert say("en", WORDS["fix.drop"], line=1, old=text) == f"Fix: in line 1 take `{text}` out."
    assert text in translated(problem("exception", at="a.py:3", kind="ValueError", message=text), "zh")


def test_another_language_or_level_is_refused() -> None:
    with pytest.raises(GraphError, match="language='fr' is neither"):
        report(FACTOR).text(language="fr")
    with pytest.raises(GraphError, match="hint='all' is none of where, kind, fix"):
        report(FACTOR).text(hint="all")
    with pytest.raises(GraphError):
        report(FACTOR).html(hint="all")


# ---- the marked line -------------------------------------------------------------------------------------------------


def caret_under(text: str, part: str) -> str:
    """What the carets below a line stand under."""
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if part in line and "|" in line)
    below = lines[at + 1]
    return lines[at][below.index("^") : below.rindex("^") + 1]


def test_carets_stand_under_the_expression() -> None:
    assert caret_under(report(FACTOR).text(), "dvar =") == "0.5 * 1.0"
    assert caret_under(report(PATH).text(), "dx = dx1") == "dx1"


def test_carets_count_cells_not_characters() -> None:
    source = "def f(梯度):\n\tdβ = 梯度 * sum(梯度)\n"
    line = source.split("\n")[1]
    span = Span(2, line.index("sum"), 2, len(line))
    ((number, text, cells),) = marked(source, span)
    assert (number, text) == (2, "    dβ = 梯度 * sum(梯度)")
    assert cells == (16, 25)


def test_a_long_expression_is_marked_line_by_line() -> None:
    source = "x = (a +\n     b +\n     c)\n"
    assert marked(source, Span(1, 4, 3, 7)) == (
        (1, "x = (a +", (4, 8)),
        (2, "     b +", (5, 8)),
        (3, "     c)", (5, 7)),
    )
    assert len(marked("(\n" * 20, Span(1, 0, 20, 1))) == 6
    assert marked("x", Span(7, 0, 7, 1)) == ()


@given(st.text(max_size=40), st.integers(1, 5), st.integers(0, 60), st.integers(0, 3), st.integers(0, 60))
def test_any_span_of_any_text_is_shown(source: str, line: int, column: int, more: int, end: int) -> None:
    span = Span(line, column, line + more, end)
    marked(source, span)
    edited(source, Fix(span, "", "x", 1))
    made = Report("wrong", "f", "g", "a.py", (), (Finding("wrong", "sign", span, source),), source=source)
    html5lib.parseFragment(made.html())
    made.text(colour=True)


def test_a_fix_is_shown_as_the_line_before_and_after() -> None:
    assert edited(STUDENT, PATH.fix) == (("-", 33, "    dx = dx1"), ("+", 33, "    dx = dx1 + dx2"))
    source = "a = f(x,\n      y)\n"
    assert edited(source, Fix(Span(1, 4, 2, 8), "f(x,\n      y)", "g(x)", 1)) == (
        ("-", 1, "a = f(x,"), ("-", 2, "      y)"), ("+", 1, "a = g(x)"),
    )  # fmt: skip


def test_numbers_are_short() -> None:
    assert sample(Shown((), "float64", (1 / 3,))) == "0.3333"
    assert sample(Shown((9,), "float64", (1.0, float("nan"), 1e-20))) == "(9,)  1  nan  1e-20  ..."
    assert sample(Shown((), "str", ())) == "str"


# ---- the report ------------------------------------------------------------------------------------------------------


def test_the_hint_levels_give_away_one_thing_more_each() -> None:
    where, kind, fix = (report(FACTOR).text(hint=hint) for hint in ("where", "kind", "fix"))
    assert "27 |" in where
    assert "factor" not in where
    assert "expected" not in where
    assert where.endswith("For what kind of mistake it is: --hint kind")
    assert "A constant factor is off: the value is 2 times what it should be." in kind
    assert "Next: Which power or root" in kind
    assert "0.25" not in kind
    assert "27 +     dvar = 0.25 * 1.0" in fix
    assert "Next:" not in fix
    assert "Tried on 3 fresh sets of inputs: no gradient is right yet; other mistakes remain." in fix
    assert "--hint" not in fix


def test_a_fix_that_was_not_found_is_said_to_be_missing() -> None:
    text = report(replace(FACTOR, fix=None)).text()
    assert "Next: Which power or root" in text
    assert "No single edit of this line was found that mends it" in text


def test_the_first_mistake_is_told_apart_from_those_after_it() -> None:
    text = report(FACTOR, PATH).text()
    assert "Wrong: 2 mistakes" in text
    assert "1. Line 27: dvar is wrong, and everything that this line reads is right." in text
    assert "2. Line 33: dx is wrong too, even with right values to work from." in text


def test_an_eps_too_many_is_not_called_missing() -> None:
    extra = replace(FACTOR, kind="eps_missing", fix=replace(FACTOR.fix, old="var + eps", new="var"))
    assert "eps stands where the forward has none" in report(extra).text()
    missing = replace(FACTOR, kind="eps_missing", fix=replace(FACTOR.fix, old="var", new="var + eps"))
    assert "eps is missing" in report(missing).text()


def test_a_missing_path_names_its_edge() -> None:
    assert "A path is missing: what mu sends back to x is not in the sum." in report(PATH).text()
    assert "和里缺少 mu 传回 x 的那一份" in report(PATH).text(language="zh")


def test_shapes_are_told_apart_from_values() -> None:
    text = report(SHAPE).text()
    assert "dbeta has the right numbers in the wrong shape" in text
    assert "the shape is (1, 3) where (3,) belongs" in " ".join(text.split())
    assert "  dbeta   wrong  shape (1, 3), should be (3,)" in text


def test_an_omission_without_harm_is_no_mistake() -> None:
    made = report(HARMLESS, verdict="right")
    text = made.text()
    assert made.ok
    assert "Right: every gradient agrees" in text
    assert "Not mistakes, but worth knowing:" in text
    assert "What sq sends back to xmu is left out. It is always zero, so the numbers are right." in text
    assert "sum(xmu, axis=0) = 0" in text
    made.assert_ok()


def test_a_failure_says_why_in_both_languages() -> None:
    made = report(verdict="failed", outputs=(), problem=problem("time", at="bn.py:3", seconds="10"))
    assert "Could not be checked. bn.py:3: still running after 10 s" in made.text()
    assert "无法检查。 bn.py:3：10 秒后仍在运行" in made.text(language="zh")
    with pytest.raises(AssertionError, match="still running"):
        made.assert_ok()


def test_an_error_of_the_students_is_told_in_its_line() -> None:
    finding = replace(FACTOR, kind="call_error", reason="sum() got multiple values for argument 'axis'", fix=None)
    text = report(finding).text()
    assert "1. Line 27 stops with an error." in text
    assert "   sum() got multiple values for argument 'axis'" in text


def test_each_printed_line_is_shown_once() -> None:
    text = report(FACTOR, printed="shape\n" * 100 + "\n".join(map(str, range(20)))).text()
    assert text.count("shape\n") == 1
    assert "... 9 more lines" in text


def test_colours_only_where_wanted() -> None:
    assert "\x1b[" not in report(FACTOR).text()
    coloured = report(FACTOR).text(colour=True)
    assert "\x1b[31;1m^^^^^^^^^\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == report(FACTOR).text()


def test_nothing_printed_steers_the_terminal() -> None:
    evil = replace(FACTOR, target="d\x1b[2Jvar", reason="\x1b]0;x\x07", source="a\x1b[31m = 1")
    made = report(evil, printed="\x1b[2J", problem="\x1b[2J")
    assert "\x1b" not in made.text()
    assert "\x1b" not in replace(made, verdict="failed").text()


def test_assert_ok_says_it_all() -> None:
    with pytest.raises(AssertionError, match=r"bn\.py: batchnorm_backward, checked against(.|\n)*Fix: in line 27"):
        report(FACTOR).assert_ok()
    with pytest.raises(AssertionError) as raised:
        report(FACTOR).assert_ok(hint="where", language="zh")
    assert "改法" not in str(raised.value)


def test_lines_are_no_longer_than_a_terminal() -> None:
    for language in ("en", "zh"):
        for line in report(FACTOR, PATH, SHAPE, HARMLESS).text(language=language).split("\n"):
            assert sum(2 if CHINESE.match(c) else 1 for c in line) <= 104, line


def test_a_loss_is_called_by_its_one_name() -> None:
    made = replace(report(FACTOR), forward="softmax_loss", backward="softmax_loss")
    assert made.text().startswith("bn.py: the gradients of softmax_loss\n")


def test_a_cell_of_a_notebook_is_called_that() -> None:
    assert (
        replace(report(FACTOR), file=f"{gettempdir()}/ipykernel_7/99.py")
        .text()
        .startswith("this cell: batchnorm_backward")
    )


# ---- HTML ------------------------------------------------------------------------------------------------------------


def parsed(html: str) -> Any:
    return html5lib.HTMLParser(strict=True).parseFragment(html)


def test_the_fragment_is_html_without_a_script() -> None:
    made = report(FACTOR, PATH, SHAPE, HARMLESS, printed="hello")
    for language in ("en", "zh"):
        html = made.html(language=language)
        parsed(html)
        assert "<script" not in html
        assert "<mark>0.5 * 1.0</mark>" in html
        assert say(language, "remarks") in html
    assert made._repr_html_() == made.html()


def test_what_the_student_wrote_is_text_and_no_markup() -> None:
    evil = "</pre><script>alert(1)</script>"
    made = report(
        replace(FACTOR, source=evil, target=evil, means=f"d{evil}", ratio=evil, reason=evil), printed=evil, problem=evil
    )
    made = replace(made, source=evil * 40, file=evil, forward=evil)
    for one in (made, replace(made, verdict="failed")):
        html = one.html()
        assert "<script" not in html
        assert "alert(1)" in html


def test_the_sample_places_are_right() -> None:
    assert place("dx = dx1", "dx1") == Span(33, 9, 33, 12)
    assert (VECTOR.sample[0] * 2, VECTOR.shape) == (DOUBLE.sample[0], DOUBLE.shape)
