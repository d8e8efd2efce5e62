"""Lesson 12: your own engine in sixty lines, and second order."""

# %% value
import numpy as np


class Value:
    def __init__(self, data, parents=()):
        self.data = np.atleast_2d(np.asarray(data, dtype=float))
        self.parents = parents  # pairs: a parent, and what it gets

    def __add__(self, other):
        other = as_value(other)
        parents = (self, lambda g: g), (other, lambda g: g)
        return Value(self.data + other.data, parents)

    def __mul__(self, other):
        other = as_value(other)
        parents = (self, lambda g: g * other), (other, lambda g: g * self)
        return Value(self.data * other.data, parents)

    def __pow__(self, n):
        parents = ((self, lambda g: g * (self ** (n - 1) * n)),)
        return Value(self.data**n, parents)

    def __sub__(self, other):
        return self + as_value(other) * -1.0

    def __truediv__(self, other):
        return self * as_value(other) ** -1.0

    def sum(self, axis):
        ones = np.ones(self.data.shape)
        parents = ((self, lambda g: g * ones),)
        return Value(np.sum(self.data, axis=axis, keepdims=True), parents)


def as_value(data):
    return data if isinstance(data, Value) else Value(data)

# %% fold
def fold(g, shape):
    for axis in (0, 1):
        if shape[axis] < g.data.shape[axis]:
            g = g.sum(axis)  # it was broadcast along this axis
    return g

# %% order
def in_order(value, found):
    for parent, _ in value.parents:
        if all(parent is not other for other in found):
            in_order(parent, found)
    found.append(value)
    return found

# %% gradients
def gradients(out, inputs, dout=1.0):
    grads = {id(out): as_value(dout)}
    for value in reversed(in_order(out, [])):
        g = grads[id(value)]
        for parent, rule in value.parents:
            part = fold(rule(g), parent.data.shape)
            if id(parent) in grads:
                part = grads[id(parent)] + part  # a fork adds
            grads[id(parent)] = part
    return [grads[id(value)] for value in inputs]

# %% count
import inspect

parts = (Value, as_value, fold, in_order, gradients)
print(sum(len(inspect.getsource(part).splitlines()) for part in parts))

# %% hours
w, h = Value(12.0), Value(4.0)
out = w * h - h * h
dw, dh = gradients(out, [w, h])

print("dw =", dw.data.item(), "  dh =", dh.data.item())

# %% batchnorm
def batchnorm(x, gamma, beta, eps=1e-5):
    N = x.data.shape[0]
    mu = x.sum(axis=0) / N
    xmu = x - mu
    var = (xmu * xmu).sum(axis=0) / N
    ivar = (var + eps) ** -0.5
    return xmu * ivar * gamma + beta

# %% ten_steps
x = Value(
    [[125.0, 3.0, 3.0],
     [131.0, 1.0, 9.0],
     [131.0, 1.0, 17.0],
     [133.0, 3.0, 11.0]]
)
gamma, beta = Value([1.0, 2.0, 0.5]), Value([0.0, 1.0, -1.0])
dout = np.array(
    [[3.0, 2.0, 0.0],
     [1.0, 1.0, 1.0],
     [2.0, 0.0, 1.0],
     [0.0, 1.0, 3.0]]
)
out = batchnorm(x, gamma, beta)
dx, dgamma, dbeta = gradients(out, [x, gamma, beta], dout)

print(dx.data.round(4))

# %% forward
def miss_forward(a):
    # step 1: the area of a square
    area = a * a
    # step 2: how far it is from 10
    off = area - 10.0
    # step 3: squared
    out = off * off
    return out

# %% twice
a = Value(3.0)
(slope,) = gradients(miss_forward(a), [a])
(bend,) = gradients(slope, [a])

print("slope =", slope.data.item())
print("bend  =", bend.data.item())

# %% nudged
def slope_at(number):
    a = Value(number)
    (slope,) = gradients(miss_forward(a), [a])
    return slope.data.item()


print(round((slope_at(3.0 + 1e-4) - slope_at(3.0 - 1e-4)) / 2e-4, 4))

# %% newton
number = 3.0
for turn in range(5):
    a = Value(number)
    (slope,) = gradients(miss_forward(a), [a])
    (bend,) = gradients(slope, [a])
    print(f"a = {number:.10f}   miss = {miss_forward(number):.10f}")
    number = number - slope.data.item() / bend.data.item()

# %% trace
import micrograd as mg

graph = mg.trace(miss_forward, np.array(3.0)).backward()

print("slope =", graph.grad["a"])
print("bend  =", mg.grad(mg.grad(miss_forward))(3.0))

# %% batchnorm_twice
def steepness(x):
    (dx,) = gradients(batchnorm(x, gamma, beta), [x], dout)
    return (dx * dx).sum(axis=0).sum(axis=1)  # one number


(ddx,) = gradients(steepness(x), [x])

nudge = np.zeros((4, 3))
nudge[0, 1] = 1e-4
more = steepness(Value(x.data + nudge)).data.item()
less = steepness(Value(x.data - nudge)).data.item()

print("by the engine:", ddx.data[0, 1].round(4))
print("by a nudge:   ", round((more - less) / 2e-4, 4))

# %% exercise
def sigmoid_slope_forward(x):
    # step 1: exp
    e = np.exp(-x)
    # step 2: the sigmoid
    s = 1.0 / (1.0 + e)
    # step 3: the slope of the sigmoid
    sq = s**2
    out = s - sq
    return out

# %% lesson
lesson = {
    "forward": miss_forward,
    "arguments": {"a": 3.0},
    "upstream": 1.0,
    "mistakes": ("path_missing", "path_twice", "factor"),
    "exercise": {
        "forward": sigmoid_slope_forward,
        "shapes": {"x": (4, 3)},
        "kind": "line",
        "blanks": 4,
        "seed": 0,
    },
}
