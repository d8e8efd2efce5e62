"""Report that Karpathy's distribution `micrograd` is installed in the same folder as ours.

pip lets two distributions write the same file, and the later one wins.  Where his came later, or was removed, our
`__init__.py` and `engine.py` are gone: that is an error, instead of puzzling ones later.  Where ours came later
everything works until either is removed or upgraded: that is a warning.
"""

from __future__ import annotations

import os
import sys
import warnings

__all__ = ["NamesakeWarning"]

_MEND = (
    "This package serves his API (Value, Neuron, Layer, MLP) too, so keep one: `pip uninstall micrograd`, then "
    "`pip install --force-reinstall --no-deps micrograd-graph`."
)


class NamesakeWarning(UserWarning):
    """Two distributions own the folder `micrograd`."""


def _check() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    if not hasattr(sys.modules["micrograd"], "__version__"):
        raise ImportError(
            f"files of micrograd-graph in {folder} were overwritten or removed by another distribution named "
            f"`micrograd` (Karpathy's). {_MEND}"
        )
    if os.path.exists(os.path.join(folder, "nn.py")):  # a file of his alone: our nn is a folder
        warnings.warn(
            f"Karpathy's distribution `micrograd` is installed in the same folder as micrograd-graph ({folder}); "
            f"removing or upgrading either breaks the other. {_MEND}",
            NamesakeWarning,
            stacklevel=2,
        )


_check()
