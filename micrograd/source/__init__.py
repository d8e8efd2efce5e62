"""Read the user's own source: positions, names, ownership."""
