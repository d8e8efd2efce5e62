"""How gradients are checked: nudges of the right size, inputs that show a mistake, and each line."""

# %% sizes
import numpy as np

true = np.cos(1.0)  # the slope of sin at 1
for h in (1e-1, 1e-3, 1e-5, 1e-7, 1e-9, 1e-11, 1e-13):
    one = (np.sin(1.0 + h) - np.sin(1.0)) / h
    both = (np.sin(1.0 + h) - np.sin(1.0 - h)) / (2 * h)
    print(f"{h:.0e}   up: {abs(one - true):.0e}   both: {abs(both - true):.0e}")

# %% imaginary
h = 1e-20
measured = np.sin(1.0 + 1j * h).imag / h

print(abs(measured - true))

# %% forward
def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    sq = xmu**2
    var = 1.0 / N * np.sum(sq, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    gammax = gamma * xhat
    out = gammax + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache

# %% backward
def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dx = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta

# %% direction
rng = np.random.default_rng(0)
x = rng.normal(5.0, 2.0, size=(5, 3))
gamma, beta = rng.normal(size=3), rng.normal(size=3)
dout = rng.normal(size=(5, 3))
out, cache = batchnorm_forward(x, gamma, beta)
dx, dgamma, dbeta = batchnorm_backward(dout, cache)


def loss(x):
    return np.sum(dout * batchnorm_forward(x, gamma, beta)[0])


direction = rng.normal(size=(5, 3))
h = 1e-5
measured = (loss(x + h * direction) - loss(x - h * direction)) / (2 * h)

print("measured:", measured.round(8))
print("from dx: ", np.sum(dx * direction).round(8))

# %% check_grad
from micrograd.testing import check_grad

found = check_grad(
    batchnorm_forward, x, gamma, beta, backward=batchnorm_backward
)
print(found.entries, "entries,", found.method, "step")

# %% blind
import micrograd as mg

easy = x, np.ones(3), np.zeros(3), np.ones((5, 3))  # gamma 1, dout 1
hard = x, gamma, beta, dout

for inputs in (easy, hard):
    lint = mg.probe(batchnorm_forward, lint=inputs)
    print(len(lint.blind), "of", lint.visible, "mistakes do not show")

# %% probe
probe = mg.probe(batchnorm_forward)

print(probe.visible, "mistakes planted, and all can be seen")
print("gamma =", probe.arguments["gamma"].round(2))
print("dout  =", probe.upstream[0].round(2), "...")

# %% mistake
def wrong_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dvar = 0.5 * ivar**3 * divar
    dxmu2 = 2.0 * xmu * dvar / N
    dxmu = dxmu1 + dxmu2
    dx = dxmu - np.mean(dxmu, axis=0)
    return dx, dgamma, dbeta

# %% found
report = mg.check(wrong_backward, batchnorm_forward)
for gradient in report.outputs:
    print(gradient.name, "right:", gradient.right)

first = report.findings[0]
print("first wrong line:", first.source)
print("kind of mistake: ", first.kind)
