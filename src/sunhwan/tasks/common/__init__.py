"""Shared by the tasks: interface, examples, questions from tables, kinds of input, encoder-decoder."""
