"""Frames of zstd (RFC 8878): what a pack's records are made of. A base is a dictionary as it is, a prefix."""

import sys
from collections.abc import Iterator

from wire.release.documents import ReleaseError
from wire.release.stream import Record

if sys.version_info >= (3, 14):
    from compression.zstd import (
        CompressionParameter,
        DecompressionParameter,
        ZstdCompressor,
        ZstdDecompressor,
        ZstdDict,
        ZstdError,
    )
else:
    from backports.zstd import (
        CompressionParameter,
        DecompressionParameter,
        ZstdCompressor,
        ZstdDecompressor,
        ZstdDict,
        ZstdError,
    )

_SHORTEST = 8  # bytes of a dictionary; less is none
_PART = 1 << 17  # bytes that are read, and at most given, at a time


def compressed(content: bytes, base: bytes | None, level: int, window: int) -> bytes:
    """Make one frame, with a window of `window` bits."""
    options = {
        int(CompressionParameter.compression_level): level,
        int(CompressionParameter.window_log): window,
    }
    compressor = ZstdCompressor(options=options, zstd_dict=_prefix(base))
    compressor.set_pledged_input_size(len(content))
    return compressor.compress(content, ZstdCompressor.FLUSH_FRAME)


def decompressed(record: Record, base: bytes | None, window: int) -> Iterator[bytes]:
    """Read the one frame of a record, part by part. Raises ReleaseError for anything else in it."""
    options = {int(DecompressionParameter.window_log_max): window}
    decompressor = ZstdDecompressor(zstd_dict=_prefix(base), options=options)
    try:
        while not decompressor.eof:
            given = record.read(_PART) if decompressor.needs_input else b""
            if decompressor.needs_input and not given:
                raise ReleaseError("the pack is damaged: a frame is cut off")
            if part := decompressor.decompress(given, _PART):
                yield part
    except (ZstdError, MemoryError) as error:
        raise ReleaseError(f"the pack is damaged: {error}") from error
    if decompressor.unused_data or record.left:
        raise ReleaseError("the pack is damaged: something stands behind a frame")


def _prefix(base: bytes | None) -> tuple[ZstdDict, int] | None:
    return ZstdDict(base, is_raw=True).as_prefix if base and len(base) >= _SHORTEST else None
