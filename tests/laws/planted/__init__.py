"""Faults, each a change of one node of a function, and the law that must notice it."""
