"""The page and the command: offline, by keyboard, small, in two languages; text, NumPy, LaTeX and JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from derivable import TARGETS
from spoilt import derived

import micrograd as mg
from micrograd.cli import main

BN = Path(__file__).parents[2] / "examples" / "bn.py"


@pytest.fixture(scope="module")
def page() -> str:
    made = derived(next(t for t in TARGETS if t.name == "batch norm, staged"), seconds=60.0)
    return str(made.html())


def test_the_page_is_small_and_asks_for_nothing(page: str) -> None:
    assert len(page.encode()) <= 60 * 1024
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert page.count("<script") == 2
    assert page.count("aria-live") == 1


def test_names_are_never_markup(page: str) -> None:
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert "<" not in re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]  # type: ignore[index]
    assert all(set(re.findall(r"<(\w+)", e)) <= {"math", "mrow", "mi", "mn", "mo", "msub", "msup", "mfrac", "msqrt",
                                                 "munder", "mspace"} for e in data["expressions"])  # fmt: skip
    assert {len(texts) for texts in data["words"].values()} == {2}


@pytest.mark.browser
def test_the_page_in_a_browser(page: str, tmp_path: Path, browser: Any) -> None:
    file = tmp_path / "bn.html"
    file.write_text(page, encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    shown, complaints = context.new_page(), []
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("request", lambda request: request.url.startswith("file:") or complaints.append(request.url))
    shown.goto(f"file://{file}#step=11")
    read = lambda selector: shown.evaluate(f"document.querySelector('{selector}').textContent")
    assert read("#rule") == "a sum that is known"
    assert read("#count") == "11 / 14"
    assert "Why this sum is known" in read("#facts summary")
    assert shown.evaluate("document.querySelectorAll('#before .mark').length") >= 1
    shown.keyboard.press("ArrowLeft")
    assert read("#rule") == "sums are linear"
    shown.keyboard.press("End")
    assert read("#rule") == "factor"
    assert shown.evaluate("location.hash") == "#step=14"
    shown.keyboard.press("Home")
    assert read("#count") == "1 / 14"
    shown.click("#language")
    assert read("#rule") == "代入前面的行"
    assert shown.evaluate("document.documentElement.lang") == "zh-Hans"
    assert shown.evaluate("document.documentElement.dataset.theme") == "dark"
    shown.click("#theme")
    assert shown.evaluate("document.documentElement.dataset.theme") == "light"
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    assert "14" in read("#print article:last-child h3")
    assert complaints == []
    context.close()


def test_the_command_prints_every_format(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["derive", f"{BN}:batchnorm_forward", "--seconds", "30"]) == 0
    assert "dx = gamma * ivar / N * (N * dout - dbeta - dgamma * xhat)" in capsys.readouterr().out
    assert main(["derive", f"{BN}:batchnorm_forward", "--format", "json", "--lang", "zh", "--seconds", "30"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"][-1]["name"] == "提取公因子"
    output = tmp_path / "bn.html"
    assert main(["derive", f"{BN}:batchnorm_forward", "-o", str(output), "--seconds", "30"]) == 0
    assert re.fullmatch(r".*bn\.html: 14 steps, \d+ bytes\n", capsys.readouterr().out)
    output.write_text("mine", encoding="utf-8")
    assert main(["derive", f"{BN}:batchnorm_forward", "-o", str(output)]) == 2
    assert "use --force to replace it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["-o", "bn.svg"], 2, "the page is written as .html; name it bn.html"),
        (["-o", "new.html", "--format", "latex"], 2, "--format latex prints; give it or -o, not both"),
        (["--input", "q=3"], 2, "has no parameter 'q'; its parameters: x, gamma, beta, eps"),
    ],
)
def test_the_command_refuses_in_words(
    more: list[str],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["derive", f"{BN}:batchnorm_forward", *more]) == code
    assert said in capsys.readouterr().err


def test_a_refusal_names_the_users_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import numpy as np\n\n\ndef f(x):\n    return np.concatenate([x, x])\n", encoding="utf-8")
    assert main(["derive", f"{file}:f", "--format", "numpy"]) == 1
    assert "mine.py:5: np.concatenate([x, x]): derive has no formula" in capsys.readouterr().err


# ---- from the walk -----------------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_walk_links_to_the_derivation_beside_it(
    tmp_path: Path, browser: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "my walk.html"
    assert main(["walk", f"{BN}:batchnorm_forward", "-o", str(output), "--derive", "--lang", "zh"]) == 0
    assert "my walk-derive.html: 14 steps to the compact formula" in capsys.readouterr().out
    assert output.stat().st_size <= 200_000
    shown = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    shown.goto(f"file://{output}")
    assert shown.inner_text(".compact a") == "为什么这个反向与紧凑公式是一回事？"
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    shown.click("#language")
    assert shown.inner_text(".compact a") == "Why is this backward the same as the compact formula?"
    shown.click(".compact a")
    assert shown.evaluate("document.documentElement.lang") == "zh-Hans"
    assert shown.title() == "batchnorm_forward：从逐步反向到紧凑公式"
    shown.context.close()


def test_there_is_no_link_where_there_is_no_derivation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, output = tmp_path / "mine.py", tmp_path / "walk.html"
    file.write_text("import numpy as np\n\n\ndef f(x):\n    return np.cumsum(x, axis=0)\n", encoding="utf-8")
    assert main(["walk", f"{file}:f", "-o", str(output), "--derive"]) == 0
    assert "no derivation, so no link: mine.py:5: np.cumsum(x, axis=0): derive has no" in capsys.readouterr().out
    assert 'class="compact"' not in output.read_text(encoding="utf-8")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.py", "walk.html"]
    assert main(["walk", f"{file}:f", "--derive"]) == 2
    assert "--derive writes a page beside that of the walk; give -o bn.html too" in capsys.readouterr().err
    (tmp_path / "walk-derive.html").write_text("mine", encoding="utf-8")
    assert main(["walk", f"{file}:f", "-o", str(output), "--derive"]) == 2
    assert "walk-derive.html exists, and micrograd did not write it" in capsys.readouterr().err


def test_a_walk_takes_a_derivation(tmp_path: Path) -> None:
    target = next(t for t in TARGETS if t.name == "L2 normalize")
    made = derived(target, seconds=60.0)
    graph = mg.trace(target.f, *target.inputs(np.random.default_rng(0), False))
    mg.walk(graph, tmp_path / "unit.html", derivation=made)
    assert 'href="unit-derive.html"' in (tmp_path / "unit.html").read_text(encoding="utf-8")
    assert (tmp_path / "unit-derive.html").read_text(encoding="utf-8") == made.html()
    with pytest.raises(ValueError, match="a derivation is written beside the page of a walk: give a path"):
        mg.walk(graph, derivation=made)
