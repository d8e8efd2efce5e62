"""Compute what is right: the engine's values and gradients."""
