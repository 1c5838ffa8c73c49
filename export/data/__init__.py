"""Training data: real footage and synthetic motion."""
