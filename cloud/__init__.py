"""Runs beside the GPUs: packets in, video and fleet view out."""
