"""Bridges to other systems: a third party that listens to one tenant and tells somebody else's broker."""
