"""How sure a reconstruction is: what it looks like, described again, against what was received."""
