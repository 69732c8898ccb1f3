"""Description: numbers, an image or labels to a text."""
