"""Right batch norms, written in the ways people write them."""

import numpy as np


# ---- the staged graph, other names ---------------------------------------------------------------

def staged_names_forward(X, scale, shift, eps=1e-5):
    n = X.shape[0]
    mean = X.sum(axis=0) / n
    centered = X - mean
    squared = centered ** 2
    variance = squared.sum(axis=0) / n
    std = np.sqrt(variance + eps)
    inv = 1. / std
    normed = centered * inv
    Y = normed * scale + shift
    return Y, (normed, scale, centered, inv, std, n)


def staged_names_backward(grad_Y, cache):
    normed, scale, centered, inv, std, n = cache
    grad_shift = grad_Y.sum(axis=0)
    grad_scale = (grad_Y * normed).sum(axis=0)
    grad_normed = grad_Y * scale
    grad_inv = (grad_normed * centered).sum(axis=0)
    grad_centered = grad_normed * inv
    grad_std = -grad_inv / std ** 2
    grad_variance = grad_std / (2 * std)
    grad_squared = np.ones_like(centered) * grad_variance / n
    grad_centered = grad_centered + 2 * centered * grad_squared
    grad_mean = -grad_centered.sum(axis=0)
    grad_X = grad_centered + grad_mean / n
    return grad_X, grad_scale, grad_shift


# ---- the staged graph, the branch of the variance first --------------------------------------------

def staged_order_forward(x, gamma, beta, eps=1e-5):
    N = x.shape[0]
    mu = np.mean(x, axis=0)
    xmu = x - mu
    var = np.mean(xmu * xmu, axis=0)
    ivar = (var + eps) ** -0.5
    xhat = xmu * ivar
    out = gamma * xhat + beta
    return out, (gamma, xmu, ivar, xhat)


def staged_order_backward(dout, cache):
    gamma, xmu, ivar, xhat = cache
    N = len(dout)
    dxhat = gamma * dout
    divar = np.sum(xmu * dxhat, axis=0)
    dvar = divar * (-0.5) * ivar ** 3
    dsq = dvar / N
    dxmu2 = dsq * 2 * xmu
    dxmu1 = ivar * dxhat
    dmu = -np.sum(dxmu2, axis=0) - np.sum(dxmu1, axis=0)
    dx2 = np.tile(dmu / N, (N, 1))
    dx = dx2 + dxmu2 + dxmu1
    dgamma = np.sum(xhat * dout, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dx, dgamma, dbeta


# ---- products summed later -----------------------------------------------------------------------

def unsummed_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(0)
    xc = x - mu
    v = (xc ** 2).mean(0)
    s = np.sqrt(v + eps)
    xh = xc / s
    return gamma * xh + beta, (xc, s, xh, gamma)


def unsummed_backward(dout, cache):
    xc, s, xh, gamma = cache
    N, D = dout.shape
    dgamma_full = dout * xh
    dgamma = dgamma_full.sum(0)
    dxh = dout * gamma
    prod = dxh * xc
    scaled = prod / s ** 2
    ds = -scaled.sum(0)
    dv = ds * 0.5 / s
    dxc = dxh / s + xc * (2.0 / N) * dv
    shift = dxc / N
    dx = dxc - shift.sum(0)
    return dx, dgamma, dout.sum(0)


# ---- closed formulas -----------------------------------------------------------------------------

def one_line_forward(x, gamma, beta, bn_param):
    eps = bn_param.get('eps', 1e-5)
    xhat = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    return gamma * xhat + beta, (gamma, xhat, np.sqrt(x.var(axis=0) + eps))


def one_line_backward(dout, cache):
    gamma, xhat, std = cache
    dbeta, dgamma = dout.sum(axis=0), np.sum(dout * xhat, axis=0)
    return (gamma / std) * (dout - dbeta / len(dout) - xhat * dgamma / len(dout)), dgamma, dbeta


def mean_formula_forward(x, gamma, beta, bn_param):
    eps = bn_param.get('eps', 1e-5)
    mu = np.mean(x, axis=0)
    var = np.var(x, axis=0)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (x, mu, var, eps, gamma)


def mean_formula_backward(dout, cache):
    x, mu, var, eps, gamma = cache
    xhat = (x - mu) / np.sqrt(var + eps)
    dxhat = dout * gamma
    inner = dxhat - np.mean(dxhat, axis=0) - xhat * np.mean(dxhat * xhat, axis=0)
    return inner / np.sqrt(var + eps), np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def popular_formula_forward(x, gamma, beta, bn_param):
    eps = bn_param.get('eps', 1e-5)
    mean = x.mean(axis=0)
    var = x.var(axis=0)
    xhat = (x - mean) * (var + eps) ** (-1. / 2.)
    out = gamma * xhat + beta
    return out, (x, gamma, mean, var, eps)


def popular_formula_backward(dout, cache):
    x, gamma, mu, var, eps = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum((x - mu) * (var + eps)**(-1. / 2.) * dout, axis=0)
    dx = (1. / N) * gamma * (var + eps)**(-1. / 2.) * (N * dout - np.sum(dout, axis=0)
        - (x - mu) * (var + eps)**(-1.0) * np.sum(dout * (x - mu), axis=0))
    return dx, dgamma, dbeta


# ---- the paper's formulas ------------------------------------------------------------------------

def paper_long_forward(x, gamma, beta, bn_param):
    eps = bn_param.get('eps', 1e-5)
    mode = bn_param['mode']
    sample_mean = np.mean(x, axis=0)
    sample_var = np.var(x, axis=0)
    x_normalized = (x - sample_mean) / np.sqrt(sample_var + eps)
    out = gamma * x_normalized + beta
    cache = {}
    cache['x'] = x
    cache['x_normalized'] = x_normalized
    cache['sample_mean'] = sample_mean
    cache['sample_var'] = sample_var
    cache['gamma'] = gamma
    cache['eps'] = eps
    return out, cache


def paper_long_backward(dout, cache):
    N = dout.shape[0]
    gamma = cache['gamma']
    x_centered = cache['x'] - cache['sample_mean']
    inv_std = 1 / np.sqrt(cache['sample_var'] + cache['eps'])
    dx_normalized = dout * gamma
    dsample_var = np.sum(dx_normalized * x_centered * (-0.5) * inv_std ** 3, axis=0)
    dsample_mean = (np.sum(dx_normalized * (-inv_std), axis=0)
                    + dsample_var * np.mean(-2 * x_centered, axis=0))
    dx = (dx_normalized * inv_std
          + dsample_var * 2 * x_centered / N
          + dsample_mean / N)
    dgamma = np.sum(dout * cache['x_normalized'], axis=0)
    dbeta = np.sum(dout, axis=0)
    return dx, dgamma, dbeta


def paper_mean_short_forward(x, gamma, beta, bn_param):
    eps = bn_param.get('eps', 1e-5)
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, [x, mu, var, xhat, gamma, eps]


def paper_mean_short_backward(dout, cache):
    x, mu, var, xhat, gamma, eps = cache
    N = x.shape[0]
    dxhat = dout * gamma
    dvar = (dxhat * (x - mu) * -0.5 * (var + eps) ** (-1.5)).sum(axis=0)
    dmu = (-dxhat / np.sqrt(var + eps)).sum(axis=0)
    dx = dxhat / np.sqrt(var + eps) + dvar * 2.0 * (x - mu) / N + dmu / N
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


# ---- statistics of shape (1, D), gradients returned as (D,) ----------------------------------------

def keepdims_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0, keepdims=True)
    xmu = x - mu
    var = np.mean(xmu ** 2, axis=0, keepdims=True)
    sqrtvar = np.sqrt(var + eps)
    xhat = xmu / sqrtvar
    out = gamma * xhat + beta
    return out, (xmu, sqrtvar, xhat, gamma)


def keepdims_backward(dout, cache):
    xmu, sqrtvar, xhat, gamma = cache
    N = dout.shape[0]
    dbeta = np.sum(dout, axis=0, keepdims=True)
    dgamma = np.sum(dout * xhat, axis=0, keepdims=True)
    dxhat = dout * gamma
    dsqrtvar = np.sum(-dxhat * xmu / sqrtvar ** 2, axis=0, keepdims=True)
    dvar = 0.5 * dsqrtvar / sqrtvar
    dxmu = dxhat / sqrtvar + 2 * xmu * dvar / N
    dmu = -np.sum(dxmu, axis=0, keepdims=True)
    dx = dxmu + dmu / N
    return dx, dgamma.reshape(-1), dbeta.squeeze(0)


# ---- einsum --------------------------------------------------------------------------------------

def einsum_forward(x, gamma, beta, eps=1e-5):
    N = x.shape[0]
    mu = np.einsum('nd->d', x) / N
    xmu = x - mu
    var = np.einsum('nd,nd->d', xmu, xmu) / N
    ivar = 1 / np.sqrt(var + eps)
    xhat = np.einsum('nd,d->nd', xmu, ivar)
    out = np.einsum('nd,d->nd', xhat, gamma) + beta
    return out, (xhat, ivar, gamma)


def einsum_backward(dout, cache):
    xhat, ivar, gamma = cache
    N = xhat.shape[0]
    dbeta = np.einsum('nd->d', dout)
    dgamma = np.einsum('nd,nd->d', dout, xhat)
    dxhat = np.einsum('nd,d->nd', dout, gamma)
    m1 = np.einsum('nd->d', dxhat) / N
    m2 = np.einsum('nd,nd->d', dxhat, xhat) / N
    dx = np.einsum('nd,d->nd', dxhat - m1 - xhat * m2, ivar)
    return dx, dgamma, dbeta


# ---- everything computed again from the inputs -----------------------------------------------------

def recompute_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, (x, gamma, beta, eps)


def recompute_backward(dout, cache):
    x, gamma, beta, eps = cache
    N, D = x.shape
    mean = x.mean(axis=0)
    centered = x - mean
    var = (centered ** 2).sum(axis=0) / N
    root = np.sqrt(var + eps)
    x_hat = centered / root
    d_x_hat = dout * gamma
    d_root = np.sum(d_x_hat * -centered / root ** 2, axis=0)
    d_var = d_root * 1 / (2 * root)
    d_centered = d_x_hat / root + d_var * 2 * centered / N
    d_mean = np.sum(-d_centered, axis=0)
    d_x = d_centered + d_mean * np.ones((N, D)) / N
    return d_x, np.sum(dout * x_hat, axis=0), np.sum(dout, axis=0)


# ---- buffers and loops ---------------------------------------------------------------------------

def columns_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    mu = np.zeros(D)
    var = np.zeros(D)
    for j in range(D):
        mu[j] = x[:, j].mean()
        var[j] = ((x[:, j] - mu[j]) ** 2).mean()
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (xhat, var, gamma, eps)


def columns_backward(dout, cache):
    xhat, var, gamma, eps = cache
    N, D = dout.shape
    dx = np.zeros_like(dout)
    dgamma = np.zeros(D)
    dbeta = np.zeros(D)
    for j in range(D):
        g = dout[:, j]
        h = xhat[:, j]
        dbeta[j] = g.sum()
        dgamma[j] = g.dot(h)
        dx[:, j] = gamma[j] / np.sqrt(var[j] + eps) * (g - dbeta[j] / N - h * dgamma[j] / N)
    return dx, dgamma, dbeta


def rows_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    mu = np.zeros(D)
    for n in range(N):
        mu += x[n] / N
    var = np.zeros(D)
    for n in range(N):
        var += (x[n] - mu) ** 2 / N
    ivar = 1.0 / np.sqrt(var + eps)
    out = np.zeros((N, D))
    for n in range(N):
        out[n] = gamma * (x[n] - mu) * ivar + beta
    return out, (x, mu, ivar, gamma)


def rows_backward(dout, cache):
    x, mu, ivar, gamma = cache
    N, D = x.shape
    dgamma = np.zeros(D)
    dbeta = np.zeros(D)
    for n in range(N):
        dbeta += dout[n]
        dgamma += dout[n] * (x[n] - mu) * ivar
    dx = np.zeros((N, D))
    for n in range(N):
        xhat_n = (x[n] - mu) * ivar
        dx[n] = gamma * ivar * (dout[n] - dbeta / N - xhat_n * dgamma / N)
    return dx, dgamma, dbeta


# ---- helper functions ----------------------------------------------------------------------------

def _center(a):
    return a - a.mean(axis=0)


def _sum_rows(a):
    return a.sum(axis=0)


def helpers_forward(x, gamma, beta, eps=1e-5):
    xmu = _center(x)
    sqrtvar = np.sqrt(_sum_rows(xmu ** 2) / x.shape[0] + eps)
    xhat = xmu / sqrtvar
    return gamma * xhat + beta, (xhat, sqrtvar, gamma)


def helpers_backward(dout, cache):
    xhat, sqrtvar, gamma = cache
    N = dout.shape[0]
    dxhat = dout * gamma
    dgamma = _sum_rows(dout * xhat)
    dbeta = _sum_rows(dout)
    # the centred gradient, less its part along xhat
    dx = (_center(dxhat) - xhat * _sum_rows(dxhat * xhat) / N) / sqrtvar
    return dx, dgamma, dbeta


def nested_forward(x, gamma, beta, eps=1e-5):
    mean = lambda a: np.mean(a, axis=0)
    mu = mean(x)
    var = mean((x - mu) ** 2)
    xhat = (x - mu) / np.sqrt(var + eps)
    return gamma * xhat + beta, (x - mu, xhat, np.sqrt(var + eps), gamma)


def nested_backward(dout, cache):
    xmu, xhat, sqrtvar, gamma = cache

    def back_through_mean(grad):
        return np.ones_like(xmu) * grad / xmu.shape[0]

    dxhat = dout * gamma
    dvar = np.sum(dxhat * xmu, axis=0) * -0.5 / sqrtvar ** 3
    dxmu = dxhat / sqrtvar + 2 * xmu * back_through_mean(dvar)
    dx = dxmu + back_through_mean(-dxmu.sum(axis=0))
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


# ---- dead code, names used again, aliases ----------------------------------------------------------

def dead_code_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    mu = np.mean(x, axis=0)
    xmu = x - mu
    sq = xmu ** 2
    var = np.mean(sq, axis=0)
    unused = np.exp(-var) * sq
    sqrtvar = np.sqrt(var + eps)
    ivar = 1. / sqrtvar
    xhat = xmu * ivar
    out = gamma * xhat + beta
    dx = xmu * 0
    return out, (x, mu, xmu, sq, var, sqrtvar, ivar, xhat, gamma, eps)


def dead_code_backward(dout, cache):
    x, mu, xmu, sq, var, sqrtvar, ivar, xhat, gamma, eps = cache
    N, D = x.shape
    dsq = sq * 2.0
    dmu = np.zeros(D)
    dvar = var
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    scratch = dbeta * dgamma
    if scratch is None:
        return None
    dxhat = dout * gamma
    dx = (ivar / N) * (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0))
    return dx, dgamma, dbeta


def one_name_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    xhat = (x - mu) / std
    return xhat * gamma + beta, (xhat, std, gamma)


def one_name_backward(dout, cache):
    xhat, std, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dx = dout * gamma
    dx = dx - dx.mean(axis=0) - xhat * (dx * xhat).mean(axis=0)
    dx = dx / std
    return dx, dgamma, dbeta


def alias_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    xmu = x - mu
    var = np.mean(xmu ** 2, axis=0)
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    return gamma * xhat + beta, (xmu, ivar, xhat, gamma)


def alias_backward(dout, cache):
    xmu, ivar, xhat, gamma = cache
    N = dout.shape[0]
    dgammax = dout
    dbeta = np.sum(dgammax, axis=0)
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    dxmu = dxhat * ivar
    dvar = np.sum(dxhat * xmu, axis=0) * -0.5 * ivar ** 3
    dxmu += 2.0 / N * xmu * dvar
    dx = dxmu
    dx -= np.sum(dxmu, axis=0) / N
    return dx, dgamma, dbeta


# ---- in place ------------------------------------------------------------------------------------

def in_place_forward(x, gamma, beta, eps=1e-5):
    out = x - x.mean(axis=0)
    std = np.sqrt((out ** 2).mean(axis=0) + eps)
    out /= std
    xhat = out.copy()
    out *= gamma
    out += beta
    return out, (xhat, std, gamma)


def in_place_backward(dout, cache):
    xhat, std, gamma = cache
    N = dout.shape[0]
    dx = dout.copy()
    dx *= gamma
    shift = dx.sum(axis=0)
    pull = (dx * xhat).sum(axis=0)
    dx *= N
    dx -= shift
    dx -= xhat * pull
    dx /= N
    dx /= std
    return dx, np.sum(dout * xhat, axis=0), np.sum(dout, axis=0)


def out_argument_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    var = np.mean(np.square(np.subtract(x, mu)), axis=0)
    std = np.sqrt(np.add(var, eps))
    xhat = np.divide(np.subtract(x, mu), std)
    return np.add(np.multiply(gamma, xhat), beta), (xhat, std, gamma)


def out_argument_backward(dout, cache):
    xhat, std, gamma = cache
    dxhat = np.empty_like(dout)
    np.multiply(dout, gamma, out=dxhat)
    dgamma = np.add.reduce(np.multiply(dout, xhat), axis=0)
    dbeta = np.add.reduce(dout, axis=0)
    dx = np.subtract(dxhat, np.mean(dxhat, axis=0))
    np.subtract(dx, np.multiply(xhat, np.mean(np.multiply(dxhat, xhat), axis=0)), out=dx)
    np.divide(dx, std, out=dx)
    return dx, dgamma, dbeta


# ---- linear algebra ------------------------------------------------------------------------------

def ones_matmul_forward(x, gamma, beta, eps=1e-5):
    N = x.shape[0]
    ones = np.ones(N)
    mu = ones @ x / N
    xmu = x - mu
    var = ones @ (xmu * xmu) / N
    ivar = 1 / np.sqrt(var + eps)
    xhat = xmu * ivar
    return xhat * gamma + beta, (xhat, ivar, gamma)


def ones_matmul_backward(dout, cache):
    xhat, ivar, gamma = cache
    N = dout.shape[0]
    ones = np.ones((1, N))
    dbeta = (ones @ dout)[0]
    dgamma = (ones @ (dout * xhat))[0]
    spread = np.ones((N, N)) / N
    dxhat = dout * gamma
    dx = ivar * (dxhat - spread @ dxhat - xhat * (spread @ (dxhat * xhat)))
    return dx, dgamma, dbeta


def jacobian_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + eps)
    xhat = (x - mu) / std
    return xhat * gamma + beta, (xhat, std, gamma)


def jacobian_backward(dout, cache):
    xhat, std, gamma = cache
    N, D = dout.shape
    dx = np.zeros((N, D))
    for d in range(D):
        J = (np.eye(N) - 1.0 / N - np.outer(xhat[:, d], xhat[:, d]) / N) / std[d]
        dx[:, d] = J.T.dot(dout[:, d] * gamma[d])
    dgamma = np.diag(xhat.T.dot(dout)).copy()
    dbeta = dout.T.dot(np.ones(N))
    return dx, dgamma, dbeta


# ---- omissions that change nothing, and gradients written over --------------------------------------

def short_mean_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    xmu = x - mu
    sq = xmu ** 2
    var = np.mean(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1. / sqrtvar
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, xmu, ivar, sqrtvar, gamma)


def short_mean_backward(dout, cache):
    xhat, xmu, ivar, sqrtvar, gamma = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -divar / sqrtvar ** 2
    dvar = 0.5 * ivar * dsqrtvar
    dxmu2 = 2 * xmu * dvar / N
    dx1 = dxmu1 + dxmu2
    dmu = -np.sum(dxmu1, axis=0)
    dx2 = dmu / N
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def dout_overwritten_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    std = np.sqrt(np.var(x, axis=0) + eps)
    xhat = (x - mu) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def dout_overwritten_backward(dout, cache):
    xhat, std, gamma = cache
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dout = dout * gamma
    dout = dout - np.mean(dout, axis=0) - xhat * np.mean(xhat * dout, axis=0)
    return dout / std, dgamma, dbeta


# ---- no cache: the inputs themselves ---------------------------------------------------------------

def plain_arguments_forward(x, gamma, beta, eps=1e-5):
    mu = np.mean(x, axis=0)
    var = np.mean((x - mu) ** 2, axis=0)
    return gamma * (x - mu) / np.sqrt(var + eps) + beta


def plain_arguments_backward(dout, x, gamma, beta, eps=1e-5):
    xmu = x - np.mean(x, axis=0)
    ivar = 1 / np.sqrt(np.mean(xmu ** 2, axis=0) + eps)
    dxhat = dout * gamma
    dgamma = np.sum(dout * xmu * ivar, axis=0)
    dx = ivar * (dxhat - dxhat.mean(axis=0)) - ivar ** 3 * xmu * np.mean(dxhat * xmu, axis=0)
    return dx, dgamma, np.sum(dout, axis=0)


# ---- one statement on many lines, many on one line ---------------------------------------------------

def layout_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0); xmu = x - mu
    var = (
        xmu
        ** 2
    ).mean(axis=0)
    ivar = 1 / np.sqrt(
        var + eps
    )
    return (
        gamma * xmu * ivar
        + beta,
        (xmu, ivar, gamma),
    )


def layout_backward(dout, cache):
    (xmu,
     ivar, gamma) = cache
    N = dout.shape[0]; dxhat = dout * gamma
    dgamma, dbeta = (np.sum(dout * xmu * ivar, axis=0),
                     np.sum(dout, axis=0))
    dvar = np.sum(
        dxhat * xmu,
        axis=0,
    ) * -.5 * \
        ivar**3
    dxmu = dxhat * ivar \
        + 2 * xmu * dvar / N
    dx = dxmu - dxmu.mean(0); return dx, dgamma, dbeta
