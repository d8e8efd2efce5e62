"""What the pages name exists: files, folders, modules and their members, and the pages that they link to."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")] if "_build" not in path.parts)
IDS = [str(path.relative_to(ROOT)) for path in PAGES]


def missing_files(text: str, folder: Path) -> list[str]:
    """The files and folders of this repository that a page names and that are not there."""
    named = {*re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:\.py|/))`", text)}
    found = []
    for name in sorted(named):
        places = [ROOT / name, ROOT / "micrograd" / name, ROOT / "examples" / name, folder / name]
        bare = "/" not in name and any((ROOT / "micrograd").rglob(name))
        if not (name.startswith("out/") or bare or any(place.exists() for place in places)):
            found.append(name)
    return found


def missing_names(text: str) -> list[str]:
    """The dotted names of micrograd that a page gives, in code or for Sphinx, and that cannot be imported."""
    named = {
        *re.findall(r"`(micrograd(?:\.\w+)+)[`(]", text),
        *re.findall(r"^\.\. auto\w+:: (\S+)$", text, re.MULTILINE),
    }
    return sorted(name for name in named if not exists(name))


def exists(name: str) -> bool:
    """Whether a dotted name is that of a module, or of something in one."""
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module(".".join(parts[:number]))
            except ModuleNotFoundError:
                return False
    return True


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    assert missing_files(page.read_text(encoding="utf-8"), page.parent) == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_names_that_a_page_gives_can_be_imported(page: Path) -> None:
    assert missing_names(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


def test_what_is_missing_is_found() -> None:
    page = "`engine.py` `core/scalars.py` `micrograd/core/` `tests/` `out/x/` `buffers.py` `core/door.py` `nowhere/`"
    assert missing_files(page, ROOT) == ["buffers.py", "core/door.py", "nowhere/"]
    text = "`micrograd.engine.sweep` `micrograd.engine.swept` `micrograd.data`\n.. automodule:: micrograd.moved.away\n"
    assert missing_names(text) == ["micrograd.engine.swept", "micrograd.moved.away"]
