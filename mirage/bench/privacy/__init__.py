"""What somebody who holds every packet, the keys and the bundle makes of them; see docs/privacy.md."""
