"""Put faults back that micrograd once had, one at a time, by kind, each with a short program that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from micrograd import modes, primitives, transforms
from micrograd.compiler.optimize.rewriter import Rewriter
from micrograd.engine import Tensor
from micrograd.numpy_api import composites
from micrograd.numpy_api.functions import FUNCTIONS, UFUNCS
from micrograd.program.relied import Relied
from micrograd.tracing import array, numpy_proxy
from micrograd.tracing.array import TracedArray, adopt, present, raw_value
from micrograd.tracing.array_methods import ArrayMethods
from micrograd.tracing.overrides import OVERRIDES

__all__ = ["FAULTS", "Fault"]

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """A fault: what it was, how it is put back, on which routes it shows, and a program that it shows on."""

    what: str
    plant: Callable[[Patch], None]
    routes: tuple[str, ...]
    body: str
    arguments: str = "np.array([0.5, 1.2, -0.7])"


def _cut(x: Any) -> Any:
    """What is there now, without its gradient."""
    found = present(x)
    return np.array(found.raw) if isinstance(found, Tensor) else found


def _number(patch: Patch) -> None:
    patch.setattr(ArrayMethods, "__float__", lambda self: float(np.asarray(self.raw)))


def _identities(patch: Patch) -> None:
    patch.setattr(TracedArray, "__eq__", lambda self, other: self is other)
    patch.setattr(TracedArray, "__hash__", object.__hash__)


def _whole(patch: Patch) -> None:
    def divide(x: Any, y: Any) -> Any:
        counts = np.asarray(raw_value(y))
        return x * np.asarray(np.reciprocal(counts)) if counts.dtype.kind in "iu" else composites.divide(x, y)

    patch.setitem(UFUNCS, np.divide, divide)
    patch.setitem(numpy_proxy._OF_FLOATS, np.divide, divide)


def _rebinding(patch: Patch) -> None:
    patch.setattr(TracedArray, "__iadd__", lambda self, other: self + other)
    patch.setattr(TracedArray, "__isub__", lambda self, other: self - other)
    patch.setattr(TracedArray, "__imul__", lambda self, other: self * other)


def _inside(patch: Patch) -> None:
    patch.setattr(transforms, "present", _cut)


def _masks(patch: Patch) -> None:
    fits = Rewriter.fits

    def loose(self: Any, operand: Any, made: Any) -> bool:
        masks = isinstance(operand, int) and self.values[operand].dtype == "bool"
        return fits(self, operand, made) or (masks and self.shape(operand) == made.shape)

    patch.setattr(Rewriter, "fits", loose)


def _unrecorded(patch: Patch) -> None:
    def enter(self: Any) -> None:
        self._token = modes._mode.set(modes._mode.get())

    patch.setattr(modes.recording, "__enter__", enter)


def _copies(patch: Patch) -> None:
    patch.setattr(array.TracedArray, "__copy__", lambda self: adopt(_cut(self)))
    patch.setattr(array.TracedArray, "__deepcopy__", lambda self, memo: adopt(_cut(self)))


def _no_keywords(patch: Patch) -> None:
    composed = numpy_proxy._composed_ufunc

    def without(called: Any, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
        return composed(called, method, inputs, {key: value for key, value in kwargs.items() if value is not None})

    patch.setattr(numpy_proxy, "_composed_ufunc", without)


def _order(patch: Patch) -> None:
    patch.setattr(ArrayMethods, "_axes_in_memory", lambda self, order: None)


def _remainder(patch: Patch) -> None:
    def remainder(x: Any, y: Any) -> Any:
        return x - y * np.floor(np.asarray(raw_value(x)) / np.asarray(raw_value(y)))

    patch.setitem(UFUNCS, np.remainder, remainder)


def _filled(patch: Patch) -> None:
    patch.setitem(OVERRIDES, np.full_like, lambda a, fill_value, *rest: adopt(np.full_like(_cut(a), _cut(fill_value))))


def _negated(patch: Patch) -> None:
    patch.setitem(UFUNCS, np.minimum, lambda x, y: -composites.maximum(-x, -y))


def _digits(patch: Patch) -> None:
    patch.setitem(UFUNCS, np.log1p, lambda x: primitives.log(1 + x))
    patch.setitem(UFUNCS, np.expm1, lambda x: primitives.exp(x) - 1)
    patch.setitem(UFUNCS, np.hypot, lambda x, y: primitives.sqrt(x * x + y * y))


def _triangle(patch: Patch) -> None:
    def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Any:
        line = composites.reshape(a, -1) if axis is None else composites.moveaxis(a, axis, -1)
        size = composites.shape_of(line)[-1]
        made = primitives.matmul(line, np.triu(np.ones((size, size), line.dtype)))
        return made if axis is None else composites.moveaxis(made, -1, axis)

    patch.setitem(FUNCTIONS, np.cumsum, cumsum)


def _halves(patch: Patch) -> None:
    def mean(a: Any, axis: Any = None, **more: Any) -> Any:
        total = composites.sum(a, axis, **more)
        return total / float(np.prod(composites.shape_of(a)) / max(np.prod(composites.shape_of(total)), 1))

    for table in (FUNCTIONS, numpy_proxy._REDUCTIONS):
        patch.setitem(table, np.mean, mean)


def _decided(patch: Patch) -> None:
    patch.setattr(Relied, "holds", lambda self, leaves: True)


TRACED = ("trace", "vjp")
FAULTS: dict[str, Fault] = {
    "K1": Fault("a number loses its gradient", _number, TRACED, "return x * float(x[0])"),
    "K2": Fault("== compares identities", _identities, TRACED, "return np.sum(np.where(x == 1.2, 5 * x, x ** 2))"),
    "K3": Fault("whole numbers divide to 0", _whole, TRACED, "return np.sum(x * (x > 0)) / np.sum(x > 0)"),
    "K4": Fault("+= makes another array", _rebinding, TRACED, "v = x * 2\nw = v\nw += x\nreturn v * x"),
    "K5": Fault("a transform inside cuts", _inside, TRACED, "return x * mg.grad(lambda u: np.sum(u ** 3))(x)"),
    "K6": Fault("a mask times 1.0 stays one", _masks, ("compile",), "return (x > 0) * 1.0", "np.full(3, 0.1)"),
    "K7": Fault("no gradient under no_grad", _unrecorded, ("grad", "no_grad"), "return x * x"),
    "K8": Fault("copies cut the graph", _copies, TRACED, "return x * copy.deepcopy(x)"),
    "K9 axis": Fault("axis=None is dropped", _no_keywords, TRACED, "return np.add.reduce(x, axis=None)", "np.ones((2, 3))"),
    "K9 order": Fault("memory order is C", _order, TRACED, "return x.ravel('K')", "np.arange(6.0).reshape(3, 2).T"),
    "K9 %": Fault("the rest of a quotient", _remainder, TRACED, "return x % 0.1", "np.array([1.0, 0.5])"),
    "K9 full": Fault("a fill value is cut", _filled, TRACED, "return np.full_like(x, x[0]) * x"),
    "K10": Fault(
        "minimum negates", _negated, TRACED, "return np.minimum(x, np.array([1, 1, 1], np.uint8))"
    ),
    "K11": Fault("digits are lost", _digits, TRACED, "return np.log1p(x)", "np.array([1e-20, 1e-12])"),
    "K12": Fault("NaN spreads backwards", _triangle, TRACED, "return np.cumsum(x)", "np.array([1.0, np.inf, 2.0])"),
    "K13": Fault(
        "float16 overflows", _halves, TRACED, "return np.mean(np.full(40000, x[0], np.float16)) * x",
        "np.array([2.5, 1.0], np.float16)",
    ),
    "K14": Fault("a branch is decided once", _decided, ("compile",), "return x * 2 if x[0] > 0.1 else x"),
}  # fmt: skip
"""By kind."""
