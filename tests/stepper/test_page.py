"""The page: one file that asks for nothing, runs one script, and shows names as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import html5lib
import numpy as np
import pytest
from html_reader import XHTML, attributes, data_of, elements, only_ours, parsed
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SHAPE, programs, seeds
from walked import batchnorm, traced

import micrograd as mg
from micrograd.errors import GraphError
from micrograd.graph import Graph, Stage
from micrograd.source.names import Source
from micrograd.stepper import Walk, walk
from micrograd.stepper.page import html_of, script, stylesheet
from micrograd.stepper.page_data import walk_data
from micrograd.stepper.page_text import LANGUAGES, PAGE, SENTENCES, page_words, say
from micrograd.tracing import trace

# ---- what a page is --------------------------------------------------------


def test_a_page_is_html_with_one_script_and_one_style() -> None:
    document = parsed(walk(batchnorm()).html)
    scripts = elements(document, "script")
    assert [s.get("type") for s in scripts] == ["application/json", None]
    assert len(elements(document, "style")) == 1
    assert not attributes(document, "on")
    assert not attributes(document, "style", "src")
    assert not elements(document, "link")


def test_the_policy_allows_this_script_and_this_style_by_their_hashes() -> None:
    document = parsed(walk(batchnorm()).html)
    policy = next(e.get("content") for e in elements(document, "meta") if e.get("http-equiv"))
    script = next(e.text for e in elements(document, "script") if e.get("type") is None)
    style = elements(document, "style")[0].text
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_a_page_asks_the_network_for_nothing() -> None:
    html = walk(batchnorm()).html
    addresses = set(re.findall(r"https?://[^\s\"'<>)\\]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}  # namespaces
    assert not re.search(r"@import|url\((?!data:)|fetch\(|XMLHttpRequest|import\(", html)


def test_the_page_of_batch_normalization_is_small() -> None:
    assert len(walk(batchnorm()).html.encode()) <= 195_000


def test_the_data_comes_through_the_page() -> None:
    graph = batchnorm()
    made = walk(graph)
    assert data_of(parsed(made.html)) == json.loads(made.json)


def test_the_page_begins_in_its_language() -> None:
    for language, code in (("en", "en"), ("zh", "zh-Hans")):
        document = parsed(walk(batchnorm(), lang=language).html)  # type: ignore[arg-type]
        assert next(iter(elements(document, "html"))).get("lang") == code


# ---- hostile names --------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>", "</script><script>alert(1)//", "<!--<script>", "]]>", "</math><mglyph>", "{{data}}",
    "</svg><script>", '" onload="alert(1)', "&lt;b&gt;", "<img src=x onerror=alert(1)>", "\u2028", "\ud800", "\x00",
]  # fmt: skip
hostile = st.one_of(st.text(min_size=1, max_size=20), st.sampled_from(HOSTILE))


def renamed(graph: Graph, names: list[str], titles: list[str], lines: list[str], folder: Path) -> Graph:
    """The graph with other names, titles and sources; it has run."""
    unique: list[str] = []
    for index, node in enumerate(graph.nodes):
        name = names[index % len(names)]
        unique.append(name if name not in unique else f"{name}{node.index}")
    file = folder / "hostile.py"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    source = Source(str(file), titles[0], 1, 1, 0, 3, lines[0][:3])
    nodes = [replace(n, name=unique[n.index], statement=unique[n.index], stage=0, source=source) for n in graph.nodes]
    stage = Stage(titles[-1], tuple(range(len(nodes))))
    return Graph(
        nodes, [n.index for n in graph.outputs], [stage], name=titles[0], fixed=graph.fixed, tensors=graph._tensors
    )


@settings(max_examples=40)
@given(programs(longest=4), seeds, st.lists(hostile, min_size=1, max_size=6), st.lists(hostile, min_size=1, max_size=3))
def test_names_are_text_whatever_they_are(program: Any, seed: int, names: list[str], titles: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        graph = renamed(traced(program, seed), names, titles, titles, Path(folder))
        graph.backward(np.ones(SHAPE))
        made = walk(graph, title=titles[0])
    code = script({node.op for node in (*graph.nodes, *graph.backward_graph().nodes)})
    document = only_ours(made.html.replace(code, "").replace(stylesheet(), ""))  # ours; html5lib is slow
    data = data_of(document)
    assert [n["name"] for n in data["graphs"]["forward"]["nodes"]] == [n.name for n in graph.nodes]
    assert [stage["title"] for stage in data["stages"]] == [titles[-1]]
    title = elements(document, "title")[0].text or ""
    assert same_text(title, titles[0])
    for math in (step["math"]["names"] for step in data["steps"] if step["phase"] == "forward"):
        fragment = html5lib.parseFragment(f"<p>{math}</p>")
        assert {e.tag.rpartition("}")[2] for e in fragment.iter() if isinstance(e.tag, str)} & {
            "script",
            "img",
        } == set()


def same_text(shown: str, given: str) -> bool:
    """Equal but for what HTML cannot hold, and for the white space that it takes for one."""

    def plain(text: str) -> str:
        return re.sub(r"[\x00-\x20\x7f-\xa0\ud800-\udfff\ufffd]+", " ", text).strip()

    return plain(shown) == plain(given)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "</script><script>alert(1)//", "{{script}}"])
def test_the_hostile_text_test_can_fail(name: str) -> None:
    html = walk(batchnorm()).html
    broken = html.replace("</h1>", f"{name}</h1>") if "{{" not in name else html.replace("</h1>", "<img></h1>")
    with pytest.raises((AssertionError, html5lib.html5parser.ParseError)):
        only_ours(broken)


def test_a_picture_with_hostile_names_has_no_foreign_elements() -> None:
    graph = batchnorm()
    nodes = [replace(n, name=f"</g><script>{n.index}</script>") for n in graph.nodes]
    hostile_graph = Graph(nodes, [14], graph.stages, fixed=graph.fixed, tensors=graph._tensors)
    svg = walk_data(hostile_graph)["svg"]
    fragment = html5lib.parseFragment(svg)
    tags = {e.tag.rpartition("}")[2] for e in fragment.iter() if isinstance(e.tag, str)}
    assert tags <= {"DOCUMENT_FRAGMENT", "svg", "title", "desc", "rect", "g", "text", "path", "polygon", "polyline"}


# ---- words --------------------------------------------------------


def test_every_string_is_there_in_both_languages() -> None:
    for table in (PAGE, SENTENCES):
        for key, texts in table.items():
            assert len(texts) == len(LANGUAGES) == 2, key
            assert all(text.strip() for text in texts), key
            holes = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts]
            assert holes[0] == holes[1], key
    english, chinese = page_words()["en"], page_words()["zh"]
    assert english.keys() == chinese.keys()


def test_chinese_is_chinese() -> None:
    for table in (PAGE, SENTENCES):
        for key, (english, chinese) in table.items():
            if re.search(
                r"[A-Za-z]{3}", re.sub(r"\{\w+\}|backward\(\)|micrograd|JavaScript|Enter|float64|Tab", "", english)
            ):
                assert re.search(r"[\u4e00-\u9fff]", chinese) or key == "language", key


def test_the_page_asks_for_words_that_are_there() -> None:
    pages = Path(mg.__file__).parent / "stepper" / "page"
    text = "".join(path.read_text(encoding="utf-8") for path in pages.rglob("*.js"))
    template = (pages / "template.html").read_text(encoding="utf-8")
    asked = set(re.findall(r"\bt\('(\w+)'", text)) | set(
        re.findall(r"data-(?:word|label|placeholder)=\"(\w+)\"", template)
    )
    assert asked - set(PAGE) == set()


def test_what_fills_a_hole_is_no_template() -> None:
    assert say("en", "head.edge", gradient="{name}", target="{x}", name="<b>") == "{name}: from {x} back to <b>"


# ---- walk --------------------------------------------------------


def test_walk_writes_a_page(tmp_path: Path) -> None:
    made = walk(batchnorm(), tmp_path / "bn.html")
    assert (tmp_path / "bn.html").read_text(encoding="utf-8") == made.html
    assert repr(made) == f"<Walk: Walk through batchnorm_forward, {len(made.data['steps'])} steps>"


def test_walk_of_a_tensor_and_of_something_else() -> None:
    a = mg.Tensor(3.0)
    assert isinstance(mg.walk(a * a + a), Walk)
    with pytest.raises(TypeError, match=r"walk takes a Graph or a Tensor; got int.*trace"):
        mg.walk(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["bn.svg", "bn", "bn.html.txt"])
def test_another_suffix_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"is not \.html; name it bn\.html"):
        walk(batchnorm(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    walk(batchnorm(), tmp_path / "no" / "bn.html")
    assert (tmp_path / "no" / "bn.html").stat().st_size > 1000
    with pytest.raises(NotADirectoryError, match=r"is a file, so .* cannot be written; choose a folder"):
        walk(batchnorm(), tmp_path / "no" / "bn.html" / "bn.html")


def test_a_title_of_ones_own() -> None:
    document = parsed(walk(batchnorm(), title="Lecture 4 <b>").html)
    assert elements(document, "title")[0].text == "Lecture 4 <b>"


def test_the_page_is_the_same_every_time() -> None:
    assert walk(batchnorm()).html == walk(batchnorm()).html


# ---- in a notebook --------------------------------------------------------


def test_a_frame_is_sandboxed_and_holds_the_page() -> None:
    made = walk(batchnorm())
    (frame,) = html5lib.parseFragment(made._repr_html_()).iter(XHTML + "iframe")
    assert frame.get("sandbox") == "allow-scripts"
    assert frame.get("srcdoc") == made.html
    assert frame.get("title") == made.data["title"]


def test_a_notebook_gets_a_frame_and_text_and_nothing_that_needs_a_kernel() -> None:
    made = walk(batchnorm())
    assert made._repr_mimebundle_(include=None, exclude=None) == {
        "text/html": made._repr_html_(), "text/plain": repr(made),
    }  # fmt: skip


@pytest.mark.parametrize(("lang", "words"), [("en", "Trust this notebook to step through"), ("zh", "信任此笔记本")])
def test_a_notebook_that_is_not_trusted_shows_a_picture_and_says_what_to_do(lang: Any, words: str) -> None:
    """JupyterLab's sanitiser leaves out frames, styles and scripts; it keeps `div`, `p`, `b` and images."""
    fragment = html5lib.parseFragment(walk(batchnorm(), lang=lang)._repr_html_())
    style, still, frame = fragment
    assert (style.tag, style.text) == (XHTML + "style", ".micrograd-still{display:none}")  # hides it where trusted
    assert frame.tag == XHTML + "iframe"
    assert still.get("class") == "micrograd-still"
    assert words in "".join(still.itertext())
    assert {element.tag.removeprefix(XHTML) for element in still.iter()} <= {"div", "p", "b", "img"}
    (image,) = still.iter(XHTML + "img")
    kind, _, data = (image.get("src") or "").partition(",")
    assert kind == "data:image/svg+xml;base64"
    picture = ET.fromstring(base64.b64decode(data))
    assert picture.tag.endswith("svg")
    assert "xmu" in "".join(picture.itertext())


def test_html_of_data_that_went_through_json() -> None:
    made = walk(batchnorm())
    assert html_of(json.loads(made.json)) == made.html


def test_a_walk_of_large_values_still_makes_a_page() -> None:
    graph = trace(lambda x: (x * 2.0).sum(), np.random.default_rng(0).standard_normal((100, 50)))
    only_ours(walk(graph).html)
