"""Draw graphs with `draw`, to SVG or DOT without a system program, and learning curves with `training_curves`."""

from __future__ import annotations

from micrograd.drawing.picture import Picture as Picture
from micrograd.drawing.picture import draw as draw
from micrograd.drawing.plot import training_curves as training_curves

__all__ = ["Picture", "draw", "training_curves"]
