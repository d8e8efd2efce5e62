"""Lesson 1: the slope of a number. Nudge it, and see how the result moves."""

# %% area
def area(a, b):
    return a * b


print(area(3.0, 2.0))

# %% nudge
h = 0.001
before = area(3.0, 2.0)
after = area(3.0 + h, 2.0)

print("the area grows by", round(after - before, 6))
print("for each metre   ", round((after - before) / h, 6))

# %% other
print(round((area(3.0, 2.0 + h) - area(3.0, 2.0)) / h, 6))

# %% square
def square(a):
    return a * a


for h in (1.0, 0.1, 0.01, 0.001):
    print(h, round((square(3.0 + h) - square(3.0)) / h, 6))

# %% both
def slope(f, a, h=1e-4):
    return (f(a + h) - f(a - h)) / (2 * h)


print(round(slope(square, 3.0), 6))

# %% places
for a in (0.0, 1.0, 2.0, 3.0):
    print("at", a, "the slope is", round(slope(square, a), 6))

# %% rules
print("a + 7  ", round(slope(lambda a: a + 7.0, 3.0), 6))
print("a - 7  ", round(slope(lambda a: a - 7.0, 3.0), 6))
print("7 - a  ", round(slope(lambda a: 7.0 - a, 3.0), 6))
print("7 * a  ", round(slope(lambda a: 7.0 * a, 3.0), 6))
print("a * a  ", round(slope(lambda a: a * a, 3.0), 6))

# %% forward
def garden_forward(a, b, c):
    # step 1: the area of the garden
    area = a * b
    # step 2: without the pond
    out = area - c
    return out

# %% trace
import micrograd as mg
import numpy as np

sides = [np.array(side) for side in (3.0, 2.0, 1.0)]
graph = mg.trace(garden_forward, *sides).backward()

print("slope for a:", graph.grad["a"])
print("slope for b:", graph.grad["b"])
print("slope for c:", graph.grad["c"])

# %% downhill
def miss(a):
    return (a * a - 10.0) ** 2  # how far the area is from 10


a = 3.0
for turn in range(6):
    s = slope(miss, a)
    print(f"a = {a:.4f}   miss = {miss(a):.4f}   slope = {s:.4f}")
    a = a - 0.01 * s

# %% exercise
def change_forward(a, b, c):
    # step 1: what the shopping costs
    cost = a * b
    # step 2: the change that you get back
    out = c - cost
    return out

# %% lesson
lesson = {
    "forward": garden_forward,
    "arguments": {"a": 3.0, "b": 2.0, "c": 1.0},
    "upstream": 1.0,
    "mistakes": ("sign dc", "gamma_missing", "return_order"),
    "exercise": {
        "forward": change_forward,
        "shapes": {"a": (), "b": (), "c": ()},
        "kind": "rule",
        "blanks": 3,
        "seed": 0,
    },
}
