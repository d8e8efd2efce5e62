"""The steps as text: all of them, or one for each press of Enter; colours only where a person is watching."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from walked import batchnorm

import micrograd as mg
from micrograd.stepper import plain_text, walk
from micrograd.stepper.page_data import walk_data
from micrograd.tracing import trace


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_every_step_is_printed() -> None:
    made = walk(batchnorm())
    text = made.text
    assert text.startswith("Walk through batchnorm_forward: 15 steps forward, 19 steps back\n")
    for number in range(1, len(made.data["steps"]) + 1):
        assert f"\n[{number}/34] " in text
    assert "dxmu arrives on 2 paths, so they are added: dxmu = dxmu1 + dxmu2" in text
    assert "\x1b" not in text
    assert str(made) == text


def test_the_sub_expression_is_underlined() -> None:
    lines = walk(batchnorm()).text.splitlines()
    at = lines.index("    bn.py:13: mu = 1.0 / N * np.sum(x, axis=0)")
    assert lines[at + 1].index("^") == lines[at].index("np.sum")
    assert lines[at + 1].count("^") == len("np.sum(x, axis=0)")


def test_the_numbers_are_the_engines() -> None:
    graph = trace(lambda x: x * x, np.array([1.5, -2.0]))
    graph.backward(np.array([1.0, 1.0]))
    assert "dx = [ 3. -4.]" in walk(graph).text


def test_in_chinese() -> None:
    text = walk(batchnorm(), lang="zh").text
    assert "反向传播" in text
    assert "dxmu = dxmu1 + dxmu2" in text


def test_large_values_are_summarised() -> None:
    text = walk(trace(lambda x: x * 2.0, np.full((100, 50), 3.0))).text
    assert "(100, 50): mean 6, 6 to 6" in text
    assert len(text) < 5000


def test_up_to_a_page_of_cells_large_ones_are_summarised_too() -> None:
    assert "(20, 5): mean 6, 6 to 6" in walk(trace(lambda x: x * 2.0, np.full((20, 5), 3.0))).text


def test_control_characters_in_a_name_do_not_reach_the_terminal() -> None:
    graph = trace(lambda x: x * 2.0, np.ones(2))
    text = plain_text.text_of(walk_data(graph, title="a\x1b[31mb"))
    assert "\x1b" not in text


def test_without_a_path_in_a_terminal_the_steps_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    mg.walk(batchnorm())
    assert "\x1b[31m" in screen.getvalue()
    assert "[34/34]" in screen.getvalue()


def test_nothing_is_printed_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    mg.walk(batchnorm())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert plain_text.coloured(Screen())
    monkeypatch.setenv(name, value)
    assert not plain_text.coloured(Screen())
    assert not plain_text.coloured(io.StringIO())


def test_one_step_for_each_enter() -> None:
    data = walk_data(batchnorm())
    answers = iter(["", "", "q"])
    said: list[str] = []
    plain_text.paged(data, said.append, lambda question: next(answers))
    assert [text[:6] for text in said] == ["[1/34]", "[2/34]", "[3/34]"]


def test_the_last_step_asks_for_nothing() -> None:
    data = walk_data(trace(lambda x: x * 2.0, np.ones(1)))
    asked: list[str] = []
    plain_text.paged(data, lambda text: None, lambda question: asked.append(question) or "")
    assert len(asked) == len(data["steps"]) - 1


def test_the_end_of_the_input_stops() -> None:
    said: list[str] = []

    def ended(question: str) -> str:
        raise EOFError

    plain_text.paged(walk_data(batchnorm()), said.append, ended)
    assert len(said) == 2
    assert said[1] == ""


def test_step_prints_with_enter(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("builtins.input", lambda question: "q")
    walk(batchnorm()).step()
    assert capsys.readouterr().out.startswith("[1/34]")
