"""Baselines: simple methods that a trained network has to beat, by task."""
