"""Runs on the device: camera in, packets out. Never imports torch."""
