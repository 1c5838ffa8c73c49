"""Where rendering happens: in this process, or on the nodes of a Ray cluster."""
