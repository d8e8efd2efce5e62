"""The page of a report: above the walk, offline, in which the wrong edge pulses."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import html5lib
import numpy as np
import pytest
from marker_samples import FACTOR, HARMLESS, PATH, SHAPE, STUDENT, report

from micrograd.errors import GraphError
from micrograd.marker.present.report_page import page_of
from micrograd.marker.report import Report
from micrograd.marker.student.recording import load
from micrograd.stepper.page import html_of
from micrograd.stepper.page_data import walk_data
from micrograd.tracing import trace

CHECK = Path(sys.modules["micrograd"].__file__ or "").parent / "marker" / "present" / "page_files"


@pytest.fixture(scope="module")
def walk() -> dict[str, Any]:
    modules, path = dict(sys.modules), list(sys.path)
    module = load(STUDENT, "/nowhere/homework/bn.py", ["batchnorm_forward"])
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if getattr(sys.modules[name], "__file__", "") == "/nowhere/homework/bn.py":
            del sys.modules[name]
    rng = np.random.default_rng(0)
    return walk_data(trace(module.batchnorm_forward, *(rng.standard_normal(s) for s in ((5, 3), (3,), (3,)))))


def buttons(html: str) -> list[dict[str, str]]:
    document = html5lib.HTMLParser(strict=True).parse(html)
    return [dict(e.attrib) for e in document.iter() if e.tag.endswith("}button") and "data-finding" in e.attrib]


def test_a_finding_points_at_its_edge_and_its_step(walk: dict[str, Any]) -> None:
    html = page_of(report(PATH, FACTOR, HARMLESS), walk)
    nodes = [node["name"] for node in walk["graphs"]["forward"]["nodes"]]
    path, factor, harmless = buttons(html)[:3]
    assert path["data-edges"] == f"{nodes.index('x')}-{nodes.index('mu_sum')}-0"  # mu is what that statement makes
    edge = walk["steps"][int(path["data-step"]) - 1]["edge"]
    assert edge["name"] == "dx2"
    assert factor["data-nodes"] == str(nodes.index("var"))
    assert walk["steps"][int(factor["data-step"]) - 1]["edge"]["name"] == "dvar"
    assert harmless["data-edges"] == f"{nodes.index('xmu')}-{nodes.index('sq')}-0"
    assert len(buttons(html)) == 6  # in both languages


def test_a_finding_that_the_graph_does_not_know_has_no_button(walk: dict[str, Any]) -> None:
    assert buttons(page_of(report(replace(PATH, edge=("x", "nothing"), means="dnothing")), walk)) == []


def test_it_is_one_file_under_one_policy(walk: dict[str, Any]) -> None:
    html = page_of(report(PATH), walk)
    assert html.count("<script") == 2
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=\"(?!#)", html)
    assert (CHECK / "check.js").read_text(encoding="utf-8") in html
    assert html_of(walk).count("check-") == html_of(walk).count("check-")
    assert 'id="check"' not in html_of(walk)


def test_without_a_walk_the_findings_stand_alone() -> None:
    for language, tag in (("en", "en"), ("zh", "zh-Hans")):
        html = page_of(report(PATH, SHAPE), None, language=language)
        html5lib.HTMLParser(strict=True).parse(html)
        assert f'<html lang="{tag}">' in html
        assert "<script" not in html
        assert "default-src 'none'" in html


def test_a_failure_has_a_page_too(walk: dict[str, Any]) -> None:
    failed = Report("failed", "f", "g", "a.py", problem="a.py:3: <b>ran</b> out of memory")
    for made in (page_of(failed, walk), page_of(failed)):
        html5lib.HTMLParser(strict=True).parse(made)
        assert "&lt;b&gt;ran" in made


def test_what_the_student_wrote_is_text(walk: dict[str, Any]) -> None:
    from dataclasses import replace

    evil = "</script><img src=x onerror=alert(1)>"
    made = replace(
        report(replace(PATH, target=evil, means=f"d{evil}", reason=evil, source=evil)), source=evil * 50, file=evil
    )
    for html in (page_of(made, walk), page_of(made)):
        html5lib.HTMLParser(strict=True).parse(html)
        assert "<img" not in html


def test_another_hint_is_refused(walk: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match="hint='everything'"):
        page_of(report(PATH), walk, hint="everything")
    assert "dx1 + dx2</span>" not in page_of(report(PATH), walk, hint="kind")


# ---- in a browser ----------------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_wrong_edge_pulses(walk: dict[str, Any], opened: Any) -> None:
    seen = opened(page_of(report(PATH, FACTOR), walk), reduced_motion="no-preference")
    moving = """[...document.querySelectorAll('.canvas .faulty')].map((e) => [e.dataset.edge ?? e.dataset.node,
        getComputedStyle(e.querySelector('path:not(.hit)') ?? e.querySelector('rect')).animationName])"""
    path, factor = buttons(page_of(report(PATH, FACTOR), walk))[:2]
    assert seen.page.evaluate(moving) == [[path["data-edges"], "faulty"]]
    seen.until("document.querySelector('#head .title').textContent.startsWith('dx2')")
    seen.page.click("#check > [lang='en'] article:nth-of-type(2) button")
    assert seen.page.evaluate(moving) == [[factor["data-nodes"], "faulty"]]
    seen.until("document.querySelector('#head .title').textContent.startsWith('dvar')")
    assert seen.page.get_attribute("#check > [lang='en'] article:nth-of-type(2) button", "aria-pressed") == "true"


@pytest.mark.browser
def test_the_students_own_lines_stand_beside_the_graph_and_follow(walk: dict[str, Any], opened: Any) -> None:
    made = replace(report(PATH, FACTOR), source=STUDENT)
    seen = opened(page_of(made, walk))
    rows = "[...document.querySelectorAll('.theirs .row{}')].map((row) => row.lastChild.textContent.trim())"
    first = STUDENT.splitlines()[made.findings[0].span.line - 1].strip()
    assert seen.page.evaluate(rows.format(".faulty-line")) == [first]
    steps = [s["edge"]["name"] if s["edge"] else "" for s in walk["steps"]]
    for name in ("dvar", "dxhat", "dgamma"):
        seen.go(steps.index(name) + 1, name)
        (line,) = seen.page.evaluate(rows.format(".made"))
        assert line.startswith(f"{name} =")
        row, pane = (seen.page.locator(f".theirs{part}").bounding_box() for part in (" .made", ""))
        assert pane["y"] <= row["y"] <= pane["y"] + pane["height"] - row["height"], "in sight"
    assert seen.page.is_visible(".code:not(.theirs)")
    count = len(seen.page.evaluate(rows.format("")))
    seen.page.click("#language")
    assert len(seen.page.evaluate(rows.format(""))) == count
    assert seen.page.locator(".code:not(.theirs) .row").count() == sum(len(block["lines"]) for block in walk["sources"])
    assert seen.page.evaluate(rows.format(".made"))[0].startswith("dgamma =")
    seen.go(1, "")
    assert seen.page.evaluate(rows.format(".made")) == []
    seen.page.set_viewport_size({"width": 1024, "height": 768})
    assert not seen.page.is_visible(".theirs"), "forward: there is room for one"
    seen.page.keyboard.press("End")
    assert seen.page.is_visible(".theirs")


def test_without_a_source_that_can_be_read_there_are_no_own_lines(walk: dict[str, Any]) -> None:
    assert "data-own" not in page_of(replace(report(PATH), source="def ("), walk)
    assert "data-own" not in page_of(replace(report(PATH), source="x = 1"), walk)


@pytest.mark.browser
def test_what_is_wrong_is_in_sight_at_every_width(walk: dict[str, Any], opened: Any) -> None:
    seen = opened(page_of(report(PATH), walk))
    for width, height in ((1440, 900), (1024, 768), (390, 844)):
        seen.page.set_viewport_size({"width": width, "height": height})
        panel, head, pane = (
            seen.page.locator(what).first.bounding_box()
            for what in ("#check", "#check > [lang='en'] article h3, #check > [lang='en'] article .head", "#source")
        )
        first_line = head["y"] + 22
        assert first_line <= panel["y"] + panel["height"], (width, "no scrolling to the first mistake")
        assert panel["x"] == pytest.approx(pane["x"], abs=1), (width, "one left edge")


@pytest.mark.browser
def test_nothing_moves_for_who_wants_rest(walk: dict[str, Any], opened: Any) -> None:
    seen = opened(page_of(report(PATH), walk), reduced_motion="reduce")
    style = "getComputedStyle(document.querySelector('.canvas .faulty > path:not(.hit)'))"
    assert seen.page.evaluate(f"{style}.animationName") == "none"
    assert float(seen.page.evaluate(f"parseFloat({style}.strokeWidth)")) >= 5  # it is thick all the same


@pytest.mark.browser
def test_the_findings_change_their_language_with_the_page(walk: dict[str, Any], opened: Any) -> None:
    seen = opened(page_of(report(PATH), walk))
    assert "A path is missing" in seen.page.inner_text("#check")
    assert "漏了" not in seen.page.inner_text("#check")
    seen.page.click("#language")
    assert "漏了一条路径" in seen.page.inner_text("#check")
    assert "A path is missing" not in seen.page.inner_text("#check")


@pytest.mark.browser
def test_an_address_that_names_a_step_is_kept(walk: dict[str, Any], opened: Any) -> None:
    assert opened(page_of(report(PATH), walk), "#step=3").where[0] == 3


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(walk: dict[str, Any], opened: Any, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    seen = opened(page_of(report(PATH, FACTOR, SHAPE, HARMLESS), walk), color_scheme=scheme, bypass_csp=True)
    found = Axe().run(seen.page).response["violations"]
    grave = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in grave] == []
    seen.page.evaluate("document.querySelector('#check .step').style.color = '#8888'")
    assert Axe().run(seen.page).violations_count > len(found), "axe can find something"
