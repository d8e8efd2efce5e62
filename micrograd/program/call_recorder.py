"""Record a call that is captured, serve what it asks for (`micrograd.modes.Capture`), and put all back at its end."""

from __future__ import annotations

import linecache
import sys
from collections import Counter
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import numpy as np

from micrograd import primitives as p
from micrograd.core import validation
from micrograd.engine import Tensor, sweep
from micrograd.errors import DTypeError, GraphError, ShapeError
from micrograd.numpy_api import composites as c
from micrograd.program.placeholders import IntegerPlaceholder
from micrograd.program.rng import RngStates
from micrograd.source.names import CodePosition, owner_of

__all__ = ["CallRecorder", "leaf_of"]

_OUTSIDE = "return the tensor and take the number outside"
_ASKED = {
    "data": ("the value of a tensor, .data,", "compute with the tensor itself"),
    "item": ("a number, .item(),", _OUTSIDE),
    "tolist": ("a list of numbers, .tolist(),", "return the tensor and take the numbers outside"),
    "bool": ("a branch on a tensor value", "use np.where"),
    "float": ("float() of a tensor", _OUTSIDE),
    "int": ("int() of a tensor", _OUTSIDE),
    "format": ("a number as text", "return the tensor and format it outside"),
    "array": ("turning a tensor into a plain array", "use the tensor, np.stack([...]) to join tensors"),
}
"""What Python asks a tensor for: what it is called, and what to do instead."""

_DRAW = (
    "draw them outside and pass them as an argument, or use nn.Dropout or functional.dropout, which draw anew at each "
    "call"
)


class CallRecorder:
    """What is known of a call while it is captured: its observer, and the `Capture` that it asks.

    Args:
        name: of the function.
        rng: the generators that it can reach.
        caller: the code of what calls the function: frames from there outwards are not the user's.
        relies: whether the program may hold for some values only.
        constants: whether arrays and numbers that are returned and depend on nothing are outputs.

    Attributes:
        feeds: for a leaf that comes from outside its kind and its position or getter, in the order of asking.
        links: leaves made of other nodes (``detach()``), and whose value they are.
        copies: the same by the raw value of the leaf, for ``Tensor(t)``.
        assigned: for a leaf the serials and values of its assignments.
        writes: what to put, and the tensor.
        places: where a node was written: the expression, and the line outside this package.
        origins: for a node of a backward pass the node whose rule made it.
        gradients: the node that a tensor is the gradient of.
        drawn: leaves of random numbers, which are drawn even where nothing reads them.
        parameters: dotted names of leaves.
        start: the serial from which on tensors are of the call (serials count downwards).
        relied: nodes whose values the program holds for, and what asked for them.
        limits: for each integer argument the size of the axis it indexes, and whether it may count from the end.
    """

    def __init__(
        self, name: str, rng: RngStates, caller: CodeType, relies: bool = False, constants: bool = False
    ) -> None:
        self.name, self.rng, self._caller, self.relies, self.constants = name, rng, caller, relies, constants
        self.relied: list[tuple[Tensor, str]] = []
        self.feeds: dict[Tensor, tuple[str, Any]] = {}
        self.links: dict[Tensor, Tensor] = {}
        self.copies: dict[int, tuple[Any, Tensor]] = {}
        self.assigned: dict[Tensor, list[tuple[int, Tensor]]] = {}
        self.states: dict[tuple[int, Any], Tensor] = {}
        self.writes: dict[tuple[int, Any], tuple[Callable[[Any], None], Tensor]] = {}
        self.effects: list[Callable[[], None]] = []
        self.assumptions: list[tuple[Callable[[], Any], Any]] = []
        self.places: dict[Tensor, tuple[CodePosition | None, CodePosition | None]] = {}
        self.origins: dict[Tensor, Tensor] = {}
        self.gradients: dict[Tensor, Tensor] = {}
        self.drawn: set[Tensor] = set()
        self.parameters: dict[Tensor, str] = {}
        self.limits: dict[int, tuple[int, bool]] = {}
        self._before: dict[Tensor, tuple[Any, Any]] = {}
        self._entered: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._counted: list[tuple[Any, Any]] = []
        self._counts: Counter[tuple[int, Any]] = Counter()
        self._swept: list[Tensor] = []
        self.start = Tensor(0.0).serial

    def known_before(self, node: Tensor) -> bool:
        """Check that a node was there before the call (serials count downwards)."""
        return node.serial > self.start

    def changes(self, holder: Any, key: Any) -> bool:
        """Check that every call reads, writes or counts an entry anew."""
        place = id(holder), key
        return place in self.states or place in self.writes or place in self._counts

    def restored(self) -> list[dict[str, Any]]:
        """Return the attributes of modules, which `restore` puts back."""
        return [vars(module) for module, _ in self._entered.values()]

    # ---- observing -----------------------------------------------------------------------------------------

    def recorded(self, node: Tensor) -> None:
        """Note where an operation was written, and what the leaves that it reads were before the call."""
        for operand in node.operands:
            if operand is not None and operand.row is None and operand not in self._before:
                self.remember(operand)
        inner, outer, swept = self._places(sys._getframe(1))
        self.places[node] = inner, outer
        if swept:
            self._swept.append(node)

    def pulled(self, node: Tensor, g: Any, parts: list[Any]) -> None:
        """Note whose rule made the nodes of the backward pass recorded since the last time."""
        if self.known_before(node) and node.row is not None:
            raise GraphError(
                f"{self.name}: backward reaches a {node.row.name} that was computed before this call"
                f"{self._line()}; compute the loss inside the compiled function."
            )
        sums = {}
        for made in self._swept:
            self.origins[made] = node
            if made.row is not None and made.row.name == "add":
                sums[made.operands[1]] = made
        self._swept.clear()
        if isinstance(g, Tensor):
            self.gradients.setdefault(g, node)
        for operand, part in zip(node.operands, parts, strict=False):
            if isinstance(part, Tensor) and operand is not None:
                total = sums.get(part, part)  # with what arrived before
                self.gradients.pop(total.operands[0] if total is not part else None, None)  # type: ignore[arg-type]
                self.gradients.setdefault(total, operand)

    # ---- what is read and written ----------------------------------------------------------------------------

    def state(self, holder: Any, key: Any, like: Any = None) -> Tensor:
        """Return a tensor for an entry that every call reads anew."""
        place = id(holder), key
        if place not in self.states:
            get = _getter(holder, key, like)
            self.states[place] = leaf = leaf_of(get())
            self.feeds[leaf] = "state", get
            if isinstance(key, str):
                self.parameters[leaf] = key
        return self.states[place]

    def write(self, holder: Any, key: Any, value: Any) -> None:
        """Have every call put a value there."""
        value = _lowered(value)
        made = value if isinstance(value, Tensor) else leaf_of(value)
        self.states[id(holder), key] = made
        self.writes[id(holder), key] = _putter(holder, key), made

    def overwrite(self, array: Any, value: Any) -> None:
        """Have every call write a value into an array outside of the function."""
        made = value if isinstance(value, Tensor) else leaf_of(value)
        self.writes[id(array), None] = (lambda new: np.copyto(array, new)), made

    def counted(self, holder: Any, key: Any) -> Callable[[], int]:
        """Have every call add 1 to a whole number."""
        self._counted.append((holder, key))
        self._counts[id(holder), key] += 1
        already = self._counts[id(holder), key]
        return lambda: int(holder[key] + already)

    def host(self, function: Callable[[], Any]) -> Tensor:
        """Return a tensor for what the host makes anew for every call."""
        value, drawn = self.rng.by_layer(function)
        leaf = leaf_of(value)
        self.feeds[leaf] = "host", function
        if drawn:
            self.drawn.add(leaf)
        return leaf

    def assume(self, function: Callable[[], Any]) -> None:
        """Have the capture hold as long as `function` returns what it returns now."""
        self.assumptions.append((function, function()))

    def enter(self, module: Any) -> None:
        """Make arrays among the buffers of a module states, until the end of the capture."""
        kept = vars(module)
        if id(module) in self._entered:
            return
        for name, parameter in module.named_parameters():
            self.parameters.setdefault(parameter, name)
        self._entered[id(module)] = module, dict(kept)
        for name in module.buffers:
            if isinstance(kept.get(name), np.ndarray):
                kept[name] = self.state(kept, name)

    def assign(self, leaf: Tensor, value: Any) -> None:
        """Do ``leaf.data = value``: nodes recorded from now on read it; every call ends with it in the leaf."""
        value = _lowered(value)
        if not isinstance(value, Tensor):
            self.refuse("assigning a plain array to a parameter", "assign a tensor computed from the inputs")
        if value.shape != leaf.shape or (value.dtype != leaf.dtype and leaf.shape):
            raise GraphError(
                f"{self.name}: a parameter of {leaf.dtype}{list(leaf.shape)} cannot become "
                f"{value.dtype}{list(value.shape)}{self._line()}; cast or reshape the new value."
            )
        self.remember(leaf)
        self.assigned.setdefault(leaf, []).append((Tensor(0.0).serial, value))
        leaf.raw = float(value.raw) if type(leaf.raw) is float else value.raw

    def detached(self, node: Tensor) -> Tensor:
        """Return a leaf with the value of `node`."""
        node = _lowered(node)
        leaf = leaf_of(node.raw)
        self.links[leaf] = node
        return leaf

    def copied(self, node: Any) -> Any:
        """Return a raw value equal to that of `node`, by whose identity a leaf made of it is known."""
        node = _lowered(node)
        if not isinstance(node, Tensor):
            return validation.frozen(node.copy())
        raw = node.raw * 1.0 if type(node.raw) is float else validation.frozen(node.raw.copy())
        self.copies[id(raw)] = raw, node
        return raw

    def index(self, node: Any) -> Any:
        """Return what stands in an index for whole numbers; the values of masks, on which the program relies then."""
        node = _lowered(node)
        if not isinstance(node, Tensor):
            return node
        if node.dtype.kind not in "iu":
            return self.known(node, "an index computed by tensors", "use np.where, or pass the index as an argument")
        return IntegerPlaceholder(node, self)

    def limit(self, node: Tensor, size: int, signed: bool) -> bool:
        """Note that an argument indexes an axis of `size` entries, from its end too if `signed`; False for others."""
        kind, position = self.feeds.get(node, ("", 0))
        if kind == "argument":
            known, either = self.limits.get(position, (size, True))
            self.limits[position] = min(size, known), either and signed
        return kind == "argument"

    def known(self, node: Any, what: str, instead: str) -> Any:
        """Return the value of whole numbers or truth values, which the program relies on from now on."""
        node = _lowered(node)
        if not isinstance(node, Tensor):
            return node
        if not self.relies or type(node.raw) is float or node.dtype.kind == "f":
            self.refuse(what, instead)
        self.relied.append((node, f"{what}{self._line()}"))
        return node.raw

    # ---- gradients -------------------------------------------------------------------------------------------

    def backward(self, output: Tensor, seed: Any) -> None:
        """Put gradients of the leaves, as tensors, on ``.grad`` until the capture ends."""
        output, seed = _lowered(output), _lowered(seed)
        g = self._seed(output, seed)
        if output.row is not None:
            self.remember(output)
            output.grad = g
        for node, part in [(node, part) for node, part, _ in sweep({output: g}, track=True)]:
            raw = node.raw
            if node.row is not None or (type(raw) is not float and raw.dtype.kind != "f"):
                if type(raw) is float:
                    self.remember(node)
                    node.grad = part
                continue
            self.remember(node)
            dtype = "float64" if type(raw) is float else raw.dtype.name
            new = part if part.dtype.name == dtype else p.cast(part, dtype=dtype)
            if isinstance(node.grad, Tensor):
                new = node.grad + new
            elif node.grad is not None and not (type(node.grad) is float and node.grad == 0.0):
                raise GraphError(
                    f"{self.name}: {self._called(node)} has a gradient from before this call, to which each call would "
                    f"add{self._line()}; call zero_grad() before backward()."
                )
            node.grad = new

    def _seed(self, output: Tensor, seed: Any) -> Tensor:
        if not isinstance(seed, Tensor):
            return Tensor(validation.seed(seed, output.raw))
        if seed.shape != output.shape:
            raise ShapeError(f"seed has shape {seed.shape}, out has {output.shape}; they must be equal.")
        if seed.dtype != output.dtype:
            raise DTypeError(f"seed is {seed.dtype}, out is {output.dtype}; cast the seed with .astype.")
        return seed

    def _called(self, leaf: Tensor) -> str:
        return self.parameters.get(leaf) or f"a parameter of shape {leaf.shape}"

    def line_of(self, node: Tensor) -> str:
        """Return where an operation was written; of a backward pass, where the node was whose rule it belongs to."""
        _, outer = self.places.get(self.origins.get(node, node), (None, None))
        return str(outer or "")

    # ---- refusing, and the end -------------------------------------------------------------------------------

    def _places(self, frame: FrameType | None) -> tuple[CodePosition | None, CodePosition | None, bool]:
        """Find, of the frames around, the user's innermost, the innermost outside, and whether a sweep is inside."""
        inner: CodePosition | None = None
        swept = False
        while frame is not None and frame.f_code is not self._caller:
            code = frame.f_code
            swept |= code is sweep.__code__ and inner is None
            if owner := owner_of(code.co_filename):
                place = CodePosition.of(frame)
                inner = inner or place
                if owner == "user":
                    return inner, place, swept
            frame = frame.f_back
        return inner, None, swept

    def _line(self) -> str:
        _, outer, _ = self._places(sys._getframe(1))
        return f" (line {outer})" if outer else ""

    def refuse(self, what: str, instead: str) -> Any:
        """Raise a GraphError: a value was asked for, which changes from call to call."""
        _, outer, _ = self._places(sys._getframe(1))
        where = f" at line {outer}" if outer else ""
        text = linecache.getline(outer.f_code.co_filename, outer.f_lineno).strip() if outer else ""
        raise GraphError(f"cannot compile {what}{where}: its value changes from call to call; {instead}."
                         + (f"\n    {text}" if text else ""))  # fmt: skip

    def asked(self, node: Any, what: str) -> Any:
        """Return the value that Python asks a tensor for, on which the program relies then."""
        called, instead = _ASKED[what]
        if what in ("data", "format"):
            self.refuse(called, instead)
        node = _lowered(node)
        if what == "bool" and isinstance(node, Tensor):
            node = c.truth(node)
        elif what == "int" and isinstance(node, Tensor) and node.dtype.kind == "f":
            node = p.cast(self.detached(node), dtype="int64")
        value = self.known(node, called, instead)
        return value.tolist() if what == "tolist" else value

    def known_values(self, node: Any, what: str) -> Any:
        """Return what `known` does, for what NumPy would compute from the values of a tensor."""
        return self.known(node, f"{what} of a tensor", "return the tensor and look at its values outside")

    def refuse_unseeded(self) -> None:
        """Raise a GraphError: a generator is made anew in each call, of another seed."""
        self.refuse("random numbers of a generator without a seed", _DRAW)

    def remember(self, leaf: Tensor) -> None:
        """Note the value and the gradient that a leaf had before the call."""
        if leaf not in self._before:
            self._before[leaf] = leaf.raw, leaf.grad

    def finish(self) -> None:
        """Turn what was assigned to buffers into writes, and the modes of modules into an assumption.

        Raises:
            GraphError: numbers were drawn that later calls would get again, or a buffer holds what no call can keep.
        """
        if self.rng.drawn_by_function():
            raise GraphError(
                f"{self.name} draws random numbers itself, and later calls would get the same ones; {_DRAW}."
            )
        modules, counted = [module for module, _ in self._entered.values()], self._counted
        if modules:
            self.assume(lambda: [module.training for module in modules])
        if counted:
            self.effects.append(lambda: _add(counted))
        for module, before in self._entered.values():
            kept = vars(module)
            for name in module.buffers:
                old, new = before.get(name), kept.get(name)
                if isinstance(old, np.ndarray):
                    if isinstance(new, Tensor) and new is not self.states.get((id(kept), name)):
                        self.write(kept, name, new)
                    elif not isinstance(new, Tensor) and new is not old:
                        self.write(kept, name, np.asarray(new, old.dtype))
                elif new is not old and new != old:
                    raise GraphError(
                        f"{self.name}: the buffer {name} of {type(module).__name__} was changed from {old!r} to "
                        f"{new!r}, which later calls would not do; keep it as an array, np.array(...)."
                    )

    def restore(self) -> None:
        """Put everything back as it was before the call."""
        for leaf, (raw, grad) in self._before.items():
            leaf.raw, leaf.grad = raw, grad
        for module, before in self._entered.values():
            kept = vars(module)
            kept.clear()
            kept.update(before)
        self.rng.restore()


def _add(counted: list[tuple[Any, Any]]) -> None:
    for holder, key in counted:
        holder[key] += 1


def _lowered(x: Any) -> Any:
    """Return the tensor that a traced array is now; anything else as it is."""
    return getattr(x, "node", x)


def leaf_of(value: Any) -> Tensor:
    """Return a leaf of any number or array, integers and masks too."""
    made = Tensor(0.0)
    if isinstance(value, (bool, int, float)):
        made.raw = float(value)
    else:
        made.raw, made.grad = validation.frozen(np.array(value)), None
    return made


def _getter(holder: Any, key: Any, like: Any) -> Callable[[], Any]:
    if type(like) is not np.ndarray:
        return lambda: holder[key]

    def get() -> Any:
        value = holder[key]
        return np.full(like.shape, value, like.dtype) if type(value) is float else value

    return get


def _putter(holder: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        holder[key] = value if np.ndim(value) or type(holder[key]) is not float else float(value)

    return put
