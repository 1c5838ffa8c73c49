"""The page: cameras, their segments, and a player for what was reconstructed of them."""
