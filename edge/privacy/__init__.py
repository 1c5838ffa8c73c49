"""What leaves a device, and what never does: see docs/privacy.md.

guard.py       what the sender allows at present, for all cameras; opens a redacted camera
camera.py      a camera whose every frame was redacted before anything else sees it
redactor.py    zones and detections of one camera, held in time
masks.py       polygons and boxes as pixels, filled
detectors.py   faces, text, people, plates: which model finds them, and what to do where there is none
words.py       what captions may not say; ban.py keeps it out of the beam
schedule.py    hours of the day
coarsen.py     how much of a keyframe the appearance encoder gets to see
"""
