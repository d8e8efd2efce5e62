"""The training loop written out: forward, backward, step. Nothing here that the reader could not write.

python examples/training_loop.py
"""

import numpy as np

import micrograd as mg
from micrograd import functional, nn, optim
from micrograd.training.data import batches

# Two spirals, one class each: no straight line separates them.
rng = np.random.default_rng(0)
turn = np.linspace(0.5, 3.0, 200)
angle = np.concatenate([turn, turn + np.pi / 2]) * np.pi / 1.5
radius = np.concatenate([turn, turn])
x = np.c_[radius * np.cos(angle), radius * np.sin(angle)] / 3 + rng.normal(0, 0.02, (400, 2))
y = np.repeat([0, 1], 200)

model = nn.Sequential(
    nn.Linear(2, 32, rng=rng),
    nn.BatchNorm1d(32),
    nn.Tanh(),
    nn.Linear(32, 2, rng=rng),
)
optimizer = optim.Adam(model.parameters(), lr=0.02)
schedule = optim.cosine(0.02, epochs=40)

for epoch in range(40):
    optimizer.lr = schedule(epoch)
    for xb, yb in batches(x, y, 50, rng):
        loss = functional.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")

model.eval()
with mg.no_grad():
    accuracy = functional.accuracy(model(x), y)
print(f"accuracy {accuracy:.1%}")
