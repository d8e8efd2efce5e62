"""What a captured function finds outside: a change is seen, a change of its own is refused, draws are refused."""

from __future__ import annotations

import array
import collections
import dataclasses
import functools
import itertools
import random
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import micrograd as mg
from micrograd import nn
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.program.capture import capture
from micrograd.program.program import evaluate

X = np.array([1.0, -2.0, 3.0])
Case = tuple[Callable[[Any], Any], Callable[[], None]]


def computed(program: Any, x: Any) -> Any:
    """Return what a program of one argument returns."""
    given = {feed.value: x if feed.kind == "argument" else feed.array if feed.get is None else feed.get()
             for feed in program.feeds}  # fmt: skip
    known = evaluate(program, given)
    return program.rebuild([known[value] for value in program.outputs])


class Settings:
    scale = 2.0

    def __init__(self) -> None:
        self.inner = types.SimpleNamespace(shift=1.0)

    def apply(self, x: Any) -> Any:
        return x * self.scale + self.inner.shift


class Slotted:
    __slots__ = ("scale",)

    def __init__(self) -> None:
        self.scale = 2.0


def of_globals(source: str, name: str, change: Callable[[dict[str, Any]], None]) -> Case:
    space: dict[str, Any] = {"np": np, "__name__": "users", "__file__": __file__}
    exec(source, space)
    return space[name], lambda: change(space)


def a_global() -> Case:
    return of_globals("N = 2.0\ndef f(x): return x * N", "f", lambda space: space.update(N=3.0))


def a_helper() -> Case:
    source = "def helper(x): return x * 2.0\ndef f(x): return helper(x)"
    return of_globals(source, "f", lambda space: exec("def helper(x): return x * 5.0", space))


def what_a_helper_reads() -> Case:
    source = "N = [2.0]\ndef helper(x): return x * N[0]\ndef f(x): return helper(x)"
    return of_globals(source, "f", lambda space: space["N"].__setitem__(0, 4.0))


def a_keyword_of_a_helper() -> Case:
    source = "def helper(x, *, by=2.0): return x * by\ndef f(x): return helper(x)"
    return of_globals(source, "f", lambda space: space["helper"].__kwdefaults__.update(by=7.0))


def a_module() -> Case:
    module = types.ModuleType("users_settings")
    module.__file__, module.N = __file__, 2.0  # type: ignore[attr-defined]
    source = "def f(x): return x * settings.N"
    f, _ = of_globals(source, "f", lambda space: None)
    f.__globals__["settings"] = module  # type: ignore[attr-defined]
    return f, lambda: setattr(module, "N", 3.0)


def a_closure() -> Case:
    scale = 2.0

    def f(x: Any) -> Any:
        return x * scale

    def change() -> None:
        nonlocal scale
        scale = 3.0

    return f, change


def a_class_attribute_that_an_object_hides() -> Case:
    settings = Settings()
    return (lambda x: x * settings.scale), lambda: setattr(settings, "scale", 3.0)


def an_object_inside_of_an_object() -> Case:
    settings = Settings()
    return settings.apply, lambda: setattr(settings.inner, "shift", 5.0)


def a_slot() -> Case:
    slotted = Slotted()
    return functools.partial(lambda s, x: x * s.scale, slotted), lambda: setattr(slotted, "scale", 3.0)


def an_entry_of_a_dictionary() -> Case:
    options = {"scale": {"by": 2.0}}
    return (lambda x: x * options["scale"]["by"]), lambda: options["scale"].update(by=3.0)


def a_list_that_grows() -> Case:
    layers = [np.tanh]

    def f(x: Any) -> Any:
        for layer in layers:
            x = layer(x)
        return x

    return f, lambda: layers.append(np.exp)


def a_tensor_in_a_dictionary() -> Case:
    box = {"w": Tensor(np.ones(3))}
    return (lambda x: x * box["w"]), lambda: box.update(w=Tensor(np.full(3, 9.0)))


def an_array_that_is_replaced() -> Case:
    box = {"w": np.ones(3)}
    return (lambda x: x * box["w"]), lambda: box.update(w=np.full(3, 9.0))


def a_layer_in_a_list() -> Case:
    layers = [nn.Linear(3, 2, rng=0)]
    return (lambda x: layers[0](x[None])), lambda: layers.__setitem__(0, nn.Linear(3, 2, rng=1))


def a_parameter_of_a_layer() -> Case:
    layer = nn.Linear(3, 2, rng=0)
    return (lambda x: layer(x[None])), lambda: setattr(layer, "weight", Tensor(np.ones((3, 2))))


def a_row_of_numbers() -> Case:
    row = array.array("d", [2.0, 3.0])
    return (lambda x: x * row[1]), lambda: row.__setitem__(1, 4.0)


def a_setting_of_a_layer() -> Case:
    norm = nn.BatchNorm1d(1).eval()
    return (lambda x: norm(x[:, None])), lambda: setattr(norm, "eps", 0.5)


def a_function_that_is_differentiated() -> Case:
    f, change = a_global()
    return mg.grad(lambda x: np.sum(f(x) ** 2)), change


CASES = [
    *(a_global, a_helper, what_a_helper_reads, a_keyword_of_a_helper, a_module, a_closure, a_slot, a_list_that_grows),
    *(a_class_attribute_that_an_object_hides, an_object_inside_of_an_object, an_entry_of_a_dictionary),
    *(a_tensor_in_a_dictionary, an_array_that_is_replaced, a_layer_in_a_list, a_parameter_of_a_layer),
    *(a_setting_of_a_layer, a_function_that_is_differentiated, a_row_of_numbers),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_change_outside_is_seen(case: Callable[[], Case]) -> None:
    f, change = case()
    program = capture(f, (X,), {})
    before = computed(program, X)
    assert program.holds()
    change()
    assert not program.holds()
    again = capture(f, (X,), {})
    assert again.holds()
    after = f(X)
    np.testing.assert_allclose(computed(again, X), getattr(after, "data", after))
    assert not np.array_equal(before, computed(again, X))


def test_what_training_changes_is_no_change() -> None:
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=0), nn.Linear(4, 1, rng=0))
    optimizer = mg.optim.Adam(model.parameters(), lr=0.1)

    def step(x: Any) -> Any:
        loss = np.mean(model(x) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x = np.random.default_rng(0).standard_normal((8, 3))
    program = capture(step, (x,), {})
    for _ in range(2):
        step(x)
        assert program.holds()
    optimizer.zero_grad()
    model[0].weight.data = np.ones((3, 4))
    assert program.holds()


COUNT = 0


def counts_globally(x: Any) -> Any:
    global COUNT  # noqa: PLW0603 - as users count
    COUNT += 1
    return x * COUNT


def counting_object() -> Callable[[Any], Any]:
    settings = Settings()

    def f(x: Any) -> Any:
        settings.scale += 1.0
        return x * settings.scale

    return f


def keeping() -> Callable[[Any], Any]:
    kept = {"last": Tensor(np.zeros(3))}

    def f(x: Any) -> Any:
        kept["last"] = x * 2.0
        return kept["last"]

    return f


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (counts_globally, "counts_globally changes COUNT from 0 to 1, which later calls would not do"),
        (counting_object(), "f changes settings.scale from 2.0 to 3.0, which later calls would not do"),
        (keeping(), "a compiled function puts a value that it computed into last, which lies outside of it"),
    ],
)
def test_a_change_of_its_own_is_refused(f: Any, message: str) -> None:
    for _ in range(2):  # and undone: the second time it says the same
        with pytest.raises(GraphError, match=message):
            capture(f, (X,), {})


class Noise(nn.Module):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def forward(self, x: Any) -> Any:
        return x + self.rng.standard_normal(3)


def draws() -> list[Callable[[Any], Any]]:
    noise, box, own = Noise(), {"rng": [np.random.default_rng(0)]}, random.Random(0)

    def helper(x: Any) -> Any:
        return x * box["rng"][0].normal()

    return [lambda x: np.sum(noise(x)), helper, lambda x: helper(x) * 2, lambda x: x * own.random()]


@pytest.mark.parametrize("f", draws(), ids=["layer", "container", "helper", "random"])
def test_draws_of_any_generator_that_is_reached_are_refused(f: Any) -> None:
    with pytest.raises(GraphError, match="draws random numbers itself"):
        capture(f, (X,), {})


@dataclasses.dataclass
class Config:
    scale: Any


class Holder:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holder)

    def __hash__(self) -> int:
        return 1


def test_a_plain_argument_is_known_by_its_value_or_as_the_object_that_it_is() -> None:
    pytest.importorskip("llvmlite")
    by_object = mg.compile(lambda x, c: x * (1.0 / c.scale if c.scale else 7.0), threads=1)
    for kind, scale in [(Config, 1.0), (Config, 2), (Config, 0.0), (Config, -0.0), (Holder, 2.0), (Holder, 4.0)]:
        for made in (kind(scale), kind(scale))[: 1 + (kind is Config)]:
            np.testing.assert_array_equal(by_object(X, made), by_object.function(X, made))
    held = Holder(2.0)
    for scale in (2.0, 3.0, 2.0):
        held.scale = scale
        np.testing.assert_array_equal(by_object(X, held), X / scale)
    in_sets = mg.compile(lambda x, s: x * max(s), threads=1)
    for items in ({1.0}, {2.0}, {1, 3}, {1.0}):
        np.testing.assert_array_equal(in_sets(X, items), X * max(items))
    same = len(by_object.entries)
    by_object(X, Config(1.0))
    assert len(by_object.entries) == same


def test_what_changes_again_and_again_is_said_and_not_kept() -> None:
    pytest.importorskip("llvmlite")
    settings = Settings()
    f = mg.compile(lambda x: x * settings.scale, threads=1)

    def run(scale: float) -> None:
        settings.scale = scale
        np.testing.assert_array_equal(f(X), X * scale)

    for scale in range(8):
        run(scale + 0.5)
    with pytest.warns(RuntimeWarning, match="captured 9 times: settings.scale changed outside of it"):
        run(9.5)
    run(10.5)
    assert [len(entries) for entries in f.entries.values()] == [8]


CHANGES_OUTSIDE = """
import numpy as np

N, M, LOG, HELD, KEPT = 0, 0.5, [], {"n": 0}, {}

class Counting:
    total = 0

    def __init__(self):
        self.calls, self.cache = 0, None

    def __call__(self, x):
        self.calls += 1
        Counting.total += 2
        if self.cache is None:
            self.cache = x * 2.0
        return x * self.calls + self.cache * Counting.total

COUNTING = Counting()

def in_globals(x):
    global N, M
    N += 1
    M *= 2.0
    return x * N + M

def in_a_dictionary(x):
    HELD["n"] += 1
    HELD["m"] = HELD.get("m", 0) + 2
    LOG.append(HELD["n"])
    return x * HELD["n"] + HELD["m"]

def values_in_a_list(x):
    global N
    N += 1
    LOG.append(np.sum(x) + N)
    return x * N

def in_an_object(x):
    return COUNTING(x)

def grows(x):
    LOG.append(len(LOG))
    return x * len(LOG)

def remembers(x):
    if "w" not in KEPT:
        KEPT["w"] = 3.0
    return x * KEPT["w"]

def by_value(x):
    global N
    if x[0] > 0:
        N += 1
    return x + N

def fails(x):
    global N
    N += 1
    HELD["n"] += 1
    if N == 3:
        raise KeyError("three")
    return x * N
"""


@pytest.mark.filterwarnings("ignore:.*the function itself runs:RuntimeWarning")
@pytest.mark.parametrize("name", [
    "in_globals", "in_a_dictionary", "values_in_a_list", "in_an_object", "grows", "remembers", "by_value", "fails",
])  # fmt: skip
def test_a_function_that_changes_what_lies_outside_does_so_at_each_call(name: str) -> None:
    pytest.importorskip("llvmlite")
    ours, numpys = (_space(CHANGES_OUTSIDE) for _ in range(2))
    f = mg.compile(ours[name], threads=1)
    for turn in range(10 if name == "grows" else 5):
        x = X if turn % 2 else -X
        try:
            want = numpys[name](x)
        except KeyError:
            with pytest.raises(KeyError, match="three"):
                f(x)
            want = None
        if want is not None:
            np.testing.assert_array_equal(f(x), want)
        for key in ("N", "M", "HELD", "KEPT"):
            assert ours[key] == numpys[key]
        assert [float(item) for item in ours["LOG"]] == [float(item) for item in numpys["LOG"]]
        assert (ours["COUNTING"].calls, ours["Counting"].total) == (numpys["COUNTING"].calls, numpys["Counting"].total)
    assert len(f.entries) == (name in ("remembers", "by_value", "grows"))


def _space(source: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "__main__", "__file__": __file__}
    exec(source, space)
    return space


def test_it_is_said_that_a_function_runs_itself() -> None:
    pytest.importorskip("llvmlite")
    space = _space(CHANGES_OUTSIDE)
    f = mg.compile(space["in_globals"], threads=1)
    with pytest.warns(
        RuntimeWarning, match="in_globals changes N from 0 to 1, which .* the function itself runs"
    ) as told:
        f(X)
    assert told[0].filename == __file__
    grows = mg.compile(space["grows"], threads=1)
    for _ in range(7):
        grows(X)
    with pytest.warns(
        RuntimeWarning, match="grows changes LOG at each call, which .* the function itself runs"
    ) as told:
        grows(X)
    assert told[0].filename == __file__
    with pytest.raises(GraphError, match="in_globals is not compiled: it changes what lies outside of it"):
        f.report()


class Counter:
    def __init__(self) -> None:
        self.count = 0.0

    def __iter__(self) -> Counter:
        return self

    def __next__(self) -> float:
        self.count += 1.0
        return self.count


class Shared:
    count = 0.0


def changing_its_surroundings() -> list[Callable[[Any], Any]]:
    """Return functions that change what they find outside, but for numbers and what they compute."""
    grown, pair, modes, keys = [0.0], [np.ones(3), np.zeros(3)], {"mode": "train"}, dict[str, float]()
    last, members, numbers, drawn = collections.deque([0.0], maxlen=9), {0.0}, itertools.count(1), iter([1.0, 2.0, 3.0])
    settings, counts, twice = types.SimpleNamespace(a=np.ones(3), b=np.zeros(3)), np.zeros((), int), [0.0]
    row = array.array("d", [0.0, 1.0])

    def a_list(x: Any) -> Any:
        grown.append(1.0)
        return x * len(grown)

    def a_default(x: Any, seen: list[float] = []) -> Any:  # noqa: B006 - as users write
        seen.append(1.0)
        return x * len(seen)

    def items_that_swap(x: Any) -> Any:
        pair[0], pair[1] = pair[1], pair[0]
        return x * pair[0]

    def attributes_that_swap(x: Any) -> Any:
        settings.a, settings.b = settings.b, settings.a
        return x * settings.a

    def a_text(x: Any) -> Any:
        modes["mode"] = "test" if modes["mode"] == "train" else "train"
        return x * (2.0 if modes["mode"] == "train" else 3.0)

    def computed_keys(x: Any) -> Any:
        keys[f"call {len(keys)}"] = 1.0
        return x * len(keys)

    def a_deque(x: Any) -> Any:
        last.append(1.0)
        return x * len(last)

    def a_set(x: Any) -> Any:
        members.add(float(len(members)))
        return x * len(members)

    def a_counter(x: Any) -> Any:
        return x * next(numbers)

    def an_iterator(x: Any) -> Any:
        return x * next(drawn)

    def a_row(x: Any) -> Any:
        row[0] += 1.0
        return x * row[0]

    def a_list_beside_an_array_of_counts(x: Any) -> Any:
        twice.append(1.0)
        np.add(counts, 1, out=counts)
        return x * len(twice) + counts

    return [a_list, a_default, items_that_swap, attributes_that_swap, a_text, computed_keys, a_deque, a_set, a_counter,
            an_iterator, a_list_beside_an_array_of_counts, a_row]  # fmt: skip


@pytest.mark.parametrize("at", range(12), ids=[f.__name__ for f in changing_its_surroundings()])
def test_a_function_that_changes_what_it_finds_changes_it_at_every_call(at: int) -> None:
    pytest.importorskip("llvmlite")
    plain, compiled = changing_its_surroundings()[at], mg.compile(changing_its_surroundings()[at], threads=1)
    for scale in (1.0, 2.0, 3.0):
        np.testing.assert_array_equal(compiled(X * scale), plain(X * scale))


def test_what_is_filled_once_is_captured_once_more_and_then_kept() -> None:
    pytest.importorskip("llvmlite")
    memo: dict[int, Any] = {}

    def f(x: Any) -> Any:
        if len(x) not in memo:
            memo[len(x)] = np.arange(len(x)) * 1.0
        return x + memo[len(x)]

    compiled = mg.compile(f, threads=1)
    for _ in range(4):
        np.testing.assert_array_equal(compiled(X), X + np.arange(3))
    assert [len(entries) for entries in compiled.entries.values()] == [2]


@pytest.mark.parametrize("kind", [dict, list, set, collections.deque])
def test_containers_that_grow_from_nothing_between_calls_are_seen(kind: Any) -> None:
    pytest.importorskip("llvmlite")
    held = kind()
    compiled = mg.compile(lambda x: x * len(held), threads=1)
    np.testing.assert_array_equal(compiled(X), X * 0)
    held.update({"a": 1.0}) if isinstance(held, (dict, set)) else held.append(1.0)
    np.testing.assert_array_equal(compiled(X), X)


def counts_in_its_class(x: Any) -> Any:
    Shared.count += 1.0
    return x * Shared.count


def counts_in_a_method_that_nothing_names() -> Callable[[Any], Any]:
    counter = Counter()
    return lambda x: x * next(counter)


class Alternating(nn.Module):
    def __init__(self) -> None:
        self.mode = "a"

    def forward(self, x: Any) -> Any:
        self.last = x * 2.0
        self.mode = "b" if self.mode == "a" else "a"
        return x * (2.0 if self.mode == "a" else 3.0)


def counts_in_bytes() -> Callable[[Any], Any]:
    counter = bytearray(1)

    def f(x: Any) -> Any:
        counter[0] += 1
        return x * counter[0]

    return f


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (counts_in_its_class, "changes Shared.count from 0.0 to 1.0, which later calls would not do"),
        (counts_in_a_method_that_nothing_names(), "changes counter.count from 0.0 to 1.0, which later calls would not"),
        (Alternating(), "changes Alternating.mode, an attribute of a module, which later calls would not do"),
        (counts_in_bytes(), "changes counter from 0 to 1, which later calls would not do"),
    ],
)
def test_numbers_that_a_function_counts_anywhere_are_refused(f: Any, message: str) -> None:
    for _ in range(2):  # and undone
        with pytest.raises(GraphError, match=message):
            capture(f, (X,), {})


def scaled(x: Any) -> Any:
    return x * SCALE + SHIFT  # type: ignore[name-defined]  # noqa: F821 (given below)


def test_what_is_no_longer_there_is_noticed() -> None:
    space: dict[str, Any] = {"SCALE": 2.0, "SHIFT": 1.0}
    f = mg.compile(types.FunctionType(scaled.__code__, space))
    assert f(np.ones(3)).tolist() == [3.0, 3.0, 3.0]
    space["SCALE"] = 3.0
    assert f(np.ones(3)).tolist() == [4.0, 4.0, 4.0]
    del space["SHIFT"]
    with pytest.raises(NameError, match="SHIFT"):
        f(np.ones(3))
    space["SHIFT"] = 0.0
    assert f(np.ones(3)).tolist() == [3.0, 3.0, 3.0]


def test_a_variable_without_a_value_is_noticed() -> None:
    scale, shift = 2.0, 1.0

    def f(x: Any) -> Any:
        return x * scale + shift

    compiled = mg.compile(f)
    assert compiled(np.ones(2)).tolist() == [3.0, 3.0]
    del shift
    with pytest.raises(NameError, match="shift"):
        compiled(np.ones(2))
    shift = 2.0
    assert compiled(np.ones(2)).tolist() == [4.0, 4.0]


class Pair(NamedTuple):
    first: Any
    second: Any


class Row(list[Any]):
    pass


def deep(x: Any) -> Any:
    result: Any = x + 1.0
    for _ in range(250):
        result = [result]
    return result


RESULTS: dict[str, Callable[[Any], Any]] = {
    "one": lambda x: x + 1.0,
    "nested": lambda x: {"a": (x + 1.0, [x * 2.0]), 2: Pair(x, None), "text": "as it is"},
    "a list of its own": lambda x: Row([x + 1.0, (x,), ()]),
    "numbers": lambda x: (3, 2.5, float(2) * 3, x),
    "arrays that are made": lambda x: (np.arange(3.0), x * 2.0),
    "nothing": lambda x: {},
    "deep": deep,
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_of_any_structure(name: str) -> None:
    def same(a: Any, b: Any) -> bool:
        if isinstance(b, (list, tuple)):
            return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
        if isinstance(b, dict):
            return [*a] == [*b] and all(same(a[key], b[key]) for key in b)
        return type(a) is type(b) and bool(np.all(a == b))

    f, x = RESULTS[name], np.array([1.0, -2.0])
    compiled = mg.compile(f)
    for _ in range(2):
        assert same(compiled(x), f(x))
