"""Tasks to learn from."""
