"""`mirage fleet`: simulated devices that speak the real protocol, and how a fleet is, in the terminal."""
