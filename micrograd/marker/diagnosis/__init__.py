"""Find the first wrong line and say what kind of mistake it is."""
