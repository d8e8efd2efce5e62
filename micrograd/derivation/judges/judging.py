"""Ask three independent judges of a derivation: exact algebra, a finite field, and floating point.

The first proves every step. The other two run the printed function beside the user's graph: on elements of a finite
field, where an identity that fails shows itself, and in float64 at every size that has been traced. They find what the
first cannot: a mistake in printing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.derivation.judges.evaluation import LiftedNumpy, evaluate
from micrograd.derivation.judges.field import Draw, Element, Field, NotAsked
from micrograd.derivation.kernel import OutOfTime, Poly
from micrograd.derivation.lifting import Net, Run
from micrograd.derivation.lifting.axes import picked_rows
from micrograd.derivation.printing.function import Written
from micrograd.derivation.printing.numpy_code import ident
from micrograd.derivation.search import Search
from micrograd.graph import Graph

__all__ = ["BOUND", "Checked", "exact", "floating", "judged", "over_field"]

BOUND = 1e-9  # of the error in float64, relative to the gradients; correct programs stay below 1e-12
_TRIALS = 2
_REDRAWN = 600  # times that numbers are drawn again until every root exists
_NOISE = 100  # times what a rounding error of the inputs changes: so much may two correct programs differ
_ENTRIES = 10_000  # numbers of a run that is still put into the field


@dataclass(frozen=True, slots=True)
class Checked:
    """What the judges say.

    Attributes:
        exact: every step is proved, and every line is the gradient.
        field: the printed code agrees with the graph over a finite field; None where it could not be asked.
        error: the largest error of the printed code in float64, relative to the gradients.
    """

    exact: bool
    field: bool | None
    error: float

    @property
    def agreed(self) -> bool:
        """Check that no judge doubts it."""
        return self.exact and self.field is not False and self.error < BOUND

    def __bool__(self) -> bool:
        return self.agreed


def judged(search: Search, lines: Mapping[str, Poly], written: Written) -> Checked:
    """Ask all three judges of a program and of the function that was written of it."""
    return Checked(exact(search, lines), over_field(search.net, written), floating(search.net, written))


# ---- exact -------------------------------------------------------------------------------------------------


def exact(search: Search, lines: Mapping[str, Poly]) -> bool:
    """Prove that every step is an equality, and that every line is what the chain rule gives.

    Steps, and lines that come out of them, have been proved when they were found; a staged line is the chain rule.
    """
    if not all(move.proved for line in search.lines.values() for move in line.moves):
        return False
    try:
        return all(_proved(search, n, p) for n, p in lines.items())
    except OutOfTime:
        return False


def _proved(search: Search, n: str, p: Poly) -> bool:
    line, definition = search.lines[n], search.net.values[n].definition
    if p == line.staged or (p == line.simple and not line.note):
        return True
    return definition is not None and search.book.same(p, definition)


# ---- the printed function ----------------------------------------------------------------------------------


def _call(
    net: Net, written: Written, run: int, values: Mapping[str, Any], seeds: Mapping[str, Any], **more: Any
) -> tuple[Any, ...]:
    """Call the printed function as the user would."""
    labels = {}
    for one in net.onehots.values():
        side, index = one.node
        v = next(u for u in net.values.values() if u.index == index and u.backward == (side == "b"))
        labels[one.source] = picked_rows(net, v, run)
    constants = {}
    for n, v in net.values.items():
        if v.op in ("constant", "parameter") and n in written.constants:
            constants[n] = values.get(n, net.runs[run].graph("b" if v.backward else "f").fixed[v.index])
    function = written.function(**constants, **more)
    code = function.__code__
    taken = code.co_varnames[: code.co_argcount]
    known = {**values, **labels, **seeds}
    by_ident = {ident(n): x for n, x in known.items()}
    out = function(**{n: by_ident[n] for n in taken if n in by_ident})
    return out if isinstance(out, tuple) else (out,)


def floating(net: Net, written: Written) -> float:
    """Return the largest error of the printed function in float64, at every size, relative to the gradients."""
    worst = 0.0
    for i, run in enumerate(net.runs):
        values = {n.name: run.forward.values[n.index] for n in run.forward.inputs}
        seeds = {f"d{n.name}": run.forward.seeds[n.index] for n in run.forward.outputs if n.index in run.forward.seeds}
        try:
            with np.errstate(all="ignore"):
                got = _call(net, written, i, values, seeds)
        except Exception:  # noqa: BLE001 - printed code that does not run is wrong, whatever it raises
            return math.inf
        wanted = _wanted(run)
        errors = [_error(g, w, seeds) for g, w in zip(got, wanted, strict=True)]
        if max(errors, default=0.0) >= BOUND:  # it may be the inputs: a tiny change of them may change as much
            moved = [_error(m, w, seeds) for m, w in zip(_moved(run), wanted, strict=True)]
            errors = [e * BOUND / max(BOUND, _NOISE * m) for e, m in zip(errors, moved, strict=True)]
        worst = max([worst, *errors])
    return worst


def _moved(run: Run) -> list[Any]:
    """Return the engine's gradients where every input is off by a rounding error."""
    rng, old = np.random.default_rng(8), run.forward
    graph = Graph(old.nodes, [n.index for n in old.outputs], name=old.name, fixed=old.fixed)
    inputs = [np.asarray(old.values[n.index]) for n in old.inputs]
    signs = [np.where(rng.random(x.shape) < 0.5, -1.0, 1.0) for x in inputs]
    off = [np.asarray(x * (1 + s * np.finfo(x.dtype).eps), x.dtype) for x, s in zip(inputs, signs, strict=True)]
    seeds = tuple(old.seeds.get(n.index) for n in old.outputs)
    with np.errstate(all="ignore"):
        graph.run(*off).backward(seeds if len(seeds) > 1 else seeds[0])
    return [graph.grads[f] for f in _leaves(run)]


def _wanted(run: Run) -> list[Any]:
    """Return the engine's gradients, in the order of the leaves."""
    return [run.forward.grads[f] for f in _leaves(run)]


def _leaves(run: Run) -> list[int]:
    """Return the leaves that a gradient reaches, in order."""
    nodes = run.forward.nodes
    return [f for f, node in enumerate(nodes) if node.op in ("input", "parameter") and f in run.pairs.nodes]


def _error(got: Any, want: Any, seeds: Mapping[str, Any]) -> float:
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return math.inf
    finite = np.isfinite(want)
    if not finite.any():
        return 0.0
    scale = float(np.abs(want[finite]).max())
    scale = max(scale, 1e-3 * max((float(np.abs(s).max()) for s in seeds.values()), default=1.0), 1e-300)
    error = float(np.abs(got[finite] - want[finite]).max()) / scale
    return error if math.isfinite(error) else math.inf


# ---- the finite field --------------------------------------------------------------------------------------


def over_field(net: Net, written: Written, seed: int = 0, trials: int = _TRIALS) -> bool | None:
    """Run the printed function and the user's graph over a finite field, and compare entry by entry.

    Returns:
        None where every run is too large, or no numbers were found that have all roots.
    """
    sizes = [sum(math.prod(n.shape) for n in run.forward.nodes) for run in net.runs]
    alike = [len({*lengths.values()}) < len(lengths) for lengths in net.lengths]  # hides one length for another
    at = min(range(len(sizes)), key=lambda i: (sizes[i] > _ENTRIES, alike[i], sizes[i], i))
    if sizes[at] > _ENTRIES:
        return None
    for trial in range(trials):
        found = _trial(net, written, at, f"{seed}/{trial}/")
        if not found:
            return found
    return True


def _trial(net: Net, written: Written, at: int, salt: str) -> bool | None:
    run = net.runs[at]
    over = Field(salt)
    given = {n.name: over.array(n.name, n.shape) for n in run.forward.inputs}
    for attempt in range(_REDRAWN):
        over.exponents.clear()
        try:
            values = evaluate(run.forward, given, over)
            forward = {n.name: values[n.index] for n in run.forward.nodes}
            seeds = {}
            for node in run.backward.inputs:
                origin = run.pairs.origins[node.index]
                if origin is not None:
                    seeds[node.name] = values[origin]
                else:
                    seeds[node.name] = over.array(node.name, node.shape) if node.shape else over.number(1)
            wanted = evaluate(run.backward, seeds, over)
        except Draw as draw:
            _redraw(net, at, given, over, draw, attempt)
            continue
        except (TypeError, NotAsked):  # a function that NumPy does not apply to objects
            return None
        cotangents = {n: x for n, x in seeds.items() if n in net.cotangents}
        try:
            got = _call(net, written, at, {n: forward[n] for n in given}, cotangents, np=LiftedNumpy(over))
            same = all(_same(g, wanted[run.pairs.nodes[f]], over) for g, f in zip(got, _leaves(run), strict=True))
            return same or (None if over.loose else False)  # x**0.7 * x**0.3 is no x there: that is no doubt
        except Draw as draw:
            _redraw(net, at, given, over, draw, attempt)
        except NotAsked:
            return None
        except (
            TypeError,
            ValueError,
            IndexError,
            NameError,
            AttributeError,
            ArithmeticError,
        ):  # printed code that does not run
            return False
    return None


def _redraw(net: Net, at: int, given: dict[str, Any], over: Field, draw: Draw, attempt: int) -> None:
    """Draw inputs again: where a root is missing at some rows, only the entries that belong to them."""
    root = net.values.get(getattr(draw, "__notes__", [""])[-1])
    inputs, lengths = net.runs[at].forward.inputs, net.lengths[at]
    if draw.bad is not None and root is not None and not root.backward and root.labels and attempt % 50 < 40:
        for n in inputs:
            v = net.values[n.name]
            if {*root.labels} <= {*v.labels}:
                fresh = over.array(f"{n.name}/{attempt}", n.shape)
                shape = [lengths[r] for r, _ in v.labels]
                where = draw.bad.reshape([lengths[r] for r, _ in root.labels])
                wanted = [label for label in v.labels if label in root.labels]
                where = where.transpose([root.labels.index(label) for label in wanted])
                where = where.reshape([lengths[one[0]] if one in root.labels else 1 for one in v.labels])
                chosen = np.where(np.broadcast_to(where, shape), fresh.reshape(shape), given[n.name].reshape(shape))
                given[n.name] = chosen.reshape(n.shape)
                return
    for n in inputs:
        given[n.name] = over.array(f"{n.name}/{attempt}", n.shape)


def _same(got: Any, want: Any, over: Field) -> bool:
    got, want = np.asarray(got, object), np.asarray(want, object)
    if got.shape != want.shape:
        return False
    return all(
        over.number(a).p == over.number(b).p if not isinstance(a, Element) else a == b
        for a, b in zip(got.ravel(), want.ravel(), strict=True)
    )
