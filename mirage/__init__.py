"""The `mirage` command: composes edge, cloud and export."""
