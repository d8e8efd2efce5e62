"""Three laws of the house: the floors hold and name every room; no circle; the engine imports the ground and its core."""

from __future__ import annotations

from dataclasses import replace

import pytest
from import_graph import breaches, circle, climbs, contracts, edges, floor, imports, modules
from paths import PACKAGE

EDGES = edges()
CONTRACTS = {contract.name: contract for contract in contracts()}
PACKAGES = {"micrograd", *(f"micrograd.{room}" for room in ("marker", "compiler", "derivation", "export", "training"))}

# What the engine may import: the ground, the table, and what makes it safe and fast.
GROUND = ("errors", "modes", "pytree", "name_conflict", "display", "source")
UNDER_THE_ENGINE = (*GROUND, "primitives", "core")


# ---- (a) the floors ----


@pytest.mark.parametrize("module", EDGES)
def test_imports_go_downwards(module: str) -> None:
    assert [line for contract in CONTRACTS.values() for line in climbs(contract, module, EDGES[module])] == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_list_of_floors_holds(name: str) -> None:
    assert breaches(CONTRACTS[name], EDGES) == []


def test_the_floors_name_every_room() -> None:
    assert {contract.container for contract in CONTRACTS.values() if contract.exhaustive} == PACKAGES
    for contract in CONTRACTS.values():
        listed = contract.rooms()
        assert len(set(listed)) == len(listed), f"{contract.name} names a room twice"
    whole = CONTRACTS["floors of the package"].rooms()
    assert sorted(whole) == sorted({name.split(".")[1] for name in modules() if "." in name})
    assert {*UNDER_THE_ENGINE} - {"core"} == {*CONTRACTS["floors of the package"].floors[-1].rooms}


def test_a_breach_is_found() -> None:
    package, marker = CONTRACTS["floors of the package"], CONTRACTS["floors of the marker"]

    def with_import(module: str, target: str) -> dict[str, set[str]]:
        return {**EDGES, module: {*EDGES[module], target}}

    assert breaches(package, with_import("micrograd.engine", "micrograd.drawing.dot")) == [
        "micrograd.engine imports micrograd.drawing.dot, a floor above"
    ]
    assert breaches(package, with_import("micrograd.drawing.dot", "micrograd.batchnorm")) == [
        "micrograd.drawing.dot imports micrograd.batchnorm, its neighbour"
    ]
    assert breaches(package, with_import("micrograd.graph.text", "micrograd")) == [
        "micrograd.graph.text imports micrograd, which is open to the top floor only"
    ]
    assert breaches(marker, with_import("micrograd.marker.probing.trial", "micrograd.marker.diagnosis.marking")) == [
        "micrograd.marker.probing.trial imports micrograd.marker.diagnosis.marking, a floor above"
    ]
    assert breaches(package, with_import("micrograd.cli.commands", "micrograd.engine")) == []
    assert breaches(package, with_import("micrograd.modes", "micrograd.pytree")) == []


def test_a_room_that_is_not_named_is_found() -> None:
    package = CONTRACTS["floors of the package"]
    assert breaches(package, {**EDGES, "micrograd.attic.boxes": set()}) == ["attic stands on no floor of micrograd"]
    fewer = {name: found for name, found in EDGES.items() if not name.startswith("micrograd.optim")}
    assert breaches(package, fewer) == ["micrograd has no room optim"]
    assert breaches(replace(package, exhaustive=False), {**EDGES, "micrograd.attic": set()}) == []


def test_the_list_is_read_as_import_linter_reads_it() -> None:
    assert (floor("a | b").apart, floor("a : b").apart, floor("a").rooms) == (True, False, ("a",))
    assert floor("a | (b)").rooms == ("a", "b")
    assert floor("a | (b)").optional == {"b"}
    with pytest.raises(ValueError, match="between bars or between colons"):
        floor("a | b : c")


# ---- (b) no circle ----


def test_no_file_imports_itself_in_a_circle() -> None:
    assert circle(EDGES) == []


def test_a_circle_is_found() -> None:
    assert {*circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})} == {"a", "b", "c"}
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    lazily = imports("def f():\n    from micrograd.engine import Tensor", "micrograd.primitives", EDGES)
    found = circle({**EDGES, "micrograd.primitives": lazily})
    assert {"micrograd.primitives", "micrograd.engine"} <= {*found}


# ---- (c) what the engine stands on ----


def under(module: str, rooms: tuple[str, ...]) -> bool:
    """Whether a module of the package lies in one of the rooms."""
    return module.split(".")[1] in rooms if "." in module else False


def test_the_engine_imports_the_ground_the_table_and_its_core() -> None:
    assert [name for name in EDGES["micrograd.engine"] if not under(name, UNDER_THE_ENGINE)] == []
    assert {"micrograd.primitives"} <= EDGES["micrograd.engine"]


def test_an_engine_that_imports_more_is_found() -> None:
    text = (PACKAGE / "engine.py").read_text(encoding="utf-8")
    more = imports(f"{text}\n\ndef f():\n    from micrograd.numpy_api import composites\n", "micrograd.engine", EDGES)
    assert [name for name in more if not under(name, UNDER_THE_ENGINE)] == ["micrograd.numpy_api.composites"]
    assert not under("micrograd", UNDER_THE_ENGINE)


# ---- how imports are read ----


@pytest.mark.parametrize(
    ("text", "module", "found"),
    [
        ("from micrograd.drawing import dot", "micrograd.engine", {"micrograd.drawing.dot"}),
        ("from micrograd.drawing import draw", "micrograd.engine", {"micrograd.drawing"}),
        ("from micrograd import drawing, Tensor", "micrograd.engine", {"micrograd.drawing", "micrograd"}),
        ("def f():\n    import micrograd.nn.linear as l", "micrograd.engine", {"micrograd.nn.linear"}),
        ("def f():\n    from ..nn import MLP", "micrograd.tracing.tracer", {"micrograd.nn"}),
        ("from .graph import Graph", "micrograd.graph.text", {"micrograd.graph.graph"}),
        ("from . import text", "micrograd.graph", {"micrograd.graph.text"}),
        ("if TYPE_CHECKING:\n    from micrograd.nn import MLP\nelse:\n    import micrograd.optim", "micrograd.engine",
         {"micrograd.optim"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import micrograd.nn", "micrograd.engine", set()),
        ("import numpy, os.path\nfrom numpy import linalg", "micrograd.engine", set()),
    ],
)  # fmt: skip
def test_imports_are_read(text: str, module: str, found: set[str]) -> None:
    is_package = modules()[module].name == "__init__.py"
    assert imports(text, module, EDGES, is_package=is_package) == found
