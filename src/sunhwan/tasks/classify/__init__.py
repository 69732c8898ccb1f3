"""Classification: a label for a text, a pair of texts, a recording or a vector."""
