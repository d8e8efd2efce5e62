"""Run a program in JAX: one function for each kind of the table, like `micrograd.program.program.evaluate` in NumPy."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from micrograd.errors import DTypeError, GraphError, MissingExtraError
from micrograd.export.programs import feeds_of, from_graph, pure
from micrograd.graph import Graph
from micrograd.primitives import TABLE, Primitive
from micrograd.program.program import Equation, Program, concrete
from micrograd.pytree import flatten

__all__ = ["CALLS", "KINDS", "OVERRIDES", "evaluate_jax", "refuse_truncation", "require_jax", "to_jax"]


def require_jax() -> Any:
    """Return the module `jax`. Raises MissingExtraError where it is not installed."""
    try:
        import jax
    except ImportError as error:
        raise MissingExtraError("this needs jax, which is not installed: pip install jax") from error
    return jax


# ---- one function a kind ---------------------------------------------------------------------------------


def _map(row: Primitive, *operands: Any, **attrs: Any) -> Any:
    return getattr(require_jax().numpy, row.array)(*operands, *attrs.values())  # astype takes its dtype by position


def _reduce(row: Primitive, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    return getattr(require_jax().numpy, row.array).reduce(x, axis=axis, keepdims=keepdims)


def _contract(row: Primitive, x: Any, y: Any) -> Any:
    return getattr(require_jax().numpy, row.array)(
        x, y, precision="highest"
    )  # by default some GPUs keep 10 bits of a float32


def _move(row: Primitive, x: Any, **attrs: Any) -> Any:
    return getattr(require_jax().numpy, row.array)(x, **attrs)


def _call(row: Primitive, *operands: Any, **attrs: Any) -> Any:
    if row.name not in CALLS:
        raise GraphError(
            f"the row {row.name} calls a function of arrays that JAX cannot run; compose it of rows, or add it to "
            "micrograd.export.jax.CALLS."
        )
    return CALLS[row.name](require_jax().numpy, *operands, **attrs)


def _scan(row: Primitive, x: Any, *, axis: int, reverse: bool = False) -> Any:
    return getattr(require_jax().lax, row.name)(x, axis=axis, reverse=reverse)


KINDS: dict[str, Callable[..., Any]] = {
    "map": _map, "reduce": _reduce, "contract": _contract, "scan": _scan, "move": _move, "call": _call,
}  # fmt: skip
"""The function that computes the rows of each kind, called with the row, its operands and its keywords."""


# ---- rows whose JAX function has another signature -------------------------------------------------------


def _power(x: Any, *, exponent: float) -> Any:
    if exponent == 0.5:  # NumPy's operator is a root there: of -inf it is NaN, where a power is infinite
        return require_jax().numpy.sqrt(x)
    return x ** (int(exponent) if float(exponent).is_integer() else exponent)


@functools.cache
def _tied(name: str) -> Any:
    """Return a maximum that shares the gradient at equality as the row says; JAX always gives each operand one half.

    It is `name`; those that begin with an f pass NaN over.
    """
    jax = require_jax()
    jnp = jax.numpy
    wins = jnp.less if name == "fmin" else jnp.greater

    @functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
    def maximum(x: Any, y: Any, tie: float) -> Any:  # noqa: ARG001 (for the rule below)
        return getattr(jnp, name)(x, y)

    def rule(tie: float, primals: Any, tangents: Any) -> Any:
        (x, y), (tx, ty) = primals, tangents
        won = jnp.where(wins(x, y), tx, 0.0) + jnp.where(wins(y, x), ty, 0.0)
        if name != "maximum":
            won += jnp.where(jnp.isnan(y), tx, 0.0) + jnp.where(jnp.isnan(x), ty, 0.0)
        return getattr(jnp, name)(x, y), won + jnp.where(x == y, tie * (tx + ty), 0.0)

    maximum.defjvp(rule)
    return maximum


def _larger(name: str, x: Any, y: Any, *, tie: float = 0.5) -> Any:
    jnp = require_jax().numpy
    dtype = jnp.result_type(x, y)
    return _tied(name)(jnp.asarray(x, dtype), jnp.asarray(y, dtype), tie)


def _recur(a: Any, b: Any, *, axis: int, reverse: bool = False) -> Any:
    jax = require_jax()

    def step(before: Any, entry: Any) -> Any:
        after = entry[1] + entry[0] * before
        return after, after

    lines = tuple(jax.numpy.moveaxis(x, axis, 0) for x in (a, b))
    _, made = jax.lax.scan(step, jax.numpy.zeros_like(lines[1][0]), lines, reverse=reverse)
    return jax.numpy.moveaxis(made, 0, axis)


def _cast(x: Any, *, dtype: str) -> Any:
    """Cast as NumPy does: beyond the range of a whole number fractions wrap around; XLA takes the end of the range."""
    jnp = require_jax().numpy
    x, to = jnp.asarray(x), np.dtype(dtype)
    if x.dtype.kind != "f" or to.kind not in "iu":
        return x.astype(to)
    whole = x.astype(jnp.asarray(0).dtype).astype(to)  # by the widest whole numbers that JAX is allowed
    return jnp.where(x < 0, whole, x.astype(to)) if to.name in ("uint32", "uint64") else whole


def _gather(x: Any, *, index: Any) -> Any:
    # an index beyond the end gives NaN; JAX would take the last entry in silence
    return require_jax().numpy.asarray(x).at[index].get(mode="fill")


def _scatter(x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    jnp = require_jax().numpy
    return jnp.zeros(shape, jnp.asarray(x).dtype).at[index].add(x)


def _concatenate(*operands: Any, axis: int = 0) -> Any:
    return require_jax().numpy.concatenate(operands, axis)


OVERRIDES: dict[str, Callable[..., Any]] = {
    "pow": _power,
    "cast": _cast,
    "maximum": functools.partial(_larger, "maximum"),
    "fmax": functools.partial(_larger, "fmax"),
    "fmin": functools.partial(_larger, "fmin"),
    "recur": _recur,
    "gather": _gather,
    "scatter": _scatter,
    "concatenate": _concatenate,
}
"""Rows whose function in `jax.numpy` has another signature; a test keeps the list short."""


# ---- what LAPACK computes: called with `jax.numpy` --------------------------------------------------------


def _packed(jnp: Any, *parts: Any) -> Any:
    return jnp.concatenate(parts, -2)


def _eigh(jnp: Any, x: Any, *, uplo: str = "L") -> Any:
    values, vectors = jnp.linalg.eigh(x, uplo, symmetrize_input=False)
    return _packed(jnp, values[..., None, :], vectors)


def _eigvalsh(jnp: Any, x: Any, *, uplo: str = "L", vectors: bool = False) -> Any:
    del vectors
    return jnp.linalg.eigvalsh(_mirrored(jnp, x, uplo), symmetrize_input=False)


def _mirrored(jnp: Any, x: Any, uplo: str) -> Any:
    """Return the symmetric matrix of one triangle, from which JAX takes the slope of that triangle."""
    lower = jnp.tril(x if uplo == "L" else x.mT)
    return lower + jnp.tril(lower, -1).mT


def _svd(jnp: Any, x: Any) -> Any:
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    return _packed(jnp, u, s[..., None, :], vh.mT)


def _order(jnp: Any, keys: Any, axis: int) -> Any:
    return jnp.argsort(keys, axis=axis, stable=True)


CALLS: dict[str, Callable[..., Any]] = {
    "inv": lambda jnp, x: jnp.linalg.inv(x),
    "solve": lambda jnp, a, b: jnp.linalg.solve(a, b),
    "det": lambda jnp, x: jnp.linalg.det(x),
    "cofactors": lambda jnp, x: jnp.linalg.det(x)[..., None, None] * jnp.linalg.inv(x).mT,
    "logabsdet": lambda jnp, x: jnp.linalg.slogdet(x)[1],
    "signdet": lambda jnp, x: jnp.linalg.slogdet(x)[0],
    "pinv": lambda jnp, x, rtol=None: jnp.linalg.pinv(x, rtol=rtol),
    "cholesky": lambda jnp, x: jnp.linalg.cholesky(_mirrored(jnp, x, "L"), symmetrize_input=False),
    "eigh": lambda jnp, x, uplo="L": _eigh(jnp, _mirrored(jnp, x, uplo)),
    "eigvalsh": _eigvalsh,
    "svd": _svd,
    "svdvals": lambda jnp, x, **_: jnp.linalg.svdvals(x),
    "qr": lambda jnp, x: _packed(jnp, *jnp.linalg.qr(x)),
    "sort_by": lambda jnp, x, keys, axis=-1: jnp.take_along_axis(x, _order(jnp, keys, axis), axis),
    "places": lambda jnp, x, function, **given: (
        jnp.searchsorted(v=x, **given) if function == "searchsorted" else getattr(jnp, function)(x, **given)
    ).astype(jnp.zeros(0, int).dtype),
    "unsort_by": lambda jnp, x, keys, axis=-1: jnp.take_along_axis(
        x, _order(jnp, _order(jnp, keys, axis), axis), axis),
}  # fmt: skip
"""Rows of kind ``call``, in JAX."""


# ---- a whole program -------------------------------------------------------------------------------------


def refuse_truncation(program: Program) -> None:
    """Refuse a program of which JAX would make float32 of float64.

    Raises:
        DTypeError: a value of the program is float64 and JAX has 64 bits switched off.
    """
    if require_jax().config.jax_enable_x64:
        return
    for at, value in enumerate(program.values):
        if value.dtype == "float64" and not value.weak:
            called = value.name or f"value {at}"
            raise DTypeError(
                f"JAX would truncate float64; call jax.config.update('jax_enable_x64', True) or cast to float32. "
                f"({called} of {program.name} is float64.)"
            )


def evaluate_jax(program: Program, given: Mapping[int, Any]) -> dict[int, Any]:
    """Compute every value of the program with JAX; `given` holds the value of each feed (tracers too)."""
    known: dict[int, Any] = dict(given)
    for equation in program.equations:
        known[equation.out] = _compute(program, equation, known)
    return known


def _compute(program: Program, equation: Equation, known: Mapping[int, Any]) -> Any:
    jnp = require_jax().numpy
    row, made = TABLE[equation.op], program.values[equation.out]
    operands = [known[o] if isinstance(o, int) else o for o in equation.operands]
    if row.kind == "map" and row.name != "cast" and made.dtype.startswith("float"):
        # whole numbers and masks beside floats: NumPy's promotion, not JAX's
        operands = [
            jnp.asarray(o, made.dtype) if slot >= (row.name == "where") and _whole(o) else o
            for slot, o in enumerate(operands)
        ]
    elif row.kind != "map":
        operands = [jnp.asarray(o) for o in operands]
        if row.kind == "scan":  # NumPy counts truth values
            operands = [jnp.asarray(o, int if o.dtype == bool else None) for o in operands]  # type: ignore[union-attr]
    attrs = dict(equation.attrs)
    if "index" in attrs:
        attrs["index"] = concrete(attrs["index"], known)
    try:
        compute = OVERRIDES.get(row.name) or functools.partial(KINDS[row.kind], row)
        return compute(*operands, **attrs)
    except AttributeError as error:
        at = f" at line {equation.line}" if equation.line else ""
        raise GraphError(
            f"{program.name}: jax.numpy has no {row.array!r}, which the row {row.name}{at} names; name another "
            "function in the row, or add it to micrograd.export.jax.OVERRIDES."
        ) from error


def _whole(x: Any) -> bool:
    return hasattr(x, "dtype") and np.dtype(x.dtype).kind in "iub"


def to_jax(f_or_graph: Callable[..., Any] | Graph) -> Callable[..., Any]:
    """Convert a function or a traced graph to a JAX function, for `jax.jit`, `jax.grad` and `jax.vmap`.

    A function is captured at the first call with each signature (shapes, dtypes, and all arguments that are not
    arrays); parameters of a model are read at each call, and are constants inside `jax.jit`. A graph takes its inputs
    in order. Gradients are JAX's own; equal operands of a maximum share them as in micrograd. An integer index beyond
    the end of its axis gives NaN, as a compiled JAX function cannot raise. What the function writes into an argument it
    reads itself; the caller's array stays as it was, as JAX's arrays do.

    Args:
        f_or_graph: a function of arrays, a module in evaluation mode, or a graph from `micrograd.trace`.

    Returns:
        A function of JAX or NumPy arrays.

    Raises:
        MissingExtraError: JAX is not installed. DTypeError (at the call): float64 while JAX has 64 bits switched off.
        GraphError (at the call): the function changes state or draws random numbers, or other arguments than the
            graph's.

    >>> import jax
    >>> f = to_jax(lambda x: np.sum(np.tanh(x) ** 2))
    >>> jax.grad(f)(np.zeros(2, np.float32))
    Array([0., 0.], dtype=float32)
    """
    require_jax()
    if isinstance(f_or_graph, Graph):
        return _of_graph(f_or_graph)
    f: Callable[..., Any] = f_or_graph
    programs: dict[Any, list[Program]] = {}
    lock = threading.Lock()

    @functools.wraps(f, updated=())
    def in_jax(*args: Any, **kwargs: Any) -> Any:
        leaves, rebuild = flatten((args, kwargs))
        shared = _shared(leaves)
        key = (repr(rebuild([None] * len(leaves))), *(_signature(leaf) for leaf in leaves), *shared)
        with lock:
            fitting = [p for p in programs.get(key, ()) if all(ask() == held for ask, held in p.assumptions)]
            if not fitting:
                examples, keywords = rebuild(_examples(leaves, shared))
                fitting = [pure(f, examples, keywords)]
                programs.setdefault(key, []).extend(fitting)
        program = fitting[0]
        refuse_truncation(program)
        return _run(program, feeds_of(program, args, kwargs))

    return in_jax


def _of_graph(graph: Graph) -> Callable[..., Any]:
    program, inputs = from_graph(graph), graph.inputs

    def in_jax(*args: Any) -> Any:
        if len(args) != len(inputs):
            names = ", ".join(node.name for node in inputs)
            raise GraphError(f"graph {graph.name} takes {len(inputs)} input(s) ({names}); got {len(args)}.")
        for node, x in zip(inputs, args, strict=True):
            if np.shape(x) != node.shape:
                raise GraphError(f"{node.name} has shape {np.shape(x)}; the graph was made for {node.shape}.")
        refuse_truncation(program)
        return _run(program, feeds_of(program, args, {}))

    in_jax.__name__ = graph.name
    return in_jax


def _run(program: Program, given: dict[int, Any]) -> Any:
    jnp = require_jax().numpy
    arguments = {feed.value for feed in program.feeds if feed.kind == "argument"}
    given = {
        value: jnp.asarray(x, program.values[value].dtype if value in arguments else None) if np.ndim(x) else x
        for value, x in given.items()
    }
    known = evaluate_jax(program, given)
    return program.rebuild([known[v] for v in program.outputs])


def _signature(leaf: Any) -> Any:
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        order = leaf.strides if isinstance(leaf, np.ndarray) and not leaf.flags.c_contiguous else "C"
        return (tuple(leaf.shape), np.dtype(leaf.dtype), order)
    try:
        hash(leaf)
    except TypeError:
        return ("object", id(leaf))
    return (type(leaf), leaf)


def _shared(leaves: Sequence[Any]) -> list[tuple[int, int]]:
    """Return the places of arrays that share memory, in pairs: what is written into one, the other has too."""
    first: dict[int, int] = {}
    found = []
    reach: list[tuple[int, int, int]] = []  # (where it ends in memory, where it begins, the place) of NumPy's arrays
    for at, leaf in enumerate(leaves):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            continue
        if (known := first.setdefault(id(leaf), at)) != at:
            found.append((known, at))
        elif isinstance(leaf, np.ndarray) and leaf.size:
            begin, end = np.lib.array_utils.byte_bounds(leaf)
            reach.append((end, begin, at))
    reach.sort()
    for (end, _, one), (_, begin, other) in pairwise(reach):
        if begin < end and np.shares_memory(leaves[one], leaves[other]):
            found.append((one, other))
    return found


def _examples(leaves: Sequence[Any], shared: Sequence[tuple[int, int]]) -> list[Any]:
    """Return what the function is captured with: arrays that share memory where those of the call do."""
    made = [_example(leaf) for leaf in leaves]
    for one, other in shared:
        if leaves[one] is leaves[other]:
            made[other] = made[one]
        else:
            made[one], made[other] = leaves[one], leaves[other]
    return made


def _example(leaf: Any) -> Any:
    """Return an array of the same kind, for a call whose values do not matter: JAX has none while it differentiates."""
    if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
        return leaf
    if isinstance(leaf, np.ndarray) and not leaf.flags.c_contiguous:
        return leaf  # how it lies in memory decides what is a view of it
    dtype = np.dtype(leaf.dtype)
    if dtype.kind != "f":
        return np.zeros(leaf.shape, dtype)
    drawn = np.random.default_rng(0).uniform(0.5, 1.5, leaf.shape)
    if drawn.ndim > 1 and drawn.shape[-1] == drawn.shape[-2]:  # of a matrix that has an inverse, and a Cholesky factor
        drawn = (drawn + drawn.mT) / 2 + 2 * drawn.shape[-1] * np.eye(drawn.shape[-1])
    return np.asarray(drawn, dtype)
