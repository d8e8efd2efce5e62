"""Show a report as text, page or test."""
