"""Build networks of primitives: layers on arrays, and Karpathy's neurons on single numbers."""

from micrograd import name_conflict as _namesake  # noqa: F401 (first: it says why the engine may be missing)
from micrograd.nn.activations import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from micrograd.nn.attention import Embedding, MultiHeadAttention
from micrograd.nn.convolution import AvgPool2d, Conv2d, MaxPool2d
from micrograd.nn.linear import Linear
from micrograd.nn.module import Module, Parameter
from micrograd.nn.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm
from micrograd.nn.overview import summary
from micrograd.nn.scalar import MLP, Layer, Neuron
from micrograd.nn.sequential import Dropout, Flatten, Sequential, mlp
from micrograd.nn.unit_variance import lsuv

__all__ = [
    "GELU",
    "MLP",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "Neuron",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "lsuv",
    "mlp",
    "summary",
]
