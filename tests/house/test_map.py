"""The maps in the papers are those of the code."""

from __future__ import annotations

import pytest
from house_map import BEGIN, END, PAGES, first_line, house_map, mapped
from import_graph import modules
from paths import PACKAGE, ROOT

THERE = [page for page in PAGES if (ROOT / page).exists()]


@pytest.mark.parametrize("page", THERE)
def test_the_map_of_a_page_is_that_of_the_code(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text == mapped(text, house_map()), f"{page} is behind: run `make map`"


def test_the_map_names_every_room_once() -> None:
    assert {"micrograd/README.md", "CONTRIBUTING.md"} <= {*THERE}
    rooms = {name.split(".")[1] for name in modules() if "." in name}
    rows = house_map().splitlines()[2:]
    assert sorted(row.split("`")[1].removesuffix(".py").removesuffix("/") for row in rows) == sorted(rooms)
    assert all(len(row.split(" | ")[2]) > 20 for row in rows)
    assert f"| `engine.py` | {first_line(PACKAGE / 'engine.py')} |" in house_map()


def test_a_page_that_is_behind_is_found() -> None:
    page = f"before\n{BEGIN}\n\n| old |\n\n{END}\nafter\n"
    assert mapped(page, "| new |") == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"
    assert mapped(page, "| old |") == page
    with pytest.raises(ValueError, match="put <!-- map"):
        mapped("a page without marks", "| new |")
    with pytest.raises(ValueError, match="put <!-- map"):
        mapped(f"{END}{BEGIN}", "| new |")
