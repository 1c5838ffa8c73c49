"""Bytes, meaning and privacy of the same settings, side by side."""
