"""Write the nodes and initializers of an ONNX file, and every number in it that depends on the batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from micrograd.errors import GraphError, MissingExtraError
from micrograd.export.onnx.batches import ONE_SIZE, Captures, line_of
from micrograd.program.program import Equation, Operand
from micrograd.source.names import unique

__all__ = ["WIDER", "Numbers", "OnnxWriter", "require_onnx"]

WIDER = {"bool": "float32", "int8": "int32", "uint8": "int32", "int16": "int32", "uint16": "int32"}
"""What is computed in where ONNX has no arithmetic. Cast back, a sum of truth values is NumPy's: their 'or'."""


Numbers = Operand | tuple[float, ...]
"""A value by its index, a number, or one number for each size of the batch."""


def require_onnx() -> Any:
    """Return the module `onnx`. Raises MissingExtraError where it is not installed."""
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
        import onnx.reference
    except ImportError as error:
        raise MissingExtraError("to_onnx needs onnx, which is not installed: pip install onnx") from error
    return onnx


class OnnxWriter:
    """Collect the nodes and initializers of one file.

    Args:
        captures: of the program that is written; at several sizes of the batch where that is left open.
        batch: the name of the open axis; empty where there is none.
    """

    def __init__(self, captures: Captures, batch: str = "") -> None:
        self.onnx, self.captures, self.batch = require_onnx(), captures, batch
        self.program = captures.programs[0]
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.taken: dict[str, int] = {}
        self.called = [unique(value.name or f"value_{at}", self.taken) for at, value in enumerate(self.program.values)]
        self.constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.lines: dict[tuple[tuple[int, int], ...], str] = {}
        self.length = ""
        self.at: Equation | None = None
        self.made_by: dict[str, Equation | None] = {}
        self.widened = False  # whether what is being written is computed in a wider dtype

    def emit(self, op: str, inputs: list[str], out: str = "", **attrs: Any) -> str:
        """Add a node, and return the name of its output."""
        out = out or unique(f"{op.lower()}_of_{inputs[0] or 'none'}", self.taken)
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [out], name=out, **attrs))
        self.made_by[out] = self.at
        return out

    def constant(self, array: Any, hint: str = "constant") -> str:
        """Return the name of an initializer with these entries; equal ones are one."""
        array = np.asarray(array)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self.constants:
            self.constants[key] = name = unique(hint, self.taken)
            self.initializer(array, name)
        return self.constants[key]

    def initializer(self, array: Any, name: str) -> None:
        """Add an initializer of that name."""
        whole = np.ascontiguousarray(array).reshape(np.shape(array))
        if not whole.size:  # which ONNX Runtime cannot read from a file
            none = self.onnx.numpy_helper.from_array(np.zeros(1, whole.dtype))
            shape = self.constant(np.array(whole.shape, np.int64), "shape")
            self.emit("ConstantOfShape", [shape], name, value=none)
            return
        self.initializers.append(self.onnx.numpy_helper.from_array(whole, name))

    def type_of(self, dtype: str) -> int:
        """Return ONNX's number of a dtype."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def dtype(self, equation: Equation) -> str:
        """Return the dtype that an equation is computed in."""
        made = self.program.values[equation.out].dtype
        return WIDER[made] if self.widened else made

    def narrowed(self, equation: Equation, write: Callable[[], None]) -> None:
        """Write an equation in a wider dtype, and cast the result to its own."""
        name, dtype = self.called[equation.out], self.program.values[equation.out].dtype
        self.called[equation.out], self.widened = unique(f"{name}_wide", self.taken), True
        write()
        self.emit("Cast", [self.called[equation.out]], name, to=self.type_of(dtype))
        self.called[equation.out], self.widened = name, False

    # ---- operands ------------------------------------------------------------------------------------

    def operands(self, equation: Equation) -> list[Numbers]:
        """Return the operands of an equation; for a number that depends on the batch, its value at each size."""
        columns = zip(*(twin.operands for twin in self.captures.of(equation)), strict=True)
        return [column[0] if len(set(column)) == 1 else tuple(map(float, column)) for column in columns]

    def operand(self, operand: Numbers, dtype: str) -> str:
        """Return the name of an operand, cast where its dtype is another; numbers take the dtype they stand beside."""
        if isinstance(operand, tuple):
            return self.number(operand, dtype)
        if isinstance(operand, float):
            return self.constant(np.asarray(operand, dtype), _number_name(operand))
        value = self.program.values[operand]
        if value.weak:
            numbers = tuple(float(known[operand]) for known in self.captures.known)
            if len(set(numbers)) == 1 or all(n != n for n in numbers):
                return self.constant(np.asarray(self.captures.known[0][operand], dtype), self.called[operand])
            return self.number(numbers, dtype)
        if value.dtype == dtype:
            return self.called[operand]
        return self.emit("Cast", [self.called[operand]], to=self.type_of(dtype))

    # ---- what depends on the batch -------------------------------------------------------------------

    def size(self) -> str:
        """Return the name of the length of the batch, an int64 array of one entry."""
        if not self.length:
            first = next(
                self.called[f.value] for f in self.program.feeds if f.kind == "argument" and self.is_open(f.value)
            )
            self.length = self.emit("Shape", [first], unique(f"{self.batch}_size", self.taken), start=0, end=1)
        return self.length

    def is_open(self, value: int) -> bool:
        """Say whether the first axis of a value is the batch."""
        return bool(self.batch) and [shape[:1] for shape in self.captures.shapes(value)] == [
            (m,) for m in self.captures.sizes
        ]

    def whole(self, numbers: Sequence[Sequence[int]], hint: str) -> str:
        """Return the name of an int64 array whose entries are these for the sizes of the batch, one row each."""
        if len({len(row) for row in numbers}) > 1:
            raise self.refuse(f"has another number of {hint} for another batch", ONE_SIZE)
        columns = list(zip(*numbers, strict=True))
        if all(len(set(column)) == 1 for column in columns):
            return self.constant(np.array(numbers[0], np.int64), hint)
        lines = [line_of(column, self.captures.sizes) for column in columns]
        if None in lines:
            raise self.refuse(f"its {hint} is no a + b * {self.batch} for a batch of {self.batch}", ONE_SIZE)
        key = tuple(line for line in lines if line is not None)
        if key not in self.lines:
            starts, steps = (np.array(part, np.int64) for part in zip(*key, strict=True))
            name = self.emit("Mul", [self.size(), self.constant(steps, "per_example")])
            self.lines[key] = self.emit("Add", [name, self.constant(starts, "besides")]) if starts.any() else name
        return self.lines[key]

    def number(self, numbers: tuple[float, ...], dtype: str) -> str:
        """Return the name of a number that depends on the batch, as N does, or 1/N."""
        for turned in (False, True):
            with np.errstate(all="ignore"):
                values = np.divide(1.0, numbers) if turned else np.array(numbers)
            whole = np.round(values)
            if (
                not np.allclose(values, whole, rtol=1e-12, atol=0)
                or line_of([int(n) for n in whole], self.captures.sizes) is None
            ):
                continue
            size = self.emit("Squeeze", [self.whole([[int(n)] for n in whole], "number")])
            made = self.emit("Cast", [size], to=self.type_of(dtype))
            return self.emit("Reciprocal", [made]) if turned else made
        raise self.refuse(f"reads a number that is {', '.join(f'{n:g}' for n in numbers)} for other batches", ONE_SIZE)

    def same(self, arrays: Sequence[Any], hint: str) -> str:
        """Return the name of an array made for each batch: the same, one number throughout, or 0, 1, 2, ..."""
        first = np.asarray(arrays[0])
        if all(np.array_equal(first, other, equal_nan=first.dtype.kind == "f") for other in arrays[1:]):
            return self.constant(first, hint)
        shapes = [np.shape(array) for array in arrays]
        if first.size and all(np.all(array == first.flat[0]) for array in arrays):
            return self.emit("Expand", [self.constant(first.flat[0], hint), self.whole(shapes, "shape")])
        if all(np.array_equal(array, np.arange(np.size(array))) for array in arrays) and first.dtype == np.int64:
            end = self.emit("Squeeze", [self.whole(shapes, "length")])
            return self.emit("Range", [self.constant(np.int64(0), "zero"), end, self.constant(np.int64(1), "one")])
        raise self.refuse("reads an array of constants made for one batch", ONE_SIZE)

    def check(self, model: Any) -> Any:
        """Return a model that ONNX's checker accepts.

        Raises:
            GraphError: an operator is not defined for the dtype that it stands for.
        """
        try:
            self.onnx.checker.check_model(model, full_check=True)
        except self.onnx.shape_inference.InferenceError as error:
            if "unsupported type" not in str(error):
                raise
            op, name, dtype = re.findall(r"op_type:(\w+), node name: (.*?)\):.*tensor\((\w+)\)", str(error))[0]
            self.at = self.made_by.get(name)
            raise self.refuse(f"ONNX defines {op} for no {dtype}", "cast before it, x.astype(np.float64)") from None
        return model

    def refuse(self, what: str, instead: str) -> GraphError:
        """Return an error that names the node that is being written, and the user's line."""
        if self.at is None:
            return GraphError(f"{self.program.name}: {what}; {instead}.")
        name = self.program.values[self.at.out].name or f"value {self.at.out}"
        at = f" at line {self.at.line}" if self.at.line else ""
        return GraphError(f"{name} = {self.at.op}{at}: {what}; {instead}.")


def _number_name(number: float) -> str:
    return f"number_{number:g}".replace(".", "_").replace("-", "minus_").replace("+", "")
