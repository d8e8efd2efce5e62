"""The page of a walk in a real browser: offline, by keyboard, every number held against the engine's."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import Seen, both, check_numbers, written

import micrograd as mg
from micrograd.stepper.page import html_of, stylesheet
from micrograd.stepper.page_text import PAGE, WHY

pytestmark = pytest.mark.browser

PAGES = Path(mg.__file__).parent / "stepper" / "page"
sys.path.insert(0, str(Path(mg.__file__).parent.parent / "examples"))
from bn import batchnorm_forward  # noqa: E402

RNG = np.random.default_rng(7)
X, GAMMA, BETA, DOUT = (RNG.normal(size=shape) for shape in ((4, 3), (3,), (3,), (4, 3)))


def bn_graph(x: Any = X, gamma: Any = GAMMA, beta: Any = BETA, dout: Any = DOUT, **keywords: Any) -> mg.Graph:
    return mg.trace(batchnorm_forward, x, gamma, beta, **keywords).backward(dout)


@pytest.fixture(scope="module")
def bn() -> tuple[mg.Graph, Any]:
    graph = bn_graph()
    return graph, mg.walk(graph)


def thrice(a: Any) -> Any:
    b = a * a + a
    return b


# ---- without a browser -----------------------------------------------------------------------------------


def script_and_template() -> tuple[str, str]:
    """The modules of the page's script, and its template, as they are written."""
    modules = "".join(path.read_text(encoding="utf-8") for path in sorted(PAGES.rglob("*.js")))
    return modules, (PAGES / "template.html").read_text(encoding="utf-8")


def test_every_word_that_the_page_asks_for_is_there_in_both_languages() -> None:
    script, template = script_and_template()
    asked = set(re.findall(r"""\b(?:t|section|entry)\('(\w+)'""", script)) | set(
        re.findall(r'data-(?:word|label|placeholder)="(\w+)"', template)
    )
    asked |= set(re.findall(r"'(key_\w+|help_\w+|predict_\w+)'", script)) | {
        f"theme_{t}" for t in ("auto", "light", "dark")
    }
    assert asked <= set(PAGE), f"no text for {sorted(asked - set(PAGE))}"
    for key, texts in PAGE.items():
        assert all(texts), f"{key} is empty"
        holes = [sorted(re.findall(r"\{\d\}", text)) for text in texts]
        assert holes[0] == holes[1], f"{key}: the languages have different holes"


def test_no_word_of_a_language_stands_in_the_script_or_the_template() -> None:
    script, template = script_and_template()
    script = re.sub(r"/\*.*?\*/|//[^\n]*", "", script, flags=re.DOTALL)
    said = re.compile(r">\s*[A-Za-z]{3,}[^<{]*<")  # words between tags
    assert not said.search(template.partition("<body>")[2])
    for english, chinese in PAGE.values():
        if " " in english:
            assert english not in script
        assert chinese not in script or chinese.isascii()


def test_the_page_is_small(bn: tuple[mg.Graph, Any]) -> None:
    assert len(bn[1].html.encode()) <= 195_000


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_text_has_contrast_on_every_ground(side: int) -> None:
    colours: dict[str, str] = {}
    blocks = re.findall(r":root(\[data-theme=\"dark\"\])?\s*\{([^}]*)\}", stylesheet())
    for dark, body in blocks:
        if side or not dark:
            colours |= dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", body))
    grounds = ["paper", "desk", "card", "leaf", "result", "stage", "table", "red-table", "mark", "from", "to"]
    for ground in grounds:
        assert contrast(colours["ink"], colours[ground]) >= 4.5, ground
    for ground in ("paper", "desk", "stage"):
        assert contrast(colours["grey"], colours[ground]) >= 4.5, ground
        assert contrast(colours["red"], colours[ground]) >= 4.5, ground
    assert contrast("#777777", "#ffffff") < 4.5, "the check can fail"


# ---- walking ---------------------------------------------------------------------------------------------


def test_walking_forward_and_backward_by_keyboard_shows_the_engine_s_numbers(
    opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]
) -> None:
    graph, walk = bn
    seen, graphs, steps = opened(walk), both(graph), walk.data["steps"]
    shown: set[str] = set()
    for number, step in enumerate(steps, 1):
        assert seen.where == (number, step["title"]["en"])
        assert seen.page.inner_text("#say") == step["say"]["en"]
        shown |= check_numbers(seen, graphs)
        assert not re.search(r"\b(null|undefined|object)\b|\{\d\}", seen.page.inner_text("body"))
        seen.page.keyboard.press("ArrowRight")
    assert seen.where[0] == len(steps), "the last step stays"
    for name, one in graphs.items():
        for node in one.nodes:
            if name == "forward" or node.name in {s["edge"]["name"] for s in steps if s["edge"]}:
                assert f"{name}:{node.index}:0" in shown, f"{name} {node.name} is never shown"
    for number in range(len(steps) - 1, len(steps) - 12, -1):
        seen.page.keyboard.press("ArrowLeft")
        assert seen.where == (number, steps[number - 1]["title"]["en"])


def test_the_number_check_can_fail(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1], "#step=6")
    with pytest.raises(AssertionError):
        check_numbers(seen, both(bn_graph(X + 0.01)))


def test_the_network_and_console_checks_can_fail(opened: Callable[..., Seen]) -> None:
    seen = opened("<title>x</title><img src='http://nowhere.invalid/x.png'><script>console.error('oh')</script>")
    assert seen.requests == ["http://nowhere.invalid/x.png"]
    assert "oh" in seen.complaints
    seen.requests.clear()
    seen.complaints.clear()


def test_keys_for_stages_ends_and_direction(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen, steps = opened(bn[1]), bn[1].data["steps"]
    press = seen.page.keyboard.press
    press("End")
    assert seen.where[0] == len(steps)
    press("Home")
    assert seen.where[0] == 1
    stages = [
        next(i for i, _ in group) + 1
        for _, group in itertools.groupby(enumerate(steps), lambda s: (s[1]["phase"], s[1]["stage"]))
    ]
    for first in stages[1:]:
        press("Shift+ArrowRight")
        assert seen.where[0] == first
    for first in stages[-2::-1]:
        press("Shift+ArrowLeft")
        assert seen.where[0] == first
    seen.go(6, "Compute xmu")
    press("b")
    assert seen.where[1] == "Gradient of xmu"
    assert "backward" in seen.page.inner_text("#head .phase")
    press("b")
    assert seen.where == (6, "Compute xmu")
    press("?")
    assert seen.page.is_visible("#help")
    press("Escape")
    assert not seen.page.is_visible("#help")


def test_links_and_addresses(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    steps = bn[1].data["steps"]
    seen = opened(bn[1], "#step=17")
    assert seen.where == (17, steps[16]["title"]["en"])
    seen.page.evaluate("location.hash = '#step=3'")
    seen.until("document.querySelector('#slider').value === '3'")
    assert seen.where[1] == steps[2]["title"]["en"]
    for wrong, lands in (("#step=9999", len(steps)), ("#step=0", 1), ("#step=x", 1), ("#<b>", 1)):
        seen.page.goto(seen.page.url.partition("#")[0] + wrong)
        seen.page.reload()
        assert seen.page.input_value("#slider") == str(lands)


def test_finding_a_node(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1])
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("dxmu2")
    seen.page.keyboard.press("Enter")
    assert seen.where[1] == "dxmu2: from sq back to xmu"
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("xhat")
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("ArrowUp")
    seen.page.keyboard.press("Enter")
    assert seen.where[1] == "Compute xhat"
    seen.page.keyboard.press("/")
    seen.page.keyboard.type("nosuch")
    assert "nosuch" in seen.page.inner_text("#hits")
    seen.page.keyboard.press("Escape")
    assert not seen.page.is_visible("#hits")
    seen.page.keyboard.press("ArrowRight")
    assert seen.where[0] == 14, "the keys walk again"


def test_slider_buttons_and_play(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1])
    seen.page.fill("#slider", "12")
    assert seen.where[0] == 12
    seen.page.click("#next")
    seen.page.click("#previous-stage")
    assert seen.where[0] == 12
    seen.page.select_option("#speed", "4")
    seen.page.click("#play")
    seen.until("document.querySelector('#slider').value === '14'")
    seen.page.click("#play")
    here = seen.where[0]
    assert seen.page.get_attribute("#play", "aria-label") == "Play"
    seen.page.wait_for_timeout(700)
    assert seen.where[0] == here


# ---- the three panes -------------------------------------------------------------------------------------


def test_source_and_picture_show_where_we_are(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    graph, walk = bn
    seen = opened(walk)
    for step in walk.data["steps"]:
        node = graph.nodes[step["node"]]
        marked = "".join(seen.page.locator(".code mark").all_inner_texts())
        assert marked == (node.source.text if node.source else "")
        current = seen.page.evaluate("[...document.querySelectorAll('.canvas .current')].map((g) => +g.dataset.node)")
        assert current == [node.index]
        lit = seen.page.evaluate(
            "[...document.querySelectorAll('.canvas .lit')].map((g) => [g.dataset.edge, g.matches('.backward')])"
        )
        if step["phase"] == "forward":
            assert lit == [[f"{e.source}-{e.target}-{e.slot}", False] for e in graph.edges if e.target == node.index]
        elif step["edge"]:
            assert lit == [[f"{step['edge']['operand']}-{node.index}-{step['edge']['slot']}", True]]
        box, pane = (
            seen.page.evaluate(f"document.querySelector('{q}').getBoundingClientRect().toJSON()")
            for q in (".canvas .current", ".canvas")
        )
        assert pane["top"] - 1 <= box["top"] < box["bottom"] <= pane["bottom"] + 1, f"{node.name} is out of sight"
        seen.page.keyboard.press("ArrowRight")


def test_the_picture_zooms_and_moves(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1], "#step=9")
    width = "+document.querySelector('.canvas svg').getAttribute('width')"
    first = seen.page.evaluate(width)
    seen.page.click("#zoom-in")
    seen.page.click("#zoom-in")
    assert seen.page.evaluate(width) == pytest.approx(first * 1.25**2, abs=2)
    at = "[document.querySelector('.canvas').scrollLeft, document.querySelector('.canvas').scrollTop]"
    before, box = seen.page.evaluate(at), seen.page.locator(".canvas").bounding_box()
    x, y = box["x"] + 20, box["y"] + box["height"] / 2
    seen.page.mouse.move(x, y)
    seen.page.mouse.down()
    seen.page.mouse.move(x + 10, y - 60, steps=4)
    seen.page.mouse.up()
    assert seen.page.evaluate(at)[1] == pytest.approx(before[1] + 60, abs=2)
    assert seen.where[0] == 9, "a drag is no click"
    seen.page.click("#zoom-fit")
    height = seen.page.evaluate("+document.querySelector('.canvas svg').getAttribute('height')")
    assert height <= box["height"] + 1


def test_stages_fold(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1])
    seen.page.click("#stages summary")
    button = seen.page.locator("#stages button").first
    assert button.get_attribute("aria-expanded") == "true"
    button.click()
    assert button.get_attribute("aria-expanded") == "false"
    hidden = """[...document.querySelectorAll('.canvas [data-node]')]
        .filter((g) => getComputedStyle(g).visibility === 'hidden').map((g) => +g.dataset.node)"""
    assert seen.page.evaluate(hidden) == list(bn[0].stages[0].nodes)
    button.click()
    assert seen.page.evaluate(hidden) == []


def test_a_folded_stage_takes_less_room_and_comes_back_as_it_was(
    opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]
) -> None:
    seen = opened(bn[1])
    picture = "document.querySelector('.canvas svg')"
    before = seen.page.evaluate(f'{picture}.outerHTML.replace(/ (style|tabindex)="[^"]*"/g, \'\')')
    high = f"+{picture}.getAttribute('viewBox').split(' ')[3]"
    whole = seen.page.evaluate(high)
    for stage in (0, 3, 4):  # in each a click on the ground of the frame, as a reader does it
        seen.page.locator(f"#stage-{stage} > rect").dispatch_event("click")
    assert seen.page.evaluate(high) < whole - 200
    boxes = seen.page.evaluate("""[...document.querySelectorAll('.canvas [data-node]:not(.folded) > rect, .canvas .closed > rect')]
        .map((r) => r.getBoundingClientRect()).map((b) => [b.left, b.top, b.right, b.bottom])""")
    assert len(boxes) == len(bn[0].nodes) - sum(len(bn[0].stages[i].nodes) for i in (0, 3, 4)) + 3
    for one, other in itertools.combinations(boxes, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1], "boxes meet"
    bottom = seen.page.evaluate(f"{picture}.getBoundingClientRect().bottom")
    assert all(box[3] <= bottom for box in boxes)
    for stage in (3, 0, 4):
        seen.page.locator(f"#stage-{stage} > rect").dispatch_event("click")
    assert seen.page.evaluate(high) == whole
    after = seen.page.evaluate(f'{picture}.outerHTML.replace(/ (style|tabindex)="[^"]*"/g, \'\')')
    number = re.compile(r"-?\d+\.\d+|-?\d+")
    assert number.sub("", after) == number.sub("", before)
    same = zip(number.findall(before), number.findall(after), strict=True)
    assert all(abs(float(one) - float(other)) < 0.06 for one, other in same)


def test_an_edge_tells_its_local_derivative(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    graph, walk = bn
    seen = opened(walk, "#step=13")
    edge = graph.edge("ivar", "xhat")
    hit = seen.page.locator(f'.hit[role][data-hit="{edge.source}-{edge.target}-{edge.slot}"]')
    hit.focus()
    assert seen.page.is_visible("#tip")
    assert "divar" in seen.page.inner_text("#tip")
    assert seen.page.locator("#tip math").count() == 1
    seen.page.keyboard.press("Escape")
    assert not seen.page.is_visible("#tip")
    middle = hit.bounding_box()
    seen.page.mouse.move(middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2)
    assert seen.page.is_visible("#tip")


def test_a_cell_lights_where_it_comes_from_and_goes_to(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    graph, walk = bn
    numbers = {(s["phase"], s["node"], s["edge"] and s["edge"]["name"]): i for i, s in enumerate(walk.data["steps"], 1)}
    index = {name: graph.node(name).index for name in ("x", "mu", "mu_sum", "xmu")}
    lit = "(kind) => [...document.querySelectorAll(`#step td.${kind}`)].map((td) => td.dataset.of)"
    seen = opened(walk, f"#step={numbers['forward', index['mu_sum'], None]}")
    seen.page.click(f'td[data-of="forward:{index["mu_sum"]}:1"]')
    assert seen.page.evaluate(lit, "from") == [f"forward:{index['x']}:{cell}" for cell in (1, 4, 7, 10)]
    assert "x[3, 1]" in seen.page.inner_text("#trace")
    terms = seen.page.evaluate(
        "[...document.querySelectorAll('.math.numbers mn[data-of]')].map((mn) => mn.textContent)"
    )
    assert written(terms[0])[0] == pytest.approx(X[0, 1], rel=1e-3), "the formula is that cell's"
    seen.go(numbers["forward", index["xmu"], None], "Compute xmu")
    cell = seen.page.locator(f'td[data-of="forward:{index["mu"]}:2"]')
    seen.page.locator(f'td[data-of="forward:{index["mu"]}:0"]').focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        seen.page.keyboard.press(key)
    assert seen.page.evaluate(lit, "to") == [f"forward:{index['xmu']}:{c}" for c in (2, 5, 8, 11)]
    assert "chosen" in cell.get_attribute("class")
    dmu = numbers["backward", index["xmu"], "dmu"]
    back = graph.backward_graph()
    seen.go(dmu, "dmu:")
    seen.page.click(f'.out td[data-of="backward:{back.node("dmu").index}:0"]')
    assert seen.page.evaluate(lit, "from") == [f"backward:{back.node('dxmu').index}:{c}" for c in (0, 3, 6, 9)]


def test_a_sum_over_paths_is_shown_as_it_grows(opened: Callable[..., Seen]) -> None:
    graph = mg.trace(thrice, np.array([3.0, -2.0])).backward(np.array([1.0, 10.0]))
    walk = mg.walk(graph)
    seen = opened(walk, f"#step={len(walk.data['steps'])}")
    shown = seen.page.evaluate("""[...document.querySelectorAll('#step figure')].map((figure) =>
        [figure.querySelector('b').textContent, [...figure.querySelectorAll('td')].map((td) => +td.dataset.value)])""")
    parts = [[1.0, 10.0], [3.0, -20.0], [3.0, -20.0]]
    totals = [value for name, value in shown if name == "da"]
    assert totals == [[7.0, -30.0]]
    assert [value for name, value in shown if re.fullmatch(r"da\d", name)] == parts
    running = [value for name, value in shown if "+" in name]
    assert running == [[4.0, -10.0]]
    assert "da = da1 + da2 + da3" in seen.page.inner_text("#step").replace("\n", " ")


# ---- predict first ---------------------------------------------------------------------------------------


def ask_for(seen: Seen, kind: str) -> None:
    if seen.page.get_attribute("#predict", "aria-pressed") != "true":
        seen.page.click("#predict")
    seen.page.select_option("#asking", kind)


def test_shapes_are_predicted(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    at = {s["title"]["en"]: i for i, s in enumerate(bn[1].data["steps"], 1)}
    seen = opened(bn[1])

    def guess(title: str, text: str) -> str:
        seen.go(at[title], title)
        ask_for(seen, "number")
        ask_for(seen, "shape")
        shown = seen.page.inner_text("#happens")
        assert "shape (3,)" not in shown
        assert not seen.page.locator("#step .out").count(), "the result would give it away"
        assert (
            seen.page.evaluate("getComputedStyle(document.querySelector('.canvas .current text.grey')).visibility")
            == "hidden"
        )
        seen.page.fill("#guess", text)
        seen.page.keyboard.press("Enter")
        return seen.page.inner_text("#answer")

    dgamma = "dgamma: from gammax back to gamma"
    assert guess(dgamma, "(3,)") == "Right: (3,)."
    assert guess(dgamma, "3").startswith("Right")
    assert "before the sum over axis 0" in guess(dgamma, "4x3")
    assert "does not stay as 1" in guess(dgamma, "(1, 3)")
    assert "Transposed" in guess("Compute xmu", "3 4")
    assert "type a shape" in guess("Compute xmu", "wide")
    assert guess("Compute xmu", "(4, 3)") == "Right: (4, 3)."
    assert seen.page.locator("#step .out td").count() == 12


def test_rules_are_chosen_among_the_usual_mistakes(opened: Callable[..., Seen]) -> None:
    rng = np.random.default_rng(0)

    def net(x: Any, w: Any, b: Any) -> Any:
        h = x @ w + b
        return (h * h).sum()

    graph = mg.trace(net, rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)).backward()
    walk = mg.walk(graph)
    seen, found = opened(walk), set()
    seen.page.click("#predict")
    for number, step in enumerate(walk.data["steps"], 1):
        if step["phase"] == "forward" or not step["math"]["names"] or (not step["edge"] and len(step["paths"]) < 2):
            continue
        seen.page.evaluate(f"location.hash = '#step={number}'")
        ask_for(seen, "rule")
        names = seen.page.evaluate("[...document.querySelectorAll('.choice math')].map((e) => e.outerHTML)")
        assert len(names) == len(set(names)) >= 3
        assert not seen.page.locator("#step .math").count() - len(names), "the rule would give it away"
        right = 0
        for choice in range(len(names)):
            ask_for(seen, "number")
            ask_for(seen, "rule")
            seen.page.locator(".choice").nth(choice).click()
            said = seen.page.inner_text("#answer")
            right += said == "Right."
            found.add(said)
            assert seen.page.locator("#step .math").count()
        assert right == 1
    assert found >= {
        PAGE[word][0] for word in ("rule_sum", "rule_path", "rule_transposed", "rule_local", "predict_sign")
    }


def test_predict_first_hides_and_judges(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    graph, walk = bn
    steps = walk.data["steps"]
    at = {s["title"]["en"]: i for i, s in enumerate(steps, 1)}
    seen = opened(walk, f"#step={at['Compute xmu']}")

    def guess(title: str, value: float) -> str:
        seen.go(at[title], title)
        if seen.page.get_attribute("#predict", "aria-pressed") == "true":
            seen.page.click("#predict")
        seen.page.click("#predict")
        assert not seen.page.locator(".math.numbers").count(), "the formula would give it away"
        out = seen.page.locator("#step .out td")
        assert set(out.all_inner_texts()) == {"?"}
        assert not seen.page.locator("#step .out td[data-value], #step .out td[title]").count()
        seen.page.fill("#guess", repr(float(value)))
        seen.page.keyboard.press("Enter")
        assert "?" not in seen.page.locator("#step .out").inner_text()
        return seen.page.inner_text("#answer")

    xmu, mu = graph.value["xmu"].ravel()[0], graph.value["mu"].ravel()[0]
    assert guess("Compute xmu", xmu).startswith("Right")
    assert re.search("off by .* sign", guess("Compute xmu", -xmu))
    assert "4 times" in guess("Compute mu", 4 * mu)
    assert "1/4 times" in guess("Compute mu", mu / 4)
    assert "2 times" in guess("Compute mu", 2 * mu)
    one = graph.edge_grad["xmu", "xhat"].ravel()[0]
    assert "dxmu2 was left out" in guess("Gradient of xmu", one)
    assert "none of" in guess("Gradient of xmu", 123.456)
    dgamma = "dgamma: from gammax back to gamma"
    right = graph.grad["gamma"].ravel()[0]
    assert guess(dgamma, float(f"{right:.2g}")).startswith("Right"), "two digits are enough"
    assert "over axis 0" in guess(dgamma, (graph.grad["gammax"] * graph.value["xhat"])[1, 0]), "a forgotten sum"
    assert "none of" in guess(dgamma, right * 1.03)
    seen.go(at["Compute mu"], "Compute mu")
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.evaluate("document.activeElement.id") == "guess", "typing after a step is a guess, not a shortcut"
    seen.page.keyboard.press("ArrowLeft")
    assert seen.where[1] == "Compute mu", "an empty field lets the arrows walk"
    seen.page.evaluate("document.activeElement.blur()")
    seen.go(at["Gradient of xmu"], "Gradient of xmu")
    seen.page.click("#predict")
    seen.page.click("#predict")
    seen.page.fill("#guess", "one")
    seen.page.keyboard.press("Enter")
    assert "type a number" in seen.page.inner_text("#answer")
    seen.page.click("#step .ask button:not([type=submit])")
    check_numbers(seen, both(graph))


def test_the_pane_says_why_with_the_local_derivative(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    steps = bn[1].data["steps"]
    at = next(i for i, s in enumerate(steps, 1) if s["edge"] and s["edge"]["name"] == "dxmu2")
    seen = opened(bn[1], f"#step={at}")
    assert WHY["pow"][0] in seen.page.inner_text("#step .why")
    assert seen.page.locator("#step .why math").text_content() == "∂sq∂xmu=2·xmu"
    seen.page.click("#language")
    assert WHY["pow"][1] in seen.page.inner_text("#step .why")
    seen.page.keyboard.press("Home")
    assert not seen.page.locator("#step .why").count()


def test_panes_can_be_resized(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    for width, divider, pane, side in (
        (1400, 1, "#source", "width"),
        (1400, 2, "#graph", "width"),
        (1000, 1, "#source", "height"),
    ):
        seen = opened(bn[1], "#step=20", viewport={"width": width, "height": 800})
        size = f"document.querySelector('{pane}').getBoundingClientRect().{side}"
        before = seen.page.evaluate(size)
        seen.page.focus(f"#divider-{divider}")
        seen.page.keyboard.press("ArrowRight")
        assert seen.page.evaluate(size) == pytest.approx(before + 24, abs=2)
        assert seen.where[0] == 20, "the key moved the divider and not the walk"
        box = seen.page.locator(f"#divider-{divider}").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        seen.page.mouse.move(x, y)
        seen.page.mouse.down()
        seen.page.mouse.move(x + 40, y + 40, steps=3)
        seen.page.mouse.up()
        assert seen.page.evaluate(size) == pytest.approx(before + 64, abs=3)
        seen.page.dblclick(f"#divider-{divider}")
        assert seen.page.evaluate(size) == pytest.approx(before, abs=2)


def test_the_text_of_the_graph_is_large_enough(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    for size in ((1024, 768), (360, 640), (1920, 1080)):
        seen = opened(bn[1], viewport={"width": size[0], "height": size[1]})
        smallest = seen.page.evaluate("""(() => { const svg = document.querySelector('.canvas svg');
            const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
            return Math.min(...[...svg.querySelectorAll('text[font-size]')].map((e) => e.getAttribute('font-size') * scale)); })()""")
        assert smallest >= 10.95, size


# ---- live ------------------------------------------------------------------------------------------------


def change(seen: Seen, at: str, value: str) -> None:
    field = seen.page.locator(f'#live input[data-at="{at}"]')
    field.fill(value)
    field.dispatch_event("change")


def test_live_edit_is_a_new_trace(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    graph, walk = bn
    back, steps = graph.backward_graph(), walk.data["steps"]
    seen = opened(walk)
    seen.page.click("#live summary")
    x, gamma, dout = X.copy(), GAMMA.copy(), DOUT.copy()
    x[1, 2], gamma[0], dout[3, 1] = 0.75, -1.5, 1 / 3
    change(seen, f"forward:{graph.node('x').index}:5", "0,75")
    change(seen, f"forward:{graph.node('gamma').index}:0", "\u22121.5")
    change(seen, f"backward:{back.node('dout').index}:10", "1/3")
    eps = graph.node("sqrtvar_add")
    change(seen, f"inline:{eps.index}:1", "0.125")
    fresh = both(bn_graph(x, gamma, BETA, dout, eps=0.125))
    seen.page.evaluate("document.activeElement.blur()")
    for _ in steps:
        check_numbers(seen, fresh, relative=1e-12)
        seen.page.keyboard.press("ArrowRight")
    assert "changed" in seen.page.inner_text("#say")
    change(seen, f"forward:{graph.node('x').index}:0", "two")
    assert "two" in seen.page.inner_text("#live .bad")
    assert (
        seen.page.get_attribute(f'#live input[data-at="forward:{graph.node("x").index}:0"]', "aria-invalid") == "true"
    )
    seen.page.click("#reset")
    seen.page.evaluate("document.activeElement.blur()")
    recorded = both(graph)
    for number in range(0, len(steps), 5):
        seen.page.fill("#slider", str(number + 1))
        check_numbers(seen, recorded)


def everything(x: Any, w: Any, b: Any) -> Any:
    h = np.maximum(x @ w + b, 0.0)
    t = np.tanh(h.T).reshape(3, -1)
    s = t[:, 1:] * np.exp(-t[:, :-1])
    m = np.max(s, axis=1, keepdims=True)
    k = np.where(s > 0.1, s / (1.0 + np.abs(s)), np.sqrt(s * s + 0.5))
    return np.concatenate([k - m, np.log(k + 2.0)], axis=1)


def test_live_covers_every_kind_of_operation(opened: Callable[..., Seen]) -> None:
    rng = np.random.default_rng(3)
    x, w, b, seed = (rng.normal(size=shape) for shape in ((4, 2), (2, 3), (3,), (3, 6)))
    graph = mg.trace(everything, x, w, b).backward(seed)
    walk = mg.walk(graph)
    assert walk.data["limits"]["live"] is True
    kinds = {node["kind"] for g in walk.data["graphs"].values() for node in g["nodes"]}
    assert {"map", "reduce", "contract", "move"} <= kinds
    seen = opened(walk)
    seen.page.click("#live summary")
    x = x.copy()
    x[2, 1] = 1.25
    change(seen, f"forward:{graph.node('x').index}:5", "1.25")
    seen.page.evaluate("document.activeElement.blur()")
    fresh = both(mg.trace(everything, x, w, b).backward(seed))
    for _ in walk.data["steps"]:
        check_numbers(seen, fresh, relative=1e-12)
        seen.page.keyboard.press("ArrowRight")


# ---- themes, languages, widths, everyone -----------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any], scheme: Any) -> None:
    seen = opened(bn[1], color_scheme=scheme)
    ground = "getComputedStyle(document.querySelector('#happens')).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 27)"}
    assert seen.page.evaluate(ground) == colours[scheme]
    seen.page.click("#theme")
    other = "dark" if scheme == "light" else "light"
    assert seen.page.evaluate(ground) == colours[other]
    seen.page.emulate_media(color_scheme=other)
    assert seen.page.evaluate(ground) == colours[other]


def test_languages(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    walk = bn[1]
    seen = opened(walk, "#step=24")
    empty = """[...document.querySelectorAll('[data-word], [data-label], button')]
        .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label'))).map((e) => e.outerHTML)"""
    for language, tag in (("en", "en"), ("zh", "zh-Hans")):
        if language == "zh":
            seen.page.click("#language")
        assert seen.page.evaluate("document.documentElement.lang") == tag
        assert seen.page.evaluate(empty) == []
        step = walk.data["steps"][23]
        assert seen.page.inner_text("#head .title") == step["title"][language]
        assert seen.page.inner_text("#say") == step["say"][language]
        text = seen.page.inner_text("body")
        assert not re.search(r"\{\d\}|undefined", text)
        assert PAGE["contribution"][language == "zh"] in text
    seen.page.keyboard.press("?")
    assert PAGE["key_step"][1] in seen.page.inner_text("#help")
    assert opened(mg.walk(bn[0], lang="zh")).page.inner_text("#source h2") == PAGE["source"][1]


@pytest.mark.parametrize(
    ("scheme", "width", "fragment"),
    [("light", 1400, "#step=24"), ("dark", 1400, "#step=37"), ("light", 360, "#step=14")],
)
def test_axe_finds_nothing(
    opened: Callable[..., Seen], bn: tuple[mg.Graph, Any], scheme: Any, width: int, fragment: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    seen = opened(bn[1], fragment, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    seen.page.click("#live summary")
    seen.page.click("#stages summary")
    seen.page.click("#predict")
    seen.page.evaluate("document.activeElement.blur()")
    found = Axe().run(seen.page).response["violations"]
    grave = [
        f"{v['id']}: {v['help']}: {[n['html'][:120] for n in v['nodes'][:3]]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert grave == []
    seen.page.evaluate("document.querySelector('#say').style.color = '#ddd'")
    seen.page.evaluate("document.querySelector('#slider').removeAttribute('aria-label')")
    assert Axe().run(seen.page).violations_count > len(found), "axe can find something"


@pytest.mark.parametrize("width", [360, 700, 1000])
def test_no_sideways_scroll(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any], width: int) -> None:
    seen = opened(bn[1], viewport={"width": width, "height": 740})
    seen.page.click("#live summary")
    seen.page.click("#stages summary")
    for number in range(0, len(bn[1].data["steps"]), 9):
        seen.page.fill("#slider", str(number + 1))
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width, number


def test_focus_is_visible_and_reaches_everything(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1], "#step=6")
    reached = set()
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        here = seen.page.evaluate("""(() => {
            const e = document.activeElement, drawn = e instanceof SVGElement || e === document.body;
            return [e.id || e.className.baseVal || e.className, drawn || getComputedStyle(e).outlineStyle !== 'none'];
        })()""")
        assert here[1], f"no visible focus on {here[0]}"
        reached.add(here[0])
    wanted = {
        "skip",
        "find",
        "predict",
        "language",
        "theme",
        "help-open",
        "zoom-in",
        "hit",
        "first",
        "next",
        "play",
        "speed",
        "slider",
        "turn",
    }
    assert wanted <= reached, wanted - reached


def test_paper_has_every_step(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    seen = opened(bn[1], color_scheme="dark")
    seen.page.emulate_media(media="print")
    seen.until("document.querySelectorAll('#print article').length")
    titles = seen.page.locator("#print .title").all_inner_texts()
    assert titles == [step["title"]["en"] for step in bn[1].data["steps"]]
    assert not seen.page.locator("footer:visible, #happens:visible").count()
    assert seen.page.evaluate("getComputedStyle(document.querySelector('#print')).color") == "rgb(22, 24, 29)"
    assert seen.page.pdf(format="A4").startswith(b"%PDF")
    seen.page.emulate_media(media="screen")
    seen.until("!document.querySelectorAll('#print article').length")


# ---- odd graphs, hostile names ---------------------------------------------------------------------------


def test_large_arrays_are_summed_up(opened: Callable[..., Seen]) -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(200, 30)), rng.normal(size=(30,))
    walk = mg.walk(mg.trace(lambda x, w: x * w, x, w).backward(rng.normal(size=(200, 30))))
    seen = opened(walk)
    text = seen.page.inner_text("#step")
    assert re.search(r"\(200, 30\).*mean.*range", text, re.DOTALL)
    assert seen.page.locator(".histogram rect").count() > 3
    corner = float(seen.page.locator(".summary td").first.get_attribute("data-value"))
    assert corner == pytest.approx(x[0, 0], rel=1e-9)


def test_a_cell_of_a_large_graph_can_be_chosen(opened: Callable[..., Seen]) -> None:
    """The page has no cells of a move there, so the cell lights up alone; the console stays empty."""

    def moved(x: Any) -> Any:
        y = x[:2, :3]
        z = y.T
        return z * 2.0

    walk = mg.walk(mg.trace(moved, np.arange(5000.0).reshape(100, 50)))
    assert walk.data["limits"]["live"] is False
    seen = opened(walk, "#step=3")
    assert seen.where[1] == "Compute z"
    seen.page.click('td[data-of="forward:2:1"]')
    assert seen.page.locator("#step td.chosen").count() == 1
    assert seen.page.locator("#step td.from").count() == 0
    assert "z[0, 1]" in seen.page.inner_text("#trace")


def test_numbers_that_are_none(opened: Callable[..., Seen]) -> None:
    walk = mg.walk(
        mg.trace(lambda x: x * np.array([1.0, np.inf, 2.0]), np.array([np.nan, 1.0, -np.inf])).backward(np.ones(3))
    )
    seen = opened(walk, f"#step={next(i for i, s in enumerate(walk.data['steps'], 1) if s['phase'] == 'backward') - 1}")
    assert [seen.page.locator("#step .out td").nth(i).inner_text() for i in range(3)] == [
        "NaN",
        "\u221e",
        "\u2212\u221e",
    ]


def test_names_are_text_never_markup(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    hostile = "</script><img src=x onerror=alert(1)><style>*{display:none}</style>"
    data = json.loads(json.dumps(bn[1].data))
    data["title"] = hostile
    for node in data["graphs"]["forward"]["nodes"]:
        node["name"] = f"{node['name']}{hostile}"
    for step in data["steps"]:
        step["title"] = dict.fromkeys(("en", "zh"), hostile)
        step["math"]["names"] = "<math><mi href='file:///x'>x</mi><script>window.hit = 1</script></math>"
        step["math"]["numbers"] = "<math><mi>x</mi></math><style>*{display:none}</style><b>y</b>"
    seen = opened(html_of(data), "#step=20")
    assert seen.page.inner_text("h1") == hostile
    assert seen.page.inner_text("#head .title") == hostile
    assert seen.page.locator("main img, main script, main style, main [href]").count() == 0
    assert seen.page.evaluate("window.hit === undefined")


def test_a_backward_graph_walks_too(opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]) -> None:
    back = bn[0].backward_graph()
    walk = mg.walk(back)
    seen = opened(walk)
    graphs = {"forward": back, "backward": back}
    for step in itertools.takewhile(lambda step: step["phase"] == "forward", walk.data["steps"]):
        assert seen.where[1] == step["title"]["en"]
        for of in seen.numbers()[0]:
            assert of.startswith("forward:")
        check_numbers(seen, graphs)
        seen.page.keyboard.press("ArrowRight")


def test_the_index_of_a_cell_stands_apart_from_the_number_of_a_path(
    opened: Callable[..., Seen], bn: tuple[mg.Graph, Any]
) -> None:
    number = next(i for i, s in enumerate(bn[1].data["steps"], 1) if s["edge"] and s["edge"]["name"] == "dx2")
    seen = opened(bn[1], f"#step={number}")
    left = "document.querySelector('.math.numbers math').textContent.replace(/\\s/g, '')"
    assert seen.page.evaluate(left) == "dx2[0,0]"
    seen.page.locator("#step .out td").nth(7).click()
    assert seen.page.evaluate(left) == "dx2[2,1]"
