"""A document at the end of an MP4, where players do not look. Pure.

    [ ftyp moov mdat ] [ u32 size, "skip", 16 bytes of id, JSON ]
    '---- film ------'    `clip.sha256` and `clip.bytes` of the document are of the film

A `skip` box is of no meaning to players, and C2PA's hash of a file leaves it out, so both go together. A film
that nothing was attached to is all film.
"""

import struct

_HEADER = struct.Struct(">I4s16s")
BOX_ID = b"mirage provenan1"
MAX_DOCUMENT = 2**20


def attach(document: bytes) -> bytes:
    """Make the box that goes behind a film."""
    return _HEADER.pack(_HEADER.size + len(document), b"skip", BOX_ID) + document


def detach(clip: bytes) -> tuple[bytes, bytes | None]:
    """Split a clip into its film and the document behind that; None if there is none."""
    begin = clip.rfind(b"skip" + BOX_ID) - 4
    if begin < 0 or len(clip) - begin > _HEADER.size + MAX_DOCUMENT:
        return clip, None
    size, _, _ = _HEADER.unpack_from(clip, begin)
    if begin + size != len(clip):  # more follows, or it is cut off
        return clip, None
    return clip[:begin], clip[begin + _HEADER.size :]
