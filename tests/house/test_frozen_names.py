"""The modules have moved; what a user can name has not."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import frozen_names
import pytest
from frozen_names import FIELDS, PUBLIC, frozen, missing, names_now, read, written

import micrograd
from micrograd import engine

FROZEN = frozen()
NAMES = {heading.partition(" of ")[2]: lines for heading, lines in FROZEN.items() if heading.startswith("names of ")}
OPTIONS = {
    heading.partition(" of ")[2]: lines for heading, lines in FROZEN.items() if heading.startswith("options of ")
}

# What has left on purpose, by module; a name stands for all that was reached through it.
LEFT: dict[str, list[str]] = {}


def lost(module: str, left: list[str]) -> list[str]:
    """What a module no longer has, but for what has left on purpose."""
    gone = missing(NAMES[module], names_now(module, NAMES[module]))
    return [
        line for line in gone if not any(line == name or line.startswith((f"{name}.", f"{name}(")) for name in left)
    ]


@pytest.mark.parametrize("module", NAMES)
def test_every_public_name_is_where_it_was(module: str) -> None:
    left = LEFT.get(module, [])
    assert lost(module, left) == []
    assert {*left} <= {*missing(NAMES[module], names_now(module, NAMES[module]))}, "what is back has not left"


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_of_a_command_is_as_it_was(command: str) -> None:
    assert missing(OPTIONS[command], frozen_names.options()[command]) == []


@pytest.mark.parametrize("what", FIELDS)
def test_every_field_is_written_as_it_was(what: str) -> None:
    assert missing(FROZEN[f"fields of {what}"], frozen_names.fields(what)) == []


def test_the_reference_covers_what_is_public() -> None:
    assert [*NAMES] == PUBLIC
    assert {name for name in FROZEN if name.startswith("fields of ")} == {f"fields of {what}" for what in FIELDS}
    assert {"Tensor.backward", "Tensor(data)", "sweep(seeds)", "Tensor.args"} <= {*NAMES["micrograd.engine"]}
    assert {"batch_norm", "compile", "draw(backward)", "numerics"} <= {*NAMES["micrograd"]}
    assert {"TABLE[mul]", "TABLE[reciprocal]"} <= {*NAMES["micrograd.primitives"]}
    assert {"--hint = fix", "--seconds by default 10.0", "<file>"} <= {*OPTIONS["micrograd check"]}
    assert "reports[].findings[].fix.new" in FROZEN["fields of check --format json"]


def test_the_file_is_read_as_it_was_written() -> None:
    assert read(written(FROZEN)) == FROZEN
    assert read(written({"names of a": ["b", "b.c(d)", "--e = f"]})) == {"names of a": ["b", "b.c(d)", "--e = f"]}


def test_a_lost_name_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def sweep(seeds: Any, stop: Any = ()) -> None:
        """A function that has lost a parameter."""

    monkeypatch.delattr(engine, "fold")
    monkeypatch.delattr(engine.Tensor, "detach")
    monkeypatch.setattr(engine, "sweep", sweep)
    gone = ["Tensor.detach", "Value.detach", "fold", "fold(g)", "fold(shape)", "sweep(track)"]
    assert lost("micrograd.engine", []) == gone
    assert lost("micrograd.engine", ["fold", "Value.detach"]) == ["Tensor.detach", "sweep(track)"]


def test_a_lost_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(micrograd._FORMER_PATHS, "micrograd.notation")
    monkeypatch.delitem(sys.modules, "micrograd.notation", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"micrograd\.notation"):
        names_now("micrograd.notation", NAMES["micrograd.notation"])


def test_a_lost_option_and_a_lost_field_are_found() -> None:
    options = OPTIONS["micrograd check"]
    assert missing(options, [line for line in options if not line.startswith("--hint")]) == [
        "--hint",
        "--hint = fix",
        "--hint = kind",
        "--hint = where",
        "--hint by default 'fix'",
        "--hint takes 1",
    ]
    assert missing(frozen_names.fields_of({"a": [{"b": 1}]}), frozen_names.fields_of({"a": [{"c": 1}]})) == ["a[].b"]


@pytest.mark.parametrize("former", [*micrograd._FORMER_PATHS])
def test_a_module_under_its_former_path_is_the_same_module(former: str) -> None:
    module = importlib.import_module(former)
    assert module is importlib.import_module(micrograd._FORMER_PATHS[former])
    assert module.__spec__ is not None
    assert module.__spec__.name == module.__name__ == micrograd._FORMER_PATHS[former]


@pytest.mark.parametrize("module", [*micrograd._FORMER_NAMES])
def test_a_name_that_has_moved_is_the_same_object(module: str) -> None:
    for name, (now, called) in micrograd._FORMER_NAMES[module].items():
        found = importlib.import_module(module)
        assert getattr(found, name) is getattr(importlib.import_module(now), called)
        with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'nothing_such'"):
            _ = found.nothing_such
