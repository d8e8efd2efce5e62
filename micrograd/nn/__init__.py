"""Networks composed of primitives: layers on arrays, and Karpathy's neurons on single numbers."""

from micrograd import namesake as _namesake  # noqa: F401 (first: it says why the engine may be missing)
from micrograd.nn.layers import (
    GELU,
    BatchNorm1d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    mlp,
)
from micrograd.nn.module import Module, Parameter
from micrograd.nn.scalar import MLP, Layer, Neuron

__all__ = [
    "GELU",
    "MLP",
    "BatchNorm1d",
    "Dropout",
    "Flatten",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Module",
    "Neuron",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "mlp",
]
