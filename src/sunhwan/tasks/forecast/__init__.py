"""Forecasting: the next values of a series, with their uncertainty."""
