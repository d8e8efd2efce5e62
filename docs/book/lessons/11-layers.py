"""Lesson 11: layer norm, convolution, attention. Three layers, and nothing new in them."""

# %% words
import numpy as np

x = np.array(
    [[3.0, 9.0, 11.0, 17.0],  # one row for each word
     [1.0, 1.0, 3.0, 3.0]]
)
N, D = x.shape
mu = np.mean(x, axis=1, keepdims=True)
xmu = x - mu
var = np.mean(xmu**2, axis=1, keepdims=True)
ivar = 1.0 / np.sqrt(var + 1e-5)
xhat = xmu * ivar

print(xhat.round(2))

# %% turned
def batch_xhat(x):
    xmu = x - np.mean(x, axis=0)
    return xmu / np.sqrt(np.mean(xmu**2, axis=0) + 1e-5)


print("the same as batch norm, turned:", np.allclose(xhat, batch_xhat(x.T).T))

# %% layer_norm_back
gamma = np.array([1.0, 2.0, 0.5, 1.0])
dout = np.array(
    [[1.0, 0.0, 2.0, 1.0],
     [0.0, 1.0, 3.0, 0.0]]
)
dbeta = np.sum(dout, axis=0)           # one for each column: down the rows
dgamma = np.sum(dout * xhat, axis=0)
dxhat = dout * gamma

mean = np.mean(dxhat, axis=1, keepdims=True)  # along each row
along = np.mean(dxhat * xhat, axis=1, keepdims=True)
dx = ivar * (dxhat - mean - xhat * along)

print(dx.round(4))

# %% layer_norm_engine
import micrograd as mg


def layernorm_forward(x, gamma, beta):
    xmu = x - np.mean(x, axis=1, keepdims=True)
    var = np.mean(xmu**2, axis=1, keepdims=True)
    return gamma * xmu / np.sqrt(var + 1e-5) + beta


graph = mg.trace(layernorm_forward, x, gamma, np.zeros(4)).backward(dout)

print(graph.grad["x"].round(4))

# %% convolution
sound = np.array([0.0, 1.0, 5.0, 2.0, 0.0, 3.0])
w = np.array([1.0, 2.0, 1.0])
smooth = w[0] * sound[0:4] + w[1] * sound[1:5] + w[2] * sound[2:6]

print(smooth)

# %% convolution_back
dsmooth = np.array([1.0, 0.0, 2.0, 1.0])
dw = np.zeros(3)
dsound = np.zeros(6)
for k in range(3):
    dw[k] = np.sum(dsmooth * sound[k : k + 4])
    dsound[k : k + 4] += dsmooth * w[k]

print("dw     =", dw)
print("dsound =", dsound)

# %% convolution_engine
def smooth_forward(sound, w):
    return w[0] * sound[0:4] + w[1] * sound[1:5] + w[2] * sound[2:6]


graph = mg.trace(smooth_forward, sound, w).backward(dsmooth)

print("dw     =", graph.grad["w"])
print("dsound =", graph.grad["sound"])

# %% forward
def attention_forward(q, k, v):
    # step 1: compare each question with each key
    scores = q @ k.T / np.sqrt(q.shape[1])
    # step 2: shares
    e = np.exp(scores)
    total = np.sum(e, axis=1, keepdims=True)
    p = e / total
    # step 3: mix the values
    out = p @ v
    return out

# %% attention
q = np.array([[2.0, 0.0], [0.0, 2.0]])              # 2 questions
k = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])  # 3 keys
v = np.array([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]])  # 3 values

scores = q @ k.T / np.sqrt(q.shape[1])
e = np.exp(scores)
p = e / np.sum(e, axis=1, keepdims=True)

print(p.round(3))
print((p @ v).round(3))

# %% attention_back
dmix = np.array([[1.0, 0.0], [2.0, 1.0]])

dv = p.T @ dmix                   # step 3, lesson 5
dp = dmix @ v.T
dscores = p * (dp - np.sum(dp * p, axis=1, keepdims=True))  # step 2
dq = dscores @ k / np.sqrt(q.shape[1])   # step 1, lesson 5 again
dk = dscores.T @ q / np.sqrt(q.shape[1])

print(dq.round(4))

# %% trace
graph = mg.trace(attention_forward, q, k, v).backward(dmix)

for name, by_hand in {"q": dq, "k": dk, "v": dv}.items():
    print("d" + name, "is right:", np.allclose(graph.grad[name], by_hand))

# %% exercise
def word_norm_forward(x, gamma, beta, eps=1e-5):
    N, D = x.shape
    # step 1: the mean of each row
    mu = 1.0 / D * np.sum(x, axis=1, keepdims=True)
    # step 2: subtract the mean
    xmu = x - mu
    # step 3: square
    sq = xmu**2
    # step 4: the variance of each row
    var = 1.0 / D * np.sum(sq, axis=1, keepdims=True)
    # step 5: square root
    sqrtvar = np.sqrt(var + eps)
    # step 6: divide
    xhat = xmu / sqrtvar
    # step 7: scale and shift each column
    out = gamma * xhat + beta
    return out

# %% lesson
lesson = {
    "forward": attention_forward,
    "arguments": {"q": q, "k": k, "v": v},
    "upstream": dmix,
    "mistakes": ("transposed", "path_missing de", "power", "unsummed"),
    "exercise": {
        "forward": word_norm_forward,
        "shapes": {"x": (4, 3), "gamma": (3,), "beta": (3,)},
        "kind": "line",
        "blanks": 6,
        "seed": 13,
    },
}
