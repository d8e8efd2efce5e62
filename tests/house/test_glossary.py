"""The glossary: the same terms in both languages, and every page links a term where it first uses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
ENGLISH, CHINESE = DOCS / "glossary.md", DOCS / "glossary.zh-CN.md"

# Words that a page also uses in their everyday sense ("two rows of x", "trace it"): linked where it helps, not by rule.
EVERYDAY = {"row", "path", "stage", "trace", "program", "override", "validation"}

# Written by other commands, from measurements; and the page of the glossary itself.
WRITTEN = {"claims.md", "glossary.md", "glossary.zh-CN.md", "README.md"}
PAGES = sorted(
    path for path in DOCS.rglob("*.md") if path.name not in WRITTEN and not {"_build", "benchmarks"} & {*path.parts}
)


def terms(text: str) -> list[str]:
    """The terms of a glossary, in order: its headings of level 3, in the Chinese page what stands in brackets."""
    return [re.sub(r".*（(.*)）", r"\1", heading) for heading in re.findall(r"^### (.*)$", text, re.MULTILINE)]


def slug(term: str) -> str:
    """The anchor of a heading."""
    return term.lower().replace(" ", "-")


def prose(text: str) -> str:
    """A page without its header, headings, code, formulas, directives and the map that `make map` writes."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```|\$\$.*?\$\$", "", text, flags=re.DOTALL)
    text = re.sub(r"<!-- map.*?end of the map -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`|\$[^$\n]*\$", "", text)


def unlinked(text: str, of: list[str]) -> list[str]:
    """The terms that a page uses before, or without, a link to the glossary."""
    text = prose(text)
    found = []
    for term in of:
        if term in EVERYDAY:
            continue
        used = re.search(rf"(?<![\w-]){re.escape(term)}(s|es)?(?![\w-])", text, re.IGNORECASE)
        link = re.search(rf"\]\([^)\s]*glossary\.md#{slug(term)}\)", text)
        sentence = re.compile(r"[.:;!?]\s|\n\n|\n[-|]")
        if used and (not link or sentence.search(text[used.end() : link.start()])):
            found.append(term)
    return found


def test_both_languages_have_the_same_terms_in_the_same_order() -> None:
    english, chinese = (terms(page.read_text(encoding="utf-8")) for page in (ENGLISH, CHINESE))
    assert english == chinese
    assert len(english) == len(set(english)) >= 40
    assert set(english) >= EVERYDAY


def test_every_term_is_explained_in_a_sentence_or_two() -> None:
    for page, stop in ((ENGLISH, r"\.(?:\s|$)"), (CHINESE, "。")):
        for part in re.split(r"^### ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            said = part.partition("\n")[2].partition("\n## ")[0]
            assert 1 <= len(re.findall(stop, said)) <= 3, part


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(DOCS)) for path in PAGES])
def test_a_page_links_a_term_where_it_first_uses_it(page: Path) -> None:
    assert unlinked(page.read_text(encoding="utf-8"), terms(ENGLISH.read_text(encoding="utf-8"))) == []


def test_a_term_without_a_link_is_found() -> None:
    of = ["kernel", "loop nest", "row"]
    assert unlinked("Two kernels and a loop nest.", of) == ["kernel", "loop nest"]
    assert unlinked("A [kernel](../glossary.md#kernel), kernels.", of) == []
    assert unlinked("A kernel ([kernel](../glossary.md#kernel)).", of) == []
    assert unlinked("A kernel. Then a [kernel](../glossary.md#kernel).", of) == ["kernel"]
    assert unlinked("`kernel` and a row\n```python\nkernel\n```\n", of) == []


def test_a_term_that_one_language_lacks_is_found() -> None:
    assert terms("## A\n\n### node\n\nText.\n\n### loop nest\n") == ["node", "loop nest"]
    assert terms("## 图\n\n### 节点（node）\n\n### 循环嵌套（loop nest）\n") == ["node", "loop nest"]


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(DOCS)) for path in PAGES])
def test_links_to_the_glossary_lead_to_a_term(page: Path) -> None:
    """Sphinx checks it too, when the documentation is built."""
    known = {slug(term) for term in terms(ENGLISH.read_text(encoding="utf-8"))}
    text = page.read_text(encoding="utf-8")
    assert {*re.findall(r"glossary\.md#([\w-]+)", text)} <= known
