"""Which file imports which, imports inside functions counted; and the list of floors in pyproject.toml, read again.

import-linter reads the same list in `make lint`; this reading needs nothing but the standard library, so that the laws
are tests too, and so that the maps of the documentation can be printed from it.
"""

from __future__ import annotations

import ast
import graphlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paths import PACKAGE, ROOT

Edges = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every module of the package with its file; the package itself is `micrograd`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _for_types_only(tree: ast.Module) -> set[ast.AST]:
    """The nodes under `if TYPE_CHECKING:`, which never run."""
    checks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    return {
        inner
        for check in checks
        if ast.unparse(check.test).rpartition(".")[2] == "TYPE_CHECKING"
        for statement in check.body
        for inner in ast.walk(statement)
    }


def imports(text: str, module: str, known: Iterable[str], *, is_package: bool = False) -> set[str]:
    """The modules in `known` that the source of `module` imports, wherever in the text."""
    tree, known = ast.parse(text), set(known)
    unseen = _for_types_only(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = module.split(".")
            home = home[: len(home) - node.level + is_package] if node.level else []
            base = ".".join([*home, *filter(None, [node.module])])
            names = [inner if (inner := f"{base}.{alias.name}") in known else base for alias in node.names]
        if node in unseen:
            continue
        found |= {nearest for name in names if (nearest := _nearest(name, known))}
    return found - {module}


def _nearest(name: str, known: set[str]) -> str:
    """The module that a dotted name lies in; empty where it is none of those known."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def edges() -> Edges:
    """What each module of the package imports of it."""
    found = modules()
    return {
        name: imports(path.read_text(encoding="utf-8"), name, found, is_package=path.name == "__init__.py")
        for name, path in found.items()
    }


def circle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """The modules of a circle of imports, in order, the first one named again at the end; empty where there is none."""
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def in_circles(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Every module that imports itself by way of others."""
    found = []
    for module in edges:
        reached: set[str] = set()
        ahead = [*edges[module]]
        while ahead:
            if (name := ahead.pop()) not in reached:
                reached.add(name)
                ahead += edges.get(name, ())
        found += [module] if module in reached else []
    return found


# ---- the list of floors ----


@dataclass(frozen=True)
class Floor:
    """Rooms at one level.

    Attributes:
        rooms: names within the container.
        apart: whether they may not import each other.
        optional: those that need not be there.
    """

    rooms: tuple[str, ...]
    apart: bool
    optional: frozenset[str]


@dataclass(frozen=True)
class Floors:
    """One contract: the floors of the rooms inside `container`, from the roof to the ground."""

    name: str
    container: str
    floors: tuple[Floor, ...]
    exhaustive: bool

    def rooms(self) -> list[str]:
        """Every room, from the roof to the ground."""
        return [room for floor in self.floors for room in floor.rooms]

    def height(self, room: str) -> int:
        """How many floors are above that of `room`."""
        return next(depth for depth, floor in enumerate(self.floors) if room in floor.rooms)


def floor(text: str) -> Floor:
    """A line of the list: rooms between `|`, or between `:` where they may import each other; `(room)` is optional."""
    rooms = [room.strip() for room in re.split(r"[|:]", text)]
    if "|" in text and ":" in text:
        raise ValueError(f"{text!r}: rooms of a floor stand between bars or between colons, not both")
    optional = frozenset(room.strip("()") for room in rooms if room.startswith("("))
    return Floor(tuple(room.strip("()") for room in rooms), ":" not in text, optional)


def contracts() -> list[Floors]:
    """The lists of floors in pyproject.toml."""
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    return [
        Floors(each["name"], container, tuple(map(floor, each["layers"])), each.get("exhaustive", False))
        for each in written
        for container in each["containers"]
    ]


def _room(module: str, container: str) -> str:
    """The room of the container in which a module lies; empty for the container itself and for what is outside."""
    return module.removeprefix(f"{container}.").partition(".")[0] if module.startswith(f"{container}.") else ""


def climbs(contract: Floors, module: str, targets: Iterable[str]) -> list[str]:
    """What a module imports from a floor above its own, or from a neighbour that is to be left alone."""
    listed, own, found = contract.rooms(), _room(module, contract.container), []
    if own not in listed:
        return []
    for target in sorted(targets):
        other = _room(target, contract.container)
        if target == contract.container and contract.height(own) > 0:  # it stands for all that it gathers
            found.append(f"{module} imports {target}, which is open to the top floor only")
        elif other in listed and other != own:
            up = contract.height(own) - contract.height(other)
            if up > 0 or (up == 0 and contract.floors[contract.height(own)].apart):
                found.append(f"{module} imports {target}, {'a floor above' if up else 'its neighbour'}")
    return found


def unlisted(contract: Floors, modules: Iterable[str]) -> list[str]:
    """Rooms that the list invents, and those that it lacks although it is to name them all."""
    listed = contract.rooms()
    there = {_room(module, contract.container) for module in modules} - {""}
    optional = {room for floor in contract.floors for room in floor.optional}
    found = [f"{contract.container} has no room {room}" for room in sorted({*listed} - there - optional)]
    if contract.exhaustive:
        found += [f"{room} stands on no floor of {contract.container}" for room in sorted(there - {*listed})]
    return found


def breaches(contract: Floors, edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Everything that is against the list."""
    climbing = [line for module, targets in edges.items() for line in climbs(contract, module, targets)]
    return unlisted(contract, edges) + climbing
