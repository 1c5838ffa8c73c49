"""`mirage deploy provision`: a board that already runs a system gets the agent, over ssh."""
