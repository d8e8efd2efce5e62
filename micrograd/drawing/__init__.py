"""Pictures of graphs: `draw` to SVG or DOT with no system program, `training_curves` for learning curves."""

from __future__ import annotations

from micrograd.drawing.picture import Picture as Picture
from micrograd.drawing.picture import draw as draw
from micrograd.drawing.plot import training_curves as training_curves

__all__ = ["Picture", "draw", "training_curves"]
