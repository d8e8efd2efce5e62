"""`mg.compile` as its users meet it: machine code, state, messages, threads, numbers."""

from __future__ import annotations

import gc
import re
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled import close, interpreted
from compiled_samples import batch, bn, network

import micrograd as mg
from micrograd import functional as F
from micrograd import nn, optim
from micrograd.batchnorm import batchnorm_backward, batchnorm_forward
from micrograd.batchnorm.tolerance import bn_bounds
from micrograd.compiler import compiled as compiled_module
from micrograd.compiler.backends import native as entry_module
from micrograd.compiler.codegen import segment
from micrograd.errors import GraphError
from micrograd.program.capture import capture

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.filterwarnings("ignore:.* was captured:RuntimeWarning")


compiled_bn = mg.compile(bn)


@pytest.mark.parametrize(("n", "d"), [(2, 3), (5, 1), (64, 128), (300, 7), (700, 120)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_norm_under_the_bound(n: int, d: int, dtype: Any) -> None:
    x, gamma, beta, dout = batch(n, d, dtype)
    got = compiled_bn(x, gamma, beta, dout)
    exact = [a.astype(np.float64) for a in (x, gamma, beta, dout)]
    out, cache = batchnorm_forward(*exact[:3], 1e-5)
    wanted = (out, *batchnorm_backward(exact[3], cache))
    bounds = bn_bounds(x, gamma, beta, dout, 1e-5)
    for name, g, w in zip(("out", "dx", "dgamma", "dbeta"), got, wanted, strict=True):
        assert g.dtype == dtype
        assert (np.abs(g - w) <= getattr(bounds, name)).all(), name


def test_a_constant_column_gives_exactly_beta() -> None:
    for value in (0.1, 3e7, 1.2e10, -7.7):
        x, gamma, beta, dout = batch(50, 4)
        x[:, 2] = value
        out, dx, _, _ = compiled_bn(x, gamma, beta, dout)
        assert (out[:, 2] == beta[2]).all()
        assert np.isfinite(dx).all()


def test_a_large_mean_costs_no_digits() -> None:
    x, gamma, beta, dout = batch(256, 8, np.float32, mean=1e6)
    out = compiled_bn(x, np.ones_like(gamma), np.zeros_like(beta), dout)[0]
    exact = x.astype(np.float64)
    exact -= exact.mean(0)
    wanted = exact / np.sqrt((exact**2).mean(0) + 1e-5)
    assert np.abs(out - wanted).max() / np.abs(wanted).max() < 1e-6


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 1e30, 3e38])
@pytest.mark.parametrize("which", [0, 1, 3])
def test_what_is_not_finite_goes_where_numpy_sends_it(special: float, which: int) -> None:
    arrays = batch(6, 4)
    arrays[which][..., 1].flat[0] = special
    with np.errstate(all="ignore"):  # the first call of a signature is NumPy's, which says that 3e38 overflows
        got, wanted = compiled_bn(*arrays), bn(*arrays)
    for g, w in zip(got, wanted, strict=True):
        assert np.array_equal(np.isnan(g), np.isnan(w))
        assert np.array_equal(np.isinf(g), np.isinf(w))


def test_the_same_bits_from_run_to_run_and_the_same_on_one_thread() -> None:
    arrays = batch(512, 257)
    two, one = mg.compile(bn, threads=2), mg.compile(bn, threads=1)
    first = two(*arrays)
    for _ in range(20):
        for a, b in zip(two(*arrays), first, strict=True):
            assert np.array_equal(a, b)
    for a, b in zip(one(*arrays), first, strict=True):
        assert np.array_equal(a, b)


def test_threads_may_call_one_compiled_function() -> None:
    inputs = [batch(300, 256, seed=seed) for seed in range(4)]
    wanted = [compiled_bn(*arrays) for arrays in inputs]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(30):
            got = compiled_bn(*inputs[number])
            wrong.extend(number for g, w in zip(got, wanted[number], strict=True) if not np.array_equal(g, w))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_results_are_ones_own() -> None:
    arrays = batch(600, 256)
    first = compiled_bn(*arrays)
    kept = [a.copy() for a in first]
    compiled_bn(*(2 * a for a in arrays))
    view = compiled_bn(*arrays)[0][3:]  # a view keeps its array from being used again
    again = view.copy()
    compiled_bn(*(3 * a for a in arrays))
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))
    assert np.array_equal(view, again)


@pytest.mark.parametrize("order", ["F", "strided"])
def test_layouts(order: str) -> None:
    x, gamma, beta, dout = batch(40, 6, np.float64)
    wanted = compiled_bn(x, gamma, beta, dout)
    turn = np.asfortranarray if order == "F" else lambda a: np.repeat(a, 2, axis=0)[::2]
    for g, w in zip(compiled_bn(turn(x), gamma, beta, turn(dout)), wanted, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-13)


# ---- training steps ----------------------------------------------------------------------------------------------


def test_a_training_step_equals_the_eager_one() -> None:
    rng = np.random.default_rng(1)
    (a, first, eager), (b, second, step) = network(dropout=0.2), network(dropout=0.2)
    fast = mg.compile(step)
    for number in range(12):
        x, y = rng.standard_normal((16, 12)).astype(np.float32), rng.integers(0, 5, 16)
        first.lr = second.lr = 0.1 / (1 + number)
        assert abs(eager(x, y).item() - float(fast(x, y))) < 1e-5
    assert len(fast.entries) == 1
    for name, value in a.state_dict().items():
        np.testing.assert_allclose(b.state_dict()[name], value, atol=2e-5)
    model_out = b.eval()(x)
    np.testing.assert_allclose(b.compile()(x), model_out.data, atol=1e-6)


def test_train_and_eval_are_captured_apart() -> None:
    model, _, _ = network()
    fast = model.compile()
    x = np.random.default_rng(2).standard_normal((16, 12)).astype(np.float32)
    training = fast(x)
    model.eval()
    np.testing.assert_allclose(fast(x), model(x).data, atol=1e-6)
    assert not np.allclose(fast(x), training)


def test_labels_are_looked_at_in_every_call() -> None:
    _, _, step = network()
    fast = mg.compile(step)
    x, y = np.zeros((4, 12), np.float32), np.array([0, 1, 2, 3])
    x[0] = 1.0
    fast(x, y)
    with pytest.raises(IndexError, match=r"label 5 at \[2\] is out of range for 5 columns; expected 0 to 4"):
        fast(x, np.array([0, 1, 5, 3]))
    fast(x, np.array([0, 1, 2, 3]))


def test_value_and_grad() -> None:
    f = mg.value_and_grad(lambda w, x: np.sum(np.tanh(x @ w)))
    rng = np.random.default_rng(3)
    w, x = rng.standard_normal((4, 3)), rng.standard_normal((5, 4))
    (value, grad), (wanted, slope) = mg.compile(f)(w, x), f(w, x)
    assert abs(value - wanted) < 1e-13
    np.testing.assert_allclose(grad, slope, atol=1e-13)


# ---- how it behaves ------------------------------------------------------------------------------------------------


def test_it_is_a_decorator_and_takes_plain_arguments_and_structures() -> None:
    @mg.compile
    def f(parameters: dict[str, Any], power: int, *, flip: bool = False) -> dict[str, Any]:
        value = parameters["w"] ** power
        return {"value": -value if flip else value, "power": power}

    w = np.array([1.0, 2.0])
    assert f({"w": w}, 2)["value"].tolist() == [1.0, 4.0]
    assert f({"w": w}, 3, flip=True)["value"].tolist() == [-1.0, -8.0]
    assert f({"w": w}, 2)["power"] == 2
    assert f.__name__ == "f"


def test_tensors_run_the_function_itself() -> None:
    f = mg.compile(lambda x: np.sum(x * x))
    assert mg.grad(f)(np.array([3.0])).tolist() == [6.0]


def test_checked_runs_the_function_itself_and_names_the_node() -> None:
    f = mg.compile(lambda x: np.log(x))
    f(np.array([1.0]))
    with np.errstate(all="ignore"), mg.checked(), pytest.raises(ArithmeticError, match="log"):
        f(mg.Tensor(np.array([-1.0])))


def test_a_float_is_refused_with_its_line() -> None:
    @mg.compile
    def f(x: Any) -> Any:
        return x * float(np.sum(x))

    with pytest.raises(
        GraphError, match=r"cannot compile float\(\) of a tensor.*test_compile\.py:\d+: its value changes"
    ):
        f(np.ones(3))


def by_sign(x: Any, n: Any) -> Any:
    if np.sum(x) > 0:
        return x * n
    return -x


def counted(x: Any, n: Any) -> Any:
    total = x * 0
    for k in range(n[0]):
        total += x**k
    return total, x[: n[1]], np.zeros(n[0]) + 1.0


def chosen(x: Any, n: Any) -> Any:
    places = np.nonzero(x > n[0])[0]
    return x[x > 0], places, x[n], x[x > 0].sum() * x, 0.5 in x, np.bincount(n)


def shifted(x: Any, n: Any) -> Any:
    row = np.outer(x, x)[n[0]]
    row *= 2.0
    x[n[1]] = 7.0
    x[n] += row[n]
    n[0] = 1
    return x << 1 if x.dtype.kind == "i" else x * (n & 1) * (n << 2)


@pytest.mark.parametrize("f", [by_sign, counted, chosen, shifted])
def test_what_asks_for_truth_values_and_counts_is_right_in_every_call(f: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = mg.compile(f, threads=1)
        calls = [([0.5, -1.0, 2.0], [1, 2, 0]), ([-3.0, 1.0, 0.5], [2, 1, 1]), ([0.5, 1.0, 2.0], [1, 2, 0])]
        for x, n in [*calls, *calls]:
            here, there = [(np.array(x), np.array(n)) for _ in range(2)]
            got, wanted = compiled(*here), f(*there)
            pairs = zip(got, wanted, strict=True) if isinstance(wanted, tuple) else [(got, wanted)]
            for mine, numpys in [*pairs, *zip(here, there, strict=True)]:
                np.testing.assert_array_equal(mine, numpys)
                assert np.asarray(mine).dtype == np.asarray(numpys).dtype


def test_for_many_values_the_function_itself_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any, n: Any) -> Any:
        return x * int(n)

    compiled, x, runs = mg.compile(f, threads=1), np.ones(3), []
    compiled.function = lambda *given: runs.append(given) or f(*given)
    monkeypatch.setattr(compiled_module, "capture", lambda _, *given, **how: capture(f, *given, **how))
    for n in range(8):
        assert compiled(x, np.array(n)).tolist() == [n] * 3
    assert not runs
    with pytest.warns(
        RuntimeWarning, match=r"f was compiled for 8 values of int\(\) of a tensor .*test_compile.py:\d+"
    ):
        assert compiled(x, np.array(9)).tolist() == [9] * 3
    assert compiled(x, np.array(10)).tolist() == [10] * 3
    assert len(runs) == 2
    assert compiled(x, np.array(3)).tolist() == [3] * 3
    assert len(runs) == 2


def test_a_branch_on_what_is_drawn_anew_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(GraphError, match=r"a branch on a tensor value .*depends on numbers that every call draws anew"):
        mg.compile(lambda x: x if np.sum(F.dropout(x, 0.5, rng)) > 1 else -x)(np.ones(3))


COUNTS, SUMS = np.zeros(3, int), np.zeros(3)


def test_arrays_outside_that_are_written_into_are_read_and_written_by_every_call() -> None:
    def f(x: Any) -> Any:
        COUNTS[np.argmax(x)] += 1
        SUMS[...] = 0.5 * SUMS + x
        np.add.at(SUMS, [0, 0], 1.0)
        return SUMS * COUNTS

    compiled, counts, sums = mg.compile(f, threads=1), np.zeros(3, int), np.zeros(3)
    warnings.simplefilter("ignore")
    for x in ([1.0, 2.0, 3.0], [4.0, 0.0, 1.0], [0.0, 0.0, 9.0]):
        got = compiled(np.array(x))
        counts[np.argmax(x)] += 1
        sums = 0.5 * sums + x + [2.0, 0.0, 0.0]
        np.testing.assert_array_equal(got, sums * counts)
        np.testing.assert_array_equal(COUNTS, counts)
        np.testing.assert_array_equal(SUMS, sums)


def test_a_program_is_for_one_order_in_memory() -> None:
    def f(x: Any) -> Any:
        row = x.ravel()  # a view of some, a copy of others
        row *= 2.0
        return x + 1.0

    compiled, x = mg.compile(f, threads=1), np.arange(6.0).reshape(2, 3)
    for made in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x[::-1], x):
        np.testing.assert_array_equal(compiled(made.copy(order="K")), f(made.copy(order="K")))
        here = np.repeat(made, 2, axis=0)[::2]
        np.testing.assert_array_equal(compiled(here), f(np.repeat(made, 2, axis=0)[::2]))


def test_one_array_as_two_arguments_is_written_as_numpy_writes() -> None:
    def f(x: Any, y: Any) -> Any:
        x *= 2.0
        return x + y

    compiled = mg.compile(f, threads=1)
    x = np.ones(3)
    assert compiled(x, x).tolist() == [4.0] * 3
    assert compiled(np.ones(3), np.ones(3)).tolist() == [3.0] * 3


def test_what_numpy_runs_is_said_once() -> None:
    entry_module._SAID.clear()

    def f(x: Any) -> Any:
        return np.exp(x)[np.array([[2, 0], [1, 1]])] * 2.0

    with pytest.warns(RuntimeWarning, match=r"gather at line .*test_compile\.py:\d+ cannot be fused \(no kernel\)"):
        mg.compile(f)(np.ones(3))
    mg.compile(f)(np.ones(3))


def test_signatures_that_vary_are_said() -> None:
    f = mg.compile(lambda x: x * 2.0)
    for n in range(1, 9):
        f(np.ones((n, 3)))
    with pytest.warns(RuntimeWarning, match=r"captured 9 times: the shape of argument 0 varied: \(N, 3\)"):
        f(np.ones((9, 3)))


def test_the_report_counts_passes() -> None:
    compiled_bn(*batch(64, 128))
    report = mg.compile(bn)
    report(*batch(64, 128))
    found = report.report()
    assert found.passes == (19, 2)
    assert found.bytes[1] < found.bytes[0] / 3
    assert "def native0" in found.source
    assert "19 passes over memory became 2" in str(found)
    with pytest.raises(GraphError, match="has not been compiled yet"):
        mg.compile(bn).report()


def test_the_picture_frames_the_kernels() -> None:
    f = mg.compile(bn)
    f(*batch(64, 128))
    assert "kernel 1: 2 passes over 64 x 128" in mg.draw(f).svg


def test_a_hundred_compiled_functions_do_not_leak() -> None:
    import weakref

    x = np.ones(4)

    def fresh() -> Any:
        f = mg.compile(lambda x: x + 1.0)
        f(x)
        return weakref.ref(f)

    alive = [fresh() for _ in range(100)]
    gc.collect()
    assert not any(ref() for ref in alive)


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    with pytest.raises(
        ImportError, match=r"mg\.compile needs llvmlite, which is not installed: pip install llvmlite platformdirs"
    ):
        mg.compile(lambda x: x)


def as_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have printed functions run as Python, on slices that have an end."""
    code = entry_module.machine_code
    monkeypatch.setattr(entry_module, "machine_code", lambda *given, interpreted: code(*given, interpreted=True))


def test_no_index_is_out_of_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    as_python(monkeypatch)
    for n, d in ((5, 3), (30, 7), (64, 4)):
        for g, w in zip(mg.compile(bn)(*batch(n, d, np.float64)), bn(*batch(n, d, np.float64)), strict=True):
            assert np.abs(g - w).max() < 1e-10
    (_, _, eager), (_, _, step) = network(), network()
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((8, 12)).astype(np.float32), rng.integers(0, 5, 8)
    assert abs(float(mg.compile(step)(x, y)) - eager(x, y).item()) < 1e-5


def test_an_index_out_of_bounds_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    as_python(monkeypatch)
    monkeypatch.setattr(segment.Segment, "counted", lambda self, i, a, n, by=1: counted(self, i, a, f"{n} + 1", by))
    with pytest.raises(IndexError, match="is out of bounds"):
        mg.compile(lambda x: np.exp(x))(np.ones(5))


counted = segment.Segment.counted


def test_threads_must_be_a_number() -> None:
    with pytest.raises(ValueError, match="threads is 0; expected a whole number of at least 1"):
        mg.compile(bn, threads=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mg.compile(threads=1)(bn).threads == 1


def test_batch_norm_over_images_and_layer_norm_are_a_few_passes() -> None:
    rng = np.random.default_rng(5)
    x, dout = rng.standard_normal((2, 6, 4, 5, 3))
    gamma, beta = rng.standard_normal((2, 4))

    def images(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, pull = mg.vjp(lambda x, g, b: mg.batch_norm(x, g, b, axis=1), x, gamma, beta)
        return (out, *pull(dout))

    def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
        centred = x - np.mean(x, axis=-1, keepdims=True)
        return gamma * centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5) + beta

    def rows(x: Any, gamma: Any, beta: Any, dout: Any) -> Any:
        out, pull = mg.vjp(layer_norm, x, gamma, beta)
        return (out, *pull(dout))

    flat = [a.reshape(-1, 3) for a in (x, dout)]
    for f, arrays, passes in (
        (images, (x, gamma, beta, dout), 2),
        (rows, (flat[0], gamma[:3], beta[:3], flat[1]), 1),
    ):
        fast = mg.compile(f)
        for g, w in zip(fast(*arrays), f(*arrays), strict=True):
            np.testing.assert_allclose(g, w, atol=1e-12)
        assert [note.passes for note in fast.report().kernels] == [passes]


def test_a_network_learns_the_digits_as_the_eager_one_does() -> None:
    data = mg.data.digits(dtype=np.float64)
    losses = []
    for wrap in (lambda f: f, mg.compile):
        model = nn.mlp([64, 16, 10], batch_norm=True, rng=0)
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

        def step(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        fast = wrap(step)
        rng = np.random.default_rng(0)
        losses.append([
            float(getattr(answer := fast(x, y), "raw", answer))
            for _ in range(3)
            for x, y in mg.data.batches(data.x_train, data.y_train, 64, rng)
        ])  # fmt: skip
    eager, compiled = map(np.array, losses)
    assert eager[-1] < 0.3 * eager[0]
    np.testing.assert_allclose(compiled, eager, rtol=1e-8)


# ---- long to compile ---------------------------------------------------------------------------------------------


def recurrent(x: Any, w: Any, u: Any) -> Any:
    h = np.zeros((x.shape[1], u.shape[0]), x.dtype)
    for step in x:
        h = np.tanh(step @ w + h @ u)
    return np.sum(h * h)


def compiled_texts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The texts that LLVM is given from here on, with an empty cache."""
    from micrograd.compiler.cache import cache

    monkeypatch.setenv("MICROGRAD_CACHE_DIR", str(tmp_path))
    found: list[str] = []
    whole = cache.object_of
    monkeypatch.setattr(cache, "object_of", lambda text: found.append(text) or whole(text))
    return found


def test_the_steps_of_a_loop_are_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Twice as many steps take hardly more machine code, and batches of other sizes neither."""
    texts = compiled_texts(monkeypatch, tmp_path)
    rng = np.random.default_rng(0)
    w, u = rng.standard_normal((5, 7)) / 3, rng.standard_normal((7, 7)) / 3
    gradient = mg.value_and_grad(recurrent, argnums=(0, 1, 2))
    fast = mg.compile(gradient)
    counts = []
    for steps, rows in ((25, 61), (50, 61), (50, 67), (25, 71)):
        x = rng.standard_normal((steps, rows, 5))
        (value, slopes), (right, exact) = fast(x, w, u), gradient(x, w, u)
        np.testing.assert_allclose(value, right, rtol=1e-12)
        for a, b in zip(slopes, exact, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        counts.append(len(texts))
    assert counts[0] <= 20
    assert counts[3] <= counts[0] + 8  # of 150 and 300 functions


def test_a_long_compilation_says_so(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    def slow(x: Any) -> Any:
        time.sleep(0.2)
        return x * x

    mg.compile(slow)(np.ones(3))
    assert capfd.readouterr().err == ""
    monkeypatch.setattr("micrograd.compiler.compiled.PATIENCE", 0.05)
    fast = mg.compile(slow)
    fast(np.ones(3))
    assert capfd.readouterr().err == "micrograd: compiling slow, once for these shapes ...\n"
    fast(np.ones(3))
    assert capfd.readouterr().err == ""


# ---- too long to compile ---------------------------------------------------------------------------------------


def test_what_is_too_long_runs_in_numpy_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("micrograd.compiler.backends.numpy.LONGEST", 20)
    (first, _, eager), (second, _, step) = network(), network()
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((8, 12)).astype(np.float32), rng.integers(0, 5, 8)
    fast = mg.compile(step)
    with pytest.warns(RuntimeWarning, match=r"operations; more than 20 take long to compile, so NumPy runs them"):
        losses = [float(fast(x, y))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses += [float(fast(x, y)) for _ in range(3)]
    assert losses == [eager(x, y).item() for _ in range(4)]
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert np.array_equal(a.data, b.data)
    assert all(np.array_equal(a, second.state_dict()[name]) for name, a in first.state_dict().items())
    with pytest.raises(GraphError, match=r"was not compiled .at most 20 are.; there are no kernels"):
        fast.report()
    with pytest.raises(IndexError, match="label 9 at"):
        fast(x, np.full(8, 9))


def test_the_report_names_what_only_moves_and_counts_what_has_no_name() -> None:
    def f(x: Any) -> Any:
        turned = np.tanh(x)[::-1]
        return turned * 2.0 + 1.0

    f = mg.compile(f)  # type: ignore[assignment]
    f(np.ones((4, 3)))
    text = str(f.report())  # type: ignore[attr-defined]
    assert re.search(r"\d\. moved over 4 x 3: turned$", text, re.MULTILINE)
    assert re.search(r"\d\. 1 pass\(es\) over 12: \d without a name$", text, re.MULTILINE)


@pytest.mark.parametrize("shapes", [((0,), (0,)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((2, 3), (3, 0))])
def test_products_of_nothing_where_the_jit_is_off(shapes: Any) -> None:
    left, right = (np.ones(shape, np.float32) for shape in shapes)
    got, known = interpreted(lambda a, b: a @ b, left, right)
    close(got, known)
