"""Read what a gradient is called: ``dx``, ``d_x``, ``grad_x``, ``x_grad``, ``dL_dx``, ``dJdw``, ``delta_x``, ``gW``.

A name is only a hint: whether a value is that gradient, its numbers say.
"""

from __future__ import annotations

import re

__all__ = ["arrives", "belongs", "gradient_target", "meanings", "node_of", "normal"]

_NAME = r"(?P<of>[^\W_]\w*)"
_SPELLINGS = tuple(
    (re.compile(pattern), like_a_word)
    for pattern, like_a_word in (
        (rf"(?:[dD]|grads?|gradients?|g|(?:delta_)?nabla|delta|del|partial)_+{_NAME}", False),
        (r"(?P<of>\w+?)_(?:grads?|gradients?)", False),
        (rf"(?:grad|delta){_NAME}", True),
        (rf"[dD](?!elta){_NAME}", True),
        (rf"g(?=[A-Z]){_NAME}", False),  # gW; gx is often gamma * x
        (r"(?P<of>\w+?)(?:grads?|gradients?|_?bar|_d)", False),
    )
)
"""How a gradient is spelled, the surest way first, and whether a word may look the same: ``data``, ``gradient``."""
_OF_A_LOSS = re.compile(
    r"d(?P<loss>[Ll]oss|[Cc]ost|L|l|J|j|E|C)(?P<apart>_?)(?P<rest>[^\W\d_]\w*)|d_?out_(?P<out>d\w+)"
)
_FIRST_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Za-z][a-z]*")
_WORD = re.compile(
    r"data(set)?|dead|debug|decay(ed)?|decode[dr]|deep|defaults?|deg(rees?)?|del(ay|tas)?|demean(ed)?|denom(inator)?|"
    r"dens(e|ity)|depth|derivatives?|desired|det(ached)?|dev(ice|iations?)?|diag(onal)?|dict|diff(s|erences?)?|digits?|"
    r"dilation|dim(ension)?s?|dir(ection)?|discount|dist(ances?|ribution)?|div(ided?|idend|ision|isor)?|domain|done|"
    r"dots?|doubled?|down|drop(out|ped)?|dtypes?|dual|dummy|duplicate|duration|grad(e[drs]?|ients?|ing|s|ual|uate)"
)
"""Words that begin as the name of a gradient does."""
_ARRIVING = re.compile(
    r"d_?out\w*|d[yzah]\d?|g|grads?|grad_?out\w*|out\w*_grad|upstream\w*|delta\w*|error|dvalues|top_diff|dL\w*"
)


def _is_word(name: str) -> bool:
    first = _FIRST_WORD.match(name)
    return bool(first and _WORD.fullmatch(first[0].lower()))


def gradient_target(name: str) -> str:
    """Return what a name says it is the gradient of; empty where it says nothing of the kind.

    >>> [gradient_target(name) for name in ("dx", "dL_dx", "gradW", "x_grad", "delta_x", "data_grad", "data", "out")]
    ['x', 'x', 'W', 'x', 'x', 'data', '', '']
    """
    if loss := _OF_A_LOSS.fullmatch(name):
        rest = loss["out"] or loss["rest"]
        inner = re.fullmatch(rf"d_*{_NAME}", rest)
        if inner and not _is_word(rest):
            return inner["of"]
        if loss["loss"] in ("L", "J") and loss["apart"]:  # dL_w
            return rest
    for pattern, like_a_word in _SPELLINGS:
        found = pattern.fullmatch(name)
        if found and not (like_a_word and _is_word(name)):
            return found["of"]
    return ""


def meanings(name: str) -> list[tuple[str, int]]:
    """Return what a gradient's name may be the gradient of, with the number of the path (0: all of it).

    >>> meanings("dxmu2"), meanings("self.grad_w"), meanings("out")
    ([('xmu2', 0), ('xmu', 2)], [('w', 0)], [])
    """
    target = gradient_target(re.split(r"[.\[]", name)[-1].strip("]'\"")).strip("_")
    numbered = re.fullmatch(r"(\w*?[A-Za-z_])_?(\d)", target)
    whole = [(target, 0)] if target else []
    return [*whole, (numbered[1].strip("_"), int(numbered[2]))] if numbered else whole


def arrives(name: str) -> bool:
    """Return whether a name is usually that of the gradient that arrives: ``dout``, ``grad``, ``delta3``."""
    return _ARRIVING.fullmatch(name) is not None


def node_of(label: str) -> str:
    """Return the node whose gradient the engine calls so: ``var`` for ``dvar``; empty where no code can have that name.

    >>> node_of("dvar"), node_of("dx'"), node_of("batch_norm")
    ('var', '', '')
    """
    return label[1:] if label.startswith("d") and label.isidentifier() else ""


def normal(name: str) -> str:
    """Return a name without what styles differ in: case, underscores, primes.

    >>> normal("x_Hat'")
    'xhat'
    """
    return name.replace("_", "").replace("'", "").lower()


_SHORT = {"w": "weight", "weights": "weight", "b": "bias", "biases": "bias"}


def belongs(gradient: str, name: str) -> bool:
    """Return whether a gradient's name says that it belongs to an array.

    >>> belongs("dW", "W"), belongs("dw", "weights"), belongs("grad_bias", "b"), belongs("dx", "W")
    (True, True, True, False)
    """
    target, own = normal(gradient_target(gradient)), normal(name)
    return bool(target) and _SHORT.get(target, target) == _SHORT.get(own, own)
