"""List the edits that are tried on a line."""
