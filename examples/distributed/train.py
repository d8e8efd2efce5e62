"""One process of a data-parallel training; `launch.py` starts several. See README.md."""

import argparse
from pathlib import Path

import numpy as np

import micrograd as mg
from micrograd import checkpoint, functional, nn, optim
from micrograd.compiler import connect
from micrograd.training.data import batches, digits

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--coordinator", help="host:port of rank 0; or JAX_COORDINATOR_ADDRESS")
parser.add_argument("--processes", type=int, help="or JAX_NUM_PROCESSES")
parser.add_argument("--rank", type=int, help="or JAX_PROCESS_ID")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch", type=int, default=64, help="rows of the whole batch")
parser.add_argument("--checkpoint", type=Path, default=Path("out/distributed.safetensors"))
parser.add_argument("--resume", action="store_true")
given = parser.parse_args()

connect(given.coordinator, given.processes, given.rank, timeout=20)

import jax  # noqa: E402 (after connect, which sets it up)

# The same seeds everywhere: every process has the same model and draws the same batches.
data = digits(dtype=np.float32)
model = nn.mlp([64, 64, 64, 10], batch_norm=True, rng=0, dtype=np.float32)
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
rng = np.random.default_rng(0)
done = 0
if given.resume:
    done = checkpoint.load(given.checkpoint, model, optimizer, rng=rng).step


def step(x, y):
    loss = functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


step = mg.compile(step, backend="jax", mesh=jax.device_count())

for epoch in range(done, given.epochs):
    losses = [step(x, y) for x, y in batches(data.x_train, data.y_train, given.batch, rng, drop_last=True)]
    if jax.process_index() == 0:
        model.eval()
        with mg.no_grad():
            accuracy = functional.accuracy(model(data.x_test), data.y_test)
        model.train()
        given.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.save(given.checkpoint, model, optimizer, rng=rng, step=epoch + 1)
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, test accuracy {accuracy:.1%}", flush=True)
