"""The table of mistakes: every row is whole, and whatever speaks of a kind of mistake finds its row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import micrograd.marker
from micrograd.errors import GraphError
from micrograd.marker.messages import LANGUAGES, say
from micrograd.marker.mistakes import BY_TAG, EPS_EXTRA, MISTAKES, NOT_KEPT, Mistake

ROOM = Path(micrograd.marker.__file__).parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ALWAYS = ("summary", "what", "why", "step")
REPORTED = {"by", "edge_name", "edge_name_cap", "expected", "got", "of", "reason", "shapes", "source", "target", "to"}
HOLES = {
    "summary": set[str](), "what": REPORTED, "why": REPORTED, "step": REPORTED,
    "planted": {"other", "target", "what"}, "planted_whole": {"target"}, "solution": set[str](),
}  # fmt: skip


# ---- a law of the table ----------------------------------------------------------------------------------------------


def faults(rows: Iterable[Mistake]) -> Iterator[str]:
    """What is wrong with a table: a text that is missing or has other holes in Chinese, a tag that two rows want."""
    names: set[str] = set()
    owners: dict[str, str] = {}
    for row in rows:
        if row.name in names or not row.name.isidentifier():
            yield f"{row.name}: name"
        names.add(row.name)
        for field, allowed in HOLES.items():
            english, chinese = getattr(row, field)
            holes = [set(re.findall(r"\{(\w+)\}", text)) for text in (english, chinese)]
            bare = [re.sub(r"\{\w+\}", "", text) for text in (english, chinese)]
            own_words = row.what[0] != "{reason}"  # what Python said of an error stands for what and why
            if not all(bare) and (any(bare) or (field in ALWAYS and own_words)):
                yield f"{row.name}.{field}: empty"
            if CHINESE.search(english) or (bare[0] and not CHINESE.search(chinese)):
                yield f"{row.name}.{field}: language"
            if {hole.removesuffix("_cap") for hole in holes[0]} != holes[1] or holes[0] - allowed:
                yield f"{row.name}.{field}: holes"
            if re.search(r"[{}]", "".join(bare)):
                yield f"{row.name}.{field}: braces"
        if row.planted_whole[0] and not row.planted[0]:
            yield f"{row.name}.planted: empty"
        for tag in row.tags:
            if owners.setdefault(tag, row.name) != row.name:
                yield f"{row.name}: tag {tag} of {owners[tag]}"


def test_every_row_is_whole() -> None:
    assert list(faults([*MISTAKES.values(), EPS_EXTRA, NOT_KEPT])) == []
    assert all(row.name == name for name, row in MISTAKES.items())


SIGN = MISTAKES["sign"]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (SIGN._replace(summary=("the sign is wrong", "")), "sign.summary: empty"),
        (SIGN._replace(why=("", "")), "sign.why: empty"),
        (SIGN._replace(step=("", "符号")), "sign.step: empty"),
        (SIGN._replace(what=("The sign is wrong.", "The sign is wrong.")), "sign.what: language"),
        (SIGN._replace(what=("符号错了。", "符号错了。")), "sign.what: language"),
        (SIGN._replace(what=("A factor is off{by}.", "差一个因子。")), "sign.what: holes"),
        (SIGN._replace(what=("It is {ratio}.", "是 {ratio}。")), "sign.what: holes"),
        (SIGN._replace(summary=("wrong{by}", "错了{by}")), "sign.summary: holes"),
        (SIGN._replace(planted=("{what} in {target}", "{what} 中")), "sign.planted: holes"),
        (SIGN._replace(planted=("{target} with the other sign", "")), "sign.planted: empty"),
        (SIGN._replace(planted=("", ""), planted_whole=("{target} turned", "{target} 反了")), "sign.planted: empty"),
        (SIGN._replace(step=("Where {?", "哪里 {？")), "sign.step: braces"),
        (SIGN._replace(name="factor"), "factor: name"),
        (SIGN._replace(name="signs", tags=("constant",)), "signs: tag constant of factor"),
    ],
)  # fmt: skip
def test_the_law_of_the_table_can_fail(row: Mistake, fault: str) -> None:
    rest = [other for other in MISTAKES.values() if other.name != "sign"]
    assert fault in faults([*rest, row])


def test_no_language_but_the_two() -> None:
    assert [say(language, SIGN.summary) for language in LANGUAGES] == list(SIGN.summary)
    with pytest.raises(GraphError, match=r"language='fr' is neither \"en\" nor \"zh\"\."):
        say("fr", SIGN.summary)


# ---- those that name a kind ------------------------------------------------------------------------------------------

MAKERS = {"Kind": 0, "Finding": 1, "Mutant": 0, "_mutant": 0, "AlteredLine": 2, "Change": 3, "Edit": 2}
"""What makes a thing of some kind, or with some tag, and the place of that argument."""


def words_in(expression: ast.expr) -> set[str]:
    """The texts that an expression may be worth: one, or those on either side of a condition."""
    match expression:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return words_in(body) | words_in(orelse)
    return set()


def named_in_code(makers: Iterable[str]) -> set[str]:
    """The kinds or tags that are written out in calls, or assigned to `tag` before one."""
    found: set[str] = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args) if name in makers:
                    found |= words_in(args[MAKERS[name]]) if len(args) > MAKERS[name] else set()
                case ast.Assign(targets=[ast.Name(id="tag")], value=value) if "Edit" in makers:
                    found |= words_in(value)
    return found


def test_every_kind_that_the_code_names_has_a_row() -> None:
    found = named_in_code(("Kind", "Finding", "Mutant", "_mutant"))
    assert len(found) >= 25
    assert found - {""} <= {*MISTAKES}


def test_whatever_is_planted_has_words() -> None:
    bugs, mutants = named_in_code(("AlteredLine",)), named_in_code(("Mutant", "_mutant"))
    assert len(bugs) >= 8
    assert len(mutants) >= 15
    assert [kind for kind in bugs if not MISTAKES[kind].solution[0]] == []
    assert [kind for kind in mutants if not MISTAKES[kind].planted[0]] == []


def test_every_tag_that_the_code_names_has_a_row() -> None:
    found = named_in_code(("Edit", "Change"))
    assert len(found) >= 25
    assert found <= {*BY_TAG}
