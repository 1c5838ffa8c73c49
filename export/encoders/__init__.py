"""Appearance encoders: pre-trained networks that say what a keyframe looks like, in a vector or in tokens."""
