"""Chaos: real processes, a bad network, sudden deaths, and a checker of what came of it."""
