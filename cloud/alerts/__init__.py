"""Saved searches that are told when a caption matches."""
