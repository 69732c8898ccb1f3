"""Trained models over HTTP: an OpenAI-shaped interface, one of our own, and a page."""
