"""Save model, optimizer and random state to one safetensors file, and load them, whole or not at all.

`files` replaces one file by another, `tensors` reads and writes the format, `state` what of a training goes in.
"""

from micrograd.training.checkpoint.state import Checkpoint, load, peek, save

__all__ = ["Checkpoint", "load", "peek", "save"]
