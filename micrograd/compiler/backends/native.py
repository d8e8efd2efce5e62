"""Run a program as machine code: its printed functions, its workspaces, and how a call runs."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.compiler.backends.memory import Workspace
from micrograd.compiler.backends.numpy import refuse_range, run_as_written
from micrograd.compiler.codegen.lower import Lowered, Native, lower, memory_of
from micrograd.compiler.codegen.segment import LINGER, TURNS
from micrograd.compiler.runtime.blas import address
from micrograd.compiler.runtime.worker import HELPER
from micrograd.errors import MissingExtraError
from micrograd.primitives import TABLE
from micrograd.program.program import Equation, Feed, Program, concrete

__all__ = ["Entry", "machine_code", "require_llvm"]


_SAID: set[tuple[str, str]] = set()  # operations and lines that have been said to be left to NumPy


class Entry:
    """A program compiled for one signature.

    Args:
        program: as captured.
        layouts: ``"F"`` for the feeds in Fortran order.
        threads: how many threads a pass over memory may take.
        interpreted: run the printed functions as plain Python, which is slow, for tests of what is printed.

    Attributes:
        seconds: what printing and compiling took.
        from_disk: whether all machine code was found on disk.
    """

    def __init__(self, program: Program, layouts: dict[int, str], threads: int, *, interpreted: bool = False) -> None:
        start = time.perf_counter()
        self.program, self.threads = program, threads
        self.assumptions, self.relied = program.assumptions, program.relied
        self.lowered: Lowered = lower(program, layouts, threads, blas=bool(address("float32") and address("float64")))
        self.found = self.lowered.found
        self.places = memory_of(self.lowered)
        self.ends: dict[str, int] = {}
        for dtype, at, entries in self.places.values():
            self.ends[dtype] = max(self.ends.get(dtype, 0), at + entries)
        self.pool: list[Workspace] = []
        self.from_disk = True
        self.functions: dict[str, tuple[Callable[..., Any], Any, Any]] = {}
        for step in self.lowered.steps:
            if isinstance(step, Native):
                function, had = machine_code(self.lowered, step, interpreted=interpreted)
                self.from_disk &= bool(had["from_disk"])
                sizes = [self._integer(s) for s in step.segment.sizes]
                self.functions[step.name] = (function, np.array(sizes, np.int64), np.array(step.segment.numbers, float))
        if not interpreted:
            self._say_unfused()
        self.run = self._driver()
        self.seconds = time.perf_counter() - start

    def _integer(self, size: int | tuple[str, Any]) -> int:
        """Return an integer argument of a printed function: a size, an index, the address of a product, or a place."""
        if isinstance(size, int):
            return size
        if size[0] == "index":
            return int(size[1])
        if size[0] == "linger":  # where NumPy or BLAS runs in between, the core is theirs
            return 0 if any(isinstance(step, Equation) for step in self.lowered.steps) else LINGER * TURNS
        return address(size[1]) if size[0] == "blas" else self.places[size[1]][1]

    def _say_unfused(self) -> None:
        """Say once of each place in the user's code that NumPy runs it between kernels."""
        for step in self.lowered.steps:
            if (
                isinstance(step, Equation)
                and TABLE[step.op].kind not in ("contract", "call")
                and (step.op, step.line) not in _SAID
            ):
                _SAID.add((step.op, step.line))
                at = f" at line {step.line}" if step.line else ""
                warnings.warn(
                    f"{self.program.name}: {step.op}{at} cannot be fused (no kernel); running it in NumPy.",
                    RuntimeWarning,
                    stacklevel=6,
                )

    def holds(self) -> bool:
        """Return whether what the capture relied on is still so: that a layer is training."""
        return self.program.holds()

    # ---- the driver ----------------------------------------------------------------------------------------

    def _driver(self) -> Callable[[Sequence[Any]], Any]:
        """Return a Python function, printed for this program, that binds the arguments and runs the steps."""
        lowered, lines = self.lowered, ["def run(leaves):"]
        names: dict[str, Any] = {"array": np.asarray, "ready": _ready, "pool": self.pool,
                                 "fresh": self._fresh, "entry": self, "alone": np.zeros(8, np.int64)}  # fmt: skip
        write = lines.append
        own = lowered.memory.own
        for feed in lowered.program.feeds:
            self._bind(feed, write, names)
        write("    try:")
        write("        w = pool.pop()")
        write("    except IndexError:")
        write("        w = fresh()")
        if lowered.made:
            write(f"    {', '.join(f'take{number}' for number in range(len(lowered.made)))}, = w.takes")
            for number, value in enumerate(lowered.made):
                write(f"    {own[value]} = take{number}()")
        dtypes = list(self.ends and sorted(self.ends))
        arenas = [f"w{number}" for number in range(len(dtypes))]
        if arenas:
            write(f"    {', '.join(arenas)}, = w.arenas.values()")
        arrays = ", ".join(f"{v}: {name}" for v, name in own.items())
        copied = any("finished" in self._answer(value) for value in self._leaving())
        if copied or any(isinstance(step, Equation) for step in lowered.steps):
            write(f"    arrays = {{{arrays}}}")
        write("    bad = 0")
        for number, step in enumerate(lowered.steps):
            if isinstance(step, Equation):
                names[f"step{number}"] = step
                write(f"    bad |= entry.host_step(step{number}, arrays, w)")
                continue
            function, sizes, numbers = self.functions[step.name]
            names |= {step.name: function, f"sizes{number}": sizes, f"numbers{number}": numbers}
            stands = {"sizes": f"sizes{number}", "numbers": f"numbers{number}"}
            stands |= {} if step.segment.parallel else {"sync": "alone"}
            stands |= {f"work_{dtype}": arena for dtype, arena in zip(dtypes, arenas, strict=True)}
            given = [stands.get(argument, argument) for argument in step.arguments[1:]]
            if step.segment.parallel:
                names |= {"start": HELPER.start, "board": HELPER.board, "zeros": np.zeros}
                # new counters for every call: a second thread that comes too late must find those of its own
                write(f"    sync = zeros({2 * step.segment.passes + 8}, 'q')")
                write(f"    start({step.name}, (1, {', '.join(given)}))")
            write(f"    bad |= {step.name}(0, {', '.join(given)})")
        outputs = [self._answer(value) for value in lowered.program.outputs]
        write(f"    outputs = [{', '.join(outputs)}]")
        for number, change in enumerate(lowered.program.writes):
            names[f"put{number}"] = change.put
            write(f"    n{number} = {self._answer(change.value)}")
        write("    pool.append(w)")
        write("    if bad:")
        write(f"        return entry.as_written({{{arrays}}}, bad)")
        for number in range(len(lowered.program.writes)):
            write(f"    put{number}(n{number})")
        for number, effect in enumerate(lowered.program.after):
            names[f"effect{number}"] = effect
            write(f"    effect{number}()")
        names["rebuild"] = lowered.program.rebuild
        write("    return rebuild(outputs)")
        exec("\n".join(lines), names)  # noqa: S102 (printed above, from names of ours)
        self.driver = "\n".join(lines)
        run: Callable[[Sequence[Any]], Any] = names["run"]
        return run

    def _leaving(self) -> list[int]:
        return [*self.lowered.program.outputs, *(w.value for w in self.lowered.program.writes)]

    def _answer(self, value: int) -> str:
        """Return the text of a value that leaves: its own array, or a copy where it has none or leaves twice."""
        lowered = self.lowered
        if value not in lowered.results or self._leaving().count(value) > 1:
            return f"entry.finished({value}, arrays, w)"
        return lowered.memory.own[lowered.results[value]] + (
            "" if lowered.program.values[value].shape else ".reshape(())"
        )

    def _bind(self, feed: Feed, write: Callable[[str], None], names: dict[str, Any]) -> None:
        name = self.lowered.memory.own[feed.value]
        made = self.lowered.program.values[feed.value]
        if feed.kind == "constant":
            names[f"const_{name}"] = _ready(feed.array, made.dtype)
            write(f"    {name} = const_{name}")
        elif feed.kind == "argument":
            fortran = self.lowered.memory.layout.get(feed.value) == "F"
            source = f"leaves[{feed.position}]" + (".T" if fortran else "")
            if made.shape:
                write(f"    {name} = {source}")
            else:
                write(f"    {name} = ready({source}, {made.dtype!r})")
        else:
            names[f"get_{name}"] = feed.get
            write(f"    {name} = ready(get_{name}(), {made.dtype!r})")

    def _fresh(self) -> Workspace:
        values = self.lowered.program.values
        return Workspace(self.ends, [(shape, values[value].dtype) for value, shape in self.lowered.made.items()])

    # ---- what NumPy does -----------------------------------------------------------------------------------

    def view(self, value: int, arrays: dict[int, Any], w: Workspace) -> Any:
        """Return a value as an array, wherever it stands."""
        shape = self.found.shape(value)
        if value in arrays:
            array = arrays[value]
            if self.lowered.memory.layout.get(value) == "F":
                return array.T
            return array if array.shape == shape else array.reshape(shape)
        if value in w.views:
            return w.views[value]
        place = self.places.get(("value", value))
        if place is not None:
            dtype, at, entries = place
            w.views[value] = made = w.arenas[dtype][at : at + entries].reshape(shape)
            return made
        if value in self.found.aliases:
            return self.view(self.found.aliases[value], arrays, w).reshape(shape)
        equation = self.found.maker[value]
        source = equation.operands[0]
        inner = self.view(source, arrays, w) if isinstance(source, int) else np.asarray(source)
        return TABLE[equation.op].forward(inner, **equation.attrs)

    def finished(self, value: int, arrays: dict[int, Any], w: Workspace) -> Any:
        """Return a value as an array that nobody else holds."""
        return np.array(self.view(value, arrays, w))

    def host_step(self, equation: Equation, arrays: dict[int, Any], w: Workspace) -> bool:
        """Compute one equation with NumPy (a matrix product with the BLAS that NumPy has), into its place.

        Return whether a rewrite relies on its being finite, and it is not.
        """
        known = {v: self.view(v, arrays, w) for v in equation.reads}
        operands = [known[o] if isinstance(o, int) else o for o in equation.operands]
        out = self.view(equation.out, arrays, w)
        if TABLE[equation.op].kind == "contract":
            np.matmul(operands[0], operands[1], out=out)
            return False
        attrs = dict(equation.attrs)
        if "index" in attrs:
            attrs["index"] = concrete(attrs["index"], known)
        with np.errstate(all="ignore"):
            out[...] = TABLE[equation.op].forward(*operands, **attrs)
        return equation.out in self.lowered.guards and not np.isfinite(out).all()

    def as_written(self, arrays: dict[int, Any], why: int) -> Any:
        """Return the call computed as it was written.

        Where infinities would come out otherwise, or labels are negative.
        """
        del why
        given: dict[int, Any] = {}
        for feed in self.program.feeds:
            value = self.program.values[feed.value]
            if feed.kind == "constant":
                given[feed.value] = feed.array
            elif feed.value in arrays:
                array = arrays[feed.value]
                array = array.T if self.lowered.memory.layout.get(feed.value) == "F" else array
                given[feed.value] = array.reshape(value.shape)
                if value.weak and not value.shape:
                    given[feed.value] = float(array.reshape(()))
            else:
                given[feed.value] = feed.get()  # type: ignore[misc]
            if feed.limit is not None:
                refuse_range(given[feed.value], feed.limit, self.program, -feed.limit if feed.signed else 0)
        return run_as_written(self.program, given)


def _ready(x: Any, dtype: str) -> Any:
    """Return `x` as the printed functions take it: in C order, with at least one axis."""
    array = np.ascontiguousarray(x, dtype)
    return array if array.ndim else array.reshape(1)


# ---- from text to machine code ----------------------------------------------------------------------


def require_llvm() -> None:
    """Say how to install LLVM where it is missing."""
    try:
        import llvmlite  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "mg.compile needs llvmlite, which is not installed: pip install llvmlite platformdirs"
        ) from None


def words() -> dict[str, Any]:
    """Return what a printed function may refer to where it runs as Python."""
    from micrograd.compiler.runtime import barrier, blas, intrinsics, pointers, scalar_math, vector_math

    found: dict[str, Any] = {
        "np": np,
        "f32": np.float32,
        "f64": np.float64,
        "at": pointers.at,
        "at_bool": pointers.at_bool,
    }
    for bits in (32, 64):
        found |= {f"{name}{bits}": versions[f"float{bits}"] for name, versions in vector_math.FUNCTIONS.items()}
        found |= {f"{name}{bits}": getattr(scalar_math, name) for name in ("floor_divide", "remainder")}
        found |= {f"largest{bits}": intrinsics.maximum, f"plus{bits}": intrinsics.add_any, f"gemm{bits}": blas.product}
    return found | {name: getattr(barrier, name) for name in barrier.__all__}


def kinds_of(lowered: Lowered, native: Native) -> dict[str, str]:
    """Return what each argument of a printed function is: a whole number, or memory of which numbers."""
    from micrograd.compiler.machine.values import SHORT

    arrays = {lowered.memory.own[v]: lowered.program.values[v].dtype for v in native.segment.arrays}
    arrays |= dict.fromkeys(("sizes", "sync", "board"), "int64") | {"numbers": "float64"}
    kinds = {}
    for argument in native.arguments:
        dtype = argument.removeprefix("work_") if argument.startswith("work_") else arrays.get(argument, "")
        kinds[argument] = "i64" if argument == "tid" else "*u8" if dtype == "bool" else f"*{SHORT[dtype]}"
    return kinds


def machine_code(
    lowered: Lowered, native: Native, *, interpreted: bool = False
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the callable of a printed function, and how it was had: seconds, and whether from disk."""
    if interpreted:
        found = words()
        exec(native.source, found)  # noqa: S102 (printed by micrograd.compiler.codegen.segment)
        return np.errstate(all="ignore")(found[native.name]), {"seconds": 0.0, "from_disk": False}
    require_llvm()
    from micrograd.compiler.cache.cache import load_or_compile

    return load_or_compile(*_shared(native.source, native.name, kinds_of(lowered, native)))


def _shared(source: str, name: str, kinds: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return a printed function and the kinds of its arguments without what differs between functions that do the same.

    The steps of a loop over time, the layers of a network and batches of another size have one machine code.
    """
    names = {name: "native"} | {own: f"x{at}" for at, own in enumerate(kinds) if _OWN.fullmatch(own)}
    lines = (line for line in source.splitlines() if not line.lstrip().startswith("#"))
    text = re.sub(r"\w+", lambda found: names.get(found[0], found[0]), "\n".join(lines))
    return text + "\n", {names.get(argument, argument): kind for argument, kind in kinds.items()}


_OWN = re.compile(r"x\d+")
