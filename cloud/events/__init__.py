"""What third parties are told: written with what it tells of, published by one process at a time."""
