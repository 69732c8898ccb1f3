"""Tagging: a label for each word of a sentence, or each frame of a recording."""
