"""The map of the house: a table of its rooms, printed from the list of floors and the first line of each docstring.

`make map` writes it into every page that has the two marks; a test says when a page is behind.
"""

from __future__ import annotations

import ast
from pathlib import Path

from import_graph import contracts
from paths import PACKAGE, ROOT

BEGIN, END = "<!-- map: written by `make map` -->", "<!-- end of the map -->"

# The pages that must have a map; one that does not exist yet needs none.
PAGES = ("micrograd/README.md", "CONTRIBUTING.md", "docs/explanation/architecture.md")


def first_line(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line, as Markdown."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")[0]
    return " ".join(text.split()).replace("``", "`").replace("|", r"\|")


def house_map() -> str:
    """The table: a line for each room, from the ground to the roof."""
    whole = next(contract for contract in contracts() if contract.container == "micrograd" and contract.exhaustive)
    lines = ["| floor | room | what it is |", "|---|---|---|"]
    for number, floor in enumerate(reversed(whole.floors), 1):
        for room in floor.rooms:
            folder = PACKAGE / room
            name, path = (f"{room}/", folder / "__init__.py") if folder.is_dir() else (f"{room}.py", f"{folder}.py")
            lines.append(f"| {number} | `{name}` | {first_line(Path(path))} |")
    return "\n".join(lines)


def mapped(text: str, table: str) -> str:
    """A page with the table between its marks. Raises ValueError where the page has not exactly one of each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the page has no place for the map; put {BEGIN} and {END} on lines of their own")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the table into the pages."""
    table = house_map()
    for path in (ROOT / page for page in PAGES if (ROOT / page).exists()):
        path.write_text(mapped(path.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
