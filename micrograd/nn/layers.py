"""Layers on arrays: each a few primitives, one line a step, so that a traced network reads as it is written."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from micrograd import functional as f
from micrograd.batchnorm import batch_norm_inference, batch_norm_with_statistics, update_running_statistics
from micrograd.composites import shape_of
from micrograd.errors import DTypeError, ShapeError
from micrograd.modes import capturing
from micrograd.nn.module import Module, Parameter

__all__ = [
    "GELU", "BatchNorm1d", "Dropout", "Flatten", "LeakyReLU", "Linear", "ReLU", "Sequential", "SiLU", "Sigmoid",
    "Softplus", "Tanh", "mlp",
]  # fmt: skip

Seed = np.random.Generator | int | None


def _float_dtype(dtype: Any) -> np.dtype[Any]:
    found: np.dtype[Any] = np.dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"dtype is {found}; parameters need a float dtype, np.float32 or np.float64.")
    return found


def _size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least 1.")
    return int(value)


def _columns(layer: Module, x: Any, wanted: int) -> None:
    shape = shape_of(x)
    if len(shape) != 2 or shape[1] != wanted:
        raise ShapeError(
            f"{layer!r} got shape {shape}; expected (N, {wanted}): one row an example. "
            "Reshape or transpose x, or build the layer with another size."
        )


class Linear(Module):
    """``x @ weight + bias``.

    Args:
        inputs: columns of `x`.
        outputs: columns of the result.
        bias: whether a bias is added.
        init: ``"he"`` (normal, std ``sqrt(2 / inputs)``, for relu; He et al., 2015) or ``"glorot"`` (uniform, limit
            ``sqrt(6 / (inputs + outputs))``, for tanh and sigmoid; Glorot and Bengio, 2010). The bias starts at 0.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Attributes:
        weight: (inputs, outputs), the transpose of PyTorch's.
        bias: (outputs,), or None.

    Raises:
        ValueError: a size below 1, an unknown `init`. DTypeError: a dtype that is no float.
        ShapeError: when called on anything but (N, inputs).

    >>> Linear(2, 3, rng=0)(np.ones((4, 2))).shape
    (4, 3)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool = True,
        init: str = "he",
        rng: Seed = None,
        dtype: Any = np.float64,
    ) -> None:
        self.inputs, self.outputs = _size("inputs", inputs), _size("outputs", outputs)
        dtype, rng = _float_dtype(dtype), np.random.default_rng(rng)
        shape = (self.inputs, self.outputs)
        if init == "he":
            weight = rng.normal(0.0, np.sqrt(2.0 / inputs), shape)
        elif init == "glorot":
            limit = np.sqrt(6.0 / (inputs + outputs))
            weight = rng.uniform(-limit, limit, shape)
        else:
            raise ValueError(f"init is {init!r}; expected 'he' (for relu) or 'glorot' (for tanh and sigmoid).")
        self.weight = Parameter(weight.astype(dtype))
        self.bias = Parameter(np.zeros(self.outputs, dtype)) if bias else None

    def forward(self, x: Any) -> Any:
        """(N, inputs) to (N, outputs)."""
        _columns(self, x, self.inputs)
        scores = x @ self.weight
        if self.bias is None:
            return scores
        return scores + self.bias

    def __repr__(self) -> str:
        return f"Linear({self.inputs}, {self.outputs}{', bias=False' if self.bias is None else ''})"


class BatchNorm1d(Module):
    """Batch normalization over the rows of an (N, D) batch (Ioffe and Szegedy, 2015).

    In training the batch's own mean and biased variance (1/N) are used, and the running statistics move:
    ``running = (1 - momentum) * running + momentum * batch``, with the *unbiased* variance, m/(m-1) times the biased.
    In evaluation the running statistics are used, in the folded form ``scale * x + shift``.

    Args:
        features: D, columns of `x`.
        eps: added to the variance.
        momentum: weight of the new value, as in PyTorch (ONNX and TensorFlow weigh the old one); None takes
            the plain mean over all batches seen, the population statistics of the paper.
        dtype: float32 or float64.

    Attributes:
        gamma, beta: parameters (D,), scale and shift, from 1 and 0.
        running_mean, running_var, num_batches_tracked: buffers.

    Raises:
        ValueError: a size below 1, eps that is not positive, a momentum outside 0..1.
        ShapeError: when called on anything but (N, D), or in training on a single row.

    >>> layer = BatchNorm1d(2)
    >>> out = layer(np.array([[0.0, 10.0], [2.0, 30.0]]))
    >>> out.data.round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> layer.running_mean
    array([0.1, 2. ])
    """

    buffers: ClassVar[tuple[str, ...]] = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(
        self, features: int, *, eps: float = 1e-5, momentum: float | None = 0.1, dtype: Any = np.float64
    ) -> None:
        self.features, dtype = _size("features", features), _float_dtype(dtype)
        if not eps > 0.0:
            raise ValueError(
                f"eps is {eps}; expected a positive number such as 1e-5, or a constant column divides by 0."
            )
        if momentum is not None and not 0.0 <= momentum <= 1.0:
            raise ValueError(f"momentum is {momentum}; expected 0 to 1, the weight of the new value, or None.")
        self.eps, self.momentum = float(eps), momentum
        self.gamma, self.beta = Parameter(np.ones(self.features, dtype)), Parameter(np.zeros(self.features, dtype))
        self.running_mean: np.ndarray[Any, Any] = np.zeros(self.features, dtype)
        self.running_var: np.ndarray[Any, Any] = np.ones(self.features, dtype)
        self.num_batches_tracked = 0

    def forward(self, x: Any) -> Any:
        """(N, D) to (N, D)."""
        _columns(self, x, self.features)
        if not self.training:
            return batch_norm_inference(x, self.gamma, self.beta, self.running_mean, self.running_var, self.eps)
        if shape_of(x)[0] < 2:
            raise ShapeError(
                f"{self!r} in training got one row, whose variance is 0 whatever it holds; "
                "pass at least two, or call eval() first."
            )
        out, mu, var = batch_norm_with_statistics(x, self.gamma, self.beta, self.eps)
        self._track(mu, var, shape_of(x)[0])  # last, so that a refused batch leaves no trace
        return out

    def _track(self, mu: Any, var: Any, m: int) -> None:
        share: Any = self.momentum
        if (capture := capturing()) is not None:
            count = capture.counted(vars(self), "num_batches_tracked")
            share = capture.host(lambda: 1.0 / count()) if share is None else share
        else:
            mu, var = (s.raw if isinstance(s, Parameter) else s for s in (mu, var))  # averages carry no graph
            self.num_batches_tracked += 1
            share = 1.0 / self.num_batches_tracked if share is None else share
        self.running_mean, self.running_var = update_running_statistics(
            self.running_mean, self.running_var, mu, var, m=m, momentum=share
        )

    def __repr__(self) -> str:
        return f"BatchNorm1d({self.features}, eps={self.eps:g}, momentum={self.momentum})"


class Dropout(Module):
    """In training, sets entries to 0 with probability `rate` and divides the others by ``1 - rate``.

    Args:
        rate: 0 <= rate < 1.
        rng: a NumPy Generator, or a seed for one.

    Raises:
        ValueError: a rate out of range.

    >>> Dropout(0.5, rng=0)(np.ones(4))
    array([2., 0., 0., 0.])
    """

    def __init__(self, rate: float = 0.5, *, rng: Seed = None) -> None:
        self.rate, self.rng = rate, np.random.default_rng(rng)
        f.dropout(np.ones(0), rate, self.rng)  # refuses a bad rate now rather than in the first batch

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.dropout(x, self.rate, self.rng, training=self.training)

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"


class ReLU(Module):
    """``max(x, 0)``; see `micrograd.functional.relu`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.relu(x)


class LeakyReLU(Module):
    """`x` where positive, ``slope * x`` elsewhere; see `micrograd.functional.leaky_relu`."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = float(slope)

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.leaky_relu(x, self.slope)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class Tanh(Module):
    """The hyperbolic tangent; see `micrograd.functional.tanh`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.tanh(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``; see `micrograd.functional.sigmoid`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.sigmoid(x)


class Softplus(Module):
    """``log(1 + exp(x))``; see `micrograd.functional.softplus`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.softplus(x)


class SiLU(Module):
    """``x * sigmoid(x)``; see `micrograd.functional.silu`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.silu(x)


class GELU(Module):
    """The Gaussian error linear unit, tanh form; see `micrograd.functional.gelu`."""

    def forward(self, x: Any) -> Any:
        """Any shape to the same shape."""
        return f.gelu(x)


class Flatten(Module):
    """All axes but the first in one: (N, 8, 8) to (N, 64)."""

    def forward(self, x: Any) -> Any:
        """(N, ...) to (N, D)."""
        return x.reshape(shape_of(x)[0], -1)


class Sequential(Module):
    """Modules, or any functions of one argument, one after the other.

    >>> Sequential(Linear(2, 3), ReLU())
    Sequential(
      0: Linear(2, 3)
      1: ReLU()
    )
    """

    def __init__(self, *layers: Any) -> None:
        for position, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"layer {position} is a {type(layer).__name__}; pass modules, as in Sequential(a, b).")
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """What the last layer answers."""
        h = x
        for layer in self.layers:
            h = layer(h)
        return h

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __repr__(self) -> str:
        lines = [f"  {i}: " + repr(layer).replace("\n", "\n  ") for i, layer in enumerate(self.layers)]
        return "\n".join(["Sequential(", *lines, ")"]) if lines else "Sequential()"


def mlp(
    sizes: list[int],
    *,
    batch_norm: bool = False,
    activation: type[Module] = ReLU,
    dropout: float = 0.0,
    rng: Seed = None,
    dtype: Any = np.float64,
) -> Sequential:
    """A multi-layer perceptron on arrays: between its linear layers an activation, before it batch norm if asked for.

    Args:
        sizes: inputs, hidden sizes, outputs, as in ``[64, 64, 64, 10]``.
        batch_norm: put `BatchNorm1d` between each hidden linear layer (then without bias: batch norm would
            subtract it again) and its activation.
        activation: a module class without arguments.
        dropout: the rate of a `Dropout` after each activation; 0 for none.
        rng: a NumPy Generator, or a seed for one.
        dtype: float32 or float64.

    Raises:
        ValueError: fewer than two sizes.

    >>> mlp([64, 32, 10], batch_norm=True)
    Sequential(
      0: Linear(64, 32, bias=False)
      1: BatchNorm1d(32, eps=1e-05, momentum=0.1)
      2: ReLU()
      3: Linear(32, 10)
    )
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes are {sizes}; expected at least two, inputs and outputs, as in [64, 10].")
    rng = np.random.default_rng(rng)
    init = "glorot" if activation in (Tanh, Sigmoid) else "he"
    layers: list[Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers.append(Linear(inputs, outputs, bias=not batch_norm, init=init, rng=rng, dtype=dtype))
        layers += [BatchNorm1d(outputs, dtype=dtype)] if batch_norm else []
        layers.append(activation())
        layers += [Dropout(dropout, rng=rng)] if dropout else []
    layers.append(Linear(sizes[-2], sizes[-1], init="glorot", rng=rng, dtype=dtype))
    return Sequential(*layers)
