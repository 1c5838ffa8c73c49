"""Segments become frames."""
