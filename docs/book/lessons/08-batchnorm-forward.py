"""Lesson 8: batch norm forward, in nine steps."""

# %% children
import numpy as np

x = np.array(
    [[125.0, 3.0, 3.0],  # one row for each child
     [131.0, 1.0, 9.0],  # the columns: height in centimetres,
     [131.0, 1.0, 17.0],  # brothers and sisters,
     [133.0, 3.0, 11.0]]  # kilometres to school
)
N, D = x.shape

print("N =", N, "  D =", D)

# %% mean
mu = 1.0 / N * np.sum(x, axis=0)  # step 1
xmu = x - mu                      # step 2

print(mu)
print(xmu)

# %% variance
sq = xmu**2                        # step 3
var = 1.0 / N * np.sum(sq, axis=0)  # step 4

print(sq)
print(var)

# %% root
eps = 1e-5
sqrtvar = np.sqrt(var + eps)  # step 5

print(sqrtvar.round(4))

# %% normalize
ivar = 1.0 / sqrtvar  # step 6
xhat = xmu * ivar     # step 7

print(xhat.round(3))

# %% normal
print("means:    ", np.mean(xhat, axis=0).round(6) + 0.0)
print("variances:", np.var(xhat, axis=0).round(3))

# %% scale
gamma = np.array([1.0, 2.0, 0.5])
beta = np.array([0.0, 1.0, -1.0])
gammax = gamma * xhat  # step 8
out = gammax + beta    # step 9

print(out.round(3))

# %% undo
print((np.sqrt(var + eps) * xhat + mu).round(3))

# %% forward
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
    return out

# %% units
metres = x / np.array([100.0, 1.0, 1.0])  # heights in metres

print(batchnorm_forward(x, gamma, beta)[0].round(3))
print(batchnorm_forward(metres, gamma, beta)[0].round(3))

# %% company
other = x.copy()
other[3, 0] = 193.0  # a teacher in the place of the last child

for batch in (x, other):
    print(batchnorm_forward(batch, gamma, beta)[0].round(3))

# %% test_phase
running_mu = np.array([130.0, 1.5, 8.0])  # kept from many batches
running_var = np.array([16.0, 1.0, 25.0])
one = np.array([126.0, 2.0, 3.0])  # one child, alone

one_hat = (one - running_mu) / np.sqrt(running_var + eps)

print((gamma * one_hat + beta).round(3))

# %% first_steps_back
dout = np.array(
    [[3.0, 2.0, 0.0],
     [1.0, 1.0, 1.0],
     [2.0, 0.0, 1.0],
     [0.0, 1.0, 3.0]]
)
dbeta = np.sum(dout, axis=0)            # step 9: beta was repeated
dgammax = dout
dgamma = np.sum(dgammax * xhat, axis=0)  # step 8: gamma was repeated
dxhat = dgammax * gamma

print("dbeta  =", dbeta)
print("dgamma =", dgamma.round(3))

# %% trace
import micrograd as mg

graph = mg.trace(batchnorm_forward, x, gamma, beta).backward(dout)

print("dbeta  =", graph.grad["beta"])
print("dgamma =", graph.grad["gamma"].round(3))

# %% exercise
def given_forward(x, mean, width, gamma, beta):
    # step 1: subtract a mean that is given
    c = x - mean
    # step 2: divide by a width that is given
    xhat = c / width
    # step 3: scale
    gammax = gamma * xhat
    # step 4: shift
    out = gammax + beta
    return out

# %% lesson
lesson = {
    "forward": batchnorm_forward,
    "arguments": {"x": x, "gamma": gamma, "beta": beta},
    "upstream": dout,
    "mistakes": ("unsummed", "no_axis", "gamma_missing dxhat"),
    "exercise": {
        "forward": given_forward,
        "shapes": {
            "x": (4, 3),
            "mean": (3,),
            "width": (3,),
            "gamma": (3,),
            "beta": (3,),
        },
        "kind": "line",
        "blanks": 5,
        "seed": 0,
    },
}
