"""Every folder of the package is small, and has a README that names what is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from paths import PACKAGE, ROOT, SUPPORT, TESTS

FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
LARGEST = 12  # modules, besides `__init__`
LONGEST = 7  # lines of a README: a heading, an empty one, five


# Folders of tests that stand for no room of the package, and the rooms whose tests are elsewhere.
OF_THEIR_OWN = {
    "benchmarks",
    "book",
    "engine",
    "fuzz",
    "house",
    "judges",
    "laws",
    "pictures",
    "studies",
    "support",
    "teach",
}
TESTED_ELSEWHERE = {
    "kept": "compiler",  # by what is kept there
    "marker/student": "marker/diagnosis",  # by what is found in a student's code
    "marker/truth": "marker/diagnosis",
}


def modules_in(folder: Path) -> set[str]:
    """The files of a folder, but for `__init__` and `__main__`."""
    return {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}


def rooms_in(folder: Path) -> set[str]:
    """The folders in a folder, as a README names them."""
    return {f"{path.name}/" for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"}


def unnamed(text: str, names: set[str]) -> list[str]:
    """What a README should name in backticks and does not."""
    return sorted(name for name in names if not re.search(rf"`([\w.]+/)*{re.escape(name)}`", text))


def stale(text: str, folder: Path) -> list[str]:
    """Files and folders in backticks that are not there, in the folder, in the package or in the repository."""
    named = re.findall(r"`([\w./-]+(?:\.\w{2,4}|/))`", text)
    bases = (folder, PACKAGE, ROOT)
    paths = [name for name in named if re.search(r"\.(py|md|js|css|html)$|/$", name)]
    return [name for name in paths if not any((base / name).exists() for base in bases)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_is_small_and_its_readme_names_what_is_in_it(folder: Path) -> None:
    assert len(modules_in(folder)) <= LARGEST
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {folder.relative_to(ROOT)}/\n\n")
    assert unnamed(text, modules_in(folder) | rooms_in(folder)) == []
    assert stale(text, folder) == []
    if folder != PACKAGE:  # whose README is a table of the rooms
        assert len(text.splitlines()) <= LONGEST


def test_the_readme_of_the_helpers_names_them_all() -> None:
    text = (SUPPORT / "README.md").read_text(encoding="utf-8")
    assert unnamed(text, modules_in(SUPPORT)) == []
    assert stale(text, SUPPORT) == []


def test_a_readme_that_leaves_something_out_is_found(tmp_path: Path) -> None:
    for name in ("one.py", "two.py", "__init__.py"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    assert modules_in(tmp_path) == {"one.py", "two.py"}
    assert rooms_in(tmp_path) == {"inner/"}
    text = "`one.py` and two.py, see `engine.py`, `inner/` and `mg.walk`; no longer `three.py`, `attic/`"
    assert unnamed(text, {"one.py", "two.py", "inner/"}) == ["two.py"]
    assert stale(text, tmp_path) == ["three.py", "attic/"]


def folders_of_tests() -> set[str]:
    """The folders that hold tests, but for those of their own."""
    found = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    return {folder for folder in found if folder.partition("/")[0] not in OF_THEIR_OWN}


def test_the_tests_stand_in_rooms_that_mirror_the_package() -> None:
    rooms = {folder.relative_to(PACKAGE).as_posix() for folder in FOLDERS} - {"."}
    tested = folders_of_tests()
    assert tested <= rooms, "a folder of tests has the name of a room"
    assert [path.name for path in TESTS.glob("*.py")] == ["conftest.py"]
    top = {room for room in rooms if "/" not in room} - {"marker"}
    inside = {room for room in rooms if room.startswith("marker/") and room.count("/") == 1}
    assert top | inside == (tested & (top | inside)) | {*TESTED_ELSEWHERE}
    assert {*TESTED_ELSEWHERE.values()} <= tested
    for folder in {path.parent for path in TESTS.rglob("test_*.py")}:
        assert len([*folder.glob("*.py")]) <= LARGEST, f"{folder} is crowded"
