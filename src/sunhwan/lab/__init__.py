"""Experiments: what the cells can do, measured and not repeated from a textbook."""
