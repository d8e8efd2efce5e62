"""A value changed between forward and backward: an error, or harmless; never a wrong number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import micrograd as mg
from micrograd.engine import Tensor
from micrograd.errors import GraphError, ShapeError
from micrograd.transforms import gradients


def frozen_with_a_view() -> tuple[np.ndarray, np.ndarray]:
    array = np.array([1.0, 2.0, 3.0])
    view = array[:]
    array.flags.writeable = False
    return array, view


def same() -> tuple[np.ndarray, np.ndarray]:
    array = np.array([1.0, 2.0, 3.0])
    return array, array


def earlier_view() -> tuple[np.ndarray, np.ndarray]:
    array = np.array([1.0, 2.0, 3.0])
    return array, array[::-1]


def view_as_operand() -> tuple[np.ndarray, np.ndarray]:
    array = np.array([[1.0, 2.0, 3.0]])
    return array[0], array


def broadcast_view() -> tuple[np.ndarray, np.ndarray]:
    array = np.array([2.0])
    return np.broadcast_to(array, (3,)), array


def unlocked_again() -> tuple[np.ndarray, np.ndarray]:
    array = np.array([1.0, 2.0, 3.0])
    array.flags.writeable = False
    return array, array


def buffer() -> tuple[np.ndarray, np.ndarray]:
    memory = bytearray(np.array([1.0, 2.0, 3.0]).tobytes())
    return np.frombuffer(memory), np.frombuffer(memory)


def overwrite(handle: np.ndarray) -> None:
    if not handle.flags.writeable:
        handle.flags.writeable = True
    handle[...] = 100.0


WAYS = [same, earlier_view, view_as_operand, broadcast_view, frozen_with_a_view, unlocked_again, buffer]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("power", [2, 3])
def test_a_leaf(way: Callable[[], Any], power: int) -> None:
    array, handle = way()
    values = array.copy()
    x = Tensor(array)
    y = (x**power).sum()
    overwrite(handle)
    y.backward()
    np.testing.assert_array_equal(x.grad, power * values ** (power - 1))
    np.testing.assert_array_equal(x.data, values)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "use",
    [
        lambda x, a: x * a,
        lambda x, a: a * x,
        lambda x, a: x / a,
        np.maximum,
        lambda x, a: np.multiply(a, x),
        lambda x, a: x.reshape(1, 3) @ a.reshape(3, 1),
    ],
)
def test_a_numpy_operand(way: Callable[[], Any], use: Callable[..., Any]) -> None:
    array, handle = way()
    values = array.copy()
    x = Tensor(np.array([1.5, 1.5, 1.5]))
    y = use(x, array).sum()
    overwrite(handle)
    y.backward()
    again = Tensor(np.array([1.5, 1.5, 1.5]))
    use(again, values).sum().backward()
    np.testing.assert_array_equal(x.grad, again.grad)


def test_a_mask_and_an_index() -> None:
    x = Tensor(np.arange(3.0))
    mask, index, listed = np.array([True, False, True]), np.array([0, 0, 2]), [1, 1]
    y = np.where(mask, x, 0.0).sum() + (x[mask] * 10).sum() + (x[index] * 100).sum() + (x[listed] * 1000).sum()
    mask[:], index[:], listed[:] = False, 1, [0, 0]
    y.backward()
    np.testing.assert_array_equal(x.grad, [211.0, 2000.0, 111.0])


def test_a_seed_and_what_backward_answered() -> None:
    seed = np.array([1.0, 2.0])
    x, z = Tensor(np.ones(2)), Tensor(np.ones(2))
    y = x + z
    y.backward(seed)
    seed[:] = 50
    x.grad[0] = 60
    np.testing.assert_array_equal(z.grad, [1.0, 2.0])
    seed[:] = [1, 2]
    first, second = gradients(y, [x, z], seed)
    seed[:] = 50
    first[0] = 60
    np.testing.assert_array_equal(second, [1.0, 2.0])


def test_a_pullback_called_with_a_buffer_that_is_used_again() -> None:
    _, pull = mg.vjp(lambda x: x.reshape(2), np.ones((2, 1)))
    buffer = np.array([1.0, 2.0])
    (got,) = pull(buffer)
    buffer[:] = 9.0
    np.testing.assert_array_equal(got, [[1.0], [2.0]])


def test_the_value_of_a_tensor_is_read_only() -> None:
    x = Tensor(np.arange(3.0))
    for t in (x, x * 2, x.reshape(3, 1), x[::2], x.T, x.detach()):
        with pytest.raises(ValueError, match="read-only"):
            t.data[...] = 1.0
    with pytest.raises(GraphError, match=r"read-only: this tensor \(made by mul\) is a value of the graph.*np\.where"):
        (x * 2)[0] = 1.0
    with pytest.raises(GraphError, match="read-only: this tensor is a value"):
        x[0] = 1.0


def test_in_place_operators_make_a_new_node() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    y = x
    y += 1.0
    y *= y
    assert x.data.tolist() == [1.0, 2.0]
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [4.0, 6.0])


def test_a_plain_array_cannot_take_a_tensor_in_place() -> None:
    a, x = np.zeros(2), Tensor(np.ones(2))
    with pytest.raises(GraphError, match=r"out= is not supported.*a = a \+ t"):
        a += x
    with pytest.raises(GraphError, match="lose its gradient silently"):
        a[...] = x
    assert a.tolist() == [0.0, 0.0]


def test_a_parameter_assigned_between_forward_and_backward() -> None:
    p = Tensor(np.array([1.0, 2.0]))
    y = (p**3).sum()
    p.data = np.array([100.0, 100.0])
    y.backward()
    np.testing.assert_array_equal(p.grad, [3.0, 12.0])  # the gradient of what was computed
    np.testing.assert_array_equal(gradients(y, [p])[0], [3.0, 12.0])
    with pytest.raises(GraphError, match=r"shape \(2,\) was assigned after the forward pass.*compute the output anew"):
        gradients(y, [p], track=True)


def test_a_number_assigned_between_forward_and_backward() -> None:
    p = Tensor(2.0)
    y = p * p
    p.data = 10.0
    y.backward()
    assert p.grad == 4.0
    with pytest.raises(GraphError, match="was assigned after the forward pass"):
        gradients(y, [p], track=True)


def test_what_may_be_assigned() -> None:
    p = Tensor(np.ones(2))
    new = np.array([3.0, 4.0])
    p.data = new
    new[:] = 0.0
    assert p.data.tolist() == [3.0, 4.0]
    with pytest.raises(ShapeError, match=r"cannot assign shape \(3,\) to a tensor of shape \(2,\)"):
        p.data = np.ones(3)
    with pytest.raises(GraphError, match=r"computed by mul; only leaves can be assigned"):
        (p * 2).data = np.ones(2)
