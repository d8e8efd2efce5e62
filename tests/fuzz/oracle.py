"""Measure a program without micrograd: its slope, and what other last digits of its sums make of its values."""

from __future__ import annotations

import contextlib
import math
import re
import types
from dataclasses import dataclass
from typing import Any

import numpy as np

from .grammar import SMOOTH
from .programs import Program

__all__ = ["Direction", "Slope", "direction_of", "flat", "halves", "noisy", "slope", "weights"]

STEPS = 2.0**-12, 2.0**-13
LARGEST = 1e12
"""Beside larger numbers a step of extended precision is rounded away, or goes over many periods of a sine."""


ROUNDED = re.compile(r"//|%|np\.(rint|floor|ceil|trunc|fix|round|around|mod|fmod|remainder|divmod)\b|\.round\(|int\b")
MANY_STEPS = 1e5
"""A value that is rounded and larger than this takes so many steps at once that it looks smooth."""


@dataclass(frozen=True)
class Slope:
    """A slope along a direction, how it was measured and how far off it may be; `why` says what there is none for."""

    value: float = 0.0
    by: str = ""
    why: str = ""
    error: float = 0.0


Direction = list[Any]
"""For each argument a change of its shape, or None where it is not of floats."""


def flat(value: Any) -> Any:
    """What a program returned, as one line of numbers."""
    return np.ravel(np.asarray(value))


def weights(value: Any) -> Any:
    """A cotangent of the shape and dtype of what a program returned."""
    array = np.asarray(value)
    made = (1.0 + np.cos(1.0 + np.arange(array.size))).reshape(array.shape).astype(array.dtype)
    return made if array.shape or not isinstance(value, float) or isinstance(value, np.generic) else float(made)


def direction_of(arguments: tuple[Any, ...]) -> Direction:
    """A direction for the arguments that are of floats."""
    along: Direction = []
    for place, argument in enumerate(arguments):
        numbers = np.sin(1.0 + place + 2.0 * np.arange(argument.size)).reshape(argument.shape)
        along.append(numbers.astype(argument.dtype) if argument.dtype.kind == "f" else None)
    return along


def slope(program: Program, value: Any, along: Direction, offset: float = 0.0) -> Slope:
    """The slope of the weighted sum of what `program` returns, so far along the direction, where it has one."""
    loose = _tolerance(program.text)
    if "mg." in program.text.split("def f", 1)[1]:
        return _slope_in_float64(program, value, along, offset)
    if ".dtype == " in program.text:
        return Slope(why="asks for a dtype, of which there is one in extended precision")
    seed = np.asarray(weights(value), np.longdouble)
    known = flat(value)

    def at(step: Any, wide: Any) -> Any:
        out = flat(_run(program, along, step + wide(offset), wide))
        if out.shape != known.shape:
            raise ValueError("another shape")
        return out

    def weighted(step: float) -> Any:
        return np.sum(at(step, np.longdouble) * np.ravel(seed))

    try:
        middle = at(0.0, np.longdouble)
        if not offset and not (np.abs(middle - known) <= loose * np.maximum(1.0, np.abs(known))).all():
            return Slope(why="takes another way in extended precision")
        if _analytic(program.text):
            out = at(np.clongdouble(1e-30j), np.clongdouble)
            return Slope(float(np.sum(out.imag / np.longdouble(1e-30) * np.ravel(seed))), "complex step")
        if any(
            c is not None and (np.abs(a) > LARGEST).any() for a, c in zip(program.load().arguments, along, strict=True)
        ):
            return Slope(why="steps are lost beside numbers of such size")
        zero = np.sum(middle * np.ravel(seed))
        sides = [(weighted(h), weighted(-h)) for h in STEPS]
    except Exception as error:  # noqa: BLE001 - a program that does not run on wide numbers has no measured slope
        return Slope(why=f"does not run wide: {type(error).__name__}")
    if ROUNDED.search(program.text) and np.abs(middle).max(initial=0.0, where=np.isfinite(middle)) > MANY_STEPS:
        return Slope(why="one step of the argument is many of a rounding")
    first, second = ((up - down) / (2 * h) for (up, down), h in zip(sides, STEPS, strict=True))
    bends = [(up - 2 * zero + down) / h for (up, down), h in zip(sides, STEPS, strict=True)]
    size = float(abs(second)) + float(abs(zero)) + 1.0
    if not np.isfinite([float(first), float(second), *map(float, bends)]).all():
        return Slope(why="not finite nearby")
    if abs(first - second) > 3e-6 * size or abs(2 * bends[1] - bends[0]) > 1e-7 * size:
        return Slope(why="not smooth")
    return Slope(float((4 * second - first) / 3), "differences", error=4 * float(abs(first - second)))


def _slope_in_float64(program: Program, value: Any, along: Direction, offset: float) -> Slope:
    """The slope of a program that calls transforms, which take no extended precision: by differences of its value."""
    seed = np.ravel(weights(value))

    def weighted(step: float) -> float:
        loaded = program.load()
        for argument, change in zip(loaded.arguments, along, strict=True):
            if change is not None:
                argument[...] += (offset + step) * change
        return float(np.sum(flat(loaded.f(*loaded.arguments)) * seed))

    if _tolerance(program.text) > 1e-6:
        return Slope(why="calls a transform of few digits")
    try:
        zero, sides = weighted(0.0), [(weighted(h), weighted(-h)) for h in (2e-3, 1e-3)]
    except Exception as error:  # noqa: BLE001 - on an edge
        return Slope(why=f"does not run nearby: {type(error).__name__}")
    first, second = ((up - down) / (2 * h) for (up, down), h in zip(sides, (2e-3, 1e-3), strict=True))
    bends = [(up - 2 * zero + down) / h for (up, down), h in zip(sides, (2e-3, 1e-3), strict=True)]
    size = abs(second) + abs(zero) + 1.0
    if not np.isfinite([first, second, *bends]).all() or abs(first - second) > 1e-4 * size:
        return Slope(why="not smooth")
    if abs(2 * bends[1] - bends[0]) > 1e-4 * size:
        return Slope(why="not smooth")
    return Slope((4 * second - first) / 3, "coarse differences")


def _tolerance(text: str) -> float:
    if "float16" in text:
        return 3e-2
    return 1e-4 if "float32" in text or "'f4'" in text else 1e-9


def _analytic(text: str) -> bool:
    """Whether all that a program calls and writes is analytic."""
    body = text.split("def f", 1)[1].split("def arguments", maxsplit=1)[0]
    words = {*re.findall(r"\bnp\.(\w+)", body)}
    if not words <= SMOOTH or re.search(r"[<>%]|//|==|!=|\babs\b|\bif\b|dtype|order|where", body):
        return False
    return not re.search(r"\.(max|min|sort|argmax|astype|any|all|clip|ravel|view)\b|math\.|\bmax\(", body)


class _Wide:
    """NumPy with floats of another width, for what a program makes by itself."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.float64 = self.float32 = self.float16 = dtype

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def _made(self, maker: Any) -> Any:
        return lambda *args, **kwargs: maker(*args, **{"dtype": self.dtype, **kwargs})

    @property
    def zeros(self) -> Any:
        return lambda shape, dtype=None: np.zeros(shape, dtype or self.dtype)

    @property
    def ones(self) -> Any:
        return self._made(np.ones)

    @property
    def empty(self) -> Any:
        return self._made(np.empty)

    @property
    def eye(self) -> Any:
        return self._made(np.eye)

    @property
    def linspace(self) -> Any:
        return self._made(np.linspace)

    def full(self, shape: Any, value: Any) -> Any:
        return np.full(shape, value, dtype=self.dtype if isinstance(value, (float, np.floating)) else None)

    def array(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        made = np.array(value, *args, **kwargs)
        return made.astype(self.dtype) if made.dtype == np.float64 else made

    def arange(self, *args: Any) -> Any:
        made = np.arange(*args)
        return made.astype(self.dtype) if made.dtype.kind == "f" else made


def _run(program: Program, along: Direction, step: Any, dtype: Any) -> Any:
    """Run the text of a program where every float is of another width."""
    wide = _Wide(dtype)
    functions = types.SimpleNamespace(exp=np.exp, sqrt=np.sqrt, pi=math.pi)
    import copy

    made: dict[str, Any] = {"np": wide, "float": dtype, "math": functions, "copy": copy}
    exec(_body(program), made)
    arguments = made["arguments"]()  # in the memory order of the text
    for argument, change in zip(arguments, along, strict=True):
        if change is not None and np.any(step):
            argument[...] += step * change.astype(dtype)
    return made["f"](*arguments)


def _body(program: Program) -> Any:
    return compile(re.sub(r"^import .*$", "", program.text, flags=re.MULTILINE), "wide.py", "exec")


# ---- last digits -------------------------------------------------------------------------------------------

_ELEMENTARY = {
    *(np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p, np.logaddexp, np.logaddexp2, np.power, np.cbrt),
    *(np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.arcsin, np.arccos, np.arctan, np.arctan2, np.hypot),
    *(np.arcsinh, np.arccosh, np.arctanh, np.float_power),
}
_SUMS = {np.dot, np.vdot, np.inner, np.tensordot, np.einsum, np.trace, np.convolve, np.correlate, np.kron, np.outer}


class _Noisy(np.ndarray[Any, Any]):
    """An array of which NumPy's sums and elementary functions have other last digits, as any order of a sum may give."""

    rng = np.random.default_rng(0)
    scale = 1.0
    halved = False

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        plain = [_plain(x) for x in inputs]
        if out is not None:
            kwargs["out"] = tuple(map(_plain, out))
        if "where" in kwargs:
            kwargs["where"] = _plain(kwargs["where"])
        made = getattr(ufunc, method)(*plain, **kwargs)
        _Noisy.halved |= getattr(made, "dtype", None) == np.float16
        if method in ("reduce", "accumulate") and ufunc in (np.add, np.multiply):
            sizes = ufunc.reduce(np.abs(plain[0]), axis=kwargs.get("axis", 0), keepdims=kwargs.get("keepdims", False))
            made = self._shaken(made, np.abs(made) if method == "accumulate" else sizes)
        elif method == "__call__" and (ufunc is np.matmul or ufunc in _ELEMENTARY):
            made = self._shaken(made, np.abs(made))
        elif method == "__call__" and ufunc is np.subtract and self.rng.integers(2):
            made = self._nothing(made, *plain)
        return _view(made) if out is None or made is None else out[0]

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        made = super().__array_function__(func, types, args, kwargs)
        return self._shaken(made, np.abs(made)) if func in _SUMS else made

    def _nothing(self, made: Any, a: Any, b: Any) -> Any:
        """Return 0 where a difference is what rounding leaves of equals, as of equal entries and their mean."""
        if np.asarray(made).dtype.kind != "f":
            return made
        small = np.abs(made) <= 4 * np.finfo(np.asarray(made).dtype).eps * np.maximum(np.abs(a), np.abs(b))
        made = np.where(small & np.isfinite(made), made * 0, made)
        return made if made.ndim else made[()]

    def _shaken(self, made: Any, size: Any) -> Any:
        if made is None or np.asarray(made).dtype.kind != "f":
            return made
        dtype = np.asarray(made).dtype
        with np.errstate(all="ignore"):
            noise = self.scale * np.finfo(dtype).eps * self.rng.integers(-2, 3, np.shape(made)) * size
        noise = np.where(np.isfinite(noise), noise, 0.0).astype(dtype)
        if isinstance(made, np.ndarray):
            made += noise
            return made
        return dtype.type(made + noise)


def noisy(array: Any, number: int) -> Any:
    """View an array as one whose sums have other last digits, others for each number, and opposite ones for each two."""
    _Noisy.rng, _Noisy.scale = np.random.default_rng(number // 2), (0.5, 1, 2, 2)[number // 2 % 4] * (-1) ** number
    return array.view(_Noisy)


def halves(program: Program) -> bool:
    """Whether a ufunc gives half precision on the way, as ``np.rint`` of truth values does."""
    _Noisy.scale, _Noisy.halved = 0.0, False
    loaded = program.load()
    with contextlib.suppress(Exception):  # what is seen by then is seen
        loaded.f(*(a.view(_Noisy) for a in loaded.arguments))
    return _Noisy.halved


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, _Noisy) else x


def _view(made: Any) -> Any:
    if isinstance(made, tuple):
        return tuple(map(_view, made))
    return made.view(_Noisy) if isinstance(made, np.ndarray) else made  # a mask too: sums of floats follow from it
