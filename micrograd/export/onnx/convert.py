"""Convert a program to an ONNX file, with one function for each kind of the table, and check the file.

Written for opset 18, the first in which the axes of all reductions are operands.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError, NumericalError
from micrograd.export.onnx.batches import ONE_SIZE, Captures, at_one_size, at_other_sizes, at_three_sizes, blocks_of
from micrograd.export.onnx.compositions import COMPOSITIONS
from micrograd.export.onnx.file import WIDER, OnnxWriter, require_onnx
from micrograd.export.programs import from_graph, pure, rounding
from micrograd.graph import Graph
from micrograd.primitives import TABLE, Primitive
from micrograd.program.indices import items_of, spelled_out
from micrograd.program.program import COMPARISONS, Equation, Index, dtype_of
from micrograd.pytree import paths

__all__ = ["KINDS", "OPSET", "OVERRIDES", "to_onnx"]

OPSET = 18

# ---- one function a kind ---------------------------------------------------------------------------------


def _map(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    dtype = w.dtype(equation)
    if row.name in COMPARISONS:
        dtype = dtype_of(w.program.values, equation.operands)
        dtype = WIDER.get(dtype, dtype)  # of truth values only equality is defined
    inputs = [w.operand(o, "bool" if row.name == "where" and not slot else dtype)
              for slot, o in enumerate(w.operands(equation))]  # fmt: skip
    operator = row.onnx
    if row.name == "pow":
        exponent = equation.attrs["exponent"]
        if exponent == 0.5:  # NumPy's operator is a root there: of -inf it is NaN, where a power is infinite
            operator = "Sqrt"
        else:
            inputs.append(w.constant(np.asarray(exponent, dtype), "exponent"))
    w.emit(operator, inputs, w.called[equation.out])


def _reduce(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    axis, keepdims = equation.attrs.get("axis"), equation.attrs.get("keepdims", False)
    inputs = [w.operand(equation.operands[0], w.dtype(equation))]
    if axis is not None:
        inputs.append(w.constant(np.atleast_1d(np.asarray(axis, np.int64)), "axes"))
    attrs: dict[str, Any] = {"keepdims": int(keepdims), "noop_with_empty_axes": int(axis == ())}
    out = w.called[equation.out]
    if row.name != "max" or not w.dtype(equation).startswith("float"):
        w.emit(row.onnx, inputs, out, **attrs)
        return
    # runtimes pass over a NaN in a maximum; in a sum of sizes they do not, and nothing else makes one there
    sizes = w.emit("ReduceL1", inputs, **attrs)
    w.emit("Where", [w.emit("IsNaN", [sizes]), sizes, w.emit(row.onnx, inputs, **attrs)], out)


def _contract(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    dtype = w.dtype(equation)
    w.emit(row.onnx, [w.operand(o, dtype) for o in w.operands(equation)], w.called[equation.out])


def _move(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    inputs = [w.operand(o, w.program.values[equation.out].dtype) for o in w.operands(equation)]
    attrs: dict[str, dict[str, Any]] = {
        "reshape": {"allowzero": 1},
        "transpose": {"perm": [int(a) for a in equation.attrs.get("axes", ())]},
        "concatenate": {"axis": equation.attrs.get("axis", 0)},
    }
    if row.name in ("reshape", "broadcast"):
        inputs.append(w.whole(w.captures.shapes(equation.out), "shape"))
    w.emit(row.onnx, inputs, w.called[equation.out], **attrs.get(row.name, {}))


def _scan(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    x = w.operand(equation.operands[0], w.dtype(equation))
    axis = w.constant(np.asarray(equation.attrs["axis"], np.int64), "axis")
    w.emit(row.onnx, [x, axis], w.called[equation.out], reverse=int(equation.attrs.get("reverse", False)))


KINDS: dict[str, Callable[[OnnxWriter, Primitive, Equation], None]] = {
    "map": _map,
    "reduce": _reduce,
    "contract": _contract,
    "call": _contract,
    "scan": _scan,
    "move": _move,
}
"""The function that writes the rows of each kind."""


# ---- rows that ONNX spells with more than one node --------------------------------------------------------


def _cast(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    source = equation.operands[0]
    dtype = w.program.values[source].dtype if isinstance(source, int) else "float64"
    to = w.type_of(w.program.values[equation.out].dtype)
    w.emit(row.onnx, [w.operand(source, dtype)], w.called[equation.out], to=to)


def _not_equal(w: OnnxWriter, row: Primitive, equation: Equation) -> None:  # noqa: ARG001 (called as all are)
    dtype = dtype_of(w.program.values, equation.operands)
    equal = w.emit(TABLE["equal"].onnx, [w.operand(o, dtype) for o in w.operands(equation)])
    w.emit("Not", [equal], w.called[equation.out])


def _gather(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    source = equation.operands[0]
    x, out = w.operand(source, w.program.values[equation.out].dtype), w.called[equation.out]
    items = items_of(equation.attrs["index"])
    if any(isinstance(item, Index) for item in items):
        w.emit(row.onnx, [x, _stacked(w, equation)], out)
    elif all(item is Ellipsis or isinstance(item, (slice, int, np.integer, type(None))) for item in items):
        _slice(w, x, equation, out)
    else:
        _at_positions(w, x, equation, w.captures.shapes(source), out)


def _at_positions(w: OnnxWriter, x: str, equation: Equation, shapes: Sequence[tuple[int, ...]], out: str) -> None:
    """Write a fixed index as positions in the flat array, or in the examples of a batch of open size."""
    places = [_places(twin, shape) for twin, shape in zip(w.captures.of(equation), shapes, strict=True)]
    if all(np.array_equal(places[0], other) for other in places[1:]):
        flat = w.emit("Reshape", [x, w.constant(np.array([-1]), "shape")])
        w.emit(TABLE["gather"].onnx, [flat, w.constant(places[0][..., None], "index")], out)
        return
    sizes, totals = w.captures.sizes, [int(np.prod(shape, dtype=int)) for shape in shapes]
    blocks = blocks_of([place.ravel() for place in places], sizes, totals)
    if blocks is None:
        raise w.refuse("its index is not the same for every example", ONE_SIZE)
    rows = w.emit("Reshape", [x, w.whole([(m, blocks.length) for m in sizes], "shape")])
    taken = w.emit("Gather", [rows, w.constant(blocks.base, "index")], axis=1)
    if len(blocks.base) > 1:
        taken = w.emit("Transpose", [taken], perm=[1, 0, 2])
    w.emit("Reshape", [taken, w.whole(w.captures.shapes(equation.out), "shape")], out, allowzero=1)


def _places(equation: Equation, shape: tuple[int, ...]) -> Any:
    return np.arange(int(np.prod(shape, dtype=int))).reshape(shape)[equation.attrs["index"]]


def _slice(w: OnnxWriter, x: str, equation: Equation, out: str) -> None:
    """Write an index of slices, whole numbers and new axes: as a Slice, and a Reshape where the axes change."""
    shapes = w.captures.shapes(equation.operands[0])
    found = [_bounds(twin.attrs["index"], shape)
             for twin, shape in zip(w.captures.of(equation), shapes, strict=True)]  # fmt: skip
    if any(len(bounds) for bounds in found):
        hints = ("starts", "ends", "axes", "steps")
        x = w.emit("Slice", [x, *(w.whole([[row[place] for row in bounds] for bounds in found], hint)
                                  for place, hint in enumerate(hints))])  # fmt: skip
    w.emit("Reshape", [x, w.whole(w.captures.shapes(equation.out), "shape")], out, allowzero=1)


def _axes(index: Any, rank: int) -> list[Any]:
    """Return the part of the index for each axis of the operand."""
    return [item for item in spelled_out(index, rank) if item is not None]


def _bounds(index: Any, shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """Return start, end, axis and step along each axis of which not everything is taken, as ONNX spells them."""
    found = []
    for axis, (item, size) in enumerate(zip(_axes(index, len(shape)), shape, strict=True)):
        whole = not isinstance(item, slice)
        start, end, step = (int(item) % size, int(item) % size + 1, 1) if whole else item.indices(size)
        if (start, end, step) != (0, size, 1):
            found.append((start, end if end >= 0 else -size - 1, axis, step))  # -1 would count from the end
    return found


def _scatter(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    dtype = w.dtype(equation)
    x, out, items = (
        w.operand(equation.operands[0], dtype),
        w.called[equation.out],
        items_of(equation.attrs["index"]),
    )
    if any(isinstance(item, Index) for item in items):
        stacked = _stacked(w, equation)
        w.emit(row.onnx, [_zeros(w, w.captures.shapes(equation.out), dtype), stacked, x], out, reduction="add")
        return
    shapes = w.captures.shapes(equation.out)
    if all(isinstance(item, slice) and item.step in (None, 1) for item in items):  # zeros around the operand
        pads = []
        for twin, shape in zip(w.captures.of(equation), shapes, strict=True):
            bounds = [item.indices(size) for item, size in
                      zip(_axes(twin.attrs["index"], len(shape)), shape, strict=True)]  # fmt: skip
            pads.append(
                [start for start, _, _ in bounds] + [n - end for (_, end, _), n in zip(bounds, shape, strict=True)]
            )
        w.emit("Pad", [x, w.whole(pads, "pads")], out)
        return
    places = [_places(twin, shape) for twin, shape in zip(w.captures.of(equation), shapes, strict=True)]
    if any(not np.array_equal(places[0], other) for other in places[1:]):
        raise w.refuse("adds at positions made for one batch", ONE_SIZE)
    zeros = _zeros(w, [(int(np.prod(shape, dtype=int)),) for shape in shapes], dtype)
    flat = w.emit(row.onnx, [zeros, w.constant(places[0][..., None], "index"), x], reduction="add")
    w.emit("Reshape", [flat, w.whole(shapes, "shape")], out, allowzero=1)


def _zeros(w: OnnxWriter, shapes: Sequence[tuple[int, ...]], dtype: str) -> str:
    return w.same([np.zeros(shape, dtype) for shape in shapes], "zeros")


def _stacked(w: OnnxWriter, equation: Equation) -> str:
    """Stack arrays of whole numbers that index the first axes along a new last axis."""
    columns = list(zip(*(items_of(twin.attrs["index"]) for twin in w.captures.of(equation)), strict=True))
    if not all(isinstance(column[0], (Index, np.ndarray)) for column in columns):
        raise w.refuse("ONNX indexes only the first axes by arrays that are arguments", "transpose before the index")
    shapes = []
    for number in range(len(w.captures.sizes)):
        parts = [w.captures.shapes(column[0].value)[number] if isinstance(column[0], Index) else column[number].shape
                 for column in columns]  # fmt: skip
        shapes.append(np.broadcast_shapes(*parts))
    shape = w.whole(shapes, "shape")
    spread = []
    for column in columns:
        if isinstance(column[0], Index):
            name, dtype = w.called[column[0].value], w.program.values[column[0].value].dtype
            name = name if dtype == "int64" else w.emit("Cast", [name], to=w.type_of("int64"))
        else:
            name = w.same([array.astype(np.int64) for array in column], "index")
        wide = w.emit("Expand", [name, shape])
        spread.append(w.emit("Unsqueeze", [wide, w.constant(np.array([-1]), "axes")]))
    return spread[0] if len(spread) == 1 else w.emit("Concat", spread, axis=-1)


def _where(w: OnnxWriter, row: Primitive, equation: Equation) -> None:
    made = w.program.values[equation.out]
    if made.dtype != "bool":
        KINDS[row.kind](w, row, equation)
        return
    mask, x, y = (w.operand(o, "bool") for o in w.operands(equation))  # ONNX Runtime chooses between no truth values
    chosen = w.emit("And", [mask, x])
    w.emit("Or", [chosen, w.emit("And", [w.emit("Not", [mask]), y])], w.called[equation.out])


OVERRIDES: dict[str, Callable[[OnnxWriter, Primitive, Equation], None]] = {
    "cast": _cast,
    "not_equal": _not_equal,
    "gather": _gather,
    "scatter": _scatter,
    "where": _where,
    **COMPOSITIONS,
}
"""Rows that need more than one node of their name; a test keeps the list short."""


_EXACT = COMPARISONS | {"cast"}  # whose results are of their dtype in ONNX too


def _computes(row: Primitive) -> bool:
    return row.kind != "move" or row.name == "scatter"


# ---- a whole file ----------------------------------------------------------------------------------------


def _model(captures: Captures, names: list[str], batch: str) -> Any:
    """Return the ONNX model of a program."""
    w = OnnxWriter(captures, batch)
    program, onnx, inputs = w.program, w.onnx, []
    feeds = {feed.value for feed in program.feeds}
    for feed in program.feeds:
        value = program.values[feed.value]
        if feed.kind == "argument":
            if names and feed.position < len(names) and names[feed.position]:
                w.called[feed.value] = names[feed.position]
            inputs.append((feed.position, _info(w, feed.value, w.called[feed.value])))
    for feed in program.feeds:
        value = program.values[feed.value]
        if feed.kind != "argument" and not value.weak:
            arrays = [np.asarray(known[feed.value], value.dtype) for known in captures.known]
            if all(np.array_equal(arrays[0], other, equal_nan=arrays[0].dtype.kind == "f") for other in arrays[1:]):
                w.initializer(arrays[0], w.called[feed.value])
            else:
                w.called[feed.value] = w.same(arrays, w.called[feed.value])
    for equation in program.equations:
        row, w.at = TABLE[equation.op], equation
        if program.values[equation.out].weak:
            continue  # a number, known now
        if not row.onnx and row.name not in OVERRIDES:
            raise w.refuse(
                "ONNX has no operator of this meaning", "compose it of other operations, or add a name to the row"
            )
        write = functools.partial(OVERRIDES.get(row.name, KINDS[row.kind]), w, row, equation)
        if program.values[equation.out].dtype in WIDER and row.name not in _EXACT and _computes(row):
            w.narrowed(equation, write)
        else:
            write()
    outputs, seen = [], {*feeds}
    for at in program.outputs:
        name, made = w.called[at], program.values[at]
        if made.weak or at in seen:
            name = w.emit("Identity", [w.operand(at, made.dtype)])
        seen.add(at)
        outputs.append(_info(w, at, name))
    ordered = [info for _, info in sorted(inputs, key=lambda pair: pair[0])]
    graph = onnx.helper.make_graph(w.nodes, _identifier(program.name), ordered, outputs, w.initializers)
    model = onnx.helper.make_model_gen_version(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], producer_name="micrograd"
    )
    return w.check(model)


def _info(w: OnnxWriter, value: int, name: str) -> Any:
    """Return type and shape of an input or output; a length that depends on the batch has its name, or none."""
    lengths = [
        axis[0] if len(set(axis)) == 1 else w.batch if axis == w.captures.sizes else None
        for axis in zip(*w.captures.shapes(value), strict=True)
    ]
    return w.onnx.helper.make_tensor_value_info(name, w.type_of(w.program.values[value].dtype), lengths)


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name) or "graph"


def to_onnx(
    f_or_graph: Callable[..., Any] | Graph,
    path: str | os.PathLike[str],
    *args: Any,
    names: list[str] | None = None,
    batch: str | None = None,
) -> Any:
    """Write a function, a model or a traced graph to an ONNX file, and check that it computes the same.

    Inputs are the arrays among `args`, in order; parameters and constants become initializers. Values have the names
    of your variables. The file is for the shapes of `args`, or with `batch` for any length of the first axis:
    then the function is captured for two more lengths, and what differs between them becomes a formula of the length.

    The file is checked by `onnx.checker`, run by ONNX's reference evaluator on `args` (with `batch` at all three
    lengths, and at others up to 8191 whose arrays are small), and written only if the results are those of NumPy, up to
    rounding (`micrograd.export.programs.rounding`).

    Batch norm is written as the operations it is composed of, so no convention of momentum (ONNX weighs the old value,
    PyTorch the new one) or of the variance has to be converted.

    Args:
        f_or_graph: a function of arrays, a module in evaluation mode, or a graph from `micrograd.trace`.
        path: of the file.
        *args: arguments to capture the function with; of a graph that has been run they may be left out.
        names: of the inputs, in place of those in your code.
        batch: a name such as ``"N"`` for the first axis of the arguments that are as long as the first array, which is
            then left open. Not for graphs, which are of one size.

    Returns:
        The `onnx.ModelProto`.

    Raises:
        MissingExtraError: onnx is not installed. GraphError: an operation that ONNX does not have, a model that is
            training, or with `batch` a function that computes something else for another length. ShapeError: no
            argument has an axis to leave open. NumericalError: the file computes something else. OSError: the file
            cannot be written.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "f.onnx")
    >>> model = to_onnx(lambda x: np.tanh(x) ** 2, path, np.zeros((4, 3), np.float32), batch="N")
    >>> [node.op_type for node in model.graph.node]
    ['Tanh', 'Pow']
    >>> [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    ['N', 3]
    """
    onnx = require_onnx()
    if batch is not None and not str(batch).isidentifier():
        raise GraphError(f'batch is {batch!r}; expected a name for the axis that is left open, as batch="N".')
    if isinstance(f_or_graph, Graph):
        if batch is not None:
            raise GraphError(
                f"graph {f_or_graph.name} was traced for one size; pass the function itself to leave the batch open."
            )
        program = from_graph(f_or_graph)
        inputs = [node.name for node in f_or_graph.inputs]
        args = args or tuple(f_or_graph.value[name] for name in inputs)
        if len(args) != len(inputs):
            raise GraphError(
                f"graph {program.name} takes {len(inputs)} input(s) ({', '.join(inputs)}); got {len(args)}."
            )
        captures = at_one_size(program, args)
    elif batch is None:
        captures = at_one_size(pure(f_or_graph, args, {}), args)
    else:
        captures = at_three_sizes(f_or_graph, args)
    if not captures.programs[0].outputs:
        raise GraphError(f"{captures.programs[0].name} returns no array and no number, which a file could hold; return "
                         "what it computes.")  # fmt: skip
    leaves = [name for name, _ in paths(tuple(args))]
    if names is not None and len(names) != len(leaves):
        raise GraphError(f"{len(names)} name(s) for {len(leaves)} argument(s); give one each.")
    model = _model(captures, names or [], batch or "")
    for number in range(len(captures.sizes)):
        _compare(model, captures, number)
    if batch is not None:
        for length, other in at_other_sizes(f_or_graph, args, captures):
            _require_same(model, other, length, captures.sizes[0])
    onnx.save(model, os.fspath(path))
    return model


def _require_same(model: Any, captures: Captures, length: int, size: int) -> None:
    """Require that the file computes what the function does for a batch of another length, or fails where it is short.

    Raises:
        GraphError: it computes something else, or fails for a longer batch.
    """
    try:
        _compare(model, captures, 0)
    except Exception as error:
        if isinstance(error, NumericalError) or length > size:
            raise GraphError(f"{captures.programs[0].name} computes something else for a batch of {length} than for "
                             f"one of {size}; {ONE_SIZE}.") from error  # fmt: skip


def _compare(model: Any, captures: Captures, number: int) -> None:
    """Run the file with ONNX's own evaluator at one size, and compare."""
    program, given, known = captures.programs[number], captures.given[number], captures.known[number]
    arguments = sorted((feed.position, feed.value) for feed in program.feeds if feed.kind == "argument")
    feeds = {info.name: given[v] for info, (_, v) in zip(model.graph.input, arguments, strict=True)}
    with np.errstate(all="ignore"):
        outputs = require_onnx().reference.ReferenceEvaluator(model).run(None, feeds)
    bounds = rounding(program, given)
    for info, value, theirs, bound in zip(model.graph.output, program.outputs, outputs, bounds, strict=True):
        ours = np.asarray(known[value])
        with np.errstate(all="ignore"):
            apart = np.abs(np.asarray(theirs, float) - ours.astype(float))
        far, same = ~np.isfinite(ours), np.shape(theirs) == ours.shape
        same = same and np.array_equal(np.asarray(theirs, float)[far], ours.astype(float)[far], equal_nan=True)
        same = same and np.array_equal(~np.isfinite(theirs), far)
        worst = float(apart[np.isfinite(ours)].max(initial=0.0)) if same else np.inf
        if worst > bound:
            raise NumericalError(
                f"{info.name}: the ONNX file computes numbers {worst:.2g} from those of NumPy, where rounding explains "
                f"{bound:.2g}; nothing was written. This is a fault of micrograd or onnx.reference: please report it."
            )
