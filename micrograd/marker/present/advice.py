"""What to change where an old solution meets a newer Python or NumPy: the messages of both name the trouble only."""

from __future__ import annotations

import re

from micrograd.marker.messages import problem

__all__ = ["hint"]

_PYTHON2 = {
    "xrange": "range", "raw_input": "input", "unicode": "str", "basestring": "str", "long": "int", "reduce":
    "functools.reduce", "unichr": "chr", "cPickle": "pickle", "iteritems": "items", "itervalues": "values",
    "iterkeys": "keys", "has_key": "in",
}  # fmt: skip
_NUMPY = {
    "float": "float", "int": "int", "bool": "bool", "object": "object", "lib.pad": "np.pad",
    "product": "np.prod",
    "cumproduct": "np.cumprod", "alltrue": "np.all", "sometrue": "np.any", "float_": "np.float64", "infty": "np.inf",
    "Inf": "np.inf", "NaN": "np.nan", "in1d": "np.isin", "row_stack": "np.vstack", "trapz": "np.trapezoid",
}  # fmt: skip


def hint(error: BaseException | str) -> str:
    r"""Return one more line of advice for an error of the student's code; empty where there is none.

    >>> hint(NameError("name 'xrange' is not defined"))
    '\nThis is Python 2; in Python 3 write range.'
    """
    text = str(error)
    if found := re.search(r"name '(\w+)' is not defined|object has no attribute '(\w+)'|No module named '(\w+)'", text):
        name = found[1] or found[2] or found[3]
        if name in _PYTHON2:
            return "\n" + problem("hint.python2", new=_PYTHON2[name])
    if "call to 'print'" in text:
        return "\n" + problem("hint.python2", new="print(...)")
    if found := re.search(r"module 'numpy(\.lib)?' has no attribute '(\w+)'|`np\.(\w+)` was removed", text):
        old = (found[1] or "")[1:] + ("." if found[1] else "") + (found[2] or found[3])
        if old in _NUMPY:
            return "\n" + problem("hint.numpy", old=f"np.{old}", new=_NUMPY[old])
    if re.search(
        r"expected a sequence of integers or a single integer, got '?[\d.]+'?|"
        r"'(numpy\.)?float\d*' object cannot be interpreted as an integer|slice indices must be integers|"
        r"only integers, slices .* are valid indices|'float' object cannot be interpreted",
        text,
    ):
        return "\n" + problem("hint.division")
    if re.search(r"(sum|mean|var|std)\(\) got multiple values for argument 'axis'", text):
        return "\n" + problem("hint.sum")
    if found := re.search(r"No module named '([\w.]+)'", text):
        return "\n" + problem("hint.module", name=found[1])
    return ""
