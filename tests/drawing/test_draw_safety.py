"""Whatever a name is, the picture shows it as text: nothing becomes markup, a link, an escape or another name."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
import wasmtime
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from micrograd.drawing import dot as dot_module
from micrograd.drawing import draw, training_curves
from micrograd.drawing.engines import _forget, _wasm
from micrograd.drawing.labels import cells, clean, dot_text, shorten, xml_text
from micrograd.graph import Graph
from micrograd.graph.graph import Node, Stage

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "style", "g", "rect", "path", "polygon", "polyline", "circle", "text"}
ATTRIBUTES = {
    "class", "role", "aria-label", "viewBox", "width", "height", "style", "x", "y", "rx", "d", "points", "transform",
    "id", "font-size", "text-anchor", "stroke-width", "stroke-dasharray", "cx", "cy", "r",
}  # fmt: skip

NASTY = [
    "<script>alert(1)</script>",
    "<b>bold</b>",
    "a|b{c}<d>",
    r"\N and \G and \l",
    "trailing\\",
    "&#106;avascript",
    "&amp;",
    'quote" onload="x',
    "javascript:alert(1)",
    "]]>",
    "--> <!-- x",
    "a\x00b\x1fc",
    "line\nbreak\ttab",
    "rtl\u202eexe.gnp",
    "zero\u200bwidth\ufeff",
    "lone\ud800surrogate",
    "\ufffe\uffff",
    "ħ̂ 变量 😀 ﷽",
    "<",
    "<<table><tr><td>x</td></tr></table>>",
    "",
]


def graph_of(name: str, title: str = "stage") -> Graph:
    """One input and one operation with these names, run and backpropagated."""
    nodes = [
        Node(0, name, "input", (), "float64"),
        Node(1, name + "'", "sqrt", (), "float64", (0,), {}, name + "'", 0),
    ]
    return Graph(nodes, [1], [Stage(title, (1,))], name=name).run(4.0).backward(1.0)


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def assert_plain(svg: str) -> None:
    for element in ET.fromstring(svg).iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS, element.tag
        assert set(element.attrib) <= ATTRIBUTES, element.attrib
    assert "url(" not in svg
    assert "@import" not in svg


@pytest.mark.parametrize("name", NASTY)
def test_nasty_names_are_text(name: str) -> None:
    picture = draw(graph_of(name, name))
    assert_plain(picture.svg)
    assert shorten(name, 28) in texts(picture.svg)
    picture.svg.encode()  # no lone surrogate is left
    picture.dot.encode()


@given(st.text(max_size=24), st.text(max_size=11))
@example("a", "<i>")
def test_the_text_of_the_picture_is_the_names(name: str, title: str) -> None:
    assume(cells(clean(name)) <= 20)
    svg = draw(graph_of(name, title)).svg
    assert_plain(svg)
    found = texts(svg)
    for wanted in (clean(name), clean(name) + "'", f"d{clean(name)}"):
        assert wanted in found, (wanted, found)
    assert clean(title) in " ".join(found)


def graphviz_svg(dot: str) -> str:
    """The DOT text as Graphviz itself draws it; `svg` is no format of ours, so the engine is asked as `run` asks it."""
    wasm = _wasm()
    assert wasm is not None, "the engine that this package brings is not installed"
    try:
        return bytes(wasm.render(dot, format="svg", backend="wasmtime")).decode()
    except wasmtime.Trap:  # its memory is spoilt by earlier pictures now and then
        _forget(wasm)
        return bytes(wasm.render(dot, format="svg", backend="wasmtime")).decode()


@given(st.text(max_size=24))
@settings(max_examples=60)
def test_graphviz_reads_the_dot_text_as_the_names(name: str) -> None:
    """The DOT text, rendered by Graphviz itself: no escape sequence, entity or markup comes alive."""
    assume(clean(name).strip() == clean(name) and "  " not in name)
    rendered = graphviz_svg(draw(graph_of(name, name)).dot)
    found = texts(rendered)
    assert shorten(name, 28) in found or not name, (name, found)
    assert "xlink:href" not in rendered


@pytest.mark.parametrize("name", [n for n in NASTY if n.strip()])
def test_graphviz_reads_nasty_names_as_text(name: str) -> None:
    rendered = graphviz_svg(draw(graph_of(name, name)).dot)
    assert " ".join(shorten(name, 28).split()) in [" ".join(t.split()) for t in texts(rendered)]
    assert not [e for e in ET.fromstring(rendered).iter() if e.tag.removeprefix(SVG) in ("a", "script", "image")]


def test_the_safety_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the escaping the same checks find the markup."""
    monkeypatch.setattr("micrograd.drawing.svg.xml_text", lambda text: text)
    svg = draw(graph_of("<script>1</script>")).svg
    with pytest.raises((AssertionError, ET.ParseError)):
        assert_plain(svg)


def test_the_engine_is_given_no_name() -> None:
    """Layout is asked for by number, so no label can reach, or upset, the engine."""
    from micrograd.drawing.layout import _dot
    from micrograd.drawing.view import view_of

    asked = _dot(
        view_of(graph_of("secret", "private"), direction="LR", values=True, grads=True, stages=True, whole=False)
    )
    assert "secret" not in asked
    assert "private" not in asked


def test_dot_attributes_are_on_the_list() -> None:
    with pytest.raises(ValueError, match=r"not an allowed attribute: .*URL"):
        dot_module._checked(URL="javascript:alert(1)")
    assert not {"URL", "href", "image", "stylesheet", "shapefile", "target"} & dot_module.ALLOWED
    assert "record" not in draw(graph_of("a")).dot


def test_curves_are_safe_too() -> None:
    svg = training_curves({name + "!": {name + "?": [1.0, 2.0]} for name in NASTY}, title=NASTY[0])
    assert_plain(svg)


# ---- the pieces --------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x00b", "a\ufffdb"), ("a\x7f", "a\ufffd"), ("a\ud800", "a\ufffd"), ("a\u202eb", "ab"), ("a\u200db", "ab"),
        ("a\ufffe", "a\ufffd"), ("x'", "x'"), ("μ²", "μ²"),
    ],
)  # fmt: skip
def test_clean(raw: str, shown: str) -> None:
    assert clean(raw) == shown


@given(st.text(max_size=60), st.integers(5, 40))
def test_shortened_text_fits(text: str, limit: int) -> None:
    assert cells(shorten(text, limit)) <= limit
    if cells(clean(text)) <= limit:
        assert shorten(text, limit) == clean(text)


@given(st.text(max_size=40))
def test_xml_text_reads_back(text: str) -> None:
    element: Any = ET.fromstring(f'<a b="{xml_text(text)}">{xml_text(text)}</a>')
    assert (element.text or "") == clean(text)
    assert element.attrib["b"] == clean(text)


def test_dot_text_escapes_in_the_right_order() -> None:
    assert dot_text('\\N "&#106;"') == '\\\\N \\"&amp;#106;\\"'
