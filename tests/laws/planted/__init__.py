"""Faults, each a change of the source of one function, and the law that must notice it."""
