"""Judge a program: by every route NumPy's values, effects and slopes, or an error of ours that names the line."""

from __future__ import annotations

import functools
import re
import traceback
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.errors import MicrogradError

from .oracle import Slope, direction_of, flat, halves, noisy, slope, weights
from .programs import Program, Ran
from .routes import ROUTES, Nudge, Result

__all__ = ["Verdict", "judge"]


NOTHING = "holds no tensor|was not computed from its arguments"
"""A value that only whole numbers and truth values lead to has no line to be named."""


@dataclass(frozen=True)
class Verdict:
    """What became of a program on a route: ``right`` (``rounded`` where not bit by bit), ``refused``, ``skipped`` or ``wrong``."""

    route: str
    outcome: str
    why: str = ""
    detail: str = ""


class Odd(Exception):
    """A program that says nothing: NumPy does not run it, or its value does not depend on its arguments."""


def judge(program: Program, routes: Iterable[str]) -> list[Verdict]:
    """Run a program by the routes and compare each with NumPy, and their gradients with the measured slope.

    Raises:
        Odd: the program says nothing.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return [*_Judge(program).verdicts(routes)]
        finally:
            program.forget()


class _Judge:
    def __init__(self, program: Program) -> None:
        self.program = program
        try:
            warnings.simplefilter("error", DeprecationWarning)
            self.truth = program.numpy()
            # unset memory is no value
            filled = [Program(program.text.replace("np.empty", name)).numpy() for name in ("np.ones", "np.zeros")]
        except Exception as error:
            raise Odd(f"NumPy raises {type(error).__name__}") from error
        finally:
            warnings.simplefilter("ignore")
        if np.asarray(self.truth.value).dtype.kind != "f" or any(_apart(again, self.truth) for again in filled):
            raise Odd("its value is no float, or another one in each run")
        loaded = program.load()
        self.arguments = loaded.arguments
        self.along = direction_of(loaded.arguments)
        self.aliased = re.search(r"^    [yz] = x$", program.text, re.MULTILINE) is not None
        if not self._depends():
            raise Odd("its value does not depend on its arguments")
        self.gradient: list[Any] = []
        self.tangent: Any = None
        self.finite = bool(np.isfinite(flat(self.truth.value)).all())
        text = program.text + "float16" * halves(program)
        self.loose, self.near = _looseness(text), _roundoff(text)

    def _depends(self) -> bool:
        """Whether a change of the arguments that are floats changes the value."""
        if not sum(a.size for a, d in zip(self.arguments, self.along, strict=True) if d is not None):
            return True  # nothing can be changed
        for scale in (0.01, 0.5):
            try:
                out = flat(self._changed(lambda a, d, scale=scale: a + scale * d))
            except Exception:  # noqa: BLE001 - then it depends on them
                return True
            if out.shape != flat(self.truth.value).shape or not np.array_equal(out, flat(self.truth.value), True):
                return True
        return False

    def _changed(self, change: Callable[[Any, Any], Any]) -> Any:
        """Run the program as NumPy does where the arguments that are floats are changed, each in its own memory."""
        loaded = self.program.load()
        for argument, along in zip(loaded.arguments, self.along, strict=True):
            if along is not None:
                argument[...] = change(argument, along)
        return loaded.f(*loaded.arguments)

    def verdicts(self, routes: Iterable[str]) -> Iterable[Verdict]:
        results: dict[str, Result] = {}
        for route in routes:
            if self.aliased and route in ("second", "compile grad"):
                continue  # refused after the function has run, where no line of it is at fault
            try:
                found = ROUTES[route][0](self.program, self.truth.value)
            except MicrogradError as error:
                yield self._refused(route, error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever is raised is reported
                yield Verdict(route, "wrong", f"{type(error).__name__} {_place(error)}", _first(error))
                continue
            wrong = self._wrong(found)
            if wrong and route == "jax" and (self._is_flushed(found) or self._is_split(found)):
                wrong = None
            if not wrong:
                results[route] = found
            bits = found.ran is None or found.ran.value is None or not _differ(found.ran.value, self.truth.value, 0.0)
            yield Verdict(route, "wrong", *wrong) if wrong else Verdict(route, "right" if bits else "rounded")
        yield from self._gradients(results)

    def _refused(self, route: str, error: MicrogradError) -> Verdict:
        if re.search(rf"{re.escape(self.program.file)}(:|\"?, line )\d+|routes.py(:|, line )\d+|{NOTHING}", str(error)):
            return Verdict(route, "refused", _template(error), _first(error))
        return Verdict(route, "wrong", f"refused without the line: {_template(error)}", _first(error))

    # ---- values --------------------------------------------------------------------------------------------

    def _wrong(self, found: Result) -> tuple[str, str] | None:
        if found.ran is None:
            return None
        if found.ran.value is not None:
            why = self._differs(found.ran.value, self.truth.value, lambda ran: ran.value)
            if why:
                return f"value: {why.split()[0]}", why
        if found.keeps:
            for number, (ours, numpys) in enumerate(zip(found.ran.left, self.truth.left, strict=True)):
                why = self._differs(ours, numpys, lambda ran, number=number: ran.left[number])
                if why:
                    return f"left in an argument: {why.split()[0]}", f"argument {number}: {why}"
        for ours, theirs, again in found.later:
            size = max((float(np.abs(a).max()) for a in self.arguments if a.size and np.isfinite(a).all()), default=1.0)
            for place, (mine, numpys) in enumerate(
                zip([ours.value, *ours.left], [theirs.value, *theirs.left], strict=True)
            ):
                why = _differ(mine, numpys, 1024 * self.near, size / 1024)
                runs = [*_runs(again, noisy), *_runs(again, self._nudged)] if why else []
                others = [[ran.value, *ran.left][place] for ran in runs]
                decided = why and _decided_by_rounding(mine, numpys, others, self.near * size)
                if why and not decided and not self._is_without_overflow(mine, numpys):
                    return f"later call: {why.split()[0]}", why
        return None

    def _differs(self, ours: Any, numpys: Any, part: Callable[[Ran], Any]) -> str:
        why = _differ(ours, numpys, self.near)
        if not why.startswith(("numbers", "not finite")):
            return why
        loose, size = self._bound(numpys, [part(ran) for ran in self._nearby])
        why = _differ(ours, numpys, loose, size)
        others = [part(ran) for ran in self._noisy] if why else []
        decided = why and _decided_by_rounding(ours, numpys, others, loose * size)
        return "" if decided or (why and self._is_without_overflow(ours, numpys)) else why

    def _is_without_overflow(self, ours: Any, numpys: Any) -> bool:
        """Whether a value is nearly as large as its dtype holds where NumPy's own sum of such is too large for it."""
        a, b = np.asarray(ours), np.asarray(numpys)
        if a.shape != b.shape or a.dtype != b.dtype or b.dtype.kind != "f":
            return False
        return bool((np.isfinite(b) | (np.abs(a) > np.finfo(a.dtype).max / 64) | (a == b)).all()) and not _differ(
            np.where(np.isinf(b), 0, a).astype(a.dtype), np.where(np.isinf(b), 0, b).astype(b.dtype), self.near
        )

    @functools.cached_property
    def _nearby(self) -> list[Ran]:
        """What NumPy does where the arguments are a few units of roundoff away."""
        return _runs(self._given, self._nudged)

    def _nudged(self, a: Any, number: int) -> Any:
        if a.dtype.kind == "f":
            signs = np.random.default_rng(number).choice([-1.0, 1.0], a.shape)
            a *= (1 + self.near / 16 * signs).astype(a.dtype)
        return a

    @functools.cached_property
    def _noisy(self) -> list[Ran]:
        """What NumPy would do with other last digits of its sums."""
        return _runs(self._given, noisy)

    @functools.cached_property
    def _has_digits(self) -> bool:
        """Whether the value has digits that other last digits of its sums do not change; else its slope has none."""
        value = flat(self.truth.value).astype(float)
        most = 1e-3 * (1 + _largest(value))
        apart = [flat(ran.value).astype(float) - value for ran in self._noisy if np.size(ran.value) == value.size]
        return all(bool((np.abs(a) <= most)[np.isfinite(value)].all()) for a in apart)

    @functools.cached_property
    def _is_what_rounding_left(self) -> bool:
        """Whether an entry of the value is no more than last digits of its sums: 0 as well, where a root has no slope."""
        value = flat(self.truth.value).astype(float)
        apart = [
            np.abs(flat(ran.value).astype(float) - value) for ran in self._noisy if np.size(ran.value) == value.size
        ]
        return any(bool(((a > 0.25 * np.abs(value)) & np.isfinite(a)).any()) for a in apart)

    def _given(self, nudge: Nudge) -> Ran:
        loaded = self.program.load()
        first = {id(a): nudge(a) for a in loaded.arguments}
        value = np.array(loaded.f(*(first[id(a)] for a in loaded.arguments)))
        return Ran(value, loaded.left())

    def _is_flushed(self, found: Result) -> bool:
        """Whether JAX's value is NumPy's where subnormal arguments are 0, which XLA takes them for on every CPU."""
        loaded, flushed = self.program.load(), False
        for argument in loaded.arguments:
            if argument.dtype.kind == "f":
                small = (argument != 0) & (np.abs(argument) < np.finfo(argument.dtype).tiny)
                argument[small] *= 0
                flushed |= bool(small.any())
        if not flushed or found.ran is None:
            return False
        try:
            return not _differ(found.ran.value, loaded.f(*loaded.arguments), self.near)
        except Exception:  # noqa: BLE001 - on an edge
            return False

    def _is_split(self, found: Result) -> bool:
        """Whether JAX's value is NumPy's but where a maximum of ten thousands of NaN is infinite.

        ``jax.numpy.max(numpy.full(70000, numpy.nan))`` is -inf: what XLA gives to several threads it joins without NaN.
        """
        if found.ran is None or not re.search(r"np\.(max|min)\(np\.full\(70000", self.program.text):
            return False
        ours, numpys = np.array(found.ran.value), np.asarray(self.truth.value)
        if ours.shape == numpys.shape:
            ours[np.isinf(ours) & np.isnan(numpys)] = np.nan
        return not _differ(ours, numpys, self.near)

    def _bound(self, numpys: Any, nearby: list[Any]) -> tuple[float, float]:
        """How far apart two right ways of computing something may be, relative to its largest number, which comes next."""
        size, *given = (_largest(np.asarray(a).astype(float), 1e-30) for a in (numpys, *self.arguments))
        far = 0.0
        for other in nearby:
            if np.shape(other) == np.shape(numpys):
                far = max(far, _largest(np.asarray(other).astype(float) - np.asarray(numpys).astype(float)))
        cancelled = max(1.0, min(max(given), 100.0) / size)  # what is left of terms as large as the arguments
        return min(self.near * cancelled + 8 * far / size, 1024 * self.near * cancelled), size

    # ---- gradients -----------------------------------------------------------------------------------------

    def _gradients(self, results: dict[str, Result]) -> Iterable[Verdict]:
        given = {route: found.gradient for route, found in results.items() if found.gradient}
        first = next((route for route in ("vjp", "grad", "trace") if route in given), None)
        if first is None:
            return
        main = given[first]
        for place, (gradient, argument) in enumerate(
            zip(main, [a for a, d in zip(self.arguments, self.along, strict=True) if d is not None], strict=True)
        ):
            if np.shape(gradient) != argument.shape or np.asarray(gradient).dtype != argument.dtype:
                got = f"{np.asarray(gradient).dtype}{np.shape(gradient)}"
                yield Verdict(
                    first, "wrong", "gradient of another type", f"{place}: {got}, {argument.dtype}{argument.shape}"
                )
                return
        for route, gradients in given.items():
            if route == "compile grad":
                gradients = self._as_recorded(gradients, main)  # noqa: PLW2901
            why = self._apart(gradients, main) if route != first and self._has_digits else ""
            if why and not ("not finite" in why and self._is_what_rounding_left):
                yield Verdict(route, "wrong", f"gradient unlike that of {first}", why)
        if "jvp" in results and results["jvp"].tangent is not None:
            yield from self._tangent(results["jvp"].tangent, main)
        yield from self._measured(first, main, results.get("second"))

    def _as_recorded(self, ours: list[Any], theirs: list[Any]) -> list[Any]:
        """Take NaN for what is right in a compiled gradient where an argument is not finite.

        It chooses by the mask of every call, and 0 times the infinite slope of what is not chosen is NaN, as it is in
        JAX; a trace knows the mask, and leaves out what no entry is chosen of.
        """
        overflows = any(np.isinf(g).any() for g in theirs)
        if not overflows and all(np.isfinite(a).all() for a in self.arguments if a.dtype.kind == "f"):
            return ours
        if overflows:  # the other way round: 0 times what is infinite is NaN in a trace that multiplies by a mask
            ours = [np.where(np.isnan(b), b, a) if np.shape(a) == np.shape(b) else a
                    for a, b in zip(ours, theirs, strict=True)]  # fmt: skip
        return [np.where(np.isnan(a), b, a) if np.shape(a) == np.shape(b) else a
                for a, b in zip(ours, theirs, strict=True)]  # fmt: skip

    def _apart(self, ours: list[Any], theirs: list[Any]) -> str:
        terms = 1 + _largest(flat(self.truth.value).astype(float))  # what sums to 0 leaves roundoffs of these
        for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            if why := _differ(a, b, self.loose, min(1.0, 16 * self.near / self.loose * terms)):
                return f"{place}: {why}"
        return ""

    @property
    def _slopes_of_tiny(self) -> float:
        """How large slopes are that may cancel, as those of ``arctan2(x, x)``, ``1 / x`` each: for tiny numbers alone."""
        sizes = [np.abs(a.astype(float)) for a in self.arguments if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        least = min((float(a.min(initial=1.0, where=a > 0)) for a in sizes), default=1.0)
        return 1.0 / least if least < 1e-8 else 0.0

    def _products(self, gradients: list[Any]) -> Any:
        along = [d for d in self.along if d is not None]
        return np.concatenate(
            [flat(np.asarray(g, float) * d) for g, d in zip(gradients, along, strict=True)] or [[0.0]]
        )

    def _tangent(self, tangent: Any, gradients: list[Any]) -> Iterable[Verdict]:
        out = np.asarray(self.truth.value)
        if np.shape(tangent) != out.shape or np.asarray(tangent).dtype != out.dtype:
            got = f"{np.asarray(tangent).dtype}{np.shape(tangent)}"
            yield Verdict("jvp", "wrong", "tangent of another type", f"{got}, the value is {out.dtype}{out.shape}")
            return
        pulled = self._products(gradients)
        pushed = flat(np.asarray(tangent, float) * np.asarray(weights(self.truth.value)))
        if not (np.isfinite(pulled).all() and np.isfinite(pushed).all()):
            return
        large = float(np.abs(flat(self.truth.value)).max(initial=0, where=np.isfinite(flat(self.truth.value))))
        size = float(np.abs(pulled).sum() + np.abs(pushed).sum()) + 1e-3 * (1 + large)
        size += self._slopes_of_tiny
        if abs(pulled.sum() - pushed.sum()) > self.loose * size and self._has_digits and not self._agrees_wider:
            yield Verdict("jvp", "wrong", "jvp is not vjp", f"{pushed.sum()!r} and {pulled.sum()!r}")

    @functools.cached_property
    def _agrees_wider(self) -> bool:
        """Whether jvp is vjp with float32 for float16, of which too few digits are left where large slopes cancel."""
        if "float16" not in self.program.text:
            return False
        wider = _Judge(Program(self.program.text.replace("float16", "float32")))
        pull, push = (ROUTES[route][0](wider.program, wider.truth.value) for route in ("vjp", "jvp"))
        return not [*wider._tangent(push.tangent, pull.gradient or [])]

    def _measured(self, route: str, gradients: list[Any], second: Result | None) -> Iterable[Verdict]:
        if not self.finite:
            yield Verdict("slope", "skipped", "value is not finite")
            return
        if self.aliased:
            yield Verdict("slope", "skipped", "two names of one argument")
            return
        known: Slope = slope(self.program, self.truth.value, self.along)
        if not known.by:
            yield Verdict("slope", "skipped", known.why)
            return
        products = self._products(gradients)
        if not np.isfinite(products).all():  # what is chosen has a slope, what is not an infinite one
            yield Verdict("slope", "skipped", "0 times an infinite slope")
            return
        size = (
            float(np.abs(products).sum())
            + abs(known.value)
            + max(1e-3, self.near) * (1 + float(np.abs(flat(self.truth.value)).max(initial=0)))
        )
        coarse = 1e-5 if known.by.startswith("coarse") else 0.0
        if not abs(products.sum() - known.value) <= max(10 * self.loose, coarse) * size + known.error:
            # where a rounded number meets what it is made of; the middle of equals goes straight along every line, but
            # another way along each
            edges = r"[=!]=|//|%|divmod|floor|ceil|rint|trunc|round|median|quantile|percentile|sort|partition"
            if self._tied() and re.search(edges, self.program.text):
                yield Verdict("slope", "skipped", "on an edge")
                return
            if not self._has_digits:
                yield Verdict("slope", "skipped", "its digits are lost")
                return
            yield Verdict(route, "wrong", f"slope, by {known.by}", f"{products.sum()!r}, measured {known.value!r}")
            return
        yield Verdict("slope", "right", known.by)
        if second is not None and second.second is not None and self.loose < 1e-5 and not self._tied():
            yield from self._bent(second.second)

    def _tied(self) -> bool:
        """Whether entries are 0 or equal, where `abs`, `max` and `sort` have a slope by convention, and no second.

        Or equal to a number of the program, which may compare them with it.
        """
        values = np.concatenate([np.ravel(a) for a, d in zip(self.arguments, self.along, strict=True) if d is not None])
        body = self.program.text.split("def arguments")[0]
        met = [0.0, *map(float, re.findall(r"(?<![\w.])\d+(?:\.\d*)?(?![\w.])", body))]
        return bool(np.isin(np.abs(values), met).any()) or np.unique(values).size < values.size

    def _bent(self, found: float) -> Iterable[Verdict]:
        """Compare the second derivative along the direction with differences of the measured slope."""
        step = 1e-3
        sides = [slope(self.program, self.truth.value, self.along, sign * step) for sign in (1, -1, 0.5, -0.5)]
        if not all(s.by for s in sides):
            yield Verdict("second", "skipped", "not smooth nearby")
            return
        up, down, near, nearer = (s.value for s in sides)
        wide, narrow = (up - down) / (2 * step), (near - nearer) / step
        size = abs(narrow) + abs(found) + abs(up) + abs(down) + 1.0
        if _largest(flat(self.truth.value).astype(float)) > 1e6:
            yield Verdict("second", "skipped", "steps are lost beside numbers of such size")
            return
        singular = not np.isfinite(found) and re.search(r"arctan2|hypot|norm|sqrt|cbrt|abs", self.program.text)
        if singular or abs(wide - narrow) > 1e-4 * size:
            yield Verdict("second", "skipped", "not smooth nearby")
        elif not abs(found - (4 * narrow - wide) / 3) <= 1e-5 * size:
            yield Verdict("second", "wrong", "second derivative", f"{found!r}, measured {(4 * narrow - wide) / 3!r}")


def _runs(run: Callable[[Nudge], Ran], nudge: Callable[[Any, int], Any]) -> list[Ran]:
    """Return what NumPy does of arguments that are nudged in sixteen ways."""
    found = []
    for number in range(16):
        try:
            found.append(run(lambda a, number=number: nudge(a, number)))
        except Exception:  # noqa: BLE001 - on an edge
            continue
    return found


def _decided_by_rounding(ours: Any, numpys: Any, others: list[Any], least: float) -> bool:
    """Whether NumPy's own numbers are as far off as ours, entry by entry, where its sums have other last digits.

    The last digit of a sum decides a `floor` of it, and all digits where the terms cancel and it is divided by.
    """
    a, b = np.asarray(ours).astype(float), np.asarray(numpys).astype(float)
    near = [np.asarray(other).astype(float) for other in others if np.shape(other) == b.shape]
    if a.shape != b.shape or not near:
        return False
    known = np.stack([b, *near])
    met = ((known == a) | (np.isnan(known) & np.isnan(a))).any(axis=0)
    jumps = np.max(np.abs(known - b), axis=0, initial=0.0, where=np.isfinite(known - b))
    spread = ~(np.abs(known).max(axis=0) <= 2 * np.abs(known).min(axis=0))  # divided by what is left of a sum: 0, too
    sizes = np.max(np.abs(known), axis=0, initial=0.0, where=np.isfinite(known))
    met |= np.isnan(known).any(axis=0) & (np.abs(a) <= 2 * sizes)  # a root of what is left of a sum
    met |= np.isinf(a) & spread & (np.sign(known) == np.sign(a)).any(axis=0)
    return bool((met | (np.abs(a - b) <= np.maximum(2 * jumps, least))).all())


def _apart(a: Ran, b: Ran) -> bool:
    return any(_differ(one, other, 0.0) for one, other in zip([a.value, *a.left], [b.value, *b.left], strict=True))


def _differ(ours: Any, numpys: Any, loose: float, least: float = 0.0) -> str:
    """In which way two results differ: empty where they do not, by more than `loose` of the largest number.

    Where all numbers are small it is that of `least`.
    """
    a, b = np.asarray(ours), np.asarray(numpys)
    if a.shape != b.shape:
        return f"shape {a.shape}, NumPy's {b.shape}"
    if a.dtype != b.dtype:
        return f"dtype {a.dtype}, NumPy's {b.dtype}"
    if b.dtype.kind != "f" or not loose:
        same = np.array_equal(a, b, equal_nan=b.dtype.kind == "f")
        return "" if same else f"numbers {_short(a)}, NumPy's {_short(b)}"
    fine = np.isfinite(b)
    if not np.array_equal(np.isnan(a), np.isnan(b)) or not np.array_equal(a[~fine], b[~fine], equal_nan=True):
        return f"not finite elsewhere: {_short(a)}, NumPy's {_short(b)}"
    size = max(float(np.abs(b[fine].astype(float)).max(initial=0.0)), float(np.finfo(b.dtype).tiny) / loose, least)
    apart = np.abs(a[fine].astype(float) - b[fine].astype(float)).max(initial=0.0)
    return "" if apart <= loose * size else f"numbers {_short(a)}, NumPy's {_short(b)}"


def _largest(a: Any, least: float = 0.0) -> float:
    """The size of the largest number that is finite."""
    return float(np.max(np.abs(a), initial=least, where=np.isfinite(a)))


def _short(a: Any) -> str:
    return np.array2string(np.asarray(a), precision=6, threshold=12).replace("\n", " ")[:150]


def _looseness(text: str) -> float:
    """How far gradients may be apart, relative to the terms that they are sums of: by the coarsest dtype."""
    if _is_half(text):
        return 0.02
    return 1e-3 if "float32" in text or "'f4'" in text else 1e-9


def _roundoff(text: str) -> float:
    """32 units of roundoff of the coarsest dtype: how far values may be apart, relative to the largest."""
    if _is_half(text):
        return 2.0**-6
    return 2.0**-19 if "float32" in text or "'f4'" in text else 2.0**-48


def _is_half(text: str) -> bool:
    """Whether there may be half precision: NumPy's functions of whole numbers of 8 bits are of it."""
    return "float16" in text or "int8" in text


def _first(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:220]


def _template(error: BaseException) -> str:
    """What a message says, without names and numbers."""
    text = re.sub(r"program_\d+\.py(:\d+)?", "FILE", _first(error))
    text = re.sub(r"'[^']*'", "'...'", re.sub(r"\b(v\d+|[xyzut])\b", "NAME", text))
    text = re.sub(r"\(made by \w+\)", "(made by ...)", text)
    return re.sub(r"\([\d, ]*\)", "SHAPE", re.sub(r"-?\d+(\.\d+)?", "N", text))[:120]


def _place(error: BaseException) -> str:
    """Where in micrograd an error arose."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if (
            "micrograd/" in frame.filename.replace("\\", "/").rsplit("/tests/", 1)[0] + "/"
            and "tests" not in frame.filename
        ):
            return f"in {frame.filename.rsplit('micrograd/', 1)[-1]}, {frame.name}"
    return "outside"
