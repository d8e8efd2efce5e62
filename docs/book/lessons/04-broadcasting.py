"""Lesson 4: arrays. What is broadcast forward is summed backward."""

# %% points
import numpy as np

x = np.array(
    [[3.0, 1.0, 4.0],  # one row for each student
     [1.0, 5.0, 2.0],
     [6.0, 5.0, 3.0],
     [5.0, 2.0, 4.0]]
)
b = np.array([1.0, 0.0, 2.0])  # a bonus for each question

print(x + b)

# %% repeated
print(np.broadcast_to(b, (4, 3)))

# %% nudge
h = 0.01
before = np.sum(x + b)
b_nudged = b + np.array([h, 0.0, 0.0])  # only the bonus of the first question
after = np.sum(x + b_nudged)

print(round((after - before) / h, 6))

# %% importance
dout = np.array(
    [[1.0, 2.0, 0.0],
     [0.0, 1.0, 1.0],
     [2.0, 0.0, 1.0],
     [1.0, 1.0, 3.0]]
)
db = np.sum(dout, axis=0)

print(db, "has the shape", db.shape)

# %% forward
def points_forward(x, b, w):
    # step 1: add the bonus of each question
    y = x + b
    # step 2: weigh each student
    out = w * y
    return out

# %% weights
w = np.array([[1.0], [2.0], [1.0], [3.0]])  # a weight for each student

print(points_forward(x, b, w))

# %% backward
y = x + b
dw = np.sum(dout * y, axis=1, keepdims=True)
dy = dout * w
db = np.sum(dy, axis=0)
dx = dy

print("dw =", dw.ravel(), "with the shape", dw.shape)
print("db =", db, "with the shape", db.shape)

# %% trace
import micrograd as mg

graph = mg.trace(points_forward, x, b, w).backward(dout)

print("dw =", graph.grad["w"].ravel())
print("db =", graph.grad["b"])

# %% measured
def loss(b):
    return np.sum(dout * points_forward(x, b, w))


for place in range(3):
    nudge = np.zeros(3)
    nudge[place] = 1e-3
    print(round((loss(b + nudge) - loss(b - nudge)) / 2e-3, 6))

# %% exercise
def grades_forward(x, c, g):
    # step 1: take off what each student had by luck
    y = x - c
    # step 2: scale each question
    out = g * y
    return out

# %% lesson
lesson = {
    "forward": points_forward,
    "arguments": {"x": x, "b": b, "w": w},
    "upstream": dout,
    "mistakes": ("unsummed", "wrong_axis", "no_axis", "gamma_missing"),
    "exercise": {
        "forward": grades_forward,
        "shapes": {"x": (4, 3), "c": (4, 1), "g": (3,)},
        "kind": "line",
        "blanks": 3,
        "seed": 0,
    },
}
