"""Which function goes with which: found in the text of a file, without running it.

`batchnorm_forward` goes with `batchnorm_backward`, `Affine.forward` with `Affine.backward`; a loss that returns
``(loss, dx)`` is both at once.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from micrograd.errors import GraphError
from micrograd.marker.gradient_names import arrives, gradient_target
from micrograd.marker.student.statements import defined, is_static, returns_of

__all__ = ["CACHE", "Pair", "chosen", "is_slope", "pairs_in", "unpaired", "words_of"]

_DERIVATIVE = {"grad", "gradient", "derivative", "deriv", "prime"}
_FORWARD = {"forward", "forwards", "fwd", "fw"}
CACHE = re.compile(r"(?:\w*_)?(?:caches?|ctx|context|saved|memory|memo|stash|stored|tape|intermediates?)(?:_\w+)?\d*")
"""What a forward keeps for its backward, by its name."""
_BACKWARD = {"backward", "backwards", "bwd", "bw", "backprop", "bprop", "back", "vjp", "grads", "gradients"}
_BACKWARD |= _DERIVATIVE
_WAY = {"feed", "pass", "prop", "propagate", "propagates", "propagation", "step"}
"""What a method's name says beside its direction: ``feed_forward``, ``propagateBackwards``."""
_METHODS = (
    _FORWARD | {"feedforward", "fprop", "forwardprop"},
    {"backward", "backwards", "bwd", "bw", "back", "backprop", "bprop", "backpropagate", "backpropagation"},
    {"derivative", "deriv", "prime"},
)
"""Of a class: what the forward may be called, the backward, and the slope of an activation that has no backward."""
_VALUE = ("loss", "cost", "objective", "error", "energy", "value", "func", "fn", "f", "function")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True, slots=True)
class Pair:
    r"""A forward and the backward that differentiates it by hand.

    Attributes:
        forward, backward: names in the file; ``Affine.forward`` for a method. The same name twice for a loss that
            returns its gradients itself.
        kind: ``function``, ``loss`` or ``layer`` (two methods of one class).
        line: where the backward begins.

    >>> pairs_in("def f_forward(x): ...\ndef f_backward(dout, cache): ...")
    (Pair(forward='f_forward', backward='f_backward', kind='function', line=2),)
    """

    forward: str
    backward: str
    kind: str
    line: int


def words_of(name: str) -> list[str]:
    """Return the words in a name, in small letters.

    >>> words_of("feedForward"), words_of("__backprop__")
    (['feed', 'forward'], ['backprop'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def _split(name: str, directions: set[str]) -> tuple[str, ...] | None:
    """Return the words of a name without the one that says the direction; None where none says it."""
    words = words_of(name)
    at = [i for i, word in enumerate(words) if word in directions]
    return tuple(words[: at[-1]] + words[at[-1] + 1 :]) if at else None


def _takes(backward: ast.FunctionDef, forward: ast.FunctionDef) -> bool:
    """Return whether a backward can be called: with arguments of the forward's, an upstream gradient and a cache."""
    needed = backward.args.args[: len(backward.args.args) - len(backward.args.defaults)]
    own = {argument.arg for argument in (*forward.args.posonlyargs, *forward.args.args, *forward.args.kwonlyargs)}
    alone = len(needed) == 1 and _DERIVATIVE & {*words_of(backward.name)}  # sigmoid_prime(s)
    return bool(alone) or all(p.arg in own or arrives(p.arg) or CACHE.fullmatch(p.arg) for p in needed)


def is_slope(pair: Pair) -> bool:
    """Return whether a backward is called like one that multiplies nothing: ``df(x)``, ``f_prime(x)``."""
    return bool(_DERIVATIVE & {*words_of(pair.backward)}) or pair.backward.lstrip("d_") == pair.forward


def _is_loss(function: ast.FunctionDef) -> bool:
    """Return whether it returns a loss first and gradients after it, by the names that it returns or is called by."""
    results = [result for result in returns_of(function) if isinstance(result, ast.Tuple) and len(result.elts) >= 2]
    called = {"loss", "losses", "cost", "criterion"} & set(words_of(function.name))
    for result in results:
        first, second = result.elts[0], result.elts[1]
        lossy = isinstance(first, ast.Name) and {"loss", "cost", "error", "l", "j"} & set(words_of(first.id))
        names = second.elts if isinstance(second, ast.Tuple) else [second]
        inside = [n.id for entry in names for n in ast.walk(entry) if isinstance(n, ast.Name)]
        graded = any(gradient_target(name) or "grad" in name.lower() for name in inside)
        if (lossy or called) and (graded or (called and lossy and isinstance(second, (ast.Name, ast.Dict)))):
            return True
    return False


def _directions(methods: Iterable[str]) -> tuple[str, str]:
    """Return which methods of a class are its forward and its backward, by their names; empty where there is none.

    >>> _directions(["__init__", "feedForward", "back_propagate"])
    ('feedForward', 'back_propagate')
    """
    names = list(methods)
    said = {name: {*words_of(name)} - _WAY for name in names}
    forward, backward, slope = (
        next((name for name in names if said[name] and said[name] <= words), "") for words in _METHODS
    )
    forward = next((name for name in ("forward", "__call__") if name in names), forward)
    return forward, "backward" if "backward" in names else backward or slope


def _is_abstract(function: ast.FunctionDef) -> bool:
    """Return whether a method is there for its name only: it raises NotImplementedError, or returns NotImplemented."""
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    marks = {node.id for s in body for node in ast.walk(s) if isinstance(node, ast.Name)}
    return all(isinstance(s, (ast.Pass, ast.Raise, ast.Return)) for s in body) and (
        bool(marks & {"NotImplementedError", "NotImplemented"})
        or any(ast.unparse(mark).endswith("abstractmethod") for mark in function.decorator_list)
    )


def _parsed(source: str, file: str) -> ast.Module:
    try:
        return ast.parse(source, file)
    except SyntaxError as error:
        raise GraphError(f"{file}:{error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a NUL byte, brackets a thousand deep
        raise GraphError(f"{file}: cannot be read as Python ({error})") from None


def pairs_in(source: str, file: str = "the file") -> tuple[Pair, ...]:
    """Return the pairs of a file, in the order of its backwards.

    Args:
        source: the text of the file.
        file: its name, for messages.

    Raises:
        GraphError: the text is not Python; the message names the line.
    """
    tree = _parsed(source, file)
    known = defined(tree.body)
    functions = {name: function for name, function in known.items() if "." not in name}
    imported = [a.asname or a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names]
    forwards = {key: name for name in (*imported, *functions) if (key := _split(name, _FORWARD)) is not None}
    plain = {tuple(words_of(name)): name for name in functions if not {*_FORWARD, *_BACKWARD} & set(words_of(name))}
    found = []
    for name, function in functions.items():
        if name.startswith("_"):  # a helper of theirs
            continue
        key = _split(name, _BACKWARD)
        if key is None and name[:1] == "d" and (own := functions.get(name[1:].strip("_"))) and _takes(function, own):
            found.append(Pair(own.name, name, "function", function.lineno))  # f with df
            continue
        if key is None or _split(name, _FORWARD) is not None:
            if key is None and _is_loss(function):
                found.append(Pair(name, name, "loss", function.lineno))
            continue
        partner = forwards.get(key) or plain.get(key)
        if partner is None:  # regression_loss with regression_grad, loss_x with grad_x
            spelled = (plain.get(words) for value in _VALUE for words in ((*key, value), (value, *key)))
            partner = next((other for other in spelled if other and _takes(function, functions[other])), None)
        if partner is None and key:  # batchnorm_backward_alt is a second backward of batchnorm_forward
            starts = [other for other in forwards if other and other == key[: len(other)]]
            partner = forwards[max(starts, key=len)] if starts else None
        if partner is not None:
            found.append(Pair(partner, name, "function", function.lineno))
        elif _is_loss(function):  # softmaxLossAndGradient
            found.append(Pair(name, name, "loss", function.lineno))
    for owner, methods in _methods_in(known).items():
        forward, backward = _directions(methods)
        if forward and backward and not _is_abstract(methods[forward]):
            kind = "function" if is_static(methods[forward]) and is_static(methods[backward]) else "layer"
            found.append(Pair(f"{owner}.{forward}", f"{owner}.{backward}", kind, methods[backward].lineno))
    found += [Pair(name, name, "loss", f.lineno) for name, f in known.items() if "." in name and _is_loss(f)]
    return tuple(sorted(found, key=lambda pair: pair.line))


def unpaired(source: str, pairs: Sequence[Pair]) -> list[str]:
    r"""Return the backwards of a file that belong to no pair, which are not checked.

    >>> unpaired("def relu_backward(dout): ...", ())
    ['relu_backward']
    """
    known, functions = {pair.backward for pair in pairs}, defined(ast.parse(source).body)
    names = [name for name in functions if "." not in name and _split(name, _BACKWARD) is not None and name[0] != "_"]
    for owner, methods in _methods_in(functions).items():
        forward, backward = _directions(methods)
        if backward and not (forward and _is_abstract(methods[forward])):
            names.append(f"{owner}.{backward}")
    return [name for name in names if name not in known]


def _methods_in(functions: Mapping[str, ast.FunctionDef]) -> dict[str, dict[str, ast.FunctionDef]]:
    """Return the methods of each class, of functions that are called ``Class.method``."""
    found: dict[str, dict[str, ast.FunctionDef]] = {}
    for name, function in functions.items():
        owner, _, last = name.rpartition(".")
        if owner:
            found.setdefault(owner, {})[last] = function
    return found


def _defined(tree: ast.Module) -> dict[str, int]:
    """Return what the file defines or imports, with lines.

    Methods as ``Class.method``. ``*`` stands for a star import.
    """
    names: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name): node.lineno for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id: node.lineno for target in node.targets if isinstance(target, ast.Name)}
    return names | {name: function.lineno for name, function in defined(tree.body).items()}


def _listed(tree: ast.Module) -> str:
    """Return the names of a text's functions, as far as a message has room for them."""
    names = [name for name in defined(tree.body) if "." not in name]
    more = [f"and {len(names) - 10} more"] if len(names) > 10 else []
    return ", ".join(names[:10] + more) or "no functions"


def chosen(source: str, file: str, forward: str | None = None, backward: str | None = None) -> tuple[Pair, ...]:
    r"""Return the pair of these names; where one name is left out, the pairs found by themselves that have the other.

    Raises:
        GraphError: the text is not Python, it defines no such function, or no pair is found in it.

    >>> chosen("def f(x): ...\ndef g(dout, x): ...", "a.py", "f", "g")[0].kind
    'function'
    """
    tree = _parsed(source, file)
    names = _defined(tree)
    for name in (forward, backward):
        if name is not None and name not in names and "*" not in names:
            near = difflib.get_close_matches(name, names, 3)
            there = f"did you mean {', '.join(near)}?" if near else f"it defines {_listed(tree)}."
            raise GraphError(f"{file}: no function {name!r}; {there}")
    if forward is not None and backward is not None:
        own = defined(tree.body).get(backward)
        layer = "." in forward and forward.split(".")[0] == backward.split(".")[0] and not (own and is_static(own))
        kind = "loss" if forward == backward else "layer" if layer else "function"
        return (Pair(forward, backward, kind, names.get(backward, 1)),)
    found = pairs_in(source, file)
    fitting = tuple(p for p in found if forward in (None, p.forward) and backward in (None, p.backward))
    if fitting:
        return fitting
    if found:
        raise GraphError(
            f"{file}: {forward or backward} belongs to no pair that is found by itself (these are: "
            f"{', '.join(f'{p.forward} with {p.backward}' for p in found)}). Name both: --forward NAME --backward NAME."
        )
    raise GraphError(
        f"{file}: found no NAME_forward with its NAME_backward, and no loss that returns (loss, dx). "
        f"It defines {_listed(tree)}. Name yours: --forward NAME --backward NAME."
    )
