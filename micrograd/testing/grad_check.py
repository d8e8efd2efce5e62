"""Check gradients against slopes that are measured numerically.

The vector-Jacobian product of a function, from the engine or from a backward pass written by hand, is compared entry by
entry with slopes measured by `micrograd.testing.numeric`, for a random cotangent. A check that could not
have failed is refused rather than passed: float32, noise, kinks, only zeros.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from micrograd.engine import Tensor, sweep, toposort
from micrograd.errors import DTypeError, GraphError, MicrogradError, ShapeError
from micrograd.primitives import TABLE, Primitive
from micrograd.testing.numeric import LineFunction, Slope, central_slope, complex_slope, gap_at_zero
from micrograd.transforms import gradients

__all__ = ["NOT_ANALYTIC", "GradCheck", "GradientError", "check_grad"]

Array = np.ndarray[Any, Any]


def _has_complex_form(row: Primitive) -> bool:
    ufunc = getattr(np, row.array, None)
    return not isinstance(ufunc, np.ufunc) or any("D" in form.split("->")[0] for form in ufunc.types)


NOT_ANALYTIC = frozenset(
    {"abs", "sign", "maximum", "max", "cast", "greater", "greater_equal", "less", "less_equal", "equal", "not_equal",
     "fmax", "fmin", "sinc", "cummax", "cummin"} | {row.name for row in TABLE.values() if not _has_complex_form(row)}
)  # fmt: skip
"""Rows for which a complex step gives a wrong slope: they compare, drop the imaginary part, or have no complex form."""

_U = 2.0**-53  # unit roundoff of float64
_ROUGH = 2.0**-20  # central differences that agree to fewer digits than this measure nothing
_SMALL = 2.0**-8  # inputs that steps of size 1 may pass over
_KINK = 2.0**-20  # a gap between the one-sided slopes that counts, relative to the slope


class GradientError(MicrogradError, AssertionError):
    """Report a gradient that disagrees with the measured slope."""


@dataclass(frozen=True, slots=True)
class GradCheck:
    """Hold the figures of a check that passed.

    Attributes:
        method: ``complex`` or ``central``.
        entries: how many gradient entries were compared.
        worst: the largest difference, in units of u (2**-53) times the size of the terms of the slope.
        tolerance: the difference that was allowed, in the same unit.
    """

    method: str
    entries: int
    worst: float
    tolerance: float


def check_grad(
    f: Callable[..., Any],
    *arrays: Any,
    backward: Callable[..., Any] | None = None,
    method: str = "auto",
    seed: int = 0,
    subgradient: bool = False,
    entries: int = 256,
    tolerance: float = 4096.0,
) -> GradCheck:
    """Compare the gradient of `f` with slopes measured numerically, and raise where they disagree.

    Args:
        f: a function of arrays that returns an array, or a tuple of an array and anything (a cache).
        arrays: where to check: float64 arrays of any shape, or Python floats.
        backward: a handwritten backward pass to check instead of the engine's. Called ``backward(dout, cache)``
            where `f` returns a tuple, else ``backward(dout, *arrays)``; returns one gradient per array.
        method: ``complex`` (exact, for analytic functions), ``central`` (for all), or ``auto``: complex if possible.
        seed: of the random cotangent, and of the entries chosen.
        subgradient: at a kink accept any slope between the left and the right one, instead of an error.
        entries: how many entries of each array are compared, drawn at random where it has more.
        tolerance: the difference allowed, in units of u = 2**-53 times the size of the terms that the slope sums.
            Central differences add ten times their own estimated error.

    Returns:
        A `GradCheck`: what was compared, how, and the largest difference.

    Raises:
        GradientError: a gradient is wrong; the message has the worst index, both numbers, the error in u, the bound,
            the seed and, for the engine, the first node whose rule disagrees with its own slope.
        DTypeError: not float64.
        ShapeError: a gradient of the wrong shape.
        GraphError: a check is not possible: noise, a changed argument, a kink, only zeros.

    >>> check_grad(lambda x, w: np.tanh(x @ w), np.ones((2, 3)), np.ones((3, 2))).method
    'complex'
    """
    if method not in ("auto", "complex", "central"):
        raise GraphError(f'method must be "auto", "complex" or "central"; got {method!r}.')
    subject = _Subject(f, arrays)
    out = subject.probe()
    rng = np.random.default_rng(seed)
    cotangent = np.asarray(rng.standard_normal(out.shape))
    roots: list[Tensor] = []
    if backward is None:
        analytic = subject.engine_gradients(cotangent, roots)
    else:
        analytic = subject.handwritten(backward, cotangent)
    chosen = _choose(subject, method, cotangent, rng, roots[0] if roots else subject.recorded())
    worst, compared, largest = 0.0, 0, 0.0
    for position, (name, array) in enumerate(zip(subject.names, subject.arrays, strict=True)):
        places = list(range(array.size))
        if array.size > entries:
            places = sorted(rng.choice(array.size, entries, replace=False).tolist())
        slopes = [subject.slope(position, place, cotangent, chosen) for place in places]
        scale = max((s.scale for s in slopes), default=0.0)
        for place, slope in zip(places, slopes, strict=True):
            index = tuple(map(int, np.unravel_index(place, array.shape)))
            got = float(analytic[position][index])
            low = high = slope.value
            if chosen == "central":
                low, high = subject.between(position, place, slope, scale, cotangent, subgradient, roots, index)
            bound = tolerance * _U * scale + 10 * slope.error + (_KINK * scale if low != high else 0.0)
            error = max(low - got, got - high, 0.0) if np.isfinite(got) else np.inf
            if not np.isfinite(slope.value) and not np.isfinite(got):
                continue  # reported below, if there is nothing else
            if not error <= bound:
                _fail(name, index, got, slope, error, scale, bound, seed, chosen, array, roots, cotangent)
            worst = max(worst, error / (_U * scale) if scale else 0.0)
            largest = max(largest, abs(got), abs(slope.value))
            compared += 1
    if compared == 0 or largest == 0:
        kind = "0" if compared else "not finite" if any(a.size for a in subject.arrays) else "empty"
        raise GraphError(f"nothing was checked: numeric and analytic gradients are all {kind}. "
                         "Choose other inputs, or check a function that depends on them.")  # fmt: skip
    return GradCheck(chosen, compared, worst, tolerance)


class _Subject:
    """Hold the function under test and the point where it is tested, and run it there."""

    def __init__(self, f: Callable[..., Any], arrays: Sequence[Any]) -> None:
        self.f = f
        self.names = _names(f, len(arrays))
        self.arrays: list[Array] = []
        self.scalar: list[bool] = []
        self.plain = True  # whether f runs on plain arrays; else it is given tensors
        self.cache: Any = None
        self.shape: tuple[int, ...] = ()
        self.kinks: bool | None = None  # whether what is recorded of f may have kinks
        if not arrays:
            raise GraphError("nothing was checked: no array was given. Call check_grad(f, x, ...).")
        for name, array in zip(self.names, arrays, strict=True):
            if isinstance(array, Tensor):
                raise DTypeError(f"check_grad takes plain arrays; {name} is a Tensor. Pass {name}.data.")
            if type(array) is not float and getattr(array, "dtype", None) != np.float64:
                kind = getattr(array, "dtype", type(array).__name__)
                raise DTypeError(f"check_grad needs float64 (got {kind} for {name}): differences of fewer digits "
                                 f"measure nothing. Pass {name}.astype(np.float64).")  # fmt: skip
            self.scalar.append(type(array) is float)
            self.arrays.append(np.array(array, np.float64))

    def run(self, arrays: Sequence[Array]) -> Any:
        """Return what `f` returns at `arrays`; raise where it changed one of them."""
        given: list[Any] = [a.item() if s else a.copy() for a, s in zip(arrays, self.scalar, strict=True)]
        returned = self.f(*given if self.plain else map(Tensor, given))
        for name, before, after in zip(self.names, arrays, given, strict=True):
            if self.plain and not np.array_equal(before, after, equal_nan=True):
                raise GraphError(f"f changed its argument {name}; give it a copy to work on ({name} = {name}.copy()).")
        self.cache = returned[1] if isinstance(returned, tuple) and len(returned) > 1 else None
        return returned

    def out(self, arrays: Sequence[Array]) -> Array:
        """Return the array that `f` returns at `arrays`."""
        first = _first(self.run(arrays))
        return np.asarray(first.data if isinstance(first, Tensor) else first)

    def probe(self) -> Array:
        """Return the output; raise unless it is real, and the same twice."""
        try:
            out = self.out(self.arrays)
        except (AttributeError, TypeError):
            self.plain = False  # f uses methods that only tensors have (x.relu())
            out = self.out(self.arrays)
        self.shape = out.shape
        if out.dtype.kind != "f":
            raise DTypeError(f"f returned {out.dtype}; expected floats, since only a float output has a gradient.")
        again = self.out(self.arrays)
        if again.shape != out.shape or not np.array_equal(out, again, equal_nan=True):
            by = float(np.max(np.abs(out - again))) if again.shape == out.shape else np.inf
            raise GraphError(f"f(x) differed between two calls by {by:.1g}; fix the seed inside f.")
        return out

    def recorded(self) -> Tensor | None:
        """Return the output as a tensor; None where `f` cannot be recorded."""
        try:
            out = _first(self.f(*(Tensor(a.item() if s else a) for a, s in zip(self.arrays, self.scalar, strict=True))))
        except Exception:  # noqa: BLE001 - a handwritten forward need not run on tensors
            return None
        return out if isinstance(out, Tensor) else None

    def engine_gradients(self, cotangent: Array, roots: list[Tensor]) -> list[Array]:
        """Return the engine's gradients, and put the recorded output in `roots`."""
        leaves = [Tensor(a.item() if s else a) for a, s in zip(self.arrays, self.scalar, strict=True)]
        out = _first(self.f(*leaves))
        if not isinstance(out, Tensor):
            raise GraphError(
                f"f returned a {type(out).__name__} that was not computed from its arguments; "
                "return an array computed from them."
            )
        plain = self.out(self.arrays)
        if out.shape != plain.shape or not np.allclose(out.data, plain, rtol=1e-9, atol=1e-12, equal_nan=True):
            raise GradientError(
                "f computes something else on tensors than on arrays: the values differ; do not branch on their type."
            )
        roots.append(out)
        seed = cotangent.item() if type(out.raw) is float else cotangent
        return [np.asarray(g) for g in gradients(out, leaves, seed, allow_unused=True)]

    def handwritten(self, backward: Callable[..., Any], cotangent: Array) -> list[Array]:
        """Return the gradients of a handwritten backward pass, checked for number and shape."""
        returned = self.run(self.arrays)
        dout = cotangent.item() if not cotangent.shape and any(self.scalar) else cotangent.copy()
        given = [a.item() if s else a.copy() for a, s in zip(self.arrays, self.scalar, strict=True)]
        got = backward(dout, self.cache) if isinstance(returned, tuple) else backward(dout, *given)
        got = list(got) if isinstance(got, (tuple, list)) else [got]
        if len(got) != len(self.arrays):
            raise GradientError(f"backward returned {len(got)} gradients for {len(self.arrays)} inputs "
                                f"({', '.join(self.names)}); return one each, in order.")  # fmt: skip
        for name, array, gradient in zip(self.names, self.arrays, got, strict=True):
            if gradient is None:
                raise GradientError(f"backward returned None for {name}; return zeros where no gradient flows.")
            if np.shape(gradient) != array.shape:
                raise ShapeError(f"backward returned shape {np.shape(gradient)} for {name}, which has {array.shape}; "
                                 "a gradient has the shape of its input (sum over the broadcast axes).")  # fmt: skip
        return [np.asarray(g) for g in got]

    def line(self, directions: dict[int, Array]) -> LineFunction:
        """Return the outputs along a line through the point."""

        def along(t: Any) -> Array:
            moved = list(self.arrays)
            for position, direction in directions.items():
                moved[position] = moved[position] + t * direction
            out = self.out(moved)  # a mask may choose more or fewer entries there: then there is no slope
            return out if out.shape == self.shape else np.full(self.shape, np.nan)

        return along

    def unit(self, position: int, place: int) -> LineFunction:
        """Return the line through one entry."""
        direction = np.zeros(self.arrays[position].shape)
        direction.flat[place] = 1.0
        return self.line({position: direction})

    def slope(self, position: int, place: int, cotangent: Array, method: str) -> Slope:
        """Measure the slope by one entry."""
        line = self.unit(position, place)
        array = self.arrays[position]
        own = abs(float(array.flat[place]))
        if method == "complex":
            return complex_slope(line, cotangent, own or 1.0)
        wide = central_slope(line, cotangent, max(1.0, own))
        if wide.converged and (own >= _SMALL or not self.bends(line, wide, cotangent)):
            return wide
        # The input may be smaller than the steps. Where nothing has a kink, its own size is the scale; else that of the
        # array, since an entry that is small in a large one may be near a kink.
        if self.kinks is None:
            recorded = self.recorded()
            self.kinks = recorded is None or any(n.row and n.row.name in NOT_ANALYTIC for n in toposort([recorded]))
        size = float(np.max(np.abs(array))) if self.kinks else own
        fine = central_slope(line, cotangent, size) if 0 < size < 1 else wide
        return fine if fine.converged else wide

    @staticmethod
    def bends(line: LineFunction, slope: Slope, cotangent: Array) -> bool:
        """Check whether the slopes left and right differ at the size that a slope was measured at."""
        left, right, gap = gap_at_zero(line, cotangent, min(slope.step, slope.size * 2.0**-13))
        return abs(gap) > _KINK * max(slope.scale, abs(left), abs(right))

    def between(
        self, position: int, place: int, slope: Slope, scale: float, cotangent: Array, subgradient: bool,
        roots: list[Tensor], index: tuple[int, ...],
    ) -> tuple[float, float]:  # fmt: skip
        """Return the least and the largest right slope at an entry: equal unless there is a kink."""
        line, size = self.unit(position, place), slope.size
        if not np.isfinite(slope.value):
            return slope.value, slope.value
        left, right, gap = gap_at_zero(line, cotangent, min(slope.step, size * 2.0**-13))
        if slope.step < size * 2.0**-13 and _kinked(roots[0] if roots else self.recorded()):  # it may be near by
            left, right, gap = gap_at_zero(line, cotangent, size * 2.0**-13)
        scale = max(scale, abs(left), abs(right))
        if abs(gap) <= _KINK * scale and slope.error <= max(_ROUGH * scale, 1e-9):
            return slope.value, slope.value
        at = f"{self.names[position]}[{', '.join(map(str, index))}]" if index else self.names[position]
        value = self.arrays[position][index]
        if subgradient and slope.error < np.inf:
            return min(left, right), max(left, right)
        if slope.error == np.inf:
            raise GraphError(f"{at}={value:.3g}: no step of central differences agrees with smaller ones, so its slope "
                             "is not known; scale the input, or compute f in float64.")  # fmt: skip
        kink = _kinked(roots[0] if roots else self.recorded()) or "f"
        raise GraphError(f"{at}={value:.3g} is within the step of a kink of {kink} (slope {left:.3g} on the left, "
                         f"{right:.3g} on the right); move it, or use subgradient=True.")  # fmt: skip


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = [p for p in inspect.signature(f).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    except (TypeError, ValueError):
        parameters = []
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [named[i] if i < len(named) else f"argument {i}" for i in range(count)]


def _first(returned: Any) -> Any:
    return returned[0] if isinstance(returned, tuple) else returned


def _choose(subject: _Subject, method: str, cotangent: Array, rng: np.random.Generator, root: Tensor | None) -> str:
    """Choose complex step or central differences; raise where the complex step was asked for and cannot work."""
    if method == "central":
        return method
    blunt = (
        next((n.row.name for n in toposort([root]) if n.row and n.row.name in NOT_ANALYTIC), "")
        if root is not None
        else ""
    )
    if blunt:
        if method == "complex":
            raise GraphError(f'{blunt} is not analytic: a complex step gives a wrong slope; use method="central".')
        return "central"
    directions = {i: np.asarray(rng.standard_normal(a.shape)) for i, a in enumerate(subject.arrays)}
    for own in (False, True):  # steps of any entry's own size, where those of size 1 leave the domain or pass a pole
        sizes = {i: np.abs(a) if own else np.ones(a.shape) for i, a in enumerate(subject.arrays)}
        line = subject.line({i: direction * sizes[i] for i, direction in directions.items()})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                stepped = complex_slope(line, cotangent)
        except GraphError:
            raise
        except Exception as error:  # whatever f says to complex numbers
            if method == "complex":
                raise GraphError(f'f does not run on complex numbers ({error}); use method="central".') from error
            return "central"
        measured = central_slope(line, cotangent)
        agree = abs(stepped.value - measured.value) <= 1e-5 * max(stepped.scale, measured.scale) + 10 * measured.error
        if agree and np.isfinite(stepped.value) and measured.error < np.inf:
            return "complex"
        if measured.converged:
            break
    if method == "complex" and np.isfinite(measured.value) and not agree:
        raise GraphError('f is not analytic: complex step and central differences disagree; use method="central".')
    return "central" if method == "auto" else "complex"


def _kinked(root: Tensor | None) -> str:
    """Name the row of the recorded node that is nearest to its kink; empty where none has one."""
    nearest, name = np.inf, ""
    for node in toposort([root]) if root is not None else ():
        if node.row is None or node.row.name not in NOT_ANALYTIC:
            continue
        operands = [np.asarray(a, float) for a in node.args]
        if len(operands) == 2:
            margins = np.abs(operands[0] - operands[1])
        elif node.row.kind == "reduce":
            flat = np.sort(operands[0].ravel())
            margins = np.diff(flat)
        else:
            margins = np.abs(operands[0])
        if margins.size and float(margins.min()) < nearest:
            nearest, name = float(margins.min()), node.row.name
    return name


def _guilty(root: Tensor, cotangent: Array) -> str:
    """Name the first node, from the output backwards, whose rule disagrees with the slope of its own forward."""
    rng = np.random.default_rng(0)
    order = {node: i for i, node in enumerate(toposort([root]))}
    seed = cotangent.item() if type(root.raw) is float else cotangent
    for node, g, parts in sweep({root: seed}):
        for slot, part in enumerate(parts):
            if part is None or node.row is None:
                continue
            args = [np.asarray(a) for a in node.args]
            direction = rng.standard_normal(args[slot].shape)

            def line(
                t: float, node: Tensor = node, args: list[Array] = args, slot: int = slot, v: Array = direction
            ) -> Array:
                moved = [a + t * v if i == slot else a for i, a in enumerate(args)]
                return np.asarray(node.row.forward(*moved, **(node.attrs or {})))  # type: ignore[union-attr]

            measured = central_slope(line, np.asarray(g))
            got = float(np.sum(np.asarray(part) * direction))
            terms = max(measured.scale, float(np.abs(np.asarray(part) * direction).sum()))
            if abs(got - measured.value) > 1e-6 * terms + 10 * measured.error:
                place = f"node {order[node]} of {len(order)}, {node.row.name} of shape {node.shape}"
                return f"{place}: its rule for operand {slot}"
    return ""


def _fail(
    name: str, index: tuple[int, ...], got: float, slope: Slope, error: float, scale: float, bound: float, seed: int,
    method: str, array: Array, roots: list[Tensor], cotangent: Array,
) -> NoReturn:  # fmt: skip
    at = f"{name}[{', '.join(map(str, index))}]" if index else name
    units = f"{error / (_U * scale):.3g} u" if scale else "no term to measure it by"
    guilty = _guilty(roots[0], cotangent) if roots else ""
    raise GradientError(
        f"the gradient by {at} is wrong\n"
        f"  analytic {got:.17g}\n"
        f"  numeric  {slope.value:.17g} ({method} {'step' if method == 'complex' else 'differences'})\n"
        f"  error    {error:.3g} = {units} of the terms' size {scale:.3g}; allowed {bound:.3g}\n"
        f"  replay   check_grad(..., seed={seed}) at {at}={float(array[index])!r}\n"
        + (f"  node     {guilty} disagrees with its own slope" if guilty else
           "  node     every recorded rule agrees with its own slope" if roots else
           "  node     a handwritten backward: compare its lines with micrograd.trace(f, ...)")
    )  # fmt: skip
