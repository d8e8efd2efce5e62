"""Hold what makes the engine safe and fast."""
