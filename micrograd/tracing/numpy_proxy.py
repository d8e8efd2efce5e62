"""What stands in for the modules `numpy` and `math` in a traced function.

It answers what NumPy answers, but the float arrays that it makes are traced arrays, which keep what is written into
them. It holds no state: outside of a trace it is NumPy.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.tracing import dispatch
from micrograd.tracing.array import Traced, adopt
from micrograd.tracing.entries import present, raw_value
from micrograd.tracing.overrides import array

__all__ = ["MATH", "NUMPY", "Function", "Module", "builtins_of", "standin"]


_WHOLE = ("numpy", "scipy", "scipy.special")
_PARTS = ("numpy.", "scipy.special.")


class Function:
    """A function of NumPy's whose float arrays can hold traced values."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.real = real
        functools.update_wrapper(self, real, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 - the docstring is that of `real`
        return dispatch.function(self.real, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __repr__(self) -> str:
        return repr(self.real)


class Ufunc(Function):
    """A ufunc of NumPy's; its methods (`reduce`, `at`) too."""

    real: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        nin = self.real.nin
        if len(args) > nin:  # np.exp(x, out)
            args, kwargs = args[:nin], {**kwargs, "out": args[nin:]}
        return dispatch.ufunc(self.real, "__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ("reduce", "accumulate", "outer", "at", "reduceat"):
            return functools.partial(self._method, name)
        return getattr(self.real, name)

    def _method(self, method: str, *args: Any, **kwargs: Any) -> Any:
        if method in ("reduce", "accumulate") and len(args) > 1:
            args, kwargs = (
                args[:1],
                {**kwargs, **dict(zip(("axis", "dtype", "out", "keepdims"), args[1:], strict=False))},
            )
        return dispatch.ufunc(self.real, method, args, kwargs)


class Vectorized:
    """`numpy.vectorize`: the function called for each entry, and its results joined."""

    def __init__(
        self, pyfunc: Callable[..., Any], *_: Any, excluded: Any = None, signature: Any = None, **__: Any
    ) -> None:
        if excluded or signature:
            raise GraphError("np.vectorize with excluded= or signature= is not traced; write the loop.")
        self.pyfunc = pyfunc

    def __call__(self, *args: Any) -> Any:
        arrays = dispatch.OWN[np.broadcast_arrays](*args)
        shape = np.shape(raw_value(present(arrays[0])))
        rows = [dispatch.OWN[np.reshape](a, -1) for a in arrays]
        made = array([self.pyfunc(*entries) for entries in zip(*rows, strict=True)])
        return made.reshape(shape)


class _Columns:
    """`numpy.c_`, or `numpy.r_`: arrays joined by indexing."""

    def __init__(self, real: Any, join: Callable[..., Any]) -> None:
        self.real, self.join = real, join

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(item, Traced) for item in items):
            return adopt(self.real[key])
        if any(isinstance(item, (slice, str)) for item in items):
            raise GraphError("np.c_ and np.r_ with slices are not traced; use np.concatenate and np.arange.")
        return self.join(items)


class Module(ModuleType):
    """A module whose functions are stood in for, one by one as they are asked for."""

    def __init__(self, real: ModuleType, special: dict[str, Any]) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update(special)
        self.__real__ = real

    def __getattr__(self, name: str) -> Any:
        made = standin(getattr(self.__real__, name))
        self.__dict__[name] = made
        return made

    def __dir__(self) -> list[str]:
        return dir(self.__real__)


def _is_numpys(module: Any) -> bool:
    """Whether a module is NumPy's, or the part of SciPy that is stood in for."""
    return isinstance(module, str) and (module in _WHOLE or module.startswith(_PARTS))


def standin(value: Any) -> Any:
    """What stands in for a thing of NumPy's or of `math`; anything else as it is."""
    if isinstance(value, (Function, Module, type)):
        return Vectorized if value is np.vectorize else value
    if isinstance(value, ModuleType):
        return _module(value.__name__) if _is_numpys(value.__name__) or value is math else value
    if isinstance(value, np.ufunc):
        return Ufunc(value)
    if value is np.c_:
        return _Columns(value, NUMPY.column_stack)
    if value is np.r_:
        return _Columns(value, lambda items: NUMPY.concatenate([NUMPY.atleast_1d(item) for item in items]))
    if callable(value) and _is_numpys(getattr(value, "__module__", None)):
        return Function(value)
    if callable(value) and isinstance(getattr(value, "__self__", None), np.random.RandomState):
        return Function(value)  # np.random.randn and the like
    if callable(value) and getattr(value, "__module__", None) == "math":
        return _number_function(value)
    return value


def _gone(name: str, instead: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise GraphError(f"{name} is gone from NumPy 2; write {instead}.")

    return call


_OF_MATH = {
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh, "pow": np.power, "fabs": np.abs, "log1p": np.log1p,
    "expm1": np.expm1, "log2": np.log2, "log10": np.log10, "sinh": np.sinh, "cosh": np.cosh, "hypot": np.hypot,
}  # fmt: skip


def _number_function(real: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `math`: NumPy's where a number is traced."""
    name = real.__name__

    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        if name in _OF_MATH and any(
            isinstance(arg, Tensor) and dispatch.is_tracked(arg) and not arg.shape for arg in args
        ):
            if name == "log" and len(args) == 2:
                return dispatch.ufunc(np.log, "__call__", args[:1], {}) / math.log(args[1])
            return dispatch.ufunc(_OF_MATH[name], "__call__", args, {})
        return real(*args, **kwargs)

    call.real = real  # type: ignore[attr-defined]
    return call


@functools.cache
def _module(name: str) -> Module:
    real = importlib.import_module(name)
    special: dict[str, Any] = {"pad": _gone("np.lib.pad", "np.pad")} if name == "numpy.lib" else {}
    return Module(real, special)


NUMPY = _module("numpy")
MATH = _module("math")


def _imported(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
    """`__import__` of a traced function: NumPy inside a function is stood in for too."""
    made = builtins.__import__(name, globals, locals, fromlist, level)
    if level == 0 and (_is_numpys(name) or name == "math"):
        return _module(name if fromlist else name.partition(".")[0])
    return made


def _isinstance(value: Any, kind: Any) -> bool:
    """`isinstance` of a traced function: a traced array is an array, a traced number a number."""
    if builtins.isinstance(value, kind):
        return True
    if not builtins.isinstance(value, Traced):
        return False
    values = np.empty(value.shape, value.dtype)
    return builtins.isinstance(values[()] if value.rebinds else values, kind)


@functools.cache
def builtins_of() -> dict[str, Any]:
    """The builtins of a traced function."""
    return {**vars(builtins), "__import__": _imported, "isinstance": _isinstance}
