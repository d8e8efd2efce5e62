"""A browser for the tests of pages: the system's Chromium, one for a whole session, offline.

Needs Playwright and a Chromium of the system; where one is missing every test that asks for it is skipped and says so,
unless `WALK_BROWSER=required` (as in `.ci/run`), when it fails. `conftest.py` hands the fixtures to every module:
Playwright can run only once in a process.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import micrograd as mg


def missing() -> str:
    """Why there can be no browser; empty where there is one."""
    try:
        import axe_playwright_python  # noqa: F401
        import playwright.sync_api  # noqa: F401
    except ImportError as error:
        return f"NO BROWSER TESTS: {error}; pip install playwright axe-playwright-python"
    if not chromium():
        return "NO BROWSER TESTS: no chromium; apt-get install chromium"
    return ""


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if reason := missing():
        (pytest.fail if os.environ.get("WALK_BROWSER") == "required" else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield made
        made.close()


class Seen:
    """A page, with what it asked of the network and what its console said."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def note(self, request: Any) -> None:
        if request.url != self.page.url.partition("#")[0] and not request.is_navigation_request():
            self.requests.append(request.url)

    @property
    def where(self) -> tuple[int, str]:
        """The step that the address names, and the title on show."""
        number, title = self.page.evaluate("""[+location.hash.split('=')[1] || 1,
            document.querySelector('#head .title').textContent]""")
        return number, title

    def until(self, expression: str) -> None:
        """Wait until an expression is true; Playwright's own way evaluates strings, which the page's policy forbids."""
        for _ in range(100):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"never true: {expression}")

    def go(self, number: int, title: str) -> None:
        """To a step by its address."""
        self.page.evaluate(f"location.hash = '#step={number}'")
        self.until(f"document.querySelector('#head .title').textContent.startsWith({json.dumps(title)})")

    def numbers(self) -> tuple[dict[str, tuple[str, float]], list[tuple[str, str]]]:
        """Every number on show that has an address, with the value behind it; and those in the formula."""
        cells, formula = self.page.evaluate("""[
            [...document.querySelectorAll('#step td[data-of]')]
                .map((td) => [td.dataset.of, td.textContent, td.dataset.value ?? null]),
            [...document.querySelectorAll('#step .math.numbers mn[data-of]')]
                .map((mn) => [mn.dataset.of, mn.textContent])]""")
        return {of: (text, float(value)) for of, text, value in cells if value is not None}, formula


# ---- numbers on show ------------------------------------------------------------------------------------


def written(text: str) -> tuple[float, float]:
    """The number that a text shows, and half a unit of its last digit."""
    text = text.strip("()").replace("\u2212", "-").replace("\u221e", "inf")
    digits = re.fullmatch(r"-?(\d+)(?:\.(\d+))?(?:e(-?\d+))?", text)
    if digits is None:
        return float(text), 0.0
    return float(text), 0.5000001 * 10.0 ** (int(digits[3] or 0) - len(digits[2] or ""))


def same(value: float, wanted: float, tolerance: float) -> bool:
    if not math.isfinite(wanted):
        return str(value) == str(wanted)
    return abs(value - wanted) <= tolerance


def check_numbers(seen: Seen, graphs: dict[str, mg.Graph], relative: float = 0.0) -> set[str]:
    """Hold all that is on show against the engine: the value behind each cell, and the digits that are written."""
    shown, formula = seen.numbers()
    for of, (text, value) in shown.items():
        name, index, cell = of.split(":")
        wanted = float(np.ravel(graphs[name].values[int(index)])[int(cell)])
        assert same(value, wanted, relative * max(1.0, abs(wanted))), (of, value, wanted)
        number, half = written(text)
        assert same(number, wanted, half + relative), (of, text, wanted)
    for of, text in formula:
        name, index, cell = of.split(":")
        wanted = float(np.ravel(graphs[name].values[int(index)])[int(cell)])
        number, half = written(text)
        assert same(number, wanted, max(half, 5e-4 * abs(wanted)) + relative), (of, text, wanted)
    return set(shown)


def both(graph: mg.Graph) -> dict[str, mg.Graph]:
    return {"forward": graph, "backward": graph.backward_graph()}


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Seen]]:
    """Open a walk from a file, with every request aborted; at the end none was made and the console is empty."""
    contexts, seen = [], []

    def open_(walk: Any, fragment: str = "", **options: Any) -> Seen:
        path = tmp_path / f"walk{len(seen)}.html"
        path.write_text(walk if isinstance(walk, str) else walk.html, encoding="utf-8")
        context = browser.new_context(
            **{"viewport": {"width": 1400, "height": 900}, "reduced_motion": "reduce", **options}
        )
        contexts.append(context)
        context.route(re.compile(r"^(?!file:)"), lambda route: route.abort())
        page = context.new_page()
        page.set_default_timeout(5000)
        made = Seen(page)
        seen.append(made)
        page.on("request", made.note)
        page.on("console", lambda message: made.complaints.append(message.text))
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        page.goto(path.as_uri() + fragment)
        return made

    yield open_
    for made in seen:
        assert made.requests == [], "the page asked the network"
        assert made.complaints == [], "the page complained in the console"
    for context in contexts:
        context.close()
