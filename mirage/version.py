"""What this software calls itself in births and metadata."""

from importlib import metadata


def _version() -> str:
    try:
        return metadata.version("mirage-video")
    except metadata.PackageNotFoundError:  # a source tree that was not installed
        return "0"


SOFTWARE = f"mirage {_version()}"
