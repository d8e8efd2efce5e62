"""Checkpoints: what goes in comes back, bit for bit; what does not fit changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from micrograd import nn, optim
from micrograd.engine import Tensor
from micrograd.errors import CheckpointError, DTypeError
from micrograd.training.checkpoint import Checkpoint, load, peek, save
from micrograd.training.data import DataLoader

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
OPTIMIZERS: list[Callable[[list[Tensor]], optim.Optimizer]] = [
    lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    lambda p: optim.SGD(p, 0.1),
    lambda p: optim.Adam(p, 0.01, betas=(0.8, 0.99)),
    lambda p: optim.AdamW(p, 0.01, weight_decay=0.1),
]
BIT_GENERATORS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]


class Holder(nn.Module):
    """A module with one parameter of each given value."""

    def __init__(self, *values: Any) -> None:
        self.values = [Tensor(value) for value in values]


class Buffered(nn.Module):
    """A module with a buffer of any kind."""

    buffers = ("kept",)

    def __init__(self, kept: Any) -> None:
        self.weight = Tensor(np.ones(2))
        self.kept = kept


def network(seed: int = 0, dtype: Any = np.float32) -> nn.Module:
    return nn.mlp([3, 5, 2], batch_norm=True, dropout=0.2, rng=seed, dtype=dtype)


def a_step(model: nn.Module, optimizer: optim.Optimizer, rng: np.random.Generator) -> None:
    x = rng.standard_normal((6, 3)).astype(model.parameters()[0].dtype)
    optimizer.zero_grad()
    (model(x) ** 2).sum().backward()
    optimizer.step()


def bits(model: nn.Module, *others: Any) -> str:
    """Everything there is, to be compared with itself."""
    state = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in model.state_dict().items()}
    generators = [repr(layer.rng.bit_generator.state) for layer in model.layers if isinstance(layer, nn.Dropout)]
    told = [o.bit_generator.state if isinstance(o, np.random.Generator) else o.state_dict() for o in others]
    return repr((state, generators, told))


# ---- what goes in comes back -----------------------------------------------------------------------------


@given(
    array=hnp.arrays(
        st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    layout=st.sampled_from(["C", "F", "reversed", "strided", "swapped"]),
)  # fmt: skip
def test_arrays_of_every_shape_dtype_and_layout_come_back(
    array: np.ndarray[Any, Any], layout: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    laid = {
        "C": lambda a: a,
        "F": np.asfortranarray if array.ndim else lambda a: a,
        "reversed": lambda a: a[::-1] if a.ndim else a,
        "strided": lambda a: np.repeat(a, 2, axis=0)[::2] if a.ndim else a,
        "swapped": lambda a: a.astype(a.dtype.newbyteorder(">")),
    }[layout](array)
    path = tmp_path_factory.mktemp("c") / "a.safetensors"
    save(path, Holder(), arrays={"a": laid})
    found = load(path, Holder()).arrays["a"]
    assert (found.shape, found.dtype) == (laid.shape, laid.dtype.newbyteorder("="))
    assert found.tobytes() == laid.astype(found.dtype).tobytes()  # NaN and -0.0 included


def test_a_fortran_ordered_parameter_is_not_transposed(tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    model, other = Holder(np.asfortranarray(values), values.T, values[:, ::2]), Holder(values, values.T, values[:, ::2])
    for tensor in model.values:
        tensor.data = tensor.data * 3.0
    model.values[0].data = np.asfortranarray(values * 3.0)
    save(tmp_path / "c", model)
    load(tmp_path / "c", other)
    for mine, theirs in zip(model.values, other.values, strict=True):
        np.testing.assert_array_equal(mine.data, theirs.data, strict=True)


def test_numbers_and_arrays_without_axes_are_parameters_too(tmp_path: Path) -> None:
    model, other = Holder(2.5, np.array(1.5, np.float32)), Holder(0.0, np.array(0.0, np.float32))
    optimizers = [optim.Adam(m.parameters()) for m in (model, other)]
    (model.values[0] * model.values[0]).backward()
    (model.values[1] * model.values[1]).backward()
    optimizers[0].step()
    save(tmp_path / "c", model, optimizers[0])
    load(tmp_path / "c", other, optimizers[1])
    assert type(other.values[0].data) is float
    assert [v.data for v in other.values] == [v.data for v in model.values]
    assert repr(optimizers[1].state_dict()) == repr(optimizers[0].state_dict())


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_training_goes_on_as_if_nothing_had_happened(
    make: Callable[[list[Tensor]], optim.Optimizer], tmp_path: Path
) -> None:
    model, rng = network(), np.random.default_rng(1)
    optimizer = make(model.parameters())
    for _ in range(3):
        a_step(model, optimizer, rng)
    save(tmp_path / "c", model, optimizer, rng=rng, step=3, extra={"note": ["ü", 1, None]})
    other, other_rng = network(7), np.random.default_rng(9)
    other_optimizer = make(other.parameters())
    other_optimizer.lr = 0.5
    found = load(tmp_path / "c", other, other_optimizer, rng=other_rng)
    assert found == Checkpoint(3, {"note": ["ü", 1, None]})
    for _ in range(3):
        a_step(model, optimizer, rng)
        a_step(other, other_optimizer, other_rng)
    assert bits(model, optimizer, rng) == bits(other, other_optimizer, other_rng)


def test_that_comparison_can_fail(tmp_path: Path) -> None:
    model, rng = network(), np.random.default_rng(1)
    optimizer = OPTIMIZERS[0](model.parameters())
    before = bits(model, optimizer, rng)
    rng.random()
    assert bits(model, optimizer, rng) != before
    before = bits(model, optimizer, rng)
    model(np.zeros((4, 3), np.float32))  # dropout and running statistics
    assert bits(model, optimizer, rng) != before


@pytest.mark.parametrize("kind", BIT_GENERATORS, ids=lambda kind: kind.__name__)
def test_every_bit_generator_goes_on_exactly(kind: Any, tmp_path: Path) -> None:
    rng, other = np.random.Generator(kind(5)), np.random.Generator(kind(6))
    rng.integers(0, 7, 3, dtype=np.uint32)  # leaves half a word behind
    save(tmp_path / "c", Holder(), rng=rng)
    load(tmp_path / "c", Holder(), rng=other)
    for _ in range(3):
        assert rng.integers(0, 7, dtype=np.uint32) == other.integers(0, 7, dtype=np.uint32)
        assert rng.standard_normal() == other.standard_normal()


def test_a_generator_that_layers_share_is_still_shared(tmp_path: Path) -> None:
    model = nn.mlp([3, 4, 4, 2], dropout=0.5, rng=0)
    save(tmp_path / "c", model)
    other = nn.mlp([3, 4, 4, 2], dropout=0.5, rng=1)
    load(tmp_path / "c", other)
    x = np.ones((5, 3))
    for _ in range(3):
        assert (model(x).data == other(x).data).all()


def test_a_shared_parameter_is_written_once(tmp_path: Path) -> None:
    model = Holder(np.ones(1000))
    model.again = model.values[0]
    save(tmp_path / "c", model)
    assert (tmp_path / "c").stat().st_size < 2 * 8000


def test_a_model_alone_is_read_from_a_checkpoint_of_everything(tmp_path: Path) -> None:
    model, rng = network(), np.random.default_rng(0)
    save(tmp_path / "c", model, OPTIMIZERS[0](model.parameters()), rng=rng)
    other = network(3)
    load(tmp_path / "c", other)
    assert bits(other) == bits(model)


def test_frozen_parameters_are_written_too(tmp_path: Path) -> None:
    model, other = network(), network(3)
    for frozen in (model, other):
        frozen.layers[0].freeze()
    optimizers = [OPTIMIZERS[0](m.parameters()) for m in (model, other)]
    a_step(model, optimizers[0], np.random.default_rng(0))
    save(tmp_path / "c", model, optimizers[0])
    load(tmp_path / "c", other, optimizers[1])
    assert bits(other, optimizers[1]) == bits(model, optimizers[0])


def test_the_position_of_a_loader_goes_along(tmp_path: Path) -> None:
    def loader() -> DataLoader:
        return DataLoader(np.arange(10.0), np.arange(10), 3, seed=4)

    mine, other = loader(), loader()
    seen = iter(mine)
    next(seen)
    save(tmp_path / "c", Holder(), extra=mine.state_dict())
    other.load_state_dict(load(tmp_path / "c", Holder()).extra)
    assert [y.tolist() for _, y in other] == [y.tolist() for _, y in seen]


def test_peek_changes_nothing_and_needs_no_model(tmp_path: Path) -> None:
    save(tmp_path / "c", network(), step=4, extra=[1], arrays={"best.w": np.ones(2)})
    found = peek(tmp_path / "c")
    assert (found.step, found.extra) == (4, [1])
    found.arrays["best.w"][0] = 2.0  # ours


def test_the_memory_of_an_optimizer_is_replaced_in_place(tmp_path: Path) -> None:
    """A compiled step holds on to the lists."""
    model, rng = network(), np.random.default_rng(1)
    optimizer = OPTIMIZERS[2](model.parameters())
    a_step(model, optimizer, rng)
    lists = [optimizer._counts, *optimizer._memory]
    optimizer.load_state_dict(optimizer.state_dict())
    assert all(a is b for a, b in zip(lists, [optimizer._counts, *optimizer._memory], strict=True))


def test_a_state_of_an_optimizer_is_a_copy() -> None:
    model, rng = network(), np.random.default_rng(1)
    optimizer = OPTIMIZERS[0](model.parameters())
    a_step(model, optimizer, rng)
    state = optimizer.state_dict()
    before = repr(state)
    a_step(model, optimizer, rng)
    assert repr(state) == before
    optimizer.load_state_dict(state)
    state["memory"][0][0][:] = 0.0
    assert repr(optimizer.state_dict()) == before


# ---- safetensors, as others read and write it ------------------------------------------------------------


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    model = network()
    arrays = {f"a{n}": np.ones(n % 3, dtype) for n, dtype in enumerate(DTYPES)}
    save(tmp_path / "c", model, arrays=arrays)
    found = library.load_file(tmp_path / "c")
    expected = {f"model.{k}": v for k, v in model.state_dict().items()} | {f"arrays.{k}": v for k, v in arrays.items()}
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_what_safetensors_writes_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    model, other = network(1), network(2)
    value = {"format": 1, "step": 2, "generators": {}}
    value["generators"] = json.loads(_metadata(model, tmp_path))["generators"]
    arrays = {f"model.{name}": array for name, array in model.state_dict().items()}
    library.save_file(arrays, tmp_path / "c", metadata={"micrograd": json.dumps(value)})
    assert load(tmp_path / "c", other).step == 2
    assert bits(other) == bits(model)


def _metadata(model: nn.Module, folder: Path) -> str:
    save(folder / "m", model)
    content = (folder / "m").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    text: str = header["__metadata__"]["micrograd"]
    return text


# ---- what is refused, before anything is written ---------------------------------------------------------


@pytest.mark.parametrize("dtype", ["c8", "c16", "g", "O", "U3", "M8[s]"])
def test_a_dtype_that_no_file_can_hold_is_refused_by_name(dtype: str, tmp_path: Path) -> None:
    if np.dtype(dtype) == np.float64:
        pytest.skip("longdouble is float64 here")
    with pytest.raises(DTypeError, match=r"parameter kept is .*; a checkpoint holds float16, float32, float64"):
        save(tmp_path / "c", Buffered(np.zeros(2, dtype)))
    assert list(tmp_path.iterdir()) == []


def test_an_extra_that_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"extra cannot be written as JSON .*arrays= for arrays"):
        save(tmp_path / "c", Holder(), extra={"a": np.ones(2)})
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(CheckpointError, match="extra cannot be written as JSON"):
        save(tmp_path / "c", Holder(), extra=loop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", [-1, 1.5, True])
def test_a_step_that_is_no_count(step: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"step is {step}; expected a whole number of at least 0"):
        save(tmp_path / "c", Holder(), step=step)


# ---- what does not fit changes nothing -------------------------------------------------------------------


def refused(path: Path, model: nn.Module, *others: Any) -> list[str]:
    """The lines of the refusal, after a look that nothing has been changed."""
    before = bits(model, *others)
    optimizer = next((o for o in others if isinstance(o, optim.Optimizer)), None)
    rng = next((o for o in others if isinstance(o, np.random.Generator)), None)
    with pytest.raises(CheckpointError) as caught:
        load(path, model, optimizer, rng=rng)
    assert bits(model, *others) == before
    return str(caught.value).splitlines()


def test_all_differences_are_listed_at_once(tmp_path: Path) -> None:
    model, rng = network(), np.random.Generator(np.random.MT19937(0))
    save(tmp_path / "c", model, optim.Adam(model.parameters()), rng=rng)
    other = nn.Sequential(
        nn.Linear(3, 6, rng=0, dtype=np.float32), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2, rng=0, dtype=np.float32)
    )
    lines = refused(tmp_path / "c", other, optim.SGD(other.parameters()), np.random.default_rng(0))
    assert lines[0] == f"c does not fit; nothing was loaded. {len(lines) - 2} difference(s):"
    assert lines[1:-1] == [
        "  layers.0.bias: not in the checkpoint",
        "  layers.3.weight: not in the checkpoint",
        "  layers.3.bias: not in the checkpoint",
        "  layers.4.weight: no such parameter or buffer in the model",
        "  layers.4.bias: no such parameter or buffer in the model",
        "  layers.0.weight: shape (3, 5) in the checkpoint, (3, 6) in the model",
        *(
            f"  layers.1.{name}: float32 in the checkpoint, float64 in the model"
            for name in ("gamma", "beta", "running_mean", "running_var")
        ),
        "  generator layers.3.rng: none such in the model",
        "  rng: MT19937 in the checkpoint, PCG64 here",
        "  optimizer: Adam in the state, SGD here",
    ]
    assert lines[-1] == "Build model, optimizer and generators as they were when it was saved."


def test_what_was_not_saved_cannot_be_loaded(tmp_path: Path) -> None:
    model = nn.mlp([3, 5, 2], rng=0)
    save(tmp_path / "c", model)
    other = nn.mlp([3, 5, 2], dropout=0.1, rng=0)
    lines = refused(tmp_path / "c", other, optim.SGD(other.parameters()), np.random.default_rng(0))
    assert "  generator layers.2.rng: not in the checkpoint" in lines
    assert "  rng: not in the checkpoint" in lines
    assert "  optimizer: not in the checkpoint" in lines


def edited(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a file says besides its arrays."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    value = json.loads(header["__metadata__"]["micrograd"])
    change(value)
    header["__metadata__"]["micrograd"] = json.dumps(value)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(format=3), "written by format 3, this reads <= 1"),
        (lambda v: v.update(format="1"), "format '1'; expected a whole number from 1 to 1"),
        (lambda v: v.pop("format"), "format None; expected a whole number"),
        (lambda v: v.update(step=-1), "step: -1; expected a whole number"),
        (lambda v: v.update(step=True), "step: True; expected a whole number"),
        (lambda v: v.update(generators=[]), r"generators: \[\]; expected an object"),
        (lambda v: v["rng"]["state"].pop("inc"), r"rng: no state of PCG64 \('inc'\)"),
        (lambda v: v["rng"]["state"].update(inc=-1), "rng: no state of PCG64"),
        (lambda v: v["rng"]["state"].update(inc=1 << 200), "rng: no state of PCG64"),
        (lambda v: v["rng"].update(state=3), "rng: no state of PCG64"),
        (lambda v: v.update(rng=3), "rng: not in the checkpoint"),
        (lambda v: v.update(optimizer=3), "optimizer: not in the checkpoint"),
        (lambda v: v["optimizer"].update(steps=-3), "optimizer steps: -3 in the state; expected a whole number"),
        (lambda v: v["optimizer"]["counts"].pop(), "optimizer counts: .*; expected 5 whole numbers"),
        (lambda v: v["optimizer"]["settings"].pop("lr"), "optimizer settings: .*; expected lr, momentum"),
        (lambda v: v["optimizer"]["settings"].update(lr=-1), "optimizer lr: -1 in the state, 0.1 here"),
        (lambda v: v["optimizer"]["settings"].update(lr=float("nan")), "optimizer lr: nan in the state"),
        (lambda v: v["optimizer"]["settings"].update(nesterov=1), "optimizer nesterov: 1 in the state, True here"),
        (lambda v: v["optimizer"]["numbers"].update({"9.0": 1.0}), "optimizer: memory of 6 parameters in the state, 5"),
        (lambda v: v["optimizer"]["numbers"].update({"0.1": 1.0}), "optimizer parameter 0: expected 1 slots"),
    ],
)
def test_a_value_that_is_not_as_it_should_be(change: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    model, rng = network(), np.random.default_rng(1)
    optimizer = OPTIMIZERS[0](model.parameters())
    a_step(model, optimizer, rng)
    save(tmp_path / "c", model, optimizer, rng=rng)
    edited(tmp_path / "c", change)
    assert re.search(message, "\n".join(refused(tmp_path / "c", model, optimizer, rng)))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (np.random.MT19937, lambda s: s["state"].update(pos=625)),
        (np.random.MT19937, lambda s: s["state"]["key"].update(dtype="S9")),
        (np.random.MT19937, lambda s: s["state"]["key"]["array"].pop()),
        (np.random.Philox, lambda s: s.update(buffer_pos=-1)),
        (np.random.Philox, lambda s: s.update(buffer_pos=2.0)),
        (np.random.SFC64, lambda s: s["state"]["state"].update(array=[1, 2])),
    ],
)  # fmt: skip
def test_a_state_that_would_make_numpy_read_beside_its_buffer(
    kind: Any, change: Callable[[Any], None], tmp_path: Path
) -> None:
    rng = np.random.Generator(kind(0))
    model = network()
    save(tmp_path / "c", model, rng=rng)
    edited(tmp_path / "c", lambda value: change(value["rng"]))
    assert f"  rng: no state of {kind.__name__} (" in "\n".join(refused(tmp_path / "c", model, rng))


def test_an_array_of_no_part(tmp_path: Path) -> None:
    save(tmp_path / "c", Holder(), arrays={"a": np.ones(1)})
    content = (tmp_path / "c").read_bytes().replace(b"arrays.a", b"others.a")
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(CheckpointError, match="others: no such part of a checkpoint"):
        load(tmp_path / "c", Holder())


def test_memory_of_another_shape(tmp_path: Path) -> None:
    model, other = Holder(np.ones(3)), Holder(np.ones(4))
    optimizers = [optim.SGD(m.parameters(), momentum=0.9) for m in (model, other)]
    model.values[0].sum().backward()
    optimizers[0].step()
    save(tmp_path / "c", model, optimizers[0])
    with pytest.raises(
        CheckpointError, match=r"optimizer parameter 0, slot 0: float64 \(3,\) in the state, float64 \(4,\)"
    ):
        load(tmp_path / "c", other, optimizers[1])
    with pytest.raises(CheckpointError, match=r"the state does not fit this SGD; nothing was loaded\. 1 difference"):
        optimizers[1].load_state_dict(optimizers[0].state_dict())
