"""Stop a program at the first NaN, infinity or overflow, and name the node, the line and the index.

NumPy lets them pass, or warns without saying where, and after a few layers every number is NaN. `checked` observes
the engine (`micrograd.engine.observe`): each value is checked when it is recorded, each gradient when it is sent.
"""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from micrograd.engine import Tensor, observe, sweep, toposort
from micrograd.errors import GraphError, NumericalError
from micrograd.source.names import PACKAGE, CodePosition, Source, context_of, source_of, user_frames

__all__ = ["checked", "is_checking"]

_checking: ContextVar[bool] = ContextVar("micrograd_checking", default=False)
is_checking = _checking.get
"""Says whether this thread or task is inside `checked`."""


@contextmanager
def checked() -> Iterator[None]:
    """Raise inside the block at the first value or gradient that is not finite, with its node, line and index.

    Forward: an input that holds NaN or infinity is named at the first operation that reads it; an operation that
    makes one out of finite operands is named with the value at fault (``reciprocal of 0 at [1, 2]``). Backward: so is
    the first gradient. A second thread that runs ``backward()`` on a graph with the same leaves is refused, since both
    would add into the same ``.grad``. `micrograd.batch_norm` warns of lost digits.

    NumPy's own warnings are silent inside. Values computed under ``no_grad`` are not recorded, and so not checked.

    Raises:
        NumericalError: (an ArithmeticError) at the first value that is not finite.
        GraphError: another thread is in ``backward()`` on shared leaves.

    >>> from micrograd.engine import Tensor
    >>> with checked():
    ...     1.0 / Tensor(np.array([1.0, 0.0]))
    Traceback (most recent call last):
    micrograd.errors.NumericalError: reciprocal of 0 at [1]...
    """
    if _checking.get():
        yield
        return
    token = _checking.set(True)
    try:
        with np.errstate(all="ignore"), observe(_Checker()):
            yield
    finally:
        _checking.reset(token)


class _Checker:
    """Observe the engine for `checked`."""

    def __init__(self) -> None:
        self._positions: WeakKeyDictionary[Tensor, list[CodePosition]] = WeakKeyDictionary()

    def recorded(self, node: Tensor) -> None:
        """Check the value of a new node."""
        self._positions[node] = _positions()
        if (bad := _first_bad(node.raw)) is None:
            return
        assert node.row is not None
        for slot, raw in enumerate(node.args):
            if (at := _first_bad(raw)) is not None:
                name = _variable(node.operands[slot])
                name = f"{name}{_index(at)}" if name else f"operand {slot} of {node.row.name}{_at(at)}"
                raise NumericalError(f"{name} is {_entry(raw, at)} (input of {self._described(node)}).")
        raise NumericalError(f"{_fault(node, bad)} ({self._described(node)}).")

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Check the gradient of a node and what it sends to its operands."""
        if _root_of_backward() is node:
            _refuse_other_threads(node)
        if (at := _first_bad(_raw(g))) is not None:
            raise NumericalError(
                f"backward: the gradient of {self._described(node)} is {_entry(_raw(g), at)}{_at(at)}: "
                "the seed held it, or the sum of its paths overflowed."
            )
        for slot, part in enumerate(parts):
            if part is None or (at := _first_bad(_raw(part))) is None:
                continue
            raise NumericalError(
                f"backward: {self._described(node)} sends {_entry(_raw(part), at)} to operand {slot}{_at(at)}: "
                f"{_backward_fault(node, slot, at)}."
            )

    def _described(self, node: Tensor) -> str:
        """Describe a node: ``node xmu, `xmu = x - mu`, f.py:12``; inside the package, also the user's line."""
        assert node.row is not None
        positions = self._positions.get(node)
        if positions is None:
            return f"node {node.row.name}, recorded outside checked(); run the forward pass inside to see its line"
        parts: list[str] = []
        for position in positions:
            source = source_of(position)
            if not parts:
                statement, target = _statement(source)
                parts += [f"node {target or node.row.name}", *([f"`{statement}`"] if statement else []), str(source)]
            else:
                parts.append(f"called at {source}")
        return ", ".join(parts)


def _statement(source: Source) -> tuple[str, str]:
    """Return the assignment around a sub-expression, and the name assigned if the expression is all of it.

    Where there is no assignment of one line around it, the sub-expression itself is returned.
    """
    place = context_of(source)
    if place is None or not place.target or source.line != source.end_line:
        return " ".join(source.text.split()), ""
    statement = linecache.getline(source.file, source.line).partition("  # ")[0].strip()
    return statement, place.target if place.whole else ""


# ---- looking -----------------------------------------------------------------------------------------------


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, Tensor) else value


def _first_bad(value: Any) -> tuple[int, ...] | None:
    """Return the first index, in C order, whose entry is not finite; None where all are."""
    if type(value) is float:
        return None if value - value == 0 else ()
    value = np.asarray(value)
    if value.dtype.kind != "f" or np.isfinite(value).all():
        return None
    return _first(~np.isfinite(value))


def _first(mask: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), np.shape(mask)))


def _entry(value: Any, at: tuple[int, ...]) -> float:
    return float(np.asarray(value)[at])


def _index(at: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, at))}]" if at else ""


def _at(at: tuple[int, ...]) -> str:
    return f" at {_index(at)}" if at else ""


# ---- explaining --------------------------------------------------------------------------------------------


def _where(mask: Any) -> tuple[int, ...] | None:
    return _first(mask) if np.any(mask) else None


def _fault(node: Tensor, bad: tuple[int, ...]) -> str:
    """Explain why an operation on finite operands gave something that is not finite."""
    assert node.row is not None
    name = node.row.name
    x = np.asarray(node.a)
    exponent = (node.attrs or {}).get("exponent", 1)
    if name == "reciprocal" and (at := _where(x == 0)) is not None:
        return f"reciprocal of 0{_at(at)}"
    if name == "div" and (at := _where(np.asarray(node.b) == 0)) is not None:
        return f"division by 0{_at(at)}"
    if name == "sqrt" and (at := _where(x < 0)) is not None:
        return f"sqrt of {_entry(x, at):g}{_at(at)}: variance went negative?"
    if name == "log" and (at := _where(x <= 0)) is not None:
        return f"log of {_entry(x, at):g}{_at(at)}; clip it to a small positive number"
    if name == "pow" and float(exponent) != int(exponent) and (at := _where(x < 0)) is not None:
        return f"pow: base {_entry(x, at)}{_at(at)} with exponent {exponent}"
    if name == "pow" and exponent < 0 and (at := _where(x == 0)) is not None:
        return f"pow: base {_entry(x, at)}{_at(at)} with exponent {exponent}"
    if name == "exp":
        return f"exp of {_entry(x, bad):g}{_at(bad)} overflowed {node.dtype}; subtract the largest exponent first"
    column = f" in column {bad[-1]}" if bad else ""
    sizes = []
    for slot, (operand, read) in enumerate(zip(node.operands, node.args, strict=True)):
        raw = np.asarray(read)
        if raw.dtype.kind == "f" and raw.size:
            entries = raw[..., bad[-1]] if bad and raw.ndim and raw.shape[-1] == node.shape[-1] else raw
            label = _variable(operand) or f"operand {slot}"
            sizes.append(f"max |{label}| = {float(np.max(np.abs(entries))):.2g}")
    remedy = "use float64" if node.dtype.itemsize < 8 else "scale the data down"
    return f"{name} overflowed {node.dtype}{column}{_at(bad)} ({', '.join(sizes)}); {remedy}"


def _backward_fault(node: Tensor, slot: int, at: tuple[int, ...]) -> str:
    """Explain why a rule sent something that is not finite, given a finite gradient."""
    assert node.row is not None
    read = node.args[slot]
    value = _entry(read, at)
    if value == 0 and node.row.name in ("sqrt", "pow"):
        return f"the slope of {node.row.name} at 0 is infinite; add a small eps before it"
    remedy = "use float64" if node.dtype.itemsize < 8 else "scale the loss down"
    return f"it overflowed {node.dtype} (the operand is {value:g} there); {remedy}"


def _variable(operand: Tensor | None) -> str:
    """Return the name of the user's variable that holds `operand`, innermost function first; empty if none does."""
    if operand is not None:
        for frame in user_frames(2):
            for name, value in frame.f_locals.items():
                if value is operand:
                    return name
    return ""


def _positions() -> list[CodePosition]:
    """Return the innermost position in code and, if that is in the package, the innermost outside it too."""
    found: list[CodePosition] = []
    for frame in user_frames(3):
        outside = not frame.f_code.co_filename.startswith(PACKAGE)
        if outside or not found:
            found.append(CodePosition.of(frame))
        if outside:
            break
    return found


# ---- two threads -------------------------------------------------------------------------------------------


def _root_of_backward() -> Tensor | None:
    """Return the tensor whose `backward` runs this sweep; None in a functional sweep, which stores nothing."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not sweep.__code__:
        frame = frame.f_back
    caller = frame and frame.f_back
    return caller.f_locals["self"] if caller is not None and caller.f_code is Tensor.backward.__code__ else None


def _refuse_other_threads(root: Tensor) -> None:
    """Raise if another thread is inside `Tensor.backward` and adds into a leaf that `root` depends on."""
    mine: set[Tensor] | None = None
    others = sys._current_frames()
    del others[threading.get_ident()]  # our own frame among our own variables would be a cycle that keeps the graph
    for frame in others.values():
        step: FrameType | None = frame
        while step is not None:
            if step.f_code is Tensor.backward.__code__:
                mine = {node for node in toposort([root]) if node.row is None} if mine is None else mine
                shared = [node for node in toposort([step.f_locals["self"]]) if node in mine]
                if shared:
                    raise GraphError(
                        f"another thread is in backward on this graph: both add into {len(shared)} shared leaves (the "
                        f"first has shape {shared[0].shape}). Use micrograd.grad, which stores nothing, or a lock."
                    )
            step = step.f_back
