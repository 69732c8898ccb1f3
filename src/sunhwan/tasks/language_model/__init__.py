"""Language model: the next token from those before it."""
