"""`mirage demo`: every process of the system on this machine, and what its bytes were spent on."""
