"""Lesson 5: matrix products, and a layer that learns."""

# %% product
import numpy as np

x = np.array(
    [[1.0, 2.0, 0.0],  # one row for each person
     [0.0, 1.0, 3.0],
     [2.0, 1.0, 1.0],
     [1.0, 0.0, 2.0]]
)
w = np.array(
    [[2.0, 1.0],  # one row for each food
     [1.0, 0.0],
     [0.0, 3.0]]
)
y = x @ w

print(y)

# %% one_entry
print(x[0, 0] * w[0, 0] + x[0, 1] * w[1, 0] + x[0, 2] * w[2, 0])

# %% one_weight
dy = np.array(
    [[1.0, 0.0],
     [2.0, 1.0],
     [0.0, 1.0],
     [1.0, 3.0]]
)
dw00 = 0.0
for i in range(4):
    dw00 += x[i, 0] * dy[i, 0]  # row i uses w[0, 0] with the factor x[i, 0]

print(dw00)

# %% all_weights
dw = x.T @ dy

print(dw)

# %% inputs
dx = dy @ w.T

print(dx)

# %% shapes
for name, value in {"x": x, "w": w, "dy": dy, "dw": dw, "dx": dx}.items():
    print(name, value.shape)

# %% forward
def layer_forward(x, w, b):
    # step 1: weigh the inputs
    y = x @ w
    # step 2: add the bias
    out = y + b
    return out

# %% trace
import micrograd as mg

b = np.array([1.0, -1.0])
graph = mg.trace(layer_forward, x, w, b).backward(dy)

print(graph.grad["w"])
print(graph.grad["b"])

# %% measured
nudge = np.zeros((3, 2))
nudge[0, 0] = 1e-4
more = np.sum(dy * layer_forward(x, w + nudge, b))
less = np.sum(dy * layer_forward(x, w - nudge, b))

print(round((more - less) / 2e-4, 6))

# %% loss
target = layer_forward(x, w, b)  # what you know: not w, not b


def step(w, b):
    out = layer_forward(x, w, b)
    miss = out - target
    loss = np.mean(miss**2)
    dout = 2 * miss / miss.size  # the slope of the mean of squares
    dw = x.T @ dout
    db = np.sum(dout, axis=0)
    return loss, dw, db

# %% learn
w, b = np.zeros((3, 2)), np.zeros(2)
for turn in range(801):
    loss, dw, db = step(w, b)
    if turn % 200 == 0:
        print(f"turn {turn:3d}   loss {loss:.6f}")
    w = w - 0.2 * dw
    b = b - 0.2 * db

print(w.round(2))
print(b.round(2))

# %% exercise
def fit_forward(x, w, b, t):
    # step 1: the layer
    y = x @ w
    z = y + b
    # step 2: how far off it is
    miss = z - t
    # step 3: mean squared error
    loss = np.mean(miss**2)
    return loss

# %% lesson
lesson = {
    "forward": layer_forward,
    "arguments": {
        "x": x,
        "w": np.array([[2.0, 1.0], [1.0, 0.0], [0.0, 3.0]]),
        "b": np.array([1.0, -1.0]),
    },
    "upstream": dy,
    "mistakes": ("transposed dw", "unsummed", "keepdims", "upstream_ignored"),
    "exercise": {
        "forward": fit_forward,
        "shapes": {"x": (4, 3), "w": (3, 2), "b": (2,), "t": (4, 2)},
        "kind": "line",
        "blanks": 4,
        "seed": 3,
    },
}
