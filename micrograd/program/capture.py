"""Capture a call: run it once on tensors and keep what it computes, reads and changes as a `Program`."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from micrograd.core import validation
from micrograd.engine import Tensor
from micrograd.errors import GraphError
from micrograd.modes import captured
from micrograd.program.call_recorder import CallRecorder, leaf_of
from micrograd.program.outside import Outside
from micrograd.program.placeholders import IntegerPlaceholder
from micrograd.program.program import Equation, Feed, Index, Operand, Program, Value, Write
from micrograd.program.relied import Relied
from micrograd.program.rng import RngStates
from micrograd.program.value_names import names_of
from micrograd.pytree import flatten, packing, paths
from micrograd.tracing.run import CapturedRun, WritesOutsideError

__all__ = ["capture"]

_alone = threading.RLock()  # parameters hold tensors while a call is captured

_MOST_WRITTEN = 100
"""Arrays outside that a function may write into: one that meets another array each time would be run without end."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.dtype, type)


def capture(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, relies: bool = False,
    constants: bool = False,
) -> Program:  # fmt: skip
    """Run ``f(*args, **kwargs)`` once on tensors and return what it did. Nothing is changed by it.

    Arrays among the arguments become tensors; all else (numbers, flags, modules) is passed as it is. With `relies` the
    program may hold for some values only: where `f` asks for whole numbers or truth values, in a branch, a count or a
    mask that is an index, it gets those of this call, and `Program.relied` says which. With `constants` the arrays
    that `f` returns and that depend on no argument are outputs as well. Of what `f` finds elsewhere

    - leaf tensors (parameters), the memory and learning rate of optimisers, buffers of modules that it calls, and
      the masks of dropout are read anew at each call;
    - numbers, functions and objects, in closures, globals, attributes and containers, are constants, and so is which
      tensor or array stands there: the program holds as long as the same is found (`micrograd.program.outside`);
    - the entries of plain arrays are constants of the program, copied now;
    - what the host does besides (printing, appending to lists) is done once, now; a program whose capture changed a
      container, or went on in an iterator, holds for that call alone (`Program.holds`).

    Raises:
        GraphError: `f` asks for a tensor's value, draws random numbers by itself, counts in a global or an attribute,
            would add to gradients from before, or returns what holds no arrays.
        DTypeError: an argument that cannot take part (complex numbers, objects).
    """
    written: list[Any] = []
    while True:
        try:
            return _captured(f, args, kwargs, (relies, constants), written)
        except WritesOutsideError as error:
            known = any(array is error.array for array in written)
            if not relies or type(error.array) is not np.ndarray or known or len(written) == _MOST_WRITTEN:
                raise
            written.append(error.array)


def _captured(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: tuple[bool, bool], written: list[Any]
) -> Program:
    """Capture a call that writes into some arrays outside of `f`, which every call then reads and writes."""
    name = getattr(f, "__name__", type(f).__name__)
    leaves, rebuild = flatten((args, kwargs))
    called = _argument_names(f, args, kwargs)
    with _alone:
        outside = Outside(f, leaves)
        rng = RngStates(outside.generators)
        recorder = CallRecorder("the function" if name == "<lambda>" else name, rng, capture.__code__, *options)
        run = CapturedRun(f)
        entered = [_enter(leaf, at, called[at], recorder, run) for at, leaf in enumerate(leaves)]
        arguments, keywords = rebuild(entered)
        kept = [(array, _kept(array, recorder, run)) for array in written]
        before = [(array, array.copy()) for array in outside.counts if not any(array is other for other in written)]
        try:
            with captured(recorder, recorder), rng.unseeded(recorder.refuse_unseeded):
                result = run(arguments, keywords)
                _refuse_exchanged(entered, (arguments, keywords), called, recorder.name)
                updates = [(at, value) for at, made in enumerate(entered) if (value := run.written(made)) is not None]
                for array, made in kept:
                    if (value := run.written(made)) is not None:
                        recorder.overwrite(array, value)
            recorder.finish()
            outside.ran(recorder.start, recorder.changes, recorder.restored())
            if outside.watches:
                recorder.assumptions.append((outside.holds, True))
            program = _Assembly(recorder, result, updates).program().check()
        except Exception as error:
            outside.put_back()
            if isinstance(error, ValueError) and isinstance(error.__cause__, GraphError):
                raise error.__cause__ from None  # NumPy puts its own words in front when it fills a buffer
            raise
        finally:
            recorder.restore()
            changed = [(array, values) for array, values in before if not np.array_equal(array, values)]
            for array, values in changed:
                np.copyto(array, values)
            if changed:
                outside.put_back()
        for array, _ in changed:
            refused = WritesOutsideError(
                f"{recorder.name} writes into an array of {array.dtype} that it finds outside, which later calls would "
                "not do; pass the array as an argument, or return the new values."
            )
            refused.array = array
            raise refused
        outside.keep(recorder.changes)
        return program


def _refuse_exchanged(entered: list[Any], now: Any, called: list[str], name: str) -> None:
    """Refuse to put another array into a container among the arguments: the caller's would stay as it is."""
    leaves = flatten(now)[0]
    for at, (was, leaf) in enumerate(zip(entered, leaves, strict=False)):
        if leaf is not was:
            raise GraphError(
                f"{name} puts another value into its argument {called[at]}, which the caller would not see; return "
                "the new value, or write into the array that is there, with [...] =."
            )
    if len(leaves) != len(entered):
        raise GraphError(f"{name} adds to or removes from a container among its arguments; return a new container.")


def _enter(leaf: Any, position: int, name: str, recorder: CallRecorder, run: CapturedRun) -> Any:
    """Return what the function gets in the place of an argument."""
    if isinstance(leaf, Tensor):
        raise GraphError(f"{recorder.name}: {name} is a Tensor; a call is captured on arrays.")
    if not isinstance(leaf, (np.ndarray, np.generic)):
        return run.other(leaf)
    plain = type(leaf) is np.ndarray  # NumPy loads its masked arrays when they are asked for
    if leaf.dtype.kind in "fiub" and (plain or not isinstance(leaf, (np.ma.MaskedArray, np.matrix))):
        tensor = leaf_of(np.asarray(leaf, leaf.dtype.newbyteorder("=")))
    else:
        tensor = Tensor(validation.leaf(leaf, name))  # says why it cannot take part
    recorder.feeds[tensor] = "argument", position
    recorder.parameters[tensor] = name
    return run.argument(tensor, leaf)


def _kept(array: Any, recorder: CallRecorder, run: CapturedRun) -> Any:
    """Return what the function finds in the place of an array outside, which every call reads anew."""
    tensor = leaf_of(array)
    recorder.feeds[tensor] = "state", lambda: array
    return run.outside(tensor, array)


def _argument_names(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return what the user calls each leaf of the arguments: ``x``, ``params.w.0``."""
    try:
        parameters = [*inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for position, arg in enumerate(args):
        prefix = f"argument {position}"
        if position < len(parameters) and parameters[position].kind is not inspect.Parameter.VAR_POSITIONAL:
            prefix = parameters[position].name
        names += [path for path, _ in paths(arg, prefix)]
    return names + [path for path, _ in paths(kwargs)]


class _Assembly:
    """Assemble the program of what a recorder saw."""

    def __init__(self, recorder: CallRecorder, result: Any, updates: list[tuple[int, Any]]) -> None:
        self.recorder = recorder
        self.updated = tuple(position for position, _ in updates)
        self.values: list[Value] = []
        self.feeds: list[Feed] = []
        self.equations: list[Equation] = []
        self.place: dict[Tensor, int] = {}
        self.constants: dict[tuple[int, str], int] = {}
        found, rebuild = flatten(result)
        self.skeleton = rebuild([None] * len(found))  # holds none of the tensors
        self.returned = [self._returned(leaf) for leaf in found]
        self.returned += [value if isinstance(value, Tensor) else leaf_of(value) for _, value in updates]
        self.changed = [(leaf, history[-1][1]) for leaf, history in recorder.assigned.items()]

    def _returned(self, leaf: Any) -> Any:
        if self.recorder.constants and isinstance(leaf, (np.ndarray, np.generic, float, int)):
            entries = np.array(leaf)
            if entries.dtype.kind in "fiub":
                return leaf_of(entries)
        if isinstance(leaf, (Tensor, *_PLAIN)):
            return leaf
        if isinstance(leaf, (np.ndarray, np.generic)):
            return np.array(leaf) if isinstance(leaf, np.ndarray) else leaf
        raise GraphError(
            f"{self.recorder.name} returns a {type(leaf).__name__}; a compiled function can return arrays, numbers or "
            "None, in tuples, lists or dicts."
        )

    # ---- what is what ----------------------------------------------------------------------------------------

    def resolve(self, node: Tensor, reader: float = -np.inf) -> Tensor:
        """Find the node whose value another one, of serial `reader`, read: leaves are assigned, detached, copied."""
        recorder = self.recorder
        while node.row is None:
            copied = recorder.copies.get(id(node.raw))
            assigned = [value for when, value in recorder.assigned.get(node, ()) if when > reader]
            if node in recorder.links:
                reader, node = node.serial, recorder.links[node]
            elif assigned:
                node = assigned[-1]
                reader = node.serial
            elif copied is not None and not recorder.known_before(node):
                reader, node = node.serial, copied[1]
            else:
                break
        return node

    def operands(self, node: Tensor) -> list[Any]:
        """Return what a node reads, by slot: a node, or a constant."""
        return [
            raw if operand is None else self.resolve(operand, node.serial)
            for operand, raw in zip(node.operands, node.args, strict=True)
        ]

    def order(self, roots: Iterable[Tensor]) -> list[Tensor]:
        """Return every node that the roots need, operands first."""
        seen = {*roots}
        stack = [*seen]
        while stack:
            node = stack.pop()
            if self.recorder.known_before(node):
                continue
            inside = [self.resolve(item.tensor, node.serial) for item in _placeholders(node)]
            for operand in (*self.operands(node), *inside):
                if isinstance(operand, Tensor) and operand not in seen:
                    seen.add(operand)
                    stack.append(operand)
        return sorted(seen, key=lambda node: node.serial, reverse=True)

    # ---- making ----------------------------------------------------------------------------------------------

    def program(self) -> Program:
        """Return the program."""
        recorder = self.recorder
        returned = [self.resolve(leaf) for leaf in self.returned if isinstance(leaf, Tensor)]
        changed = [(leaf, self.resolve(value, value.serial)) for leaf, value in self.changed]
        written = [(put, self.resolve(value, value.serial)) for put, value in recorder.writes.values()]
        relied = [(self.resolve(node, node.serial), node.raw, what) for node, what in recorder.relied]
        roots = [*returned, *(value for _, value in changed), *(value for _, value in written)]
        order = self.order([*roots, *(node for node, _, _ in relied)])
        self.names = names_of(order, recorder, {*returned})
        needed = {*order}
        for node in order:
            if _placeholders(node):
                _limit(node)
        for leaf, (kind, source) in recorder.feeds.items():
            if kind != "argument" and leaf not in needed and leaf not in recorder.drawn:
                continue
            at = self.put(leaf)
            if kind == "argument":
                limit, signed = recorder.limits.get(source, (None, True))
                self.feeds.append(Feed(at, kind, source, limit=limit, signed=signed))
            else:
                self.feeds.append(Feed(at, kind, get=source))
        for node in order:
            if node in self.place:
                continue
            if node.row is not None and not recorder.known_before(node):
                self.equation(node)
            elif node.row is None and recorder.known_before(node):
                self.feeds.append(Feed(self.put(node), "state", get=_reader(node)))
            else:
                self.feeds.append(Feed(self.put(node), "constant", array=np.asarray(node.raw)))
        outputs = tuple(self.place[node] for node in returned)
        relies = [(self.place[node], raw, what) for node, raw, what in relied]
        return Program(
            recorder.name, tuple(self.values), tuple(self.feeds), tuple(self.equations), outputs,
            rebuild=self.rebuilder([self.values[at].weak for at in outputs]),
            writes=(*(Write(self.place[value], _assigner(leaf)) for leaf, value in changed),
                    *(Write(self.place[value], put) for put, value in written)),
            updates=self.updated,
            after=tuple(recorder.effects),
            assumptions=tuple(recorder.assumptions),
            relied=Relied(self.feeds, self.equations, self.values, relies) if relies else None,
        )  # fmt: skip

    def value(self, raw: Any, name: str = "") -> int:
        """Add a value of the shape and dtype of `raw`."""
        number = type(raw) is float
        self.values.append(Value(np.shape(raw), "float64" if number else raw.dtype.name, name, weak=number))
        return len(self.values) - 1

    def put(self, node: Tensor) -> int:
        """Add the value of a node."""
        self.place[node] = at = self.value(node.raw, self.names.get(node, ""))
        return at

    def constant(self, raw: Any, dtype: str = "") -> int:
        """Return the value of a constant array, cast where asked for."""
        key = id(raw), dtype
        if key not in self.constants:
            array = raw.astype(dtype) if dtype else raw
            self.constants[key] = at = self.value(array)
            self.feeds.append(Feed(at, "constant", array=array))
        return self.constants[key]

    def equation(self, node: Tensor) -> None:
        """Add the equation of a node."""
        assert node.row is not None
        line = self.recorder.line_of(node)
        operands: list[Operand] = []
        beside = _floats_beside(node)
        for operand, raw in zip(self.operands(node), node.args, strict=True):
            dtype = beside if isinstance(raw, np.ndarray) and raw.dtype.kind in "iu" else ""
            if dtype and dtype != raw.dtype.name:
                if isinstance(operand, Tensor):
                    at = self.value(raw.astype(dtype))
                    self.equations.append(Equation("cast", (self.place[operand],), at, {"dtype": dtype}, line))
                else:
                    at = self.constant(raw, dtype)
                operands.append(at)
            elif isinstance(operand, Tensor):
                operands.append(self.place[operand])
            else:
                operands.append(self.constant(raw) if isinstance(raw, np.ndarray) else float(raw))
        attrs = dict(node.attrs or {})
        if "index" in attrs:
            attrs["index"] = self.index(attrs["index"], node.serial)
        self.equations.append(Equation(node.row.name, tuple(operands), self.put(node), attrs, line))

    def index(self, index: Any, reader: float) -> Any:
        """Return an index with the values of the program in the places of placeholders."""
        if isinstance(index, tuple):
            return tuple(self.index(item, reader) for item in index)
        return Index(self.place[self.resolve(index.tensor, reader)]) if isinstance(index, IntegerPlaceholder) else index

    def rebuilder(self, weak: list[bool]) -> Callable[[list[Any]], Any]:
        """Return what makes the result of a call out of its flat outputs: Python numbers where the user's are."""
        numbers = iter(enumerate(weak))
        names: dict[str, Any] = {"own": _own}
        texts: list[str] = []
        for leaf in self.returned:
            if isinstance(leaf, Tensor):
                at, number = next(numbers)
                texts.append(f"float(flat[{at}])" if number else f"flat[{at}]")
            else:
                names[name := f"leaf{len(texts)}"] = leaf
                texts.append(f"own({name})" if isinstance(leaf, np.ndarray) else name)
        kept = len(texts) - len(self.updated)
        if not kept:  # a result without leaves
            names["skeleton"] = self.skeleton
        skeleton, given = (self.skeleton, texts[:kept]) if kept else (None, ["skeleton"])
        try:
            text = packing(skeleton, given, names)
        except ValueError:
            names["build"] = flatten(skeleton)[1]
            text = f"build([{', '.join(given)}])"
        if self.updated:
            text = f"({text}, [{', '.join(texts[kept:])}])"
        rebuild: Callable[[list[Any]], Any] = eval(f"lambda flat: {text}", names)  # noqa: S307 (printed above)
        return rebuild


def _own(leaf: Any) -> Any:
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _floats_beside(node: Tensor) -> str:
    """Return the dtype to which NumPy casts the whole numbers that stand beside floats; empty where none do."""
    assert node.row is not None
    args = node.args[1:] if node.row.name == "where" else node.args  # what is chosen from, whatever chooses
    if len(args) < 2 or not any(type(a) is float or a.dtype.kind == "f" for a in args):
        return ""
    return str(np.result_type(*(a.dtype if isinstance(a, np.ndarray) else 0.0 for a in args)))


def _placeholders(node: Tensor) -> list[IntegerPlaceholder]:
    index = (node.attrs or {}).get("index")
    return [i for i in (index if isinstance(index, tuple) else (index,)) if isinstance(i, IntegerPlaceholder)]


def _limit(node: Tensor) -> None:
    """Tell the placeholders in the index of a node which axes they index."""
    assert node.attrs is not None
    index = node.attrs["index"]
    items = index if isinstance(index, tuple) else (index,)
    shape = node.attrs.get("shape") or node.args[0].shape
    taken = [_axes(item) for item in items]
    axis = 0
    for item, axes in zip(items, taken, strict=True):
        if item is Ellipsis:
            axis += len(shape) - sum(taken)
        if isinstance(item, IntegerPlaceholder):
            item.indexes(shape[axis])
        axis += axes


def _axes(item: Any) -> int:
    """Count the axes that an item of an index takes up."""
    if item is None or item is Ellipsis:
        return 0
    array = getattr(item, "dtype", None)
    return item.ndim if array is not None and array.kind == "b" else 1


def _reader(leaf: Tensor) -> Callable[[], Any]:
    return lambda: leaf.raw


def _assigner(leaf: Tensor) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        if type(leaf.raw) is float:
            leaf.raw = float(value)
        else:  # read-only and the leaf's alone, as every value of the graph
            leaf.raw = validation.frozen(value)

    return put
