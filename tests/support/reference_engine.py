"""A second engine, as slow and plain as can be: the gradient by every node, from the definition.

The gradient of a node is the sum, over each slot of each node that reads it, of what the rule of that slot
makes of the reader's gradient.  Memoised recursion over readers; un-broadcasting axis by axis; nothing shared with
`micrograd.engine` but the table.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Reference:
    def __init__(self, root: Any, seed: Any) -> None:
        self.root, self.seed = root, seed
        self.readers: dict[Any, list[tuple[Any, int]]] = {}
        self.memo: dict[Any, Any] = {}
        self.visit(root, set())

    def visit(self, node: Any, seen: set[Any]) -> None:
        if node in seen:
            return
        seen.add(node)
        for slot, operand in enumerate(node.operands):
            if operand is not None:
                self.readers.setdefault(operand, []).append((node, slot))
                self.visit(operand, seen)

    def gradient(self, node: Any) -> Any:
        if node not in self.memo:
            total = np.array(self.seed, float) if node is self.root else np.zeros(node.shape)
            for reader, slot in self.readers.get(node, []):
                part = self.edge(reader, slot)
                if part is not None:
                    total = total + part
            self.memo[node] = total
        return self.memo[node]

    def edge(self, reader: Any, slot: int) -> Any:
        row = reader.row
        rule = row.vjp[0] if row.variadic else row.vjp[slot]
        if rule is None:
            return None
        attrs = {**(reader.attrs or {}), **({"slot": slot} if row.variadic else {})}
        arrays = [np.asarray(a) for a in reader.args]
        part = rule(self.gradient(reader), np.asarray(reader.raw), *arrays, **attrs)
        return self.unbroadcast(np.asarray(part), arrays[slot].shape)

    @staticmethod
    def unbroadcast(part: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        while part.ndim > len(shape):
            part = part.sum(axis=0)
        for axis, size in enumerate(shape):
            if size == 1 and part.shape[axis] != 1:
                part = part.sum(axis=axis, keepdims=True)
        return np.broadcast_to(part, shape)
