"""Decide what is in a picture: a box per statement, a wire per edge, a frame per stage; without coordinates."""

from __future__ import annotations

from micrograd.drawing.view.build import CROWD as CROWD
from micrograd.drawing.view.build import view_of as view_of
from micrograd.drawing.view.gradients import gradient_names as gradient_names
from micrograd.drawing.view.pieces import EM as EM
from micrograd.drawing.view.pieces import LEADING as LEADING
from micrograd.drawing.view.pieces import Block as Block
from micrograd.drawing.view.pieces import Box as Box
from micrograd.drawing.view.pieces import Frame as Frame
from micrograd.drawing.view.pieces import TextLine as TextLine
from micrograd.drawing.view.pieces import View as View
from micrograd.drawing.view.pieces import Wire as Wire
from micrograd.drawing.view.pieces import nested as nested
from micrograd.drawing.view.pieces import turned as turned

__all__ = [
    "CROWD", "EM", "LEADING", "Block", "Box", "Frame", "TextLine", "View", "Wire", "gradient_names", "nested", "turned",
    "view_of",
]  # fmt: skip
