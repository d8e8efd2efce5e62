"""Machine code computes what the printed text says: at every width of vectors, for lengths that fill them or not."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from compiled import close
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from micrograd import value_and_grad
from micrograd.compiler.backends.native import Entry, words
from micrograd.compiler.cache import cache
from micrograd.compiler.machine.abreast import own_variables
from micrograd.compiler.machine.assembling import object_of, python_function, with_entry
from micrograd.compiler.machine.printer import print_function
from micrograd.compiler.machine.sweeps import counted, names_in, sweep_of, together
from micrograd.compiler.machine.values import UnprintedError
from micrograd.program.capture import capture

pytestmark = pytest.mark.filterwarnings("ignore:.* cannot be fused:RuntimeWarning")

WIDTHS = (16, 32, 64)
Array = np.ndarray[Any, Any]


# ---- what users write ------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "batch norm": lambda x, g: g * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5),
    "layer norm": lambda x, g: g * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5),
    "softmax": lambda x, g: np.exp(x - x.max(1, keepdims=True)) / np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True),
    "columns": lambda x, g: np.exp(x - x.max(0)) / np.exp(x - x.max(0)).sum(0) * g,
    "chain": lambda x, g: np.tanh(x * g) * np.log(1.0 + x * x) + x**3 - 1.0 / (2.0 + np.cos(x)),
    "mask": lambda x, g: np.where(x > g, x, 0.1 * x) * (x < 1.5),
    "transposed": lambda x, g: (x.T + x.T * g[:, None]).sum(1) * x,
    "windows": lambda x, g: x[:, ::-1] * g + np.concatenate([x[1:], x[:1]]),
    "picked": lambda x, g: x[np.arange(len(x)), np.arange(len(x)) % x.shape[1]][:, None] * g + x,
    "padded": lambda x, g: np.pad(x, 1)[1:-1, :-2] * g,
    "product": lambda x, g: (x @ x.T) @ x * g,
    "rounded": lambda x, g: np.floor(3 * x) + np.rint(x) * np.abs(g) + np.maximum(x, g),
}  # fmt: skip


def of_width(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "vector_bytes", lambda: wide)
    now = cache._circumstances()
    monkeypatch.setattr(cache, "_circumstances", lambda: {**now, "wide": wide})


@pytest.mark.parametrize("wide", WIDTHS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_machine_code_computes_what_is_printed(name: str, wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    of_width(wide, monkeypatch)
    f, rng = FUNCTIONS[name], np.random.default_rng(5)
    for dtype in (np.float32, np.float64):
        functions: list[Entry] = []
        for rows, columns in ((9, 37), (1, 1), (4, 64)):
            x, g, d = (rng.standard_normal(s).astype(dtype) for s in ((rows, columns), (columns,), (rows, columns)))
            program = capture(
                lambda x, g, d: value_and_grad(lambda x, g: np.sum(f(x, g) * d), (0, 1))(x, g), (x, g, d), {}
            )
            entry = Entry(program, {}, 1)
            functions.append(entry)
            (value, grads), (expected, wanted) = (
                e.run([x, g, d]) for e in (entry, Entry(program, {}, 1, interpreted=True))
            )
            close(value, expected, scale=float(np.abs(f(x, g) * d).sum()))
            for a, b in zip(grads, wanted, strict=True):
                close(a, b)


def loops_of(source: str) -> Counter[str]:
    """How many of its innermost loops run as vectors, in rows, or one entry after the other."""
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef)
    read, found = Counter(names_in(tree)), Counter[str]()

    def look(statements: list[ast.stmt]) -> None:
        for place, statement in enumerate(statements):
            loop = counted(statements, place)
            if loop is not None and sweep_of(loop, read) is not None:
                found["vectors"] += 1
            elif loop is not None and together(loop, read) is not None:
                found["rows"] += 1
            elif isinstance(statement, ast.While | ast.For) and counted(statements, place - 1) is None:
                look(statement.body)
            elif loop is not None:
                inner = [*loop.body]
                shares = loop.index == "c"  # of the chunks, added up in their order
                found["numbers"] += not shares and not any(isinstance(s, ast.While | ast.If) for s in inner)
                look(inner)

    look(tree.body)
    return found


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("batch norm", {"rows", "vectors"}),
        ("layer norm", {"vectors"}),
        ("softmax", {"vectors"}),
        ("mask", {"vectors"}),
    ],
)
def test_the_hot_loops_run_as_vectors(name: str, kinds: set[str]) -> None:
    x, g = np.ones((8, 32), np.float32), np.ones(32, np.float32)
    f = FUNCTIONS[name]
    program = capture(lambda x, g: value_and_grad(lambda x, g: np.sum(f(x, g) * x), (0, 1))(x, g), (x, g), {})
    found = sum(
        (loops_of(step.source) for step in Entry(program, {}, 1).lowered.steps if hasattr(step, "source")), Counter()
    )
    assert kinds <= set(found)
    assert not found["numbers"]


# ---- loops, one by one -----------------------------------------------------------------------------------------


def run(source: str, kinds: dict[str, str], *arguments: Any, wide: int = 32, plain: bool = False) -> list[Any]:
    """The arrays after a call: of the machine code, or of the text as Python."""
    given_ = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    if plain:
        found = words()
        exec(source, found)
        with np.errstate(all="ignore"):
            result = found["run"](*given_)
    else:
        text, name = print_function(source, kinds, wide)
        result = python_function(object_of(with_entry(text, name, [*kinds.values()])))(*given_)
    return [result, *(a for a in given_ if isinstance(a, np.ndarray))]


ROWS = """
def run(m, n, x, y, s):
    bad = 0
    c = 0
    while c < 1:
        i0 = 0
        while i0 < m:
            i1 = 0
            while i1 < n:
                t1 = {value}
                s[i1] = s[i1] + t1
                y[i0 * n + i1] = t1 * f64(2)
                bad |= t1 > f64(1.5)
                i1 += 1
            i0 += 1
        c += 1
    return bad
"""
VALUES = st.sampled_from(
    [
        "x[(i1 * 1 + i0) * 1 + 0]",
        "x[(i1 * m + i0) * 1 + 0]",
        "x[i0 * n + i1]",
        "x[i0 * n + i1] * x[i1]",
        "x[i0 * n + i1] - x[0]",
        "x[i0] * x[i0 * n + i1]",
        "x[i1 * m + i0]",
    ]
)


@settings(max_examples=40)
@given(VALUES, st.integers(1, 11), st.integers(1, 40), st.sampled_from(WIDTHS))
def test_rows_side_by_side(value: str, m: int, n: int, wide: int) -> None:
    x = np.random.default_rng(m * n).standard_normal(m * n)
    kinds = {"m": "i64", "n": "i64", "x": "*f64", "y": "*f64", "s": "*f64"}
    given_ = (ROWS.format(value=value), kinds, m, n, x, np.zeros(m * n), np.zeros(n))
    machine, plain = run(*given_, wide=wide), run(*given_, plain=True)
    assert machine[0] == plain[0]
    for a, b in zip(machine[1:], plain[1:], strict=True):
        assert np.array_equal(a, b)  # sums are added up in the order of the rows


SIDE_BY_SIDE = """
def run(m, n, x, y, s, w, p):
    bad = 0
    total = f64(0)
    i0 = 0
    while i0 < m:
        k = x[i0 * n]
        r = f64(1)
        b = 0
        while b < n:
            r_ = f64(0)
            end1 = min(b + 8, n)
            i1 = b
            while i1 < end1:
                t = x[i0 * n + i1] - k
                w[(i0 - 0) % 4 * n + i1] = t
                s[i1] = s[i1] + t
                r_ = plus64(r_, t * t)
                i1 += 1
            r += r_
            b += 8
        far = 0
        far |= r > f64(n)
        if far != 0:
            k += f64(1)
            i1 = 0
            while i1 < n:
                w[(i0 - 0) % 4 * n + i1] = x[i0 * n + i1] - k
                i1 += 1
        total += r
        bad |= r > f64(30)
        bad |= r < f64(2)
        p[i0] = r
        i1 = 0
        while i1 < n:
            u = w[(i0 - 0) % 4 * n + i1]
            y[i0 * n + i1] = u / r
            i1 += 1
        i0 += 1
    s[0] = s[0] + total
    return bad
"""


def outer_loop(source: str) -> tuple[Any, Counter[str]]:
    """The last loop of a function that no other is around, and how often each name is read."""
    (tree,) = ast.parse(source).body
    found = [counted(tree.body, at) for at in range(len(tree.body))]  # type: ignore[attr-defined]
    return [loop for loop in found if loop is not None][-1], Counter(names_in(tree))


@settings(max_examples=25)
@given(st.integers(1, 11), st.integers(1, 40), st.sampled_from(WIDTHS))
def test_rows_that_go_through_the_same_sweeps(m: int, n: int, wide: int) -> None:
    """Each row is added up in one order, wherever it stands; the text adds up in another."""
    assert own_variables(*outer_loop(SIDE_BY_SIDE)) is not None
    x = np.random.default_rng(m * n).standard_normal(m * n)
    kinds = {"m": "i64", "n": "i64", **dict.fromkeys(("x", "y", "s", "w", "p"), "*f64")}
    empty = [np.zeros(size) for size in (m * n, n, 4 * n, m)]
    machine, plain = (run(SIDE_BY_SIDE, kinds, m, n, x, *empty, wide=wide, plain=p) for p in (False, True))
    for a, b in zip(machine, plain, strict=True):
        assert np.allclose(a, b, rtol=1e-14, atol=1e-14)
    again = run(SIDE_BY_SIDE, kinds, 1, n, x[-n:], *empty, wide=wide)
    assert np.array_equal(machine[2][-n:], again[2][:n])


FOLLOWING = {  # what a row does with what another one has left
    "a running sum that is read": ("total += r", "total += r\n        k = total"),
    "scratch that all rows share": ("w[(i0 - 0) % 4 * n + i1]", "w[i1]"),
    "scratch that comes round too soon": ("(i0 - 0) % 4", "(i0 - 0) % 2"),
    "a row that is not its own": ("y[i0 * n + i1] = u / r", "y[i0 * n + i1] = y[i1] + u"),
    "rows that overlap": ("y[i0 * n + i1] = u / r", "y[i0 * 3 + i1] = y[i0 * 3 + i1] + u\n            v = y[i0 * 3]"),
    "a place from memory": ("p[i0] = r", "p[i0] = r\n        y[i0 * n + p[0]] = r"),
    "a condition that sets what is read": ("total += r", "total += r\n        if r > f64(9):\n            q = r\n        p[i0] = q"),
    "a sum over columns that is read": ("u = w[(i0 - 0) % 4 * n + i1]", "u = w[(i0 - 0) % 4 * n + i1] + s[i1]"),
    "rows within the columns": ("y[i0 * n + i1] = u / r", "y[(i1 * m + i0) * 1 + 0] = y[(i1 * m + i0) * 1 + 0] + u"),
    "a flag that counts": ("bad |= r < f64(2)", "bad += 1"),
    "an end that differs": ("end1 = min(b + 8, n)", "end1 = min(b + p[i0], n)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWING)
def test_rows_that_read_each_other_follow_each_other(name: str) -> None:
    old, new = FOLLOWING[name]
    assert old in SIDE_BY_SIDE
    assert own_variables(*outer_loop(SIDE_BY_SIDE.replace(old, new))) is None


GATHERED = """
def run(n, x, p, y):
    i = 0
    while i < n:
        j = p[i]
        y[i] = x[j] + x[j + 1]
        i += 1
    return 0
"""


@pytest.mark.parametrize("dtype", ["i8", "u8", "i32", "i64", "u64"])
@pytest.mark.parametrize("wide", WIDTHS)
def test_places_from_memory(dtype: str, wide: int) -> None:
    (tree,) = ast.parse(GATHERED).body
    loop = counted(tree.body, 0)  # type: ignore[attr-defined]
    assert loop is not None
    assert sweep_of(loop, Counter(names_in(tree))) is not None
    rng = np.random.default_rng(4)
    p = rng.integers(0, 29, 45).astype(f"{dtype[0]}{int(dtype[1:]) // 8}")
    x = rng.standard_normal(30)
    kinds = {"n": "i64", "x": "*f64", "p": f"*{dtype}", "y": "*f64"}
    assert np.array_equal(run(GATHERED, kinds, 45, x, p, np.zeros(45), wide=wide)[3], x[p] + x[p.astype(int) + 1])


SERIAL = {
    "the entry before": "y[i] = y[i] + x[i]\n        z[i] = y[i - 1]",
    "a shift of itself": "x[i + 1] = x[i] * f64(0.5)",
    "a running sum": "s = s + x[i]\n        y[i] = s",
    "a carried maximum that is read": "s = largest64(s, x[i])\n        y[i] = s",
    "read before it is set": "y[i] = s\n        s = x[i]",
    "one place": "y[0] = x[i]",
    "turned round": "y[n - 1 - i] = x[i]",
    "every other": "y[i * k] = x[i]",
    "a place from memory": "j = p[i]\n        y[j] = x[i]",
    "a place that changes": "j = p[i]\n        y[i] = x[j]\n        j = i\n        z[i] = x[j]",
    "two sums of one": "s = plus64(s, x[i])\n        s = plus64(s, y[i])",
}


@pytest.mark.parametrize("name", SERIAL)
def test_what_depends_on_the_turn_before_runs_one_after_the_other(name: str) -> None:
    body = SERIAL[name]
    source = f"def run(n, k, x, y, z, p):\n    s = f64(0.25)\n    i = 1\n    while i < n:\n        {body}\n        i += 1\n    z[0] = s\n    return 0\n"
    (tree,) = ast.parse(source).body
    loop = counted(tree.body, 1)  # type: ignore[attr-defined]
    assert loop is not None
    assert sweep_of(loop, Counter(names_in(tree))) is None
    n, rng = 41, np.random.default_rng(1)
    x, y, z = (rng.standard_normal(2 * n + 2) for _ in range(3))
    kinds = {"n": "i64", "k": "i64", "x": "*f64", "y": "*f64", "z": "*f64", "p": "*i64"}
    given_ = (source, kinds, n, 2, x, y, z, rng.permutation(n))
    for a, b in zip(run(*given_), run(*given_, plain=True), strict=True):
        assert np.array_equal(a, b)


def test_rows_that_overlap_are_not_taken_side_by_side() -> None:
    source = """
def run(m, n, k, x, y):
    i0 = 0
    while i0 < m:
        i1 = 0
        while i1 < n:
            y[i0 * k + i1] = y[i0 * k + i1] + x[i0 * n + i1]
            i1 += 1
        i0 += 1
    return 0
"""
    (tree,) = ast.parse(source).body
    loop = counted(tree.body, 0)  # type: ignore[attr-defined]
    assert loop is not None
    assert together(loop, Counter(names_in(tree))) is None
    kinds = {"m": "i64", "n": "i64", "k": "i64", "x": "*f64", "y": "*f64"}
    x = np.random.default_rng(2).standard_normal(200)
    given_ = (source, kinds, 9, 20, 3, x, np.zeros(60))
    for a, b in zip(run(*given_), run(*given_, plain=True), strict=True):
        assert np.array_equal(a, b)


INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("wide", WIDTHS)
def test_whole_numbers_wrap_around_as_numpys(dtype: str, wide: int) -> None:
    short = f"{dtype[0]}{dtype.lstrip('uint')}"
    source = f"""
def run(n, x, y, z):
    i = 0
    while i < n:
        t1 = x[i]
        t2 = y[i]
        z[i] = np.{dtype}(max(t1, np.{dtype}(t1 * t2 + np.{dtype}(3)))) if t1 < t2 else np.{dtype}(t1 - t2)
        i += 1
    return 0
"""
    info, rng = np.iinfo(dtype), np.random.default_rng(3)
    x, y = (rng.integers(info.min, info.max, 45, dtype, endpoint=True) for _ in range(2))
    kinds = {"n": "i64", "x": f"*{short}", "y": f"*{short}", "z": f"*{short}"}
    found = run(source, kinds, 45, x, y, np.zeros(45, dtype), wide=wide)[3]
    with np.errstate(all="ignore"):
        assert np.array_equal(found, np.where(x < y, np.maximum(x, x * y + np.array(3, dtype)), x - y))


@pytest.mark.parametrize(
    ("body", "words_"),
    [
        ("x[0] = m", "m before it has a value"),
        ("x[0] = np.angle(x[1])", r"np\.angle"),
        ("with x: pass", "with x"),
        ("x[0] = x[0] + n", "an operation between f64 and i64"),
        ("x[0] = [1.0]", r"\[1\.0\]"),
        ("x = n", "x as a number and as memory"),
    ],
)
def test_what_no_instruction_is_known_for_is_refused(body: str, words_: str) -> None:
    with pytest.raises(UnprintedError, match=words_):
        print_function(f"def run(n, x):\n    {body}\n    return 0\n", {"n": "i64", "x": "*f64"}, 32)


def test_other_processors_are_printed_for() -> None:
    """Vectors of 16 bytes are what NEON has; LLVM's code generator for it need not be here."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine()
    except RuntimeError:
        pytest.skip("this LLVM writes no code for AArch64")
    kinds = {"m": "i64", "n": "i64", "x": "*f64", "y": "*f64", "s": "*f64"}
    text, _ = print_function(ROWS.format(value="x[i0 * n + i1]"), kinds, 16)
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    assert "fadd" in machine.emit_assembly(module)
