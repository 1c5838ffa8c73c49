"""The commands that made the shipped weights."""
