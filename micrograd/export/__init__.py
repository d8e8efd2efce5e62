"""Export graphs to other runtimes, with `to_jax` and `to_onnx`."""

from micrograd.export.jax import to_jax
from micrograd.export.onnx.convert import to_onnx

__all__ = ["to_jax", "to_onnx"]
