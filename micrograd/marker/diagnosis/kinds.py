"""What kind of mistake it is: from the numbers, got against expected on every probe, and from the edit that mends."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from micrograd.marker.diagnosis.examination import fits
from micrograd.marker.diagnosis.signatures import (
    constant_ratio,
    eps_ratio,
    path_difference,
    sizes_of,
    tensor_ratio,
    two_paths,
)
from micrograd.marker.gradient_names import meanings
from micrograd.marker.mistakes import BY_TAG
from micrograd.marker.repair.edits.base import Change, Edit
from micrograd.marker.truth.alignment import Quantities
from micrograd.marker.truth.cases import scale_of

__all__ = ["Evidence", "Kind", "classified"]

_SURE = {"returns", "returned", "assign", "accumulate", "call", "copy", "in_place", "unpack", "aug_sign", "eps_outside"}
"""Edits that say what kind of mistake it is, whatever the numbers are."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of mistake.

    Attributes:
        name: one of `micrograd.marker.report.KINDS`.
        ratio: got/expected as a formula.
        means: the quantity meant, where the numbers say it.
        edge: the path that is missing or wrong.
    """

    name: str
    ratio: str = ""
    means: str = ""
    edge: tuple[str, str] | None = None


@dataclass(slots=True)
class Evidence:
    """What is known of one mistake, per case.

    Attributes:
        got, wanted: values of the whole expression.
        inner_got, inner_wanted: values of the sub-expression that the edit exchanges.
        scopes: variables before the statement.
        quantities: what the engine knows.
        edit: what mends it, if anything was found.
        nonlinear: whether the value wanted is proportional to the upstream gradient and the one there is not.
        gradient: whether the sub-expression, or what comes in, is a gradient rather than a forward value.
        in_exponent: whether the edit is inside an exponent.
    """

    got: list[Any]
    wanted: list[Any]
    scopes: list[Mapping[str, Any]]
    quantities: Sequence[Quantities]
    inner_got: list[Any] = field(default_factory=list)
    inner_wanted: list[Any] = field(default_factory=list)
    edit: Edit | Change | None = None
    nonlinear: bool = False
    gradient: bool = False
    in_exponent: bool = False
    frozen: list[list[Any]] = field(default_factory=list)  # per case the inputs' gradients with statistics held fixed
    read: frozenset[str] = frozenset()  # the names in the expression

    @property
    def tag(self) -> str:
        """Return what the edit does."""
        return self.edit.tag if self.edit is not None else ""


def _usable(values: Sequence[Any]) -> bool:
    return bool(values) and all(
        isinstance(v, (np.ndarray, float, int, np.number)) and np.asarray(v).dtype.kind in "fiub" for v in values
    )


def _known(evidence: Evidence) -> list[dict[str, Any]]:
    """Forward values per case by name: the student's variables first, then the nodes of the forward."""
    made = []
    for scope, quantities in zip(evidence.scopes, evidence.quantities, strict=False):
        forward = {name: q.value for name, q in quantities.values.items()}
        named: dict[str, Any] = {
            name: value
            for name, value in scope.items()
            if isinstance(value, float)
            or (isinstance(value, np.ndarray) and value.dtype.kind == "f" and not meanings(name))
        }
        for name, value in forward.items():
            if isinstance(value, np.ndarray):
                named.setdefault(name, value)
        made.append(named)
    return made


def _eps(scope: Mapping[str, Any]) -> float | None:
    for name, value in scope.items():
        if "eps" in name.lower() and isinstance(value, (float, np.floating)):
            return float(value)
    for value in scope.values():
        if isinstance(value, dict):
            for key, entry in value.items():
                if "eps" in str(key).lower() and isinstance(entry, (float, np.floating)):
                    return float(entry)
    return None


def classified(evidence: Evidence) -> Kind:
    """Return the class of a mistake."""
    tag, edit = evidence.tag, evidence.edit
    if tag in _SURE:
        return Kind(BY_TAG[tag])
    pairs = [(evidence.got, evidence.wanted)]
    if evidence.inner_got:
        pairs.append((evidence.inner_got, evidence.inner_wanted))
    pairs = [pair for pair in pairs if _usable(pair[0]) and _usable(pair[1])]
    shaped = _by_shape(evidence, pairs)
    if shaped:
        return shaped
    if evidence.nonlinear and tag in ("name", "factor_name", "drop_factor", "rewritten", ""):
        return Kind("upstream_ignored")
    if tag in ("axis", "axis_missing", "axis_superfluous", "transpose", "index", "compare", "mask", "order"):
        return Kind(BY_TAG[tag])
    if evidence.in_exponent:
        return Kind("power")
    if tag == "factor_name" and isinstance(edit, Edit) and _is_mask(edit.detail, evidence.scopes):
        return Kind("mask")
    sizes = [sizes_of(scope) for scope in evidence.scopes] or [{}]
    sizes = sizes[: len(evidence.got)] + [sizes[-1]] * (len(evidence.got) - len(sizes))
    known = _known(evidence)
    eps = [_eps(scope) for scope in evidence.scopes]
    for got, wanted in pairs:
        if len(known) < len(got):
            continue
        constant = constant_ratio(got, wanted, sizes)
        if constant is not None and constant[1] != "1":
            return Kind(*constant)
        forgotten = eps_ratio(got, wanted, known, eps)
        if forgotten:
            return Kind("eps_missing", forgotten)
        if tag == "term_number":
            return Kind("eps_missing")
        for named in (_mine(known, evidence.scopes), known) if tag != "rewritten" else ():
            tensor = None if tag in ("complement", "exchange") or _sums(evidence) else tensor_ratio(got, wanted, named)
            if tensor is not None:
                return _by_tensor(evidence, *tensor)
    if _sums(evidence) and not evidence.gradient:
        return Kind("sign" if tag in ("operator", "exchange") else "swapped_value")
    path = _by_path(evidence, pairs)
    if path:
        return path
    if tag in ("", "term") and _constant_statistics(evidence):
        return Kind("constant_statistics")
    if tag == "" and pairs and len(evidence.quantities) >= len(pairs[0][0]):
        both = two_paths(*pairs[0], evidence.quantities[: len(pairs[0][0])])
        if both is not None:
            return Kind("path_missing", f"expected - {both[0].label} - {both[1].label}", "", both[0].edge)
    if tag == "name" and edit is not None and isinstance(edit, Edit):
        return Kind(_swapped(edit))
    if tag == "operator" and isinstance(edit, Edit) and isinstance(edit.node, ast.BinOp):
        return _by_operator(edit.node, edit.detail)
    if tag == "exchange" and isinstance(edit, Edit) and isinstance(edit.node, ast.BinOp):
        return Kind("sign" if isinstance(edit.node.op, ast.Sub) else "power")
    if (
        tag == "divide_name"
        and isinstance(edit, Edit)
        and any(name in re.findall(r"[A-Za-z_]\w*", edit.detail) for name in sizes[0])
    ):
        return Kind("count")
    if tag == "rewritten" and isinstance(edit, Edit):
        old = {n.id for n in ast.walk(edit.node) if isinstance(n, ast.Name)}
        more = old and old <= set(re.findall(r"[A-Za-z_]\w*", edit.new))
        return Kind("gamma_missing" if more else "operator")
    if tag:
        return Kind(BY_TAG.get(tag, "unknown"))
    return Kind("unknown")


def _mine(known: Sequence[dict[str, Any]], scopes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of the forward values those that the student has a name for."""
    return [{n: v for n, v in named.items() if n in scope} for named, scope in zip(known, scopes, strict=True)]


def _sums(evidence: Evidence) -> bool:
    """Return whether the edit is one of a sum: plus and minus, a term more or less."""
    edit = evidence.edit
    if not isinstance(edit, Edit):
        return False
    if evidence.tag == "operator":
        return isinstance(edit.node, ast.BinOp) and isinstance(edit.node.op, (ast.Add, ast.Sub)) and edit.detail in "+-"
    return evidence.tag in ("term", "drop_term") or (
        evidence.tag == "exchange" and isinstance(edit.node, ast.BinOp) and isinstance(edit.node.op, ast.Sub)
    )


def _is_mask(name: str, scopes: Sequence[Mapping[str, Any]]) -> bool:
    if "mask" in name.lower():
        return True
    value = scopes[0].get(name) if scopes else None
    return isinstance(value, np.ndarray) and (
        value.dtype.kind == "b" or (len(np.unique(value)) <= 2 < value.size and not np.all(value))
    )


def _by_shape(evidence: Evidence, pairs: Sequence[tuple[list[Any], list[Any]]]) -> Kind | None:
    """Mistakes that show in the shape, before any number is looked at."""
    if evidence.tag in ("axis", "axis_missing", "axis_superfluous", "unsummed", "keepdims"):
        return Kind(BY_TAG[evidence.tag])
    if evidence.edit is not None or not pairs:
        return None
    got, wanted = pairs[0]
    shapes = [(np.shape(a), np.shape(b)) for a, b in zip(got, wanted, strict=True)]
    if all(a == b for a, b in shapes):
        return None
    if all(np.size(a) == np.size(b) for a, b in zip(got, wanted, strict=True)):
        same = [scale_of(np.ravel(a) - np.ravel(b)) <= 1e-8 * scale_of(b) for a, b in zip(got, wanted, strict=True)]
        if all(same):
            return Kind("keepdims")
        return Kind("transposed") if all(a == b[::-1] and len(a) == 2 for a, b in shapes) else None
    if all(len(a) == 0 for a, _ in shapes):
        return Kind("no_axis")
    if all(len(a) > len(b) for a, b in shapes):
        return Kind("unsummed")
    return Kind("wrong_axis") if all(len(a) == len(b) for a, b in shapes) else None


def _by_tensor(evidence: Evidence, name: str, power: float, text: str) -> Kind:
    tag = evidence.tag
    if tag == "name":
        return Kind("swapped_value", text)
    if tag in ("power", "function"):
        return Kind("power", text)
    if tag == "operator" or (tag == "" and abs(power) != 1.0):
        return Kind("power", text)
    if "mask" in name.lower():
        return Kind("mask", text)
    if tag in ("factor_name", "divide_name"):
        return Kind("gamma_missing", text)
    if tag == "drop_factor":
        return Kind("gamma_twice", text)
    if tag == "" and (abs(power) != 1 or name in evidence.read):
        return Kind("power", text)
    return Kind("gamma_missing" if power < 0 else "gamma_twice", text)


def _by_path(evidence: Evidence, pairs: Sequence[tuple[list[Any], list[Any]]]) -> Kind | None:
    if evidence.tag not in ("", "term", "drop_term", "operator", "name", "drop_factor", "exchange"):
        return None
    quantities = evidence.quantities
    for got, wanted in pairs:
        if len(quantities) < len(got):
            continue
        found = path_difference(got, wanted, quantities[: len(got)])
        if found is not None:
            kind, quantity, text = found
            if evidence.tag == "operator" and kind != "path_sign":
                continue
            if evidence.tag == "name":
                kind = "wrong_path"
            return Kind(kind, text, "", quantity.edge)
    return None


def _constant_statistics(evidence: Evidence) -> bool:
    """Return whether the value there is the gradient that mean and variance would leave if they were constants."""
    if not evidence.frozen or len(evidence.frozen) != len(evidence.got) or not _usable(evidence.got):
        return False
    for got, wanted, frozen in zip(evidence.got, evidence.wanted, evidence.frozen, strict=True):
        if not any(fits(got, value) for value in frozen) or any(fits(wanted, value) for value in frozen):
            return False
    return True


def _swapped(edit: Edit) -> str:
    old = edit.node.id if isinstance(edit.node, ast.Name) else ""
    if meanings(old) and meanings(edit.detail):
        return "wrong_path"
    return "swapped_value"


def _by_operator(node: ast.BinOp, detail: str) -> Kind:
    """By the operator that is there and the one that belongs there."""
    there = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}.get(type(node.op), "")
    if {there, detail} == {"+", "-"}:
        return Kind("path_sign")
    if {there, detail} == {"*", "/"}:
        return Kind("power")
    return Kind("operator")
