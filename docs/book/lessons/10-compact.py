"""Lesson 10: from the staged to the compact formula."""

# %% forward
import numpy as np


def center_forward(x):
    N, D = x.shape
    # step 1: mean
    mu = 1.0 / N * np.sum(x, axis=0)
    # step 2: subtract the mean
    out = x - mu
    return out

# %% center_staged
x = np.array(
    [[125.0, 3.0, 3.0],
     [131.0, 1.0, 9.0],
     [131.0, 1.0, 17.0],
     [133.0, 3.0, 11.0]]
)
dout = np.array(
    [[3.0, 2.0, 0.0],
     [1.0, 1.0, 1.0],
     [2.0, 0.0, 1.0],
     [0.0, 1.0, 3.0]]
)
N, D = x.shape

dx1 = dout                              # step 2: out = x - mu
dmu = -np.sum(dout, axis=0)
dx2 = 1.0 / N * np.ones((N, D)) * dmu   # step 1: mu = 1/N * sum(x)
dx = dx1 + dx2                          # step 0: two paths

print(dx)

# %% center_compact
print(dout - np.mean(dout, axis=0))

# %% trace
import micrograd as mg

graph = mg.trace(center_forward, x).backward(dout)

print(graph.grad["x"])

# %% batchnorm
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
    return out


gamma = np.array([1.0, 2.0, 0.5])
beta = np.array([0.0, 1.0, -1.0])
graph = mg.trace(batchnorm_forward, x, gamma, beta).backward(dout)
xmu, sqrtvar, ivar, xhat = [
    graph.value[name] for name in ("xmu", "sqrtvar", "ivar", "xhat")
]

# %% facts
print("sum of xmu: ", np.sum(xmu, axis=0).round(6))
print("sum of xhat:", np.sum(xhat, axis=0).round(6) + 0.0)

# %% staged
dxhat = gamma * dout                       # steps 9 and 8
divar = np.sum(dxhat * xmu, axis=0)        # step 7
dxmu1 = dxhat * ivar
dsqrtvar = -1.0 / sqrtvar**2 * divar       # step 6
dvar = 0.5 / sqrtvar * dsqrtvar            # step 5
dsq = 1.0 / N * np.ones((N, D)) * dvar     # step 4
dxmu2 = 2.0 * xmu * dsq                    # step 3
dx1 = dxmu1 + dxmu2                        # step 2
dmu = -np.sum(dxmu1 + dxmu2, axis=0)
dx2 = 1.0 / N * np.ones((N, D)) * dmu      # step 1
dx = dx1 + dx2                             # step 0

print(dx.round(4))

# %% first
short = -ivar * xhat * np.mean(dxhat * xhat, axis=0)

print("the same as dxmu2:", np.allclose(short, dxmu2))

# %% second
short = -ivar * np.sum(dxhat, axis=0)

print("the same as dmu:", np.allclose(short, dmu))

# %% third
along = np.mean(dxhat * xhat, axis=0)
short = ivar * (dxhat - np.mean(dxhat, axis=0) - xhat * along)

print("the same as dx:", np.allclose(short, dx))

# %% fourth
dbeta = np.sum(dout, axis=0)
dgamma = np.sum(dout * xhat, axis=0)
short = gamma * ivar / N * (N * dout - dbeta - xhat * dgamma)

print("the same as dx:", np.allclose(short, dx))

# %% what_is_left
print("sum of dx:       ", np.abs(np.sum(dx, axis=0)).max().round(6))
print("sum of dx * xhat:", np.abs(np.sum(dx * xhat, axis=0)).max().round(6))

# %% derive
derivation = mg.derive(batchnorm_forward, x, gamma, beta, seconds=20)

for number, step in enumerate(derivation.steps, 1):
    print(number, step.line, "-", step.name)

print("dx =", derivation.steps[-1].after)

# %% proof
for line in derivation.facts[0].proof:
    print(line)

# %% exercise
def rms_forward(x, eps=1e-5):
    N, D = x.shape
    # step 1: square
    sq = x**2
    # step 2: mean of the squares
    ms = 1.0 / N * np.sum(sq, axis=0)
    # step 3: root
    r = np.sqrt(ms + eps)
    # step 4: divide
    out = x / r
    return out

# %% lesson
lesson = {
    "forward": center_forward,
    "arguments": {"x": x},
    "upstream": dout,
    "mistakes": ("path_missing dx", "sign dmu", "count", "unsummed dmu"),
    "exercise": {
        "forward": rms_forward,
        "shapes": {"x": (5, 3)},
        "kind": "line",
        "blanks": 5,
        "seed": 0,
    },
}
