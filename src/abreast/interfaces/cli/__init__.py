"""The command line: one module per command or family of them; ``main`` puts them together."""
