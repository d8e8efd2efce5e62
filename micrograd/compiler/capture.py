"""A call, run once on tensors, as a `Program`: what it computes, reads and changes."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np

from micrograd import ingest
from micrograd.compiler.integers import Integers
from micrograd.compiler.program import Equation, Feed, Index, Operand, Program, Value, Write
from micrograd.engine import Tensor, sweep, toposort
from micrograd.errors import GraphError
from micrograd.modes import captured
from micrograd.source import user_line
from micrograd.tree import flatten

__all__ = ["capture"]


class Recorder:
    """What a captured call asks for (`micrograd.modes.Capture`), and what it recorded."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Tensor, str] = {}
        self.feeds: dict[Tensor, tuple[str, Any]] = {}  # a leaf: its kind, and its position or getter
        self.links: dict[Tensor, Tensor] = {}  # a leaf made by detach(): whose value it is
        self.states: dict[tuple[int, Any], Tensor] = {}
        self.writes: dict[tuple[int, Any], tuple[Callable[[Any], None], Tensor]] = {}
        self.effects: list[Callable[[], None]] = []
        self.assumptions: list[tuple[Callable[[], Any], Any]] = []
        self.assigned: dict[Tensor, Tensor] = {}
        self.gradients: dict[Tensor, Any] = {}  # leaves whose .grad is a tensor for now, and what it was before
        self.limits: dict[int, int] = {}
        self.start = Tensor(0.0).serial  # older leaves (serials count downwards) were there before the call

    # ---- observing ---------------------------------------------------------------------------------------

    def recorded(self, node: Tensor) -> None:
        """Note where an operation was written; a parameter may not be read after it was assigned."""
        self.lines[node] = user_line() or ""
        if self.assigned:
            for operand in node.operands:
                if operand in self.assigned:
                    raise GraphError(
                        f"{self.name}: a parameter is read after it was updated (line {self.lines[node]}); "
                        "compile one training step at a time."
                    )

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Nothing: gradients are recorded as they are computed."""

    # ---- what the call asks for ----------------------------------------------------------------------------

    def state(self, holder: Any, name: Any) -> Tensor:
        """A tensor for an attribute or entry that every call reads anew."""
        key = id(holder), name
        if key not in self.states:
            get = _getter(holder, name)
            self.states[key] = leaf = _leaf(get())
            self.feeds[leaf] = "state", get
        if key in self.writes:
            return self.writes[key][1]
        return self.states[key]

    def write(self, holder: Any, name: Any, value: Any) -> None:
        """Have every call put a value there."""
        if isinstance(value, Tensor):
            self.writes[id(holder), name] = _putter(holder, name), value

    def host(self, function: Callable[[], Any]) -> Tensor:
        """A tensor for what the host makes anew for every call."""
        state = _random_state(function)
        leaf = _leaf(function())
        if state is not None:
            state[0].bit_generator.state = state[1]  # the first call draws what this one drew
        self.feeds[leaf] = "host", function
        return leaf

    def after(self, function: Callable[[], None]) -> None:
        """Have every call end with this."""
        self.effects.append(function)

    def assume(self, function: Callable[[], Any]) -> None:
        """The capture holds as long as `function` answers what it answers now."""
        self.assumptions.append((function, function()))

    def backward(self, output: Tensor, seed: Any) -> None:
        """Gradients of the leaves, as tensors on ``.grad`` until the capture ends."""
        g = seed if isinstance(seed, Tensor) else Tensor(ingest.seed(seed, output.raw))
        found = [(node, g) for node, g, _ in sweep({output: g}, track=True) if node.row is None]
        for node, g in found:
            before = node.grad
            if node not in self.gradients:
                self.gradients[node] = before
                if not self._empty(node):
                    raise GraphError(
                        f"{self.name}: a parameter of shape {node.shape} has a gradient from before this call, which "
                        "every call would add to; call zero_grad() before backward()."
                    )
                before = None
            node.grad = g if before is None or self._empty(node) else before + g

    @staticmethod
    def _empty(node: Tensor) -> bool:
        return node.grad is None or (type(node.grad) is float and node.grad == 0.0)

    def assign(self, leaf: Tensor, value: Any) -> None:
        """``leaf.data = value``, at the end of every call."""
        if not isinstance(value, Tensor):
            self.refuse("assigning a plain array to a parameter", "assign a tensor computed from the inputs")
        if value.shape != leaf.shape or value.dtype != leaf.dtype:
            raise GraphError(f"{self.name}: cannot assign {value.dtype}{list(value.shape)} to a parameter of "
                             f"{leaf.dtype}{list(leaf.shape)}.")  # fmt: skip
        self.assigned[leaf] = value

    def detached(self, node: Tensor) -> Tensor:
        """A leaf with the value of `node`."""
        leaf = _leaf(node.raw)
        self.links[leaf] = node
        return leaf

    def refuse(self, what: str, instead: str) -> Any:
        """Say that a value was asked for, and where."""
        line = user_line() or ""
        text = ""
        file, _, number = line.rpartition(":")
        if number.isdigit():
            text = linecache.getline(file, int(number)).strip()
        where = f" at line {line}" if line else ""
        raise GraphError(f"{what}{where} cannot be captured, since each call has its own values; {instead}."
                         + (f"\n    {text}" if text else ""))  # fmt: skip

    def stay_below(self, position: int, limit: int) -> None:
        """Integers of argument `position` index an axis of this size."""
        self.limits[position] = min(limit, self.limits.get(position, limit))

    def known_before(self, leaf: Tensor) -> bool:
        """Whether a leaf was there before the call, so that later calls read it anew."""
        return leaf.serial > self.start

    def restore(self) -> None:
        """Put back the gradients that the leaves had before."""
        for node, before in self.gradients.items():
            node.grad = before


def _leaf(value: Any) -> Tensor:
    made = Tensor(0.0)
    if isinstance(value, (bool, int, float)):
        made.raw = float(value)
    else:
        array = np.array(value)
        made.raw = ingest.frozen(array)
        made.grad = None
    return made


def _getter(holder: Any, name: Any) -> Callable[[], Any]:
    if isinstance(holder, (list, dict)):
        return lambda: holder[name]
    return lambda: getattr(holder, name)


def _putter(holder: Any, name: Any) -> Callable[[Any], None]:
    kind = type(_getter(holder, name)())

    def put(value: Any) -> None:
        value = kind(value) if kind in (int, float) else value
        if isinstance(holder, (list, dict)):
            holder[name] = value
        else:
            setattr(holder, name, value)

    return put


def _random_state(function: Callable[[], Any]) -> tuple[np.random.Generator, Any] | None:
    """The generator that a function draws from, and its state, so that drawing once for the capture leaves no trace."""
    for cell in getattr(function, "__closure__", None) or ():
        if isinstance(cell.cell_contents, np.random.Generator):
            return cell.cell_contents, cell.cell_contents.bit_generator.state
    return None


def capture(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Program:
    """Run ``f(*args, **kwargs)`` once on tensors and answer what it did.

    Float and bool arrays among the arguments become tensors, integer arrays stand-ins that may be used as an index;
    all else is passed as it is. Leaves that `f` finds elsewhere (parameters) are states, plain arrays constants.

    Raises:
        GraphError: `f` asks for a value, reads a parameter after updating it, or would add to old gradients.
    """
    name = getattr(f, "__name__", type(f).__name__)
    recorder = Recorder("the function" if name == "<lambda>" else name)
    leaves, rebuild = flatten((args, kwargs))
    entered: list[Any] = []
    for position, leaf in enumerate(leaves):
        made: Any = leaf
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fb":
            made = Tensor(leaf) if leaf.dtype.kind == "f" and leaf.ndim else _leaf(np.asarray(leaf))
            recorder.feeds[made] = "argument", position
        elif isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "iu":
            made = Integers(_leaf(np.asarray(leaf)), position, recorder)
            recorder.feeds[made.tensor] = "argument", position
        elif isinstance(leaf, np.ndarray):
            ingest.leaf(leaf, f"argument {position}")  # says why it cannot take part
        entered.append(made)
    arguments, keywords = rebuild(entered)
    try:
        with captured(recorder, recorder):
            result = f(*arguments, **keywords)
    finally:
        recorder.restore()
    return _program(recorder, result)


def _program(recorder: Recorder, result: Any) -> Program:
    found, rebuild = flatten(result)
    tensors = [leaf.tensor if isinstance(leaf, Integers) else leaf for leaf in found]
    answered = [leaf for leaf in tensors if isinstance(leaf, Tensor)]
    changed = [*recorder.assigned.items()]
    written = [*recorder.writes.values()]
    roots = [*answered, *(value for _, value in changed), *(value for _, value in written)]
    values: list[Value] = []
    feeds: list[Feed] = []
    equations: list[Equation] = []
    place: dict[Tensor, int] = {}
    constants: dict[int, int] = {}

    def put(raw: Any) -> int:
        number = type(raw) is float
        values.append(Value(np.shape(raw), "float64" if number else raw.dtype.name, weak=number))
        return len(values) - 1

    for leaf, (kind, source) in recorder.feeds.items():
        place[leaf] = at = put(leaf.raw)
        if kind == "argument":
            feeds.append(Feed(at, kind, source, limit=recorder.limits.get(source)))
        else:
            feeds.append(Feed(at, kind, get=source))
    for node in _order(roots, recorder):
        if node in place:
            continue
        if node in recorder.links:
            place[node] = place[recorder.links[node]]
            continue
        if node.row is None:
            place[node] = at = put(node.raw)
            if recorder.known_before(node):
                feeds.append(Feed(at, "state", get=lambda node=node: node.raw))  # type: ignore[misc]
            else:
                feeds.append(Feed(at, "constant", array=np.asarray(node.raw)))
            continue
        operands: list[Operand] = []
        for operand, raw in zip(node.operands, node.args, strict=True):
            if operand is not None:
                operands.append(place[operand])
            elif isinstance(raw, np.ndarray):
                if id(raw) not in constants:
                    constants[id(raw)] = at = put(raw)
                    feeds.append(Feed(at, "constant", array=raw))
                operands.append(constants[id(raw)])
            else:
                operands.append(float(raw))
        attrs = {key: _indices(value, place) if key == "index" else value for key, value in (node.attrs or {}).items()}
        place[node] = at = put(node.raw)
        equations.append(Equation(node.row.name, tuple(operands), at, attrs, recorder.lines.get(node, "")))
    outputs = tuple(place[tensor] for tensor in answered)
    numbers = [values[at].weak for at in outputs]

    def answer(flat: list[Any]) -> Any:
        given = iter([float(x) if number else x for x, number in zip(flat, numbers, strict=True)])
        return rebuild([next(given) if isinstance(leaf, Tensor) else leaf for leaf in tensors])

    plain = len(tensors) == 1 and isinstance(result, Tensor) and not numbers[0]
    listed = type(result) is tuple and len(outputs) == len(result) and not any(numbers)
    return Program(
        recorder.name, tuple(values), tuple(feeds), tuple(equations), outputs,
        rebuild=_only if plain else tuple if listed else answer,
        writes=(*(Write(place[value], _assigner(leaf)) for leaf, value in changed),
                *(Write(place[value], put_) for put_, value in written)),
        after=tuple(recorder.effects),
        assumptions=tuple(recorder.assumptions),
    ).check()  # fmt: skip


def _only(flat: list[Any]) -> Any:
    return flat[0]


def _order(roots: list[Tensor], recorder: Recorder) -> list[Tensor]:
    """Every node that the roots need, operands first; detached leaves come after what they are the value of."""
    needed = {*roots}
    while True:
        nodes = toposort(needed)
        more = {recorder.links[node] for node in nodes if node in recorder.links} - {*nodes}
        more |= {i.tensor for node in nodes for i in _stand_ins(node)} - {*nodes}
        if not more:
            return nodes
        needed |= more


def _stand_ins(node: Tensor) -> list[Integers]:
    index = (node.attrs or {}).get("index")
    return [i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, Integers)]


def _indices(index: Any, place: dict[Tensor, int]) -> Any:
    if isinstance(index, tuple):
        return tuple(_indices(i, place) for i in index)
    return Index(place[index.tensor]) if isinstance(index, Integers) else index


def _assigner(leaf: Tensor) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        if type(leaf.raw) is float:
            leaf.raw = float(value)
        else:
            leaf.raw = ingest.frozen(value)

    return put
