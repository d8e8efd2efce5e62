"""Lesson 7: softmax and cross-entropy. From scores to shares, and how wrong they are."""

# %% scores
import numpy as np

s = np.array(
    [[2.0, 1.0, 0.0],  # one row for each photo
     [0.0, 3.0, 0.0],  # the columns: cat, dog, bird
     [1.0, 1.0, 1.0],
     [0.0, 2.0, 1.0]]
)
e = np.exp(s)

print(e.round(2))

# %% shares
total = np.sum(e, axis=1, keepdims=True)
p = e / total

print(p.round(3))
print("each row adds up to", np.sum(p, axis=1).round(6))

# %% right
y = np.array([0, 1, 2, 2])  # what is on the photos: cat, dog, bird, bird
right = p[np.arange(4), y]

print(right.round(3))

# %% penalty
for share in (0.99, 0.9, 0.5, 0.1, 0.01):
    print("share", share, "  penalty", round(-np.log(share), 3))

# %% forward
def loss_forward(s, y):
    # step 1: make them positive
    e = np.exp(s)
    # step 2: add up each row
    total = np.sum(e, axis=1, keepdims=True)
    # step 3: shares
    p = e / total
    # step 4: the share of the right one
    right = p[np.arange(len(s)), y]
    # step 5: cross-entropy
    loss = -np.mean(np.log(right))
    return loss

# %% loss
print(round(loss_forward(s, y), 4))

# %% back_5_4
N = 4
dloss = 1.0

dright = -dloss / N / right     # step 5: a mean, a log, a minus

dp = np.zeros((4, 3))           # step 4: the others get nothing
dp[np.arange(4), y] = dright

print(dp.round(3))

# %% back_3_2_1
de1 = dp / total                                              # step 3
dtotal = np.sum(-dp * e / total**2, axis=1, keepdims=True)

de2 = dtotal * np.ones((4, 3))                                # step 2
de = de1 + de2

ds = de * e                                                   # step 1

print(ds.round(4))

# %% surprise
Y = np.zeros((4, 3))
Y[np.arange(4), y] = 1.0

print(Y)
print(((p - Y) / N).round(4))

# %% trace
import micrograd as mg

graph = mg.trace(loss_forward, s, y).backward()

print(graph.grad["s"].round(4))

# %% measured
nudge = np.zeros((4, 3))
nudge[0, 0] = 1e-4
more = loss_forward(s + nudge, y)
less = loss_forward(s - nudge, y)

print(round((more - less) / 2e-4, 4))

# %% learn
turned = s.copy()
for turn in range(5):
    e = np.exp(turned)
    p = e / np.sum(e, axis=1, keepdims=True)
    print("turn", turn, "  loss", round(loss_forward(turned, y), 4))
    turned = turned - 4.0 * (p - Y) / N

print(p.round(2))

# %% large
with np.errstate(all="ignore"):
    print("exp(1000) is", np.exp(1000.0))

large = np.array([[1002.0, 1001.0, 1000.0]])
z = large - np.max(large, axis=1, keepdims=True)

print("shifted:", z)
print("shares: ", (np.exp(z) / np.sum(np.exp(z))).round(3))

# %% exercise
def blend_forward(s, v):
    # step 1: make them positive
    e = np.exp(s)
    # step 2: add up each row
    total = np.sum(e, axis=1, keepdims=True)
    # step 3: shares
    p = e / total
    # step 4: a mean of v, weighted by the shares
    weighed = p * v
    out = np.sum(weighed, axis=1)
    return out

# %% lesson
lesson = {
    "forward": loss_forward,
    "arguments": {"s": s, "y": y},
    "upstream": 1.0,
    "mistakes": (
        "path_missing de",
        "unsummed dtotal",
        "wrong_axis dtotal",
        "power dright",
    ),
    "exercise": {
        "forward": blend_forward,
        "shapes": {"s": (4, 3), "v": (4, 3)},
        "kind": "line",
        "blanks": 4,
        "seed": 3,
    },
}
