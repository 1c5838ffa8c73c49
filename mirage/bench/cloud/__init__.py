"""`mirage bench cloud`: what the queue, the engines and the serving side can do."""
