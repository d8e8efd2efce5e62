"""The playground in Chromium: opened from disk with the network off, as a folder, and from Pyodide's public address.

What needs Python in the page needs a release of Pyodide (`MICROGRAD_PYODIDE`, see `tests/support/pyodides.py`).
"""

from __future__ import annotations

import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from micrograd.playground import lab
from micrograd.playground.lab import fragment, playground_of, start
from micrograd.playground.release import ADDRESS, Part, Release

pytestmark = pytest.mark.browser

WRONG = """\
import numpy as np


def scale_forward(x, gamma):
    out = gamma * x
    return out, (x, gamma)


def scale_backward(dout, cache):
    x, gamma = cache
    dgamma = np.sum(dout * x, axis=0)
    dx = dout * x
    return dx, dgamma
"""
LOOP = WRONG.replace("    out = gamma * x\n", "    while True:\n        pass\n    out = gamma * x\n")
DEAF = WRONG.replace(
    "    out = gamma * x\n", "    sum(iter(int, 1))\n    out = gamma * x\n"
)  # a loop of C's, without an end

SCALARS = '''\
"""Exercise: mark it with

    micrograd check e.py --input a=scalar --input b=scalar
"""


def share_forward(a, b):
    out = a + b
    return out


def share_backward(dout, a, b):
    return dout, dout
'''


class Lab:
    """A playground in a browser, with what it asked of the network and what its console said."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.requests, self.complaints = page, list[str](), list[str]()
        page.set_default_timeout(10_000)
        page.on("request", lambda request: request.is_navigation_request() or self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(address)

    @property
    def status(self) -> str:
        return str(self.page.locator("#status").text_content())

    def until(self, pattern: str, seconds: float = 60.0) -> str:
        """Wait until the status says something."""
        for _ in range(int(seconds * 20)):
            if re.search(pattern, self.status):
                return self.status
            self.page.wait_for_timeout(50)
        pytest.fail(f"the status never said {pattern}; it says {self.status}")

    def press(self, button: str, until: str = "done in|用时|see the message") -> None:
        self.page.locator("#status").evaluate("(element) => { element.textContent = ''; }")
        self.page.click(f"#{button}")
        self.until(until)

    @property
    def said(self) -> str:
        return str(self.page.locator("#said").text_content())

    @property
    def frame(self) -> Any:
        return self.page.frame_locator("#page")

    def loaded(self) -> list[str]:
        """What was asked of a network, besides the page itself."""
        return [url for url in self.requests if not url.startswith(("blob:", "data:", "about:"))]


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Lab]]:
    contexts = []

    def open_(address: str, *, offline: bool = True, route: Any = None, **options: Any) -> Lab:
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options}, offline=offline)
        contexts.append(context)
        if route is not None:
            context.route(re.compile(f"^{re.escape(ADDRESS)}"), route)
        return Lab(context.new_page(), address)

    yield open_
    for context in contexts:
        context.close()


# ---- without Python ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose Python is no Python."""
    parts = (Part("pyodide.js", "Pyodide", "0" * 64, b"throw new Error('no Python here');"),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "own_parts", lambda _: ())
        made = playground_of(WRONG, "hw.py", version="0.1.0", release=Release(Path("nowhere"), parts))
    return made.save(tmp_path_factory.mktemp("lab") / "lab.html")


def test_the_page_without_python(empty: Path, opened: Callable[..., Lab]) -> None:
    """It says so, keeps what is typed for each text apart, speaks two languages, and the keyboard is not caught."""
    seen = opened(empty.as_uri())
    page = seen.page
    assert "no Python here" in seen.until("Python could not be started")
    assert page.locator("#again").is_visible()
    options = page.locator("#function option").all_text_contents()
    assert options == ["scale_forward", "scale_backward"]
    page.focus("#code")
    page.keyboard.press("Control+End")
    page.keyboard.type("def f(x):")
    page.keyboard.press("Enter")
    page.keyboard.type("y = x")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("return y")
    assert page.input_value("#code") == WRONG + "def f(x):\n    y = x\n        return y"
    page.keyboard.press("Shift+Tab")
    assert page.input_value("#code") == WRONG + "def f(x):\n    y = x\n    return y"
    assert str(page.locator("#numbers").text_content()).split() == [str(n) for n in range(1, WRONG.count("\n") + 4)]
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "function"
    page.wait_for_timeout(300)  # the browser writes down what it keeps a moment later
    page.reload()
    assert page.input_value("#code").endswith("return y"), "what was typed is kept"
    page.click("#reset")
    assert page.input_value("#code") == WRONG
    page.click("#reset")
    assert page.input_value("#code").endswith("return y")
    with page.expect_download() as saved:
        page.click("#keep")
    assert (saved.value.suggested_filename, Path(saved.value.path()).read_text()) == (
        "hw.py",
        page.input_value("#code"),
    )
    page.set_input_files("#file", {"name": "a.py", "mimeType": "text/x-python", "buffer": b"def opened(x): ...\r\n"})
    page.wait_for_function("document.getElementById('function').value === 'opened'")
    assert page.input_value("#code") == "def opened(x): ...\n"
    page.fill("#code", "x = 1\n" * 40)
    page.evaluate("""() => { window.kept = 0; const write = Storage.prototype.setItem;
        Storage.prototype.setItem = function (...given) { window.kept += 1; write.apply(this, given); }; }""")
    page.focus("#code")
    page.keyboard.press("Control+A")
    page.keyboard.press("Tab")
    assert page.input_value("#code") == "    x = 1\n" * 40
    assert page.evaluate("window.kept") == 1, "many lines are one change"
    page.keyboard.press("Shift+Tab")
    assert page.input_value("#code") == "x = 1\n" * 40
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"
    assert page.locator("#check").text_content() == "检查"
    page.reload()
    assert page.locator("#check").text_content() == "检查"
    other = opened(empty.as_uri() + fragment("# 中文\ndef g(x): ...\n", "zh")).page
    assert other.input_value("#code") == "# 中文\ndef g(x): ...\n", "another text, another shelf"
    bad = opened(empty.as_uri() + "#code=_w")
    assert "cannot be read" in bad.said
    assert seen.loaded() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everyone_can_use_it(width: int, scheme: str, empty: Path, opened: Callable[..., Lab]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    seen = opened(empty.as_uri(), viewport={"width": width, "height": 840}, color_scheme=scheme)
    seen.until("could not be started")
    seen.page.click("#exercise")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(seen.page).response["violations"] == []


# ---- with Python -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_file(pyodide: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = playground_of(file="hw.py", version="0.1.0", release=pyodide, seconds=(2.0, 20.0))
    print(f"size of the page with everything inside: {len(made.html) / 1e6:.1f} MB")
    assert len(made.html) < 16e6
    return made.save(tmp_path_factory.mktemp("lab") / "lab.html")


@pytest.mark.slow
def test_from_disk_with_the_network_off(one_file: Path, opened: Callable[..., Lab]) -> None:
    seen = opened(one_file.as_uri())
    page = seen.page
    seen.until("Ready")
    page.focus("#code")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(WRONG)  # typed over what stands there
    assert page.input_value("#code") == WRONG
    page.keyboard.press("Control+Enter")
    seen.until("done in")
    assert "Wrong" in seen.frame.locator("body").inner_text()
    assert "Fix:" not in seen.said, "the line comes first"
    seen.press("more")
    seen.press("more")
    assert "dx = dout * gamma" in seen.said
    assert seen.frame.locator("#check article").count() >= 1
    assert page.locator("#more").is_hidden()
    seen.press("walk")
    assert seen.frame.locator("#head .title").text_content() == "Input x"
    seen.frame.locator("#next").click()
    assert seen.frame.locator("#head .title").text_content() == "Input gamma"
    seen.press("draw")
    assert seen.frame.locator("svg").count() == 1
    seen.press("derive")
    assert "dgamma" in seen.frame.locator("body").inner_text()
    page.fill("#code", WRONG.replace("dx = dout * x", "dx = dout * gamma"))
    seen.press("check")
    assert "Right" in seen.frame.locator("body").inner_text()
    page.fill("#code", SCALARS)
    seen.press("check")
    assert "Right" in seen.frame.locator("body").inner_text(), "with the shapes of the exercise"
    page.fill("#code", "def f(x:\n")
    seen.press("draw", "done in|see the message")
    assert "see the message" in seen.status, "what made no picture is not done"
    assert (seen.loaded(), seen.complaints) == ([], [])


@pytest.mark.slow
def test_an_endless_loop_is_stopped(one_file: Path, opened: Callable[..., Lab]) -> None:
    """One of Python's with its line; one of C's by ending the worker, which is started again, with the code kept."""
    seen = opened(one_file.as_uri() + "#lang=zh")
    seen.page.click("#check")  # before Python is there
    seen.until("接着就检查")
    seen.press("stop", "已停止.*就绪")
    seen.page.fill("#code", LOOP)
    seen.press("check")
    assert "hw.py:6" in seen.said
    seen.press("walk", "见下方")
    assert "hw.py:6" in seen.said
    seen.page.fill("#code", DEAF)
    seen.press("walk", "20 秒内没有自行结束.*就绪")
    seen.page.click("#check")
    seen.until("检查…")
    seen.press("stop", "已停止.*就绪")
    assert seen.page.input_value("#code") == DEAF
    seen.page.fill("#code", WRONG)
    seen.press("check")
    assert "scale_backward" in seen.said
    assert seen.complaints == []


@pytest.mark.slow
def test_an_exercise_in_the_page(one_file: Path, opened: Callable[..., Lab]) -> None:
    seen = opened(one_file.as_uri())
    page = seen.page
    seen.until("Ready")
    page.click("#exercise")
    page.select_option("#made-of", "softmax")
    page.select_option("#left-out", "line")
    seen.press("make", "exercise is in the editor")
    assert "___" in page.input_value("#code")
    assert page.locator("#solution").is_disabled()
    seen.press("check")
    assert "blank" in seen.said
    page.click("#solution")
    solution = seen.said
    assert "Answers" in solution
    page.fill("#code", solution)
    seen.press("check")
    assert "Right" in seen.frame.locator("body").inner_text()
    page.click("#tab-mine")
    assert page.input_value("#code") == start()
    page.reload()
    page.click("#tab-exercise")
    assert page.input_value("#code") == solution.strip() or page.input_value("#code") == solution


@pytest.mark.slow
def test_from_a_folder_on_a_web_server(pyodide: Release, opened: Callable[..., Lab], tmp_path: Path) -> None:
    playground_of(WRONG, version="0.1.0", release=pyodide, folder=True).save(tmp_path)
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        seen = opened(f"http://127.0.0.1:{server.server_port}/", offline=False)
        seen.until("Ready")
        seen.press("check")
        assert "scale_backward" in seen.said
        assert all(url.startswith(f"http://127.0.0.1:{server.server_port}/files/") for url in seen.loaded())
        assert seen.complaints == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    from_disk = opened((tmp_path / "index.html").as_uri())
    assert "python -m http.server" in from_disk.until("could not be started")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("changed", [False, True])
def test_from_the_public_address(changed: bool, pyodide: Release, opened: Callable[..., Lab], tmp_path: Path) -> None:
    """The address is played by the release; a file that is not the released one is refused by the browser."""
    contents = {part.name: part.content or b"" for part in pyodide.parts}

    def route(answer: Any) -> None:
        name = answer.request.url.removeprefix(ADDRESS)
        body = contents[name] + b" " * (changed and name == "pyodide.asm.js")
        answer.fulfill(body=body, headers={"access-control-allow-origin": "*"})

    page = playground_of(WRONG, version="0.1.0").save(tmp_path / "lab.html")
    seen = opened(page.as_uri(), offline=False, route=route)
    assert ADDRESS in str(seen.page.locator("#source").text_content())
    if changed:
        assert ADDRESS in seen.until("could not be started")
    else:
        seen.until("Ready")
        seen.press("check")
        assert "scale_backward" in seen.said
        assert sorted(seen.loaded()) == sorted(ADDRESS + name for name in contents)
