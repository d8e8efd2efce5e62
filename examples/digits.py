"""Train a network with and without batch normalization on 1,797 handwritten digits.

python examples/digits.py
"""

from micrograd.training.loop import train_digits

results = {}
for batch_norm in (True, False):
    model, history = train_digits(batch_norm=batch_norm, epochs=10, progress=print)
    print(model)
    results[batch_norm] = history.test_accuracy[-1]

print(f"test accuracy: {results[True]:.1%} with batch normalization, {results[False]:.1%} without")
