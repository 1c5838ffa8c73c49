"""Bundles of pre-trained models, named by a recipe."""
