"""Prometheus: what a process counts, what the store says, and where both are read."""
