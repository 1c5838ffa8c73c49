"""`mirage bench plan`: what a fleet needs, from what one unit of each part was measured to do."""
