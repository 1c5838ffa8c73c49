"""The small default bundle: network definitions (torch) beside the shipped weights."""
