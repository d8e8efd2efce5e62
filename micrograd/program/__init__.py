"""Record a call as a `Program`: what it computes, reads and changes."""
