"""`mirage deploy update`, `status`: releases for a fleet that is out there. The cloud carries them out."""
