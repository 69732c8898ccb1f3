"""The task answer: a question about a passage, answered with a word of it."""
