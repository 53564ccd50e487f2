"""Training problems from raw ones."""
