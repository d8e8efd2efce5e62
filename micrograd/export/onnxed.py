"""A program as an ONNX file: one function for each kind of the table, and the checks that a file passes.

Written for opset 18, the first in which the axes of all reductions are operands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from micrograd.compiler.program import Equation, Index, Operand, Program, evaluate
from micrograd.errors import GraphError, MissingExtraError, NumericalError
from micrograd.export.programs import feeds_of, from_graph, pure, rounding
from micrograd.graph import Graph
from micrograd.names import unique
from micrograd.primitives import TABLE, Primitive
from micrograd.tree import paths

__all__ = ["KINDS", "OPSET", "OVERRIDES", "to_onnx"]

OPSET = 18
COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")


def _require_onnx() -> Any:
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
        import onnx.reference
    except ImportError as error:
        raise MissingExtraError(
            "to_onnx needs onnx, which is not installed: pip install 'micrograd-graph[onnx]'"
        ) from error
    return onnx


class _Writer:
    """The nodes and initialisers of one file.

    Args:
        program: what is written.
        known: every value for the example, of which numbers become initialisers.
    """

    def __init__(self, program: Program, known: Mapping[int, Any]) -> None:
        self.onnx, self.program, self.known = _require_onnx(), program, known
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.taken: dict[str, int] = {}
        self.called = [unique(value.name or f"value_{at}", self.taken) for at, value in enumerate(program.values)]
        self.constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def emit(self, op: str, inputs: list[str], out: str = "", **attrs: Any) -> str:
        """A node; answers the name of its output."""
        out = out or unique(f"{op.lower()}_of_{inputs[0] or 'none'}", self.taken)
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [out], name=out, **attrs))
        return out

    def constant(self, array: Any, hint: str = "constant") -> str:
        """The name of an initialiser with these entries; equal ones are one."""
        array = np.asarray(array)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self.constants:
            self.constants[key] = name = unique(hint, self.taken)
            self.initializers.append(
                self.onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
            )
        return self.constants[key]

    def operand(self, operand: Operand, dtype: str) -> str:
        """The name of an operand, cast where it is of another dtype; numbers take the dtype they stand beside."""
        if isinstance(operand, float):
            return self.constant(np.asarray(operand, dtype), _number_name(operand))
        value = self.program.values[operand]
        if value.weak:
            return self.constant(np.asarray(self.known[operand], dtype), self.called[operand])
        if value.dtype == dtype:
            return self.called[operand]
        return self.emit("Cast", [self.called[operand]], to=self.type_of(dtype))

    def type_of(self, dtype: str) -> int:
        """ONNX's number of a dtype."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def refuse(self, equation: Equation, what: str, instead: str) -> GraphError:
        """An error that names the node and the author's line."""
        name = self.program.values[equation.out].name or f"value {equation.out}"
        at = f" at line {equation.line}" if equation.line else ""
        return GraphError(f"{name} = {equation.op}{at}: {what}; {instead}.")


def _number_name(number: float) -> str:
    return f"number_{number:g}".replace(".", "_").replace("-", "minus_").replace("+", "")


# ---- one function a kind ---------------------------------------------------------------------------------


def _map(w: _Writer, row: Primitive, equation: Equation) -> None:
    dtype = w.program.values[equation.out].dtype
    if row.name in COMPARISONS:
        dtypes = [w.program.values[o] for o in equation.operands if isinstance(o, int)]
        strong = [value.dtype for value in dtypes if not value.weak]
        dtype = np.result_type(*strong).name if strong else "float64"
        if dtype == "bool":  # only equality is defined for these
            dtype = "float32"
    inputs = [w.operand(o, "bool" if row.name == "where" and not slot else dtype)
              for slot, o in enumerate(equation.operands)]  # fmt: skip
    if row.name == "pow":
        inputs.append(w.constant(np.asarray(equation.attrs["exponent"], dtype), "exponent"))
    w.emit(row.onnx, inputs, w.called[equation.out])


def _reduce(w: _Writer, row: Primitive, equation: Equation) -> None:
    axis, keepdims = equation.attrs.get("axis"), equation.attrs.get("keepdims", False)
    inputs = [w.operand(equation.operands[0], w.program.values[equation.out].dtype)]
    if axis is not None:
        inputs.append(w.constant(np.atleast_1d(np.asarray(axis, np.int64)), "axes"))
    w.emit(row.onnx, inputs, w.called[equation.out], keepdims=int(keepdims), noop_with_empty_axes=int(axis == ()))


def _contract(w: _Writer, row: Primitive, equation: Equation) -> None:
    dtype = w.program.values[equation.out].dtype
    w.emit(row.onnx, [w.operand(o, dtype) for o in equation.operands], w.called[equation.out])


def _move(w: _Writer, row: Primitive, equation: Equation) -> None:
    inputs = [w.operand(o, w.program.values[equation.out].dtype) for o in equation.operands]
    shape = w.program.values[equation.out].shape
    made: dict[str, tuple[list[str], dict[str, Any]]] = {
        "reshape": ([w.constant(np.array(shape, np.int64), "shape")], {"allowzero": 1}),
        "broadcast": ([w.constant(np.array(shape, np.int64), "shape")], {}),
        "transpose": ([], {"perm": [int(a) for a in equation.attrs.get("axes", ())]}),
        "concatenate": ([], {"axis": equation.attrs.get("axis", 0)}),
    }
    more, attrs = made[row.name]
    w.emit(row.onnx, [*inputs, *more], w.called[equation.out], **attrs)


KINDS: dict[str, Callable[[_Writer, Primitive, Equation], None]] = {
    "map": _map,
    "reduce": _reduce,
    "contract": _contract,
    "move": _move,
}
"""What writes the rows of each kind."""


# ---- rows that ONNX spells with more than one node --------------------------------------------------------


def _cast(w: _Writer, row: Primitive, equation: Equation) -> None:
    source = equation.operands[0]
    dtype = w.program.values[source].dtype if isinstance(source, int) else "float64"
    to = w.type_of(w.program.values[equation.out].dtype)
    w.emit(row.onnx, [w.operand(source, dtype)], w.called[equation.out], to=to)


def _not_equal(w: _Writer, row: Primitive, equation: Equation) -> None:  # noqa: ARG001 (called as all are)
    strong = [
        w.program.values[o].dtype for o in equation.operands if isinstance(o, int) and not w.program.values[o].weak
    ]
    dtype = np.result_type(*strong).name if strong else "float64"
    equal = w.emit(TABLE["equal"].onnx, [w.operand(o, dtype) for o in equation.operands])
    w.emit("Not", [equal], w.called[equation.out])


def _gather(w: _Writer, row: Primitive, equation: Equation) -> None:
    source = equation.operands[0]
    shape = w.program.values[source].shape if isinstance(source, int) else ()
    x, out = w.operand(source, w.program.values[equation.out].dtype), w.called[equation.out]
    index = equation.attrs["index"]
    if any(isinstance(item, Index) for item in _items(index)):
        w.emit(row.onnx, [x, _stacked(w, equation)], out)
    elif all(item is Ellipsis or isinstance(item, (slice, int, np.integer, type(None))) for item in _items(index)):
        _slice(w, x, _items(index), shape, w.program.values[equation.out].shape, out)
    else:  # a fixed index: where each entry stands in the flat array
        places = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)[index]
        flat = w.emit("Reshape", [x, w.constant(np.array([-1]), "shape")])
        w.emit(row.onnx, [flat, w.constant(places[..., None], "index")], out)


def _slice(w: _Writer, x: str, items: tuple[Any, ...], shape: Any, result: Any, out: str) -> None:
    """An index of slices, whole numbers and new axes: a Slice, and a Reshape where the axes are others."""
    taken = sum(item is not None and item is not Ellipsis for item in items)
    full: list[Any] = []
    for item in items:
        full += [slice(None)] * (len(shape) - taken) if item is Ellipsis else [] if item is None else [item]
    starts, ends, axes, steps = [], [], [], []
    for axis, (item, size) in enumerate(zip(full, shape, strict=False)):
        whole = not isinstance(item, slice)
        start, end, step = (int(item) % size, int(item) % size + 1, 1) if whole else item.indices(size)
        if (start, end, step) != (0, size, 1):
            starts.append(start)
            ends.append(end if end >= 0 else -size - 1)  # -1 would count from the end
            axes.append(axis)
            steps.append(step)
    if axes:
        bounds = [w.constant(np.array(n, np.int64), hint)
                  for n, hint in ((starts, "starts"), (ends, "ends"), (axes, "axes"), (steps, "steps"))]  # fmt: skip
        x = w.emit("Slice", [x, *bounds])
    w.emit("Reshape", [x, w.constant(np.array(result, np.int64), "shape")], out, allowzero=1)


def _scatter(w: _Writer, row: Primitive, equation: Equation) -> None:
    shape, made = equation.attrs["shape"], w.program.values[equation.out]
    x, out, index = w.operand(equation.operands[0], made.dtype), w.called[equation.out], equation.attrs["index"]
    if any(isinstance(item, Index) for item in _items(index)):
        zeros = w.constant(np.zeros(shape, made.dtype), "zeros")
        w.emit(row.onnx, [zeros, _stacked(w, equation), x], out, reduction="add")
        return
    size = int(np.prod(shape, dtype=int))
    places = np.arange(size).reshape(shape)[index]
    zeros = w.constant(np.zeros(size, made.dtype), "zeros")
    flat = w.emit(row.onnx, [zeros, w.constant(places[..., None], "index"), x], reduction="add")
    w.emit("Reshape", [flat, w.constant(np.array(shape, np.int64), "shape")], out, allowzero=1)


def _items(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _stacked(w: _Writer, equation: Equation) -> str:
    """Arrays of whole numbers that index the first axes, beside one another along a last axis."""
    items = _items(equation.attrs["index"])
    if not all(isinstance(item, (Index, np.ndarray)) for item in items):
        raise w.refuse(equation, "ONNX indexes the first axes only by arrays that the call is given",
                       "transpose before the index")  # fmt: skip
    shapes = [w.program.values[i.value].shape if isinstance(i, Index) else i.shape for i in items]
    shape = w.constant(np.array(np.broadcast_shapes(*shapes), np.int64), "shape")
    columns = []
    for item in items:
        if isinstance(item, Index):
            name, dtype = w.called[item.value], w.program.values[item.value].dtype
            name = name if dtype == "int64" else w.emit("Cast", [name], to=w.type_of("int64"))
        else:
            name = w.constant(item.astype(np.int64), "index")
        spread = w.emit("Expand", [name, shape])
        columns.append(w.emit("Unsqueeze", [spread, w.constant(np.array([-1]), "axes")]))
    return columns[0] if len(columns) == 1 else w.emit("Concat", columns, axis=-1)


OVERRIDES: dict[str, Callable[[_Writer, Primitive, Equation], None]] = {
    "cast": _cast,
    "not_equal": _not_equal,
    "gather": _gather,
    "scatter": _scatter,
}
"""Rows that need more than a node of their name; a test keeps the list short."""


# ---- a whole file ----------------------------------------------------------------------------------------


def _model(program: Program, known: Mapping[int, Any], names: list[str]) -> Any:
    """The file of a program, and the names of its outputs."""
    w = _Writer(program, known)
    onnx, inputs, feeds = w.onnx, [], {feed.value for feed in program.feeds}
    for feed in program.feeds:
        value = program.values[feed.value]
        if feed.kind == "argument":
            if names and feed.position < len(names) and names[feed.position]:
                w.called[feed.value] = names[feed.position]
            typed = w.type_of(value.dtype)
            inputs.append((feed.position, onnx.helper.make_tensor_value_info(w.called[feed.value], typed, value.shape)))
        elif not value.weak:
            array = np.asarray(known[feed.value], value.dtype)
            w.initializers.append(
                onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), w.called[feed.value])
            )
    for equation in program.equations:
        row = TABLE[equation.op]
        if program.values[equation.out].weak:
            continue  # a number, known now
        if not row.onnx and row.name not in OVERRIDES:
            raise w.refuse(equation, "ONNX has no operator of this meaning",
                           "write it of other operations, or add a name to the row")  # fmt: skip
        OVERRIDES.get(row.name, KINDS[row.kind])(w, row, equation)
    outputs, seen = [], {*feeds}
    for at in program.outputs:
        name, made = w.called[at], program.values[at]
        if made.weak or at in seen:
            name = w.emit("Identity", [w.operand(at, made.dtype)])
        seen.add(at)
        outputs.append(onnx.helper.make_tensor_value_info(name, w.type_of(made.dtype), made.shape))
    ordered = [info for _, info in sorted(inputs, key=lambda pair: pair[0])]
    graph = onnx.helper.make_graph(w.nodes, _identifier(program.name), ordered, outputs, w.initializers)
    return onnx.helper.make_model_gen_version(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="micrograd"
    )


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name) or "graph"


def to_onnx(
    f_or_graph: Callable[..., Any] | Graph, path: str | os.PathLike[str], *args: Any, names: list[str] | None = None
) -> Any:
    """Write the function, the model or the traced graph to an ONNX file, and check that it computes the same.

    Inputs are the arrays among `args`, in order; parameters and constants become initialisers. Values have the names
    that the author gives them. The file is for the shapes of `args`. It is checked by `onnx.checker`, run by ONNX's
    reference evaluator on `args`, and written only if the results are those of NumPy, up to rounding
    (`micrograd.export.programs.rounding`).

    Batch norm comes out as the operations it is composed of, so no convention of momentum (ONNX weighs the old value,
    PyTorch the new one) or of the variance is left to be converted.

    Args:
        f_or_graph: a function of arrays, a module in evaluation mode, or what `micrograd.trace` answered.
        path: of the file.
        *args: arguments to capture the function with; of a graph that has been run they may be left out.
        names: of the inputs, where the author's are not wanted.

    Returns:
        The `onnx.ModelProto`.

    Raises:
        MissingExtraError: onnx is not installed. GraphError: an operation that ONNX has no word for, or a model that is
            training. NumericalError: the file computes something else.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "f.onnx")
    >>> model = to_onnx(lambda x: np.tanh(x) ** 2, path, np.zeros(3, np.float32))
    >>> [node.op_type for node in model.graph.node]
    ['Tanh', 'Pow']
    """
    onnx = _require_onnx()
    if isinstance(f_or_graph, Graph):
        program = from_graph(f_or_graph)
        inputs = [node.name for node in f_or_graph.inputs]
        args = args or tuple(f_or_graph.value[name] for name in inputs)
        if len(args) != len(inputs):
            raise GraphError(
                f"graph {program.name} takes {len(inputs)} input(s) ({', '.join(inputs)}); got {len(args)}."
            )
    else:
        program = pure(f_or_graph, args, {})
    given = {v: np.asarray(x) if not program.values[v].weak else x for v, x in feeds_of(program, args, {}).items()}
    for feed in program.feeds:
        if feed.kind == "argument" and np.shape(given[feed.value]) != program.values[feed.value].shape:
            raise GraphError(f"{program.values[feed.value].name} has shape {np.shape(given[feed.value])}; "
                             f"the graph was made for {program.values[feed.value].shape}.")  # fmt: skip
    known = evaluate(program, given)
    leaves = [name for name, _ in paths(tuple(args))]
    if names is not None and len(names) != len(leaves):
        raise GraphError(f"{len(names)} name(s) for {len(leaves)} argument(s); give one each.")
    model = _model(program, known, names or [])
    onnx.checker.check_model(model, full_check=True)
    _compare(model, program, given, known)
    onnx.save(model, os.fspath(path))
    return model


def _compare(model: Any, program: Program, given: Mapping[int, Any], known: Mapping[int, Any]) -> None:
    """Run the file by ONNX's own evaluator and compare."""
    arguments = sorted((feed.position, feed.value) for feed in program.feeds if feed.kind == "argument")
    feeds = {info.name: given[v] for info, (_, v) in zip(model.graph.input, arguments, strict=True)}
    with np.errstate(all="ignore"):
        answers = _require_onnx().reference.ReferenceEvaluator(model).run(None, feeds)
    bounds = rounding(program, given)
    for info, value, theirs, bound in zip(model.graph.output, program.outputs, answers, bounds, strict=True):
        ours = np.asarray(known[value])
        with np.errstate(all="ignore"):
            apart = np.abs(np.asarray(theirs, float) - ours.astype(float))
        same = np.array_equal(np.isfinite(theirs), np.isfinite(ours)) and np.shape(theirs) == ours.shape
        worst = float(apart[np.isfinite(ours)].max(initial=0.0)) if same else np.inf
        if worst > bound:
            raise NumericalError(
                f"{info.name}: the ONNX file answers numbers {worst:.2g} from ours, where rounding explains "
                f"{bound:.2g}; nothing was written. This is a fault of micrograd or of onnx.reference: please tell us."
            )
