"""Normalize batches, composed of primitives or by hand, in the training phase and in the test phase.

Three ways lead to the same numbers, so that each can be compared with the others:

- `batch_norm` is composed of the seven primitives and differentiated by the engine;
- `batchnorm_forward` and `batchnorm_backward` are plain NumPy, the forward pass in steps 1 to 9, the backward pass
  in steps 9 to 0;
- `batchnorm_backward_fused` is the backward pass as one formula.

`micrograd.batchnorm.tolerance.bn_bounds` computes how far apart they may be. In the test phase the statistics of the
whole population take the place of the batch's (`population_statistics`, `update_running_statistics`), and
normalization is a line per feature (`inference_scale_shift`).

Source: S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
Covariate Shift", ICML 2015; the training transform is its algorithm 1, the test phase its algorithm 2.
"""

from __future__ import annotations

from micrograd.batchnorm.batchnorm import (
    batch_norm,
    batch_norm_inference,
    batch_statistics,
    batchnorm_backward,
    batchnorm_backward_fused,
    batchnorm_forward,
    inference_scale_shift,
    population_statistics,
    update_running_statistics,
)
from micrograd.batchnorm.checks import BatchSizeWarning, PrecisionWarning

__all__ = [
    "BatchSizeWarning",
    "PrecisionWarning",
    "batch_norm",
    "batch_norm_inference",
    "batch_statistics",
    "batchnorm_backward",
    "batchnorm_backward_fused",
    "batchnorm_forward",
    "inference_scale_shift",
    "population_statistics",
    "update_running_statistics",
]
