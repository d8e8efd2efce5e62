"""Search for the edit that makes a backward right."""
