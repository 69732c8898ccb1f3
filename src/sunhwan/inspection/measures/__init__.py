"""Measures: functions of a subject and its passages that return data, one measure a file."""
