"""A language model as one C99 file."""
