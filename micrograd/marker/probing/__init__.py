"""Find inputs that make every mistake visible."""
