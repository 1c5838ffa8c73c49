"""Anchors: pictures of how the receiver wants things to look. A policy names them by their SHA-256."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 64 * 2**20  # of one file
MAX_PIXELS = 2**26  # of one picture: 64 megapixels


class AnchorError(ValueError):
    """An anchor cannot be used; the message names the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """Pictures (H, W, 3) RGB, and in the same order the SHA-256 (hex) of the files that hold them."""

    sha256s: tuple[str, ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """Pictures for one clip: the first `grounds` show the place itself; `figure` is one of a stand-in."""

    pictures: tuple[NDArray[np.uint8], ...] = ()
    grounds: int = 0
    figure: NDArray[np.uint8] | None = None


NO_SCENERY = Scenery()


def read_anchors(paths: Iterable[Path]) -> Anchors:
    """Read picture files (JPEG, PNG, WebP; turned as their EXIF says), or raise AnchorError."""
    files = [(path, _read(path)) for path in paths]
    return Anchors(
        tuple(hashlib.sha256(data).hexdigest() for _, data in files),
        tuple(decode(data, path) for path, data in files),
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AnchorError(f"{path}: {path.stat().st_size:,} bytes, limit is {MAX_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise AnchorError(f"{path}: {error.strerror}") from error


def decode(data: bytes, name: object = "anchor") -> NDArray[np.uint8]:
    """Decode a picture file's content, whatever it is called, or raise AnchorError that names it."""
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # one of absurd size, among others
        picture = None
    if picture is None:
        raise AnchorError(f"{name}: no picture that can be read (JPEG, PNG or WebP)")
    height, width = picture.shape[:2]
    if height * width > MAX_PIXELS:
        raise AnchorError(f"{name}: {width}x{height} pixels, limit is {MAX_PIXELS:,} pixels")
    return np.ascontiguousarray(picture[..., ::-1], dtype=np.uint8)
