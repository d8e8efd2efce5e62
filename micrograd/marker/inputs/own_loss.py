"""A backward that takes labels which its forward does not: it begins at a loss, which another function computes.

``forward_propagation(X, parameters)`` returns probabilities, ``compute_cost(A, Y)`` their loss, and
``backward_propagation(X, Y, cache)`` the gradients of that loss. The two are joined to the forward that is meant.
"""

from __future__ import annotations

import ast

from micrograd.marker.inputs.conventions import role_of
from micrograd.marker.inputs.pairs import CACHE, Pair, words_of
from micrograd.marker.student.statements import defined, function_in, parameters_of, returned

__all__ = ["with_own_loss"]


def with_own_loss(source: str, pair: Pair) -> tuple[str, str]:
    """Return the text with a forward that ends in the file's own loss, and that forward's name.

    The text and the name as they are where the backward needs no labels, or no function takes them.

    >>> text = '''def f_forward(x): return x, x
    ... def cost(x, y): return ((x - y) ** 2).sum()
    ... def f_backward(y, cache): return 2 * (cache - y)'''
    >>> with_own_loss(text, Pair("f_forward", "f_backward", "function", 3))[1]
    'f_forward_and_cost'
    """
    plain, said = (source, pair.forward), returned(source, pair.forward)
    forward, backward = function_in(source, pair.forward), function_in(source, pair.backward)
    if pair.kind != "function" or forward is None or backward is None or said is None:
        return plain
    given, caches = parameters_of(source, pair.forward), [a.arg for a in backward.args.args if CACHE.fullmatch(a.arg)]
    names = [name or caches[0] for name in said[0]] if len(caches) == 1 and said[0].count("") == 1 else said[0]
    known = {*given, *names}
    labels = [a.arg for a in backward.args.args if role_of(a.arg) == "labels" and a.arg not in known]
    loss = _loss_in(source, {*given}) if len(labels) == 1 and all(names) else None
    if loss is None or _averages(loss) != _averages(backward):  # of a sum beside a mean nobody knows which is meant
        return plain
    name = f"{pair.forward}_and_{loss.name}"
    others = [a.arg for a in loss.args.args][1:]
    needed = others[: len(others) - len(loss.args.defaults)]
    passed = ", ".join([names[0], *(labels[0] if role_of(other) == "labels" else other for other in needed)])
    taken, kept = ", ".join(given), ", ".join(names)
    lines = [
        f"def {name}({taken}, {labels[0]}):",
        f"    {kept} = {pair.forward}({taken})",
        f"    return {loss.name}({passed}), {kept}",
    ]
    return f"{source.rstrip()}\n\n\n" + "\n".join(lines) + "\n", name


def _averages(function: ast.FunctionDef) -> bool:
    """Return whether a function divides, or takes a mean; its docstring does not count."""
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    divides = any(isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div) for node in nodes)
    return divides or any(isinstance(node, ast.Attribute) and node.attr in ("mean", "average") for node in nodes)


def _loss_in(source: str, given: set[str]) -> ast.FunctionDef | None:
    """Return the one function of a text that computes a loss of an output and labels, and needs no more than `given`.

    None where there are several: which is meant, nobody knows.
    """
    found = []
    for function in (f for name, f in defined(ast.parse(source).body).items() if "." not in name):
        own = [a.arg for a in function.args.args]
        needed = own[1 : len(own) - len(function.args.defaults)]
        if not {"loss", "cost"} & {*words_of(function.name)} or role_of(own[0] if own else "y") == "labels":
            continue
        labelled = [name for name in needed if role_of(name) == "labels"]
        if len(labelled) == 1 and {*needed} - {*labelled} <= given:
            found.append(function)
    return found[0] if len(found) == 1 else None
