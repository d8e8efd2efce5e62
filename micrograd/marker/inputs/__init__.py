"""Choose the arguments on which a pair of functions runs."""
