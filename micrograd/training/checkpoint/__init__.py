"""Checkpoints: model, optimizer and random state in one safetensors file, whole or not at all.

`files` says how a file replaces another, `tensors` what is in one, `state` what of a training goes in and comes back.
"""

from micrograd.training.checkpoint.state import Checkpoint, load, peek, save

__all__ = ["Checkpoint", "load", "peek", "save"]
