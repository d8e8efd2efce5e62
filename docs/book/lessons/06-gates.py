"""Lesson 6: max, relu, where. A gate lets a gradient through, or it does not."""

# %% relu
import numpy as np

y = np.array([[2.0, -1.0, 3.0], [-2.0, 4.0, 1.0], [1.0, 5.0, -3.0]])
r = np.maximum(y, 0.0)

print(r)

# %% slopes
h = 1e-4
slopes = (np.maximum(y + h, 0.0) - np.maximum(y - h, 0.0)) / (2 * h)

print(slopes.round(6))

# %% gate
dr = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
dy = dr * (y > 0)

print(dy)

# %% where
a = np.array([1.0, 2.0, 3.0])
b = np.array([10.0, 20.0, 30.0])
take_a = np.array([True, False, True])
out = np.where(take_a, a, b)
dout = np.array([5.0, 6.0, 7.0])

print("out =", out)
print("da =", np.where(take_a, dout, 0.0))
print("db =", np.where(take_a, 0.0, dout))

# %% best
best = np.max(r, axis=1)

print(best)

# %% winner
dbest = np.array([1.0, 2.0, 3.0])
winner = r == best[:, None]
dr = dbest[:, None] * winner

print(winner)
print(dr)

# %% forward
def best_forward(x, b):
    # step 1: add the bias
    y = x + b
    # step 2: cut off what is below zero
    r = np.maximum(y, 0.0)
    # step 3: the best of each row
    out = np.max(r, axis=1)
    return out

# %% trace
import micrograd as mg

x = np.array([[1.0, -1.0, 2.0], [-3.0, 4.0, 0.0], [0.0, 5.0, -4.0]])
b = np.array([1.0, 0.0, 1.0])
graph = mg.trace(best_forward, x, b).backward(np.array([1.0, 2.0, 3.0]))

print(graph.grad["x"])
print("db =", graph.grad["b"])

# %% kink
print(np.array([-0.01, 0.0, 0.01]) > 0)

# %% tie
two = np.array([[3.0, 3.0, 1.0]])
tie = mg.trace(lambda x: np.max(x, axis=1), two).backward(np.array([1.0]))

print(tie.grad["x"])

# %% dead
dead = mg.trace(best_forward, x, np.array([-9.0, -9.0, -9.0]))
dead.backward(np.array([1.0, 2.0, 3.0]))

print(dead.grad["x"])

# %% exercise
def leaky_forward(x, c, a):
    # step 1: take off the threshold
    y = x - c
    # step 2: a part of it, for below zero
    low = a * y
    # step 3: one or the other
    out = np.where(y > 0, y, low)
    return out

# %% lesson
lesson = {
    "forward": best_forward,
    "arguments": {"x": x, "b": b},
    "upstream": np.array([1.0, 2.0, 3.0]),
    "mistakes": ("mask", "upstream_ignored", "unsummed"),
    "exercise": {
        "forward": leaky_forward,
        "shapes": {"x": (4, 3), "c": (3,), "a": ()},
        "kind": "line",
        "blanks": 4,
        "seed": 2,
    },
}
