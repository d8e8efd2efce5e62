"""What cannot be traced is refused with the author's line underlined, and the nearest thing that works."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.errors import GraphError

X = np.array([[1.0, -2.0, 0.5], [0.3, 4.0, -1.0]])


def caret(message: str) -> str:
    """The text over the carets of a message."""
    *_, line, mark = message.splitlines()
    start, end = mark.index("^"), mark.rindex("^") + 1
    assert set(mark[start:end]) == {"^"}
    return line[start:end]


# Each lambda stands on one line, so that the line of the author is known.
REFUSED: list[tuple[Callable[..., Any], str, str]] = [
    (lambda x: np.linalg.eig(x @ x.T), "np.linalg.eig(x @ x.T)", r"^np\.linalg\.eig has no rule.*use np\.linalg\.eigh"),
    (lambda x: np.i0(x) + 1, "np.i0(x)", r"^np\.i0 has no rule to differentiate it by.*write it with \+ - \*"),
    (lambda x: np.ma.log(x), "np.ma.log(x)", r"^np\.ma\.log has no rule.*use np\.where"),
    (lambda x: np.fft.fft(x), "np.fft.fft(x)", r"^np\.fft\.fft has no rule.*matrix of the transform"),
    (lambda x: np.roots(x[0]), "np.roots(x[0])", r"^np\.roots has no rule.*write it with"),
    (lambda x: np.subtract.reduce(x), "np.subtract.reduce(x)", r"^np\.subtract\.reduce has no rule"),
    (lambda x: np.multiply.at(x, [0], 2.0), "np.multiply.at(x, [0], 2.0)", r"^np\.multiply\.at has no rule"),
    (lambda x: np.frexp(x), "np.frexp(x)", r"^np\.frexp has no rule"),
    (lambda x: float(x.sum()) * 2, "float(x.sum())", r"^float\(\) of a traced value .*leave it out"),
    (lambda x: math.floor(x[0, 0]) + math.erf(x[0, 0]), "math.erf(x[0, 0])", r"^float\(\) of a traced value"),
    (lambda x: np.float64(x.sum()), "np.float64(x.sum())", r"lose its gradient silently.*use \.astype"),
    (lambda x: x.tolist(), "x.tolist()", r"^tolist\(\) would lose the gradient silently.*keep the array"),
    (lambda x: x.tobytes(), "x.tobytes", r"^\.tobytes of a traced array is not supported"),
    (lambda x: x.view(np.int64), "x.view(np.int64)", r"^view\(int64\) reads the bytes.*use astype"),
    (lambda x: np.arange(6.0)[x], "np.arange(6.0)[x]", r"^a traced float array cannot be an index"),
    (lambda x: np.array([x, None], dtype=object), "np.array([x, None], dtype=object)", r"^an array of objects"),
    (lambda x: np.linalg.svd(x), "np.linalg.svd(x)", r"full_matrices=True returns vectors that have no slope.*=False"),
    (lambda x: np.quantile(x, x[0, 0]), "np.quantile(x, x[0, 0])", r"a q that is traced has no rule"),
    (lambda x: np.histogram(x, 3)[0], "np.histogram(x, 3)", r"the slope of the edges would be lost; give the edges"),
    (lambda x: np.zeros((x.shape[0] / 2, 3)) + x, "np.zeros((x.shape[0] / 2, 3))", r"Python 2 divided.*write //"),
    (lambda x: [x for _ in range(x.shape[0] / 2)], "range(x.shape[0] / 2)", r"^a count is a float.*write // for /"),
    (lambda x: np.lib.pad(x, 1, "constant"), 'np.lib.pad(x, 1, "constant")', r"^np\.lib\.pad is gone.*write np\.pad"),
    (lambda x: np.exp(x, where=x > 0), "np.exp(x, where=x > 0)", r"where= without out=.*use np\.where"),
    (lambda x: np.vectorize(abs, excluded={1})(x), "np.vectorize(abs, excluded={1})", r"is not traced; write the loop"),
    (lambda x: x + np.ones((5, 3)), "x + np.ones((5, 3))", r"shapes \(2, 3\) and \(5, 3\) do not broadcast"),
    (lambda x: x * np.array([1j, 2, 3]), "x * np.array([1j, 2, 3])", r"complex is not supported"),
]  # fmt: skip


def plain(x: Any) -> Any:
    """Return an array of the user's that NumPy itself made: whole numbers times a number."""
    return np.arange(3) * 1.5


@pytest.mark.parametrize(
    "write",
    [lambda a, x: a.__setitem__(0, x[0, 0]), lambda a, x: a.flat.__setitem__(0, x[0, 0])],
    ids=["a[0] =", "a.flat[0] ="],
)
def test_a_traced_number_in_a_plain_array_is_refused_in_words(write: Any) -> None:
    def f(x: Any) -> Any:
        a = plain(x)
        write(a, x)
        return a

    for run in (mg.trace, mg.vjp, lambda f, x: mg.compile(f)(x)):
        with pytest.raises(
            GraphError, match=r"written into a plain array.*np\.zeros or np\.array(?s:.*)test_trace_ref"
        ):
            run(f, X)


def test_numpys_words_stay_where_nothing_traced_is_to_blame() -> None:
    def refused_before(x: Any) -> Any:
        return float(x[0, 0])

    with pytest.raises(GraphError, match="float"):
        mg.vjp(refused_before, X)
    with pytest.raises(ValueError, match=r"^Error setting single item of array\.$"):
        mg.vjp(lambda x: plain(x).flat.__setitem__(0, "a"), X)


def test_a_locked_array_is_refused_where_numpys_add_at_writes_through_the_lock() -> None:
    def f(x: Any) -> Any:
        np.add.at(np.diagonal(x), [0, 0], x[0, 0])
        return x * 2

    for x in (np.ones((2, 2)), np.ones((2, 2), np.float32)):
        with pytest.raises(
            GraphError, match=r"^np\.add\.at writes into an array that NumPy has locked.*np\.array\(x\)"
        ):
            mg.vjp(f, x)


def test_a_list_refuses_a_traced_index_by_itself() -> None:
    with pytest.raises(TypeError, match=r"only integer scalar arrays|must be integers"):
        mg.trace(lambda x: [1, 2, 3][x.sum()], X)


@pytest.mark.parametrize(("f", "text", "message"), REFUSED, ids=[text for _, text, _ in REFUSED])
def test_refusals_underline_the_expression(f: Callable[..., Any], text: str, message: str) -> None:
    with pytest.raises(mg.MicrogradError, match=message) as caught:
        mg.trace(f, X)
    told = str(caught.value)
    assert caret(told) == text
    assert f"{__file__}, line {f.__code__.co_firstlineno}, in <lambda>" in told


def test_the_line_is_that_of_the_helper_that_went_wrong() -> None:
    def helper(z):  # type: ignore[no-untyped-def]
        return np.roots(z[0])

    def f(x):  # type: ignore[no-untyped-def]
        y = x * 2.0
        return helper(y)

    with pytest.raises(GraphError, match=r"in helper\n    return np\.roots\(z\[0\]\)\n           \^{14}$"):
        mg.trace(f, X)


def test_an_expression_over_lines_is_underlined_to_the_end_of_its_first() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        return np.roots(
            x[0],
        )

    with pytest.raises(GraphError, match=r"    return np\.roots\(\n           \^{9}$"):
        mg.trace(f, X)


def test_letters_of_more_than_one_byte_do_not_move_the_carets() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        return "均值σ²" and np.roots(x[0])

    with pytest.raises(GraphError) as caught:
        mg.trace(f, X)
    assert caret(str(caught.value)) == "np.roots(x[0])"


def test_code_without_a_source_is_placed_by_its_line() -> None:
    scope: dict[str, Any] = {"np": np}
    exec("def f(x):\n    return np.roots(x[0])", scope)
    with pytest.raises(GraphError, match=r"np\.roots has no rule[^\n]*\n  <string>, line 2, in f$"):
        mg.trace(scope["f"], X)


def test_the_authors_own_errors_are_theirs() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        raise ValueError("mode must be train or test")

    with pytest.raises(ValueError, match=r"^mode must be train or test$"):
        mg.trace(f, X)


def test_a_value_may_be_shown() -> None:
    shown: list[str] = []

    def f(x):  # type: ignore[no-untyped-def]
        loss = (x * x).sum()
        shown.extend(["%.1f" % loss, f"{loss:.2f}", str(loss), f"{x[0, 0]}", "%s %d" % ("a", loss)])
        return loss

    mg.trace(f, X)
    total = (X * X).sum()
    assert shown == [f"{total:.1f}", f"{total:.2f}", str(total), "1.0", f"a {int(total)}"]


# ---- a lost trace is never silent ------------------------------------------------------------------------


def test_a_plain_array_is_traced_from_the_moment_that_it_is_added_to() -> None:
    noise = np.random.default_rng(0)

    def f(x):  # type: ignore[no-untyped-def]
        plain = noise.standard_normal(x.shape)  # NumPy's own array, made by an object of NumPy's
        plain *= x
        return plain + 1.0

    graph = mg.trace(f, X)
    graph.backward(np.ones_like(X))
    again = np.random.default_rng(0).standard_normal(X.shape)
    np.testing.assert_allclose(graph.grad["x"], again)


def test_a_plain_array_with_another_name_is_refused() -> None:
    noise = np.random.default_rng(0)

    def f(x):  # type: ignore[no-untyped-def]
        plain = noise.standard_normal(x.shape)
        other = plain
        plain += x
        return other * 2.0

    with pytest.raises(GraphError, match=r"has 2 names here \(other, plain\).*np\.zeros or np\.array"):
        mg.trace(f, X)


@pytest.mark.parametrize(
    "write",
    [
        lambda plain, x: plain.__setitem__(0, x[0]),
        lambda plain, x: np.add.at(plain, [0], x[0]),
        lambda plain, x: np.copyto(plain, x),
        lambda plain, x: np.put(plain, [0], x[0, 0]),
    ],
)
def test_writing_into_a_plain_array_is_refused(write: Any) -> None:
    noise = np.random.default_rng(0)

    def f(x):  # type: ignore[no-untyped-def]
        plain = noise.standard_normal(x.shape)
        write(plain, x)
        return plain

    with pytest.raises(GraphError, match=r"lose its gradient silently.*np\.zeros"):
        mg.trace(f, X)


def test_a_whole_number_array_holds_no_traced_values() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        counts = np.zeros(x.shape, dtype=int)
        counts += x
        return counts

    for call in (f, lambda x: mg.trace(f, x)):
        with pytest.raises(TypeError, match=r"Cannot cast ufunc 'add' output from dtype\('float64'\)"):
            call(X)


def test_an_array_that_foreign_code_holds_is_not_written_into() -> None:
    keep: list[Any] = []

    def f(x):  # type: ignore[no-untyped-def]
        buffer = np.zeros(3)
        keep.append(memoryview(buffer.__array__()))
        buffer[0] = x[0, 0]
        return buffer

    with pytest.raises(GraphError, match=r"outside of the traced functions has been given.*np\.array\(x\)"):
        mg.trace(f, X)


def test_two_arguments_of_one_memory_are_not_written_into() -> None:
    def f(x, row):  # type: ignore[no-untyped-def]
        row += 1.0
        return x * row

    with pytest.raises(GraphError, match=r"shares its memory with another array.*pass a copy"):
        mg.trace(f, X, X[0])
    assert X[0, 0] == 1.0
    assert mg.trace(lambda x, row: x * row, X, X[0]).outputs


def test_a_read_only_argument_stays_as_it_is() -> None:
    fixed = X.copy()
    fixed.flags.writeable = False

    def f(x):  # type: ignore[no-untyped-def]
        x -= 1.0
        return x

    with pytest.raises(ValueError, match="read-only"):
        f(fixed)
    with pytest.raises(ValueError, match="read-only"):
        mg.trace(f, fixed)
    with pytest.raises(ValueError, match="read-only"):
        mg.trace(lambda x: np.broadcast_to(x, (2, 2, 3)).__setitem__(0, x), X)


def test_shapes_that_do_not_fit_in_a_write_are_told_as_numpy_tells_them() -> None:
    def f(x):  # type: ignore[no-untyped-def]
        out = np.zeros((2, 2))
        out[0] = x[0]
        return out

    with pytest.raises(ValueError, match=r"could not broadcast input array from shape \(3,\) into shape \(2,\)"):
        mg.trace(f, X)

    def g(x):  # type: ignore[no-untyped-def]
        row = x[0].copy()
        row += x
        return row

    with pytest.raises(ValueError, match=r"non-broadcastable output operand with shape \(3,\)"):
        mg.trace(g, X)


def test_values_that_do_not_join_into_an_array() -> None:
    with pytest.raises(ValueError, match="inhomogeneous"):
        mg.trace(lambda x: np.array([x[0], x[0, 0]]), X)


def test_a_border_that_depends_on_the_array_is_refused() -> None:
    def mirror(vector, width, axis, keywords):  # type: ignore[no-untyped-def]
        vector[: width[0]] = vector[width[0]]

    with pytest.raises(GraphError, match=r"what it puts in the border depends on the array"):
        mg.trace(lambda x: np.pad(x, 1, mirror), X)


def test_a_border_of_ones_own_is_traced() -> None:
    def frame(vector, width, axis, keywords):  # type: ignore[no-untyped-def]
        vector[: width[0]] = keywords.get("value", 7.0)
        vector[-width[1] :] = -1.0

    f = lambda x: np.pad(x, 1, frame, value=2.5) * 2.0
    graph = mg.trace(f, X)
    np.testing.assert_array_equal(graph.value[graph.outputs[0].name], f(X))
    graph.backward(np.ones((4, 5)))
    np.testing.assert_array_equal(graph.grad["x"], np.full_like(X, 2.0))


def test_an_error_leaves_the_modes_as_they_were() -> None:
    for _ in range(2):
        with pytest.raises(GraphError):
            mg.trace(lambda x: np.i0(x), X)
    t = mg.Tensor(2.0)
    assert float(t * t) == 4.0


def test_other_threads_see_numpy_itself() -> None:
    found: list[Any] = []
    ready, go = threading.Event(), threading.Event()

    def helper(n):  # type: ignore[no-untyped-def]
        return np.zeros(n)

    def f(x):  # type: ignore[no-untyped-def]
        ready.set()
        go.wait(10)
        return helper(3) + x

    thread = threading.Thread(target=lambda: found.append(mg.trace(f, X)))
    thread.start()
    ready.wait(10)
    found.append(type(helper(3)))
    go.set()
    thread.join()
    assert found[0] is np.ndarray
    assert found[1].outputs


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize("value", [-1.0, 300.0, 1e12, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32])
def test_a_traced_float_beyond_whole_numbers_is_written_as_numpy_does_or_refused_with_the_line(
    value: float, dtype: type
) -> None:
    def f(v: Any) -> Any:
        a = np.array([1, 2, 3], dtype=dtype)
        a[0] = v[0]
        return a.sum() * v[1]

    v = np.array([value, 2.0])
    fits = np.isfinite(value) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
    for run in (lambda: mg.value_and_grad(f)(v)[0], lambda: mg.compile(f)(v), lambda: mg.trace(f, v)):
        if fits:
            assert isinstance(found := run(), mg.Graph) or found == f(v)
        else:
            with pytest.raises(GraphError, match=r"does not fit the array of whole numbers(?s:.*)a\[0\] = v\[0\]"):
                run()


def test_python_says_itself_that_a_number_of_the_user_does_not_fit() -> None:
    def f(v: Any) -> Any:
        a = np.array([1, 2, 3], dtype=np.uint8)
        a[0] = 300
        return a.sum() * v[1]

    with pytest.raises(OverflowError, match="300 out of bounds"):
        mg.vjp(f, np.array([1.0, 2.0]))
