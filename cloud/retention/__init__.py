"""What is kept, for how long, and how it goes: packets, clips, what nobody could read, objects of nobody."""
