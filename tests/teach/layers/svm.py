"""The multiclass hinge loss and its gradient in one function."""

import numpy as np


def svm_loss(x, y):
    N = x.shape[0]
    correct_class_scores = x[np.arange(N), y]
    margins = np.maximum(0, x - correct_class_scores[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N

    dmargins = np.ones_like(x) / N
    dx = dmargins * (margins > 0)
    num_pos = np.sum(margins > 0, axis=1)
    dx[np.arange(N), y] -= num_pos / N
    return loss, dx
