"""At every step the source line and the node of the graph are in sight, at every size of the window."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Seen

import micrograd as mg

pytestmark = pytest.mark.browser

sys.path.insert(0, str(Path(mg.__file__).parent.parent / "examples"))
from bn import batchnorm_forward  # noqa: E402

SIZES = ((360, 640), (820, 1180), (1024, 768), (1366, 768), (1920, 1080))

MEASURE = """() => {
    const seen = (element) => { // the share of an element that no pane and no edge of the window hides
        if (!element) return null;
        const whole = element.getBoundingClientRect();
        let [left, top, right, bottom] = [Math.max(0, whole.left), Math.max(0, whole.top), Math.min(innerWidth, whole.right), Math.min(innerHeight, whole.bottom)];
        for (let pane = element.parentElement; pane && pane !== document.body; pane = pane.parentElement) {
            if (getComputedStyle(pane).overflowY === 'visible') continue;
            const box = pane.getBoundingClientRect();
            [left, top, right, bottom] = [Math.max(left, box.left), Math.max(top, box.top), Math.min(right, box.right), Math.min(bottom, box.bottom)];
        }
        const area = Math.max(0, right - left) * Math.max(0, bottom - top), all = whole.width * whole.height;
        return all ? area / all : 0;
    };
    const lines = [...document.querySelectorAll('.code mark')];
    return {line: lines.length ? seen(lines[0]) : null, node: seen(document.querySelector('.canvas .current')),
        title: seen(document.querySelector('#head .title')), wide: document.documentElement.scrollWidth - innerWidth};
}"""
KEY = "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"


def hidden(found: dict[str, Any]) -> list[str]:
    """What of a measurement is out of sight."""
    parts = [name for name in ("line", "node", "title") if found[name] is not None and found[name] < 0.97]
    return parts + (["sideways"] if found["wide"] > 0 else []) + (["no node"] if found["node"] is None else [])


@pytest.fixture(scope="module")
def walk() -> Any:
    rng = np.random.default_rng(7)
    x, gamma, beta, dout = (rng.normal(size=shape) for shape in ((4, 3), (3,), (3,), (4, 3)))
    return mg.walk(mg.trace(batchnorm_forward, x, gamma, beta).backward(dout))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_step_is_in_sight(opened: Callable[..., Seen], walk: Any, size: tuple[int, int]) -> None:
    """A key held down leaves no time between two steps: each is measured at once."""
    last = len(walk.data["steps"])
    seen = opened(walk, f"#step={last}", viewport={"width": size[0], "height": size[1]}, reduced_motion="no-preference")
    run = f"""(() => {{
        const measure = {MEASURE}, press = {KEY}, found = [[0, measure()]]; // first of all after the deep link
        for (const [key, times] of [['ArrowLeft', {last}], ['ArrowRight', {last}], ['Home', 1], ['End', 1], ['b', 1]]) {{
            for (let i = 0; i < times; i++) {{ press(key); found.push([location.hash, measure()]); }}
        }}
        const find = document.querySelector('#find');
        find.value = 'ivar';
        find.dispatchEvent(new Event('input'));
        find.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true}}));
        found.push(['search', measure()]);
        return found;
    }})()"""
    found = seen.page.evaluate(run)
    assert len(found) == 2 * last + 5
    assert [(at, hidden(one)) for at, one in found if hidden(one)] == []
    assert sum(one["line"] is not None for _, one in found) > last
    seen.page.set_viewport_size({"width": size[0] + 40, "height": size[1] + 60})  # and after another size
    seen.page.wait_for_timeout(60)
    assert hidden(seen.page.evaluate(f"({MEASURE})()")) == []
    seen.page.evaluate("document.querySelector('.code').scrollTop = document.querySelector('.canvas').scrollTop = 0")
    seen.page.evaluate("document.querySelector('.code').style.paddingTop = '200vh'")
    assert "line" in hidden(seen.page.evaluate(f"({MEASURE})()")), "the measurement can fail"
