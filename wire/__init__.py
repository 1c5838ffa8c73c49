"""What edge and cloud agree on. Imports nothing from either, reads no clock."""
