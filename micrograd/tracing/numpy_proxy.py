"""Stand in for the modules `numpy` and `math` in a traced function, and compute NumPy's functions on traced arrays.

The proxy returns what NumPy returns, but the float arrays that it makes are traced arrays, which keep what is written
into them. It holds no state: outside of a trace it is NumPy.

Without anything tracked among the arguments NumPy itself computes. Otherwise a call is composed of primitives, by the
tables of `micrograd.numpy_api`; where the result has no gradient (places, truth values, rounded numbers) NumPy computes
it from the values, and it is a plain array. Functions that make, view or write arrays are in `OVERRIDES`.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import math
from collections.abc import Callable
from types import GeneratorType, ModuleType
from typing import Any

import numpy as np

from micrograd import primitives
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.modes import capturing
from micrograd.numpy_api import composites as c
from micrograd.numpy_api.functions import (
    CONSTANT,
    FUNCTIONS,
    LOGIC,
    SEQUENCES,
    UFUNCS,
    call_function,
    call_ufunc,
    named_arguments,
    refusal,
    spelled,
)
from micrograd.numpy_api.scipy import of_scipy
from micrograd.pytree import flatten
from micrograd.tracing.array import (
    TracedArray,
    adopt,
    as_number,
    float_of,
    floats,
    is_tracked,
    leaves,
    lift,
    narrowed,
    no_number,
    own,
    present,
    raw_value,
    value_now,
)
from micrograd.tracing.array_methods import axes_as_they_lie
from micrograd.tracing.open_batch import length
from micrograd.tracing.overrides import OVERRIDES, Joined, Vectorized, by_numpy, einsum_view, filled, joined, written_to
from micrograd.tracing.stand_ins import TracedGenerator
from micrograd.tracing.storage import fitting

__all__ = ["FunctionProxy", "ModuleProxy", "apply_function", "apply_ufunc", "proxied_builtins", "proxy_of"]


# ---- which functions are what ------------------------------------------------------------------------------

_UFUNCS_WITHOUT_GRADIENT = {
    *(np.logical_and, np.logical_not, np.logical_or, np.logical_xor),
}
_OF_SHAPES = {np.empty_like, np.ones_like, np.zeros_like, np.result_type, np.common_type, np.iscomplexobj, np.isrealobj}
_OF_ARRAYS = {
    np.select,
    np.roll,
    np.tensordot,
    np.cov,
    np.pad,
    np.block,
}  # whose result is never one of NumPy's numbers
_REDUCTIONS: dict[Any, Callable[..., Any]] = {  # of one traced array they take the short way
    np.sum: c.sum, np.mean: c.mean, np.max: c.amax, np.min: c.amin,
    **{function: FUNCTIONS[function] for function in (np.var, np.std)},
}  # fmt: skip
_ARRANGED = {
    np.pad, np.repeat, np.roll, np.gradient, np.take, np.compress, np.insert, np.round, np.cross, np.select,
    np.quantile, np.percentile,
}  # fmt: skip
"""Whose result lies in memory in an order of its own."""
_OF_REDUCTIONS = {"axis", "keepdims", "ddof"}
_OF_MATH = {
    **{name: getattr(np, name) for name in (
        "exp", "log", "sqrt", "tanh", "log1p", "expm1", "exp2", "log2", "log10", "cbrt", "sin", "cos", "tan", "sinh",
        "cosh", "hypot", "degrees", "radians", "fmod", "copysign", "isnan", "isinf", "isfinite")},
    "pow": np.power, "fabs": np.abs, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
}  # fmt: skip


# ---- functions ---------------------------------------------------------------------------------------------


def apply_function(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute ``called(*args, **kwargs)`` for a NumPy function that is no ufunc.

    Raises:
        GraphError: it is not composed of primitives, so that its gradient would be lost.
    """
    if len(args) == 1 and type(args[0]) is TracedArray and (short := _REDUCTIONS.get(called)) is not None:
        x = float_of(args[0]) if kwargs.keys() <= _OF_REDUCTIONS else None
        if x is not None:
            return own(short(x, **kwargs))
    if called in OVERRIDES:
        return OVERRIDES[called](*args, **kwargs)
    if called is np.einsum and args and (view := einsum_view(*args, **kwargs)) is not None:
        return view
    if called is np.sum:
        args = (kwargs.pop("a"), *args) if "a" in kwargs else args
        if args and isinstance(args[0], GeneratorType):
            return builtins.sum(args[0])
    args, kwargs = named_arguments(called, args, kwargs)
    if called not in SEQUENCES:
        args = _lists_joined(args)
    elif called is not np.block and args and isinstance(args[0], (list, tuple)):
        args = (
            [np.asarray(a) if isinstance(a, (list, tuple)) and not is_tracked(a) else a for a in args[0]],
            *args[1:],
        )
    out = kwargs.pop("out", None)
    if not is_tracked(args) and not is_tracked(kwargs):
        made = by_numpy(called, args, kwargs)
    elif _has_no_gradient(called, args, kwargs) and not (
        capturing() is not None and called in FUNCTIONS and called not in _OF_SHAPES
    ):
        look = value_now if called in _OF_SHAPES else functools.partial(_values, called)
        made = adopt(called(*look(args), **{key: look(value) for key, value in kwargs.items()}))
    elif called not in FUNCTIONS and of_scipy(called) is None:
        raise GraphError(refusal(called))
    else:
        made = lift(_composed(called, present(args), {key: present(value) for key, value in kwargs.items()}))
        made = no_number(made) if called in _OF_ARRAYS else made
        made = _laid(called, args, kwargs, made) if called in _ARRANGED else made
    return made if out is None else written_to(out, made)


def _laid(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any], made: Any) -> Any:
    """Return a result in the order in memory in which NumPy returns it, where what it is composed of has another."""
    if isinstance(made, (list, tuple)):
        return type(made)([_laid(called, args, kwargs, part) for part in made])
    if not isinstance(made, TracedArray) or made.ndim < 2 or not made.size:
        return made
    given = value_now(present(args)), {key: value_now(present(value)) for key, value in kwargs.items()}
    if called is not np.cross and all(a.flags.c_contiguous for a in flatten(given)[0] if isinstance(a, np.ndarray)):
        return made if made.at.flags.c_contiguous else made.copy()
    with np.errstate(all="ignore"):
        theirs = called(*given[0], **given[1])
    axes = axes_as_they_lie(theirs[0] if isinstance(theirs, (list, tuple)) else theirs)
    return made if axes == axes_as_they_lie(made.at) else made.transpose(axes).copy().transpose(np.argsort(axes))


def _values(called: Any, x: Any) -> Any:
    """Return values for NumPy to compute with, on which a program that is captured relies; refused where it may not."""
    if type(x) in (list, tuple):
        return type(x)([_values(called, item) for item in x])
    value = present(x)
    return c.values_of(value, f"{spelled(called)}()") if isinstance(value, Tensor) else value


def _lists_joined(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with each list of traced values as one array."""
    return tuple([joined(value) if isinstance(value, (list, tuple)) else value for value in values])


def _has_no_gradient(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Check that no gradient flows through a call with something tracked in it."""
    if called in CONSTANT or str(getattr(called, "__module__", "")).startswith("numpy.testing"):
        return True
    return called not in FUNCTIONS and not _has_gradient(args, tuple(kwargs.values()))


def _has_gradient(*values: Any) -> bool:
    found = [leaf for value in values for leaf in leaves(value) if isinstance(leaf, Tensor) and is_tracked(leaf)]
    return any(leaf.dtype.kind == "f" for leaf in found)


def _composed(called: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compose a call of primitives."""
    if kwargs.get("order") in ("C", "K", "A"):
        del kwargs["order"]
    if called in FUNCTIONS:
        return call_function(called, args, kwargs)
    return of_scipy(called)(*args, **kwargs)  # type: ignore[misc]


# ---- ufuncs ------------------------------------------------------------------------------------------------

_OF_FLOATS: dict[np.ufunc, Callable[..., Any]] = {
    u: UFUNCS[u] for u in (np.add, np.subtract, np.multiply, np.divide, np.negative, np.sqrt, np.exp, np.log, np.tanh)
}


def _float(inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the one operand as it is computed with; None where it is no traced floats, or more are given."""
    x = inputs[0] if len(inputs) == 1 else None
    return (value,) if type(x) is TracedArray and (value := float_of(x)) is not None else None


def _is_float(x: Any) -> bool:
    """Check that `x` is a tensor of floats."""
    return type(x) is Tensor and (type(x.raw) is float or x.raw.dtype.kind == "f")


def apply_ufunc(called: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compute ``called(*inputs, **kwargs)``, or one of its methods, such as ``np.add.reduce``."""
    if not kwargs and method == "__call__" and (composed := _OF_FLOATS.get(called)) is not None:
        given = floats(*inputs) if len(inputs) == 2 else _float(inputs)
        if given is not None:
            return own(composed(*given))  # most calls are this one, and what follows takes longer than computing does
    if any(type(x) is TracedArray and x.storage.weak for x in inputs):
        inputs = narrowed(inputs)
    if method == "at":
        return _at(called, *inputs)
    inputs = _lists_joined(inputs)
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    if isinstance(out, tuple) and len(out) > 1:
        raise GraphError(refusal(called))
    target = out[0] if isinstance(out, tuple) else out
    if not is_tracked((*inputs, where)):
        return _ufunc_by_numpy(called, method, inputs, target, where, kwargs)
    options = {key: value for key, value in kwargs.items() if value is not None or key == "axis"} if kwargs else kwargs
    made = lift(_composed_ufunc(called, method, _widened(present(inputs)), options))
    if where is not True:
        if target is None:
            raise GraphError(f"np.{called.__name__}: where= without out= leaves entries undefined; use np.where.")
        made = lift(primitives.where(present(where), present(made), present(target)))
    if target is None:
        return made
    if isinstance(made, TracedArray):
        _castable(called, made.dtype, target.dtype)
    return written_to(target, made)


def _widened(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return operands with the tensors in the dtype that NumPy's numbers beside them ask for.

    To the engine every number is a Python float, which widens nothing; to NumPy an `np.float64` beside float32 is not.
    """
    numbers = [o.dtype for o in operands if isinstance(o, np.generic)]
    if not numbers:
        return operands
    made = []
    for operand in operands:
        wanted = (
            np.result_type(operand.dtype, *numbers) if _is_float(operand) and type(operand.raw) is not float else None
        )
        widens = wanted is not None and wanted != operand.dtype
        made.append(primitives.cast(operand, dtype=wanted.name) if widens and wanted is not None else operand)
    return tuple(made)


def _ufunc_by_numpy(
    called: np.ufunc, method: str, inputs: tuple[Any, ...], target: Any, where: Any, kwargs: dict[str, Any]
) -> Any:
    """Compute a ufunc by NumPy itself, where nothing that goes in is tracked."""
    if target is not None and not is_tracked(target) and not isinstance(target, TracedArray):
        kwargs["out"] = target
        target = None
    if where is not True:
        made = fitting(present(target), target.shape, target.dtype) if isinstance(target, TracedArray) else None
        made = getattr(called, method)(*present(inputs), **kwargs, where=present(where), out=made)
    else:
        made = getattr(called, method)(*present(inputs), **kwargs)
    if target is not None and isinstance(made, np.ndarray) and made.dtype != target.dtype:
        _castable(called, made.dtype, target.dtype)
    made = adopt(made, [leaf for leaf in leaves(inputs) if isinstance(leaf, TracedArray)])
    return made if target is None else written_to(target, made)


def _castable(called: np.ufunc, have: np.dtype[Any], wanted: np.dtype[Any]) -> None:
    if not np.can_cast(have, wanted, "same_kind"):
        raise TypeError(f"Cannot cast ufunc {called.__name__!r} output from dtype({have.name!r}) to "
                        f"dtype({wanted.name!r}) with casting rule 'same_kind'")  # fmt: skip


def _composed_ufunc(called: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Compose a call of a ufunc, or of one of its methods, of primitives."""
    dtype = kwargs.pop("dtype", None)
    if dtype is not None and method in ("__call__", "reduce"):
        inputs = _of_dtype(called, inputs, dtype)
    if method == "__call__" and called not in UFUNCS and (scipys := of_scipy(called)) is not None:
        made = scipys(*inputs)
    elif method == "__call__" and called in UFUNCS:  # what keywords there may be is for `call_ufunc` to say
        made = call_ufunc(called, method, *inputs, **kwargs) if kwargs else UFUNCS[called](*inputs)
    elif method == "accumulate" and called in UFUNCS and called.nin == 2:
        made = call_ufunc(called, method, *_of_dtype(called, inputs, dtype), **kwargs)
    elif method == "outer" and called in UFUNCS:
        x, y = inputs
        made = UFUNCS[called](c.reshape(x, c.shape_of(x) + (1,) * len(c.shape_of(y))), y)
    elif (method == "reduce" and called in (np.logical_and, np.logical_or)) or (
        method == "__call__" and (called in _UFUNCS_WITHOUT_GRADIENT or not _has_gradient(inputs))
    ):
        capture = capturing() if called in LOGIC and method == "__call__" else None
        if capture is not None and (
            not capture.relies or called in _UFUNCS_WITHOUT_GRADIENT or _are_truth_values(inputs)
        ):
            return call_ufunc(called, method, *inputs, **kwargs)
        made = getattr(called, method)(*_values(called, inputs), **kwargs)
    elif method == "reduce" and called in (np.add, np.multiply, np.maximum, np.minimum):
        made = call_ufunc(called, method, *inputs, **kwargs)
    elif method == "__call__" and called in LOGIC:
        made = call_ufunc(called, method, *inputs, **kwargs)  # which says that bits are no part of a graph
    else:
        raise GraphError(refusal(called, "" if method == "__call__" else method))
    if dtype is not None and isinstance(made, Tensor) and made.dtype != np.dtype(dtype):
        made = primitives.cast(made, dtype=np.dtype(dtype).name)
    return made


def _are_truth_values(values: tuple[Any, ...]) -> bool:
    return all(np.asarray(value_now(value)).dtype == bool for value in values)


def _of_dtype(called: np.ufunc, inputs: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Return the inputs in the dtype that is computed in.

    Raises:
        TypeError: NumPy would not cast them to it.
    """
    if dtype is None:
        return inputs
    wanted = np.dtype(dtype)
    for place, x in enumerate(inputs):
        have = getattr(x, "dtype", None)
        if have is not None and not np.can_cast(have, wanted, "same_kind"):
            raise TypeError(f"Cannot cast ufunc {called.__name__!r} input {place} from {have!r} to {wanted!r} with "
                            "casting rule 'same_kind'")  # fmt: skip
    return tuple(
        x if getattr(x, "dtype", None) == wanted
        else primitives.cast(x, dtype=wanted.name) if isinstance(x, Tensor)
        else np.asarray(x, wanted)[()]
        for x in inputs
    )  # fmt: skip


def _at(called: np.ufunc, target: Any, index: Any, value: Any = None) -> None:
    """Compute ``np.add.at(target, index, value)``."""
    value, index = joined(value), _without_lists(raw_value(present(index)))
    if isinstance(target, TracedArray) and not target.writeable:
        raise GraphError(
            f"np.{called.__name__}.at writes into an array that NumPy has locked, such as a diagonal or what "
            "np.broadcast_to returns; write into a copy of it, np.array(x)."
        )
    if not is_tracked(target) and not is_tracked(value):
        made = np.array(present(target)) if isinstance(target, TracedArray) else target
        called.at(made, index, *(() if value is None else (present(value),)))
        if made is not target:
            target[...] = made
        return
    if called not in (np.add, np.subtract):
        raise GraphError(refusal(called, "at"))
    if not isinstance(target, TracedArray):
        filled(target, value) if not isinstance(target, np.ndarray) else _cannot_fill(called)
    base = present(target)
    region = np.empty(target.shape, bool)[index].shape
    added = primitives.scatter(fitting(present(value), region, target.dtype), index=index, shape=target.shape)
    if isinstance(base, Tensor) or base.any():
        target.assign(primitives.add(base, added) if called is np.add else primitives.sub(base, added))
    else:
        target.assign(added if called is np.add else primitives.neg(added))


def _without_lists(index: Any) -> Any:
    """Return an index with arrays in the places of lists, which JAX takes for none."""
    if isinstance(index, tuple):
        return tuple(map(_without_lists, index))
    return np.asarray(index) if isinstance(index, list) else index


def _cannot_fill(called: np.ufunc) -> None:
    raise GraphError(f"np.{called.__name__}.at adds a traced value to a plain array, which would lose its gradient "
                     "silently; make the array inside the traced function, with np.zeros or np.array.")  # fmt: skip


TracedArray.call_ufunc = staticmethod(apply_ufunc)
TracedArray.call_function = staticmethod(apply_function)


# ---- proxies -----------------------------------------------------------------------------------------------


class FunctionProxy:
    """A NumPy function whose float arrays can hold traced values."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.real = real
        functools.update_wrapper(self, real, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 - the docstring is that of `real`
        return apply_function(self.real, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __repr__(self) -> str:
        return repr(self.real)


class _UfuncProxy(FunctionProxy):
    """A NumPy ufunc; its methods (`reduce`, `at`) too."""

    real: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        nin = self.real.nin
        if len(args) > nin:  # np.exp(x, out)
            args, kwargs = args[:nin], {**kwargs, "out": args[nin:]}
        return apply_ufunc(self.real, "__call__", args, kwargs)

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
        return apply_ufunc(self.real, method, args, kwargs)


class ModuleProxy(ModuleType):
    """A module of NumPy, or `math`, whose functions get proxies one by one as they are asked for."""

    def __init__(self, real: ModuleType, special: dict[str, Any]) -> None:
        super().__init__(real.__name__, real.__doc__)
        self.__dict__.update(special)
        self.__real__ = real

    def __getattr__(self, name: str) -> Any:
        made = proxy_of(getattr(self.__real__, name))
        self.__dict__[name] = made
        return made

    def __dir__(self) -> list[str]:
        return dir(self.__real__)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.__real__  # a dictionary by module is found by either

    def __hash__(self) -> int:
        return hash(self.__real__)


def _is_numpys(module: Any) -> bool:
    """Check that a module is NumPy's, or the part of SciPy that gets a proxy."""
    if not isinstance(module, str):
        return False
    return module in ("numpy", "scipy", "scipy.special") or module.startswith(("numpy.", "scipy.special."))


def proxy_of(value: Any) -> Any:
    """Return the proxy of something of NumPy or of `math`; anything else as it is."""
    if isinstance(value, (FunctionProxy, ModuleProxy, type)):
        return Vectorized if value is np.vectorize else value
    if isinstance(value, ModuleType):
        return _module(value.__name__) if _is_numpys(value.__name__) or value is math else value
    if isinstance(value, np.ufunc):
        return _UfuncProxy(value)
    if value is np.c_:
        return Joined(value, _module("numpy").column_stack)
    if value is np.r_:
        numpy = _module("numpy")
        return Joined(value, lambda items: numpy.concatenate([numpy.atleast_1d(item) for item in items]))
    if callable(value) and _is_numpys(getattr(value, "__module__", None)):
        return FunctionProxy(value)
    if callable(value) and isinstance(getattr(value, "__self__", None), np.random.RandomState):
        return FunctionProxy(value)  # np.random.randn and the like
    if callable(value) and getattr(value, "__module__", None) == "math":
        return _math_function(value)
    return value


def _math_function(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `math` that is NumPy's where a number is traced."""
    name = real.__name__

    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        if name in _OF_MATH and any(isinstance(arg, Tensor) and is_tracked(arg) and not arg.shape for arg in args):
            given = [as_number(arg) if isinstance(arg, TracedArray) and is_tracked(arg) else arg for arg in args]
            if name == "log" and len(given) == 2:
                return as_number(apply_ufunc(np.log, "__call__", tuple(given[:1]), {})) / math.log(given[1])
            made = apply_ufunc(_OF_MATH[name], "__call__", tuple(given), {})
            if not isinstance(made, TracedArray):
                return made.item() if isinstance(made, np.generic) else made
            made.storage.weak = True
            return as_number(made) if made.dtype.kind == "f" else made
        return real(*args, **kwargs)

    call.real = real  # type: ignore[attr-defined]
    return call


def _gone(name: str, instead: str) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise GraphError(f"{name} is gone from NumPy 2; write {instead}.")

    return call


@functools.wraps(np.random.default_rng)
def _default_rng(seed: Any = None) -> np.random.Generator:
    return TracedGenerator(np.random.default_rng(seed).bit_generator)


@functools.cache
def _module(name: str) -> ModuleProxy:
    """Return the one proxy of a module."""
    special: dict[str, Any] = {"pad": _gone("np.lib.pad", "np.pad")} if name == "numpy.lib" else {}
    if name == "numpy.random":
        special["default_rng"] = _default_rng
    return ModuleProxy(importlib.import_module(name), special)


def _imported(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
    """Do what `__import__` does in a traced function: NumPy imported inside a function is a proxy too."""
    made = builtins.__import__(name, globals, locals, fromlist, level)
    if level == 0 and (_is_numpys(name) or name == "math"):
        return _module(name if fromlist else name.partition(".")[0])
    return made


def _isinstance(value: Any, kind: Any) -> bool:
    """Do what `isinstance` does in a traced function: a traced array is an array, a traced number a number."""
    if builtins.isinstance(value, kind):
        return True
    if not builtins.isinstance(value, TracedArray):
        return False
    values = np.empty(value.shape, value.dtype)
    return builtins.isinstance(values[()] if value.rebinds else values, kind)


def _len(value: Any) -> int:
    """Do what `len` does in a traced function, where the length of a batch may be open."""
    size = builtins.len(value)
    return length(size) if builtins.isinstance(value, TracedArray) else size


@functools.cache
def proxied_builtins() -> dict[str, Any]:
    """Return the builtins of a traced function."""
    return {**vars(builtins), "__import__": _imported, "isinstance": _isinstance, "len": _len}
