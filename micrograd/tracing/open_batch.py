"""Let a function see the length of a batch that is left open: it may compute with it, and not choose by it."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, Self

from micrograd.errors import GraphError
from micrograd.source.names import is_users_code, user_line

__all__ = ["OpenLength", "batch_length", "length", "open_batch", "opened"]

_batch: ContextVar[int] = ContextVar("micrograd_open_batch", default=0)
batch_length = _batch.get  # 0 where none is open
_NEAR = 2
"""A length that is this near to a multiple of the batch's is that of a part of the batch: ``x[1:]``."""


@contextmanager
def open_batch(length: int) -> Iterator[None]:
    """Have arrays show lengths near multiples of `length`, a number that nothing else has, as open."""
    token = _batch.set(length)
    try:
        yield
    finally:
        _batch.reset(token)


def opened(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape as the code that asks for it sees it: a user's sees the lengths that are open."""
    batch = _batch.get()
    if not batch or not is_users_code(sys._getframe(2).f_code.co_filename):
        return shape
    return tuple([_opened(size, batch) for size in shape])


def length(size: int) -> int:
    """Return a length as a user's code sees it."""
    batch = _batch.get()
    return _opened(size, batch) if batch else size


def _opened(size: int, batch: int) -> int:
    times = round(size / batch)
    return OpenLength(size, times, size - times * batch) if times and abs(size - times * batch) <= _NEAR else size


def _refuse(what: str) -> NoReturn:
    raise GraphError(
        f"the function {what} the length of the batch (line {user_line()}), which a file for any batch cannot; leave "
        "batch= out, and the file is for one size."
    )


class OpenLength(int):
    """A length ``times * batch + more``; `times` is 0 where it is no such number."""

    times: int
    more: int

    def __new__(cls, value: int, times: int, more: int) -> Self:
        """Make the number that the length is in this run."""
        made = super().__new__(cls, value)
        made.times, made.more = times, more
        return made

    def _combined(self, other: Any, compute: Callable[[int, int], int]) -> Any:
        if not isinstance(other, int):
            return compute(int(self), other)
        times, more = (other.times, other.more) if isinstance(other, OpenLength) else (0, int(other))
        return OpenLength(compute(int(self), int(other)), compute(self.times, times), compute(self.more, more))

    def __add__(self, other: Any) -> Any:
        return self._combined(other, operator.add)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._combined(other, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return (-1 * self) + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, OpenLength) or not isinstance(other, int):
            return OpenLength(int(self) * other, 0, 0) if isinstance(other, int) else int(self) * other
        return OpenLength(int(self) * other, self.times * other, self.more * other)

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return -1 * self

    def __floordiv__(self, other: Any) -> Any:
        return OpenLength(int(self) // other, 0, 0) if isinstance(other, int) else int(self) // other

    def __mod__(self, other: Any) -> Any:
        if not is_users_code(sys._getframe(1).f_code.co_filename):
            return int(self) % other
        _refuse("takes a remainder of")

    def _mixed(self, _: Any) -> NoReturn:
        _refuse("takes bits or a remainder of")

    __rmod__ = __divmod__ = __rdivmod__ = __and__ = __or__ = __xor__ = _mixed

    def __bool__(self) -> bool:
        if not self.times and is_users_code(sys._getframe(1).f_code.co_filename):
            _refuse("chooses by")
        return int(self) != 0

    def _compared(self, other: Any, compare: Callable[[Any, Any], bool]) -> bool:
        """Compare where the result is one for every batch: with a length of the same kind, or with less than all."""
        if not is_users_code(sys._getframe(2).f_code.co_filename):  # checks of ours, of a shape that was handed on
            return compare(int(self), int(other) if isinstance(other, int) else other)
        if isinstance(other, OpenLength):
            if self.times and self.times == other.times:
                return compare(self.more, other.more)
        elif not isinstance(other, (int, float)) or (self.times > 0 and other < self.times + self.more):
            return compare(int(self), other)
        _refuse("chooses by")

    def __lt__(self, other: Any) -> bool:
        return self._compared(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self._compared(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self._compared(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self._compared(other, operator.ge)

    def __eq__(self, other: object) -> bool:
        return self._compared(other, operator.eq)

    def __ne__(self, other: object) -> bool:
        return self._compared(other, operator.ne)

    __hash__ = int.__hash__
