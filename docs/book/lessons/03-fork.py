"""Lesson 3: a fork adds. What comes back along several paths is added up."""

# %% forward
def hours_forward(w, h):
    # step 1: what you earn
    pay = w * h
    # step 2: how tired you get
    tired = h * h
    # step 3: what is left
    out = pay - tired
    return out

# %% values
w, h = 12.0, 4.0

print(hours_forward(w, h))

# %% nudge
d = 1e-4
more = hours_forward(w, h + d)
less = hours_forward(w, h - d)

print(round((more - less) / (2 * d), 6))

# %% one_path
dout = 1.0
dpay = dout
dtired = -dout
dh_pay = dpay * w

print("through pay:", dh_pay)

# %% all_paths
dh_tired = dtired * h + dtired * h  # h stands in h * h twice
dh = dh_pay + dh_tired

print("through tired:", dh_tired)
print("together:", dh)

# %% trace
import micrograd as mg
import numpy as np

graph = mg.trace(hours_forward, np.array(w), np.array(h)).backward()

print("through pay:  ", graph.edge_grad["h", "pay"])
print("through tired:", graph.edge_grad["h", "tired", 0])
print("and once more:", graph.edge_grad["h", "tired", 1])
print("together:     ", graph.grad["h"])

# %% overwritten
dh = dpay * w
dh = dtired * 2 * h  # a second assignment: the first is lost

print("overwritten:", dh)

# %% added
dh = 0.0
dh += dpay * w
dh += dtired * 2 * h

print("added:", dh)

# %% best
hours = 4.0
for turn in range(5):
    slope = w - 2 * hours
    print(f"{hours:.3f} hours leave {hours_forward(w, hours):.3f}")
    hours = hours + 0.25 * slope

# %% exercise
def share_forward(a, b):
    # step 1: both together
    total = a + b
    # step 2: the share of the first
    out = a / total
    return out

# %% lesson
lesson = {
    "forward": hours_forward,
    "arguments": {"w": w, "h": h},
    "upstream": 1.0,
    "mistakes": ("path_missing", "path_sign", "path_twice"),
    "exercise": {
        "forward": share_forward,
        "shapes": {"a": (), "b": ()},
        "kind": "line",
        "blanks": 3,
        "seed": 0,
    },
}
