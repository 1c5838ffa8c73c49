"""Written captions as the captioner learns them: what is seen; how the camera moves is measured instead."""

import re
from pathlib import Path

from export.data import footage

_SAME = {"gray": "grey", "colorful": "colourful"}
_DRIVE = re.compile(
    r"^the camera (?:drives|moves) (?:forward |past )?(?:quickly |slowly )?"
    r"(?:on |along |through |behind |past )?"
)
_CAMERA = re.compile(
    r" (?:as )?(?:the )?camera (?:static|handheld|pans|tilts|zooms|moves|turns|follows|shakes|pushes).*$"
)
_LEADING = re.compile(
    r"^camera (?:pans|tilts) (?:left|right|up|down)(?: quickly| slowly)?(?: from| past| to) "
)
_NOTHING = re.compile(r" (?:and )?nothing moves.*$")


def written(folder: Path, *, held_out: bool = False) -> list[str]:
    """Written captions of clips and photographs, of the sources trained on or of the held-out ones."""
    clips = [c.text for c in footage.clip_captions(folder) if footage.is_held_out(c.path) == held_out]
    photos = [
        text for path, text in footage.photo_captions(folder).items() if footage.is_held_out(path) == held_out
    ]
    return clips + photos


def content(text: str) -> str:
    """Leave out what is said of the camera and of nothing moving, and spell each word in one way."""
    for pattern in (_NOTHING, _CAMERA, _DRIVE, _LEADING):
        text = pattern.sub("", text)
    return " ".join(_SAME.get(word, word) for word in text.split())
