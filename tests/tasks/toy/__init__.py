"""A task in one folder: a text → a number, by the square of the error."""
