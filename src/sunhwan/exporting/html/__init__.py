"""A language model as one web page."""
