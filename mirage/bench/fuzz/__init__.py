"""`mirage bench fuzz`: mutated bytes into every parser that reads what comes from outside."""
