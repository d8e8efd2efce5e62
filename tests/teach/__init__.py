"""Right backwards, the same in many styles, and the same with one mistake: what `micrograd check` is measured on."""
