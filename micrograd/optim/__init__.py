"""Update parameters: optimizers, schedules of the learning rate, and clipping of gradients."""

from micrograd.optim.clipping import clip_grad_norm, clip_grad_value
from micrograd.optim.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from micrograd.optim.schedules import Schedule, cosine, exponential, linear, one_cycle, step_decay, warmup

__all__ = [
    "SGD", "Adam", "AdamW", "Optimizer", "RMSProp", "Schedule", "clip_grad_norm", "clip_grad_value", "cosine",
    "exponential", "linear", "one_cycle", "step_decay", "warmup",
]  # fmt: skip
