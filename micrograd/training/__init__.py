"""Train networks on data, with checkpoints."""
