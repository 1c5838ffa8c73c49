"""`mirage bench governor`: what a byte budget costs in meaning, by the governor and by a simple policy."""
