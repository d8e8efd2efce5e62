"""Follow a train step of the user's over several iterations, as data that a page shows."""

from __future__ import annotations

from micrograd.stepper.training.iterations import Iteration as Iteration
from micrograd.stepper.training.iterations import iterations as iterations
from micrograd.stepper.training.training_data import training_walk_data as training_walk_data

__all__ = ["Iteration", "iterations", "training_walk_data"]
