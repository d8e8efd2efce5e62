"""The book: both languages show the same cells, every lesson has every part, and its exercise can be marked.

`make docs` runs the cells and computes the predictions; here they run too, without Sphinx.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from micrograd.cli import main

DOCS = Path(__file__).parents[2] / "docs"
BOOK = DOCS / "book"
sys.path.insert(0, str(DOCS / "_ext"))
from lesson import LESSONS, Lesson, lesson  # noqa: E402

STEMS = sorted(path.stem for path in LESSONS.glob("[0-9]*.py"))
PARTS = ["lesson", "cell", "picture", "walk", "try-it", "predict", "failures", "exercise"]  # in this order
DIRECTIVE = re.compile(r"^```\{([\w-]+)\} *(.*)\n((?::.*\n)*)", re.MULTILINE)
WIDEST = 78  # characters of code that fit into the column
LONGEST = 28  # words of an English sentence


def page(language: str, stem: str) -> str:
    return (BOOK / language / f"{stem}.md").read_text(encoding="utf-8")


def shown(text: str) -> list[tuple[str, str, str]]:
    """What a page shows that is made from code, in order: the directive, its argument, its options."""
    return [found.groups() for found in DIRECTIVE.finditer(text)]  # type: ignore[misc]


def terms(text: str) -> set[str]:
    """The glossary's terms that a page links to, by their English names."""
    anchors = re.findall(r"glossary(?:\.zh-CN)?\.md#([^)\s]+)", text)
    return {re.sub(r"^[^a-z]*(?=[a-z])", "", anchor) for anchor in anchors}


def long_sentences(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"`[^`\n]*`", "x", re.sub(r"\]\([^)]*\)", "]", prose))
    sentences = re.split(r"(?<=[.?!:])\s+|\n\n+|^[-#|].*?$", prose, flags=re.MULTILINE)
    return [found for found in sentences if len(found.split()) > LONGEST]


def lacking(text: str) -> list[str]:
    """The parts that a lesson's page lacks, or has in the wrong order."""
    first = [next((at for at, found in enumerate(shown(text)) if found[0] == part), -1) for part in PARTS]
    late = [part for part, at, after in zip(PARTS, first, [*first[1:], 10**6], strict=True) if not -1 < at < after]
    few = [part for part, least in (("cell", 4), ("predict", 2)) if sum(f[0] == part for f in shown(text)) < least]
    return [*late, *few, *(["answers"] if "](answers.md" not in text else []), *(["terms"] if not terms(text) else [])]


def test_there_are_lessons_and_both_languages_have_the_same_pages() -> None:
    english, chinese = (sorted(path.name for path in (BOOK / language).glob("*.md")) for language in ("en", "zh"))
    assert english == chinese
    assert {f"{stem}.md" for stem in STEMS} <= {*english}
    assert STEMS


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("stem", STEMS)
def test_a_lesson_has_every_part(stem: str, language: str) -> None:
    text = page(language, stem)
    assert lacking(text) == []
    minutes = re.search(r":minutes: (\d+)", text)
    assert minutes
    assert 15 <= int(minutes[1]) <= 30
    assert f"{stem}\n" in page(language, "index")
    assert f"{{solution}} {stem}\n" in page(language, "answers")


@pytest.mark.parametrize("stem", [*STEMS, "checking", "teach", "training"])
def test_both_languages_show_the_same_cells_pictures_and_computed_answers(stem: str) -> None:
    english, chinese = page("en", stem), page("zh", stem)
    assert shown(english) == shown(chinese)
    values = [re.findall(r"\{value\}`([^`]+)`", text) for text in (english, chinese)]
    assert sorted(values[0]) == sorted(values[1])
    assert terms(english) <= terms(chinese)


@pytest.mark.parametrize("stem", STEMS)
def test_every_cell_is_shown_and_fits(stem: str) -> None:
    made = lesson(stem)
    names = [argument for directive, argument, _ in shown(page("en", stem)) if directive == "cell"]
    assert sorted(names) == sorted({*made.cells} - {"lesson", "exercise"})
    wide = [line for cell in made.cells.values() for line in f"{cell.text}\n{cell.output}".splitlines()]
    assert [line for line in wide if len(line) > WIDEST] == []
    for value in re.findall(r"^:value: (.*)$|\{value\}`([^`]+)`", page("en", stem), re.MULTILINE):
        assert made.text_of(value[0] or value[1])


@pytest.mark.parametrize("stem", STEMS)
def test_sentences_are_short(stem: str) -> None:
    assert long_sentences(page("en", stem)) == []


@pytest.mark.parametrize("stem", STEMS)
def test_the_mistakes_of_a_lesson_can_be_made_and_do_something(stem: str) -> None:
    made = lesson(stem)
    for language in ("en", "zh"):
        found = made.failures(language)
        assert len(found) >= 2
        assert all(failure.escaped().why.count("\\*") == failure.why.count("*") for failure in found)
        assert all(failure.raises or failure.shapes or failure.change > 1e-3 for failure in found)


@pytest.mark.parametrize("stem", STEMS)
def test_an_exercise_is_right_when_solved_and_wrong_with_a_mistake(
    stem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    made = lesson(stem)
    files = made.files("en")
    monkeypatch.chdir(tmp_path)
    solved = files[f"{made.name}_solution.py"]
    returned = re.search(r"^( +)return (\w+)[^\n]*\n\n\nif __name__", solved, re.MULTILINE)
    assert returned
    space, name = returned[1], returned[2]
    planted = f"{solved[: returned.start()]}{space}{name} = -{name}\n{solved[returned.start() :]}"
    Path("solved.py").write_text(solved, encoding="utf-8")
    Path("planted.py").write_text(planted, encoding="utf-8")
    assert "___" in files[f"{made.name}.py"] or made.exercise["kind"] == "bug"
    assert main(["check", "solved.py", *made.shapes]) == 0
    assert main(["check", "planted.py", *made.shapes, "--hint", "where"]) == 1
    assert name in capsys.readouterr().out


@pytest.mark.parametrize("stem", STEMS)
def test_what_the_playground_is_given_of_a_lesson_runs_alone(stem: str) -> None:
    made = lesson(stem)
    text, space = made.shown_alone(), {}  # type: ignore[var-annotated]
    exec(compile(text, stem, "exec"), space)
    name = made.forward.__name__
    wanted, got = (f(**made.arguments) for f in (made.forward, space[name]))
    assert repr(got) == repr(wanted)
    assert text.startswith("import numpy as np\n")


def test_what_a_page_lacks_is_found() -> None:
    whole = page("en", STEMS[0])
    for part in PARTS:
        assert part in lacking(re.sub(rf"^```\{{{part}\}}.*?^```$", "", whole, flags=re.DOTALL | re.MULTILINE))
    assert lacking(whole.replace("](answers.md", "](elsewhere.md")) == ["answers"]
    assert long_sentences("Short. " + "word " * 40 + ".\n\nShort.")
    assert shown("```{cell} a\n```\n") != shown("```{cell} b\n```\n")
    assert terms("[x](../../glossary.zh-CN.md#反广播unbroadcast)") == {"unbroadcast"}


def test_a_mistake_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    text = (LESSONS / f"{STEMS[0]}.py").read_text(encoding="utf-8")
    spoilt = tmp_path / "spoilt.py"
    spoilt.write_text(re.sub(r'"mistakes": \(', '"mistakes": ("transposed_twice", ', text), encoding="utf-8")
    with pytest.raises(ValueError, match="no mistake 'transposed_twice' can be made here; there are"):
        Lesson(spoilt).failures("en")


@pytest.mark.parametrize(("front", "language"), [("index.md", "en"), ("index.zh-CN.md", "zh")])
def test_each_front_page_has_three_doors_and_the_first_two_are_in_its_language(front: str, language: str) -> None:
    text = (DOCS / front).read_text(encoding="utf-8")
    doors = re.findall(r"^::::\{container\} door\n\*\*\[[^\]]+→\]\(([^)]+)\)\*\*$", text, re.MULTILINE)
    assert doors[:2] == [f"book/{language}/index.md", f"book/{language}/teach.md"]
    assert len(doors) == 3
    for stem in STEMS:
        assert f"\n{stem}\n" in page(language, "index")
