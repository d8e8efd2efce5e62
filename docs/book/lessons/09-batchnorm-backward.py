"""Lesson 9: batch norm backward, in ten steps."""

# %% forward
import numpy as np


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    # step 1: mean
    mu = 1.0 / N * np.sum(x, axis=0)
    # step 2: subtract the mean
    xmu = x - mu
    # step 3: square
    sq = xmu**2
    # step 4: variance
    var = 1.0 / N * np.sum(sq, axis=0)
    # step 5: square root
    sqrtvar = np.sqrt(var + eps)
    # step 6: invert
    ivar = 1.0 / sqrtvar
    # step 7: normalize
    xhat = xmu * ivar
    # step 8: scale
    gammax = gamma * xhat
    # step 9: shift
    out = gammax + beta
    cache = (xhat, gamma, xmu, ivar, sqrtvar, var, eps)
    return out, cache

# %% values
x = np.array(
    [[125.0, 3.0, 3.0],  # the four children of lesson 8
     [131.0, 1.0, 9.0],
     [131.0, 1.0, 17.0],
     [133.0, 3.0, 11.0]]
)
gamma = np.array([1.0, 2.0, 0.5])
beta = np.array([0.0, 1.0, -1.0])
dout = np.array(
    [[3.0, 2.0, 0.0],
     [1.0, 1.0, 1.0],
     [2.0, 0.0, 1.0],
     [0.0, 1.0, 3.0]]
)
out, cache = batchnorm_forward(x, gamma, beta)
xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
N, D = dout.shape

# %% steps_9_8
# step 9: out = gammax + beta
dbeta = np.sum(dout, axis=0)
dgammax = dout
# step 8: gammax = gamma * xhat
dgamma = np.sum(dgammax * xhat, axis=0)
dxhat = dgammax * gamma

print(dxhat)

# %% step_7
# step 7: xhat = xmu * ivar
divar = np.sum(dxhat * xmu, axis=0)
dxmu1 = dxhat * ivar

print("divar =", divar)
print(dxmu1.round(4))

# %% steps_6_5
# step 6: ivar = 1 / sqrtvar
dsqrtvar = -1.0 / sqrtvar**2 * divar
# step 5: sqrtvar = sqrt(var + eps)
dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar

print("dsqrtvar =", dsqrtvar.round(4))
print("dvar     =", dvar.round(4))

# %% step_4
# step 4: var = 1/N * sum(sq)
dsq = 1.0 / N * np.ones((N, D)) * dvar

print(dsq.round(4))

# %% step_3
# step 3: sq = xmu**2
dxmu2 = 2.0 * xmu * dsq

print(dxmu2.round(4))

# %% step_2
# step 2: xmu = x - mu
dx1 = dxmu1 + dxmu2
dmu = -1.0 * np.sum(dxmu1 + dxmu2, axis=0)

print("dmu =", dmu.round(4))

# %% step_1
# step 1: mu = 1/N * sum(x)
dx2 = 1.0 / N * np.ones((N, D)) * dmu

print(dx2.round(4))

# %% step_0
# step 0: x goes two ways, into xmu and into mu
dx = dx1 + dx2

print(dx.round(4))

# %% measured
def loss(x):
    return np.sum(dout * batchnorm_forward(x, gamma, beta)[0])


for row in range(N):
    nudge = np.zeros((N, D))
    nudge[row, 0] = 1e-3
    print(round((loss(x + nudge) - loss(x - nudge)) / 2e-3, 4))

# %% backward
def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    # step 9: out = gammax + beta
    dbeta = np.sum(dout, axis=0)
    dgammax = dout
    # step 8: gammax = gamma * xhat
    dgamma = np.sum(dgammax * xhat, axis=0)
    dxhat = dgammax * gamma
    # step 7: xhat = xmu * ivar
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    # step 6: ivar = 1 / sqrtvar
    dsqrtvar = -1.0 / sqrtvar**2 * divar
    # step 5: sqrtvar = sqrt(var + eps)
    dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar
    # step 4: var = 1/N * sum(sq)
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    # step 3: sq = xmu**2
    dxmu2 = 2.0 * xmu * dsq
    # step 2: xmu = x - mu
    dx1 = dxmu1 + dxmu2
    dmu = -1.0 * np.sum(dxmu1 + dxmu2, axis=0)
    # step 1: mu = 1/N * sum(x)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    # step 0: x goes two ways, into xmu and into mu
    dx = dx1 + dx2
    return dx, dgamma, dbeta

# %% check
import micrograd as mg

report = mg.check(batchnorm_backward, batchnorm_forward)

for gradient in report.outputs:
    print(gradient.name, gradient.expected.shape, "right:", gradient.right)

# %% trace
graph = mg.trace(batchnorm_forward, x, gamma, beta).backward(dout)

print("dxmu1 is right:", np.allclose(dxmu1, graph.edge_grad["xmu", "xhat"]))
print("dxmu2 is right:", np.allclose(dxmu2, graph.edge_grad["xmu", "sq"]))
print("dx is right:   ", np.allclose(dx, graph.grad["x"]))

# %% forgotten
alone = dxmu1 - np.mean(dxmu1, axis=0)  # steps 1 and 2 without dxmu2

print("right:        ", dx[:, 0].round(4))
print("without dxmu2:", alone[:, 0].round(4))
print("without dx2:  ", dx1[:, 0].round(4))

# %% exercise
def standard_forward(x, eps=1e-5):
    N, D = x.shape
    # step 1: mean
    m = 1.0 / N * np.sum(x, axis=0)
    # step 2: subtract the mean
    c = x - m
    # step 3: square
    sq = c**2
    # step 4: variance
    v = 1.0 / N * np.sum(sq, axis=0)
    # step 5: standard deviation
    sd = np.sqrt(v + eps)
    # step 6: divide
    out = c / sd
    return out

# %% lesson
lesson = {
    "forward": batchnorm_forward,
    "arguments": {"x": x, "gamma": gamma, "beta": beta},
    "upstream": dout,
    "mistakes": (
        "path_missing dxmu",
        "path_missing dx",
        "count",
        "unsummed divar",
        "sign dsqrtvar",
    ),
    "exercise": {
        "forward": standard_forward,
        "shapes": {"x": (5, 3)},
        "kind": "line",
        "blanks": 7,
        "seed": 0,
    },
}
