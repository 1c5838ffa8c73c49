"""Who may see and do what over HTTP: roles, tokens, sessions, limits."""
