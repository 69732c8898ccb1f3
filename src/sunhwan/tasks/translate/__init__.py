"""Translation: a text or a recording to a text."""
