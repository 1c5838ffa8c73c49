"""A smaller copy of a footage folder in one file, to carry to the machine that trains.

FOLDER --photographs and clips scaled down and encoded again, captions as they are--> PACK.tar
PACK.tar --unpack--> a folder of the same layout
"""

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from export.data import footage

SHORT_PX = 256
LIMIT_MB = 60.0
_JPEG_QUALITY = 80
_CLIP_CRF = "27"
_TEXTS = (footage.CLIP_CAPTIONS, footage.PHOTO_CAPTIONS, "SOURCES.md")


class PackError(ValueError):
    """The pack cannot be written or read; the message says why."""


def write_pack(
    folder: Path,
    pack: Path,
    short_px: int = SHORT_PX,
    limit_mb: float = LIMIT_MB,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Write the pack and return its size in bytes; the short sides of pictures are `short_px` at most.

    `progress` gets each file's name, its number and how many there are. Raises FootageError for a folder
    without clips or photographs, PackError where the pack exceeds `limit_mb`; then no file is left behind.
    """
    pictures, clips = footage.photos(folder), footage.clips(folder)
    if not pictures and not clips:
        raise footage.FootageError(f"{folder} holds no picture or clip to pack")
    part = pack.with_name(f".{pack.name}.partial")
    try:
        with tarfile.open(part, "w") as archive:
            for name in _TEXTS:
                if (folder / name).exists():
                    _add(archive, name, (folder / name).read_bytes())
            for number, path in enumerate((*pictures, *clips), 1):
                name = path.relative_to(folder).as_posix()
                small = _photo(path, short_px) if number <= len(pictures) else _clip(path, short_px)
                _add(archive, name, small)
                if progress is not None:
                    progress(name, number, len(pictures) + len(clips))
        size = part.stat().st_size
        if size > limit_mb * 1e6:
            raise PackError(
                f"the pack takes {size / 1e6:.1f} MB, more than {limit_mb:g}: "
                f"try a smaller --short-px than {short_px}"
            )
        part.replace(pack)
    finally:
        part.unlink(missing_ok=True)
    return size


def opened(footage_or_pack: Path, work: Path) -> Path:
    """Give the folder of footage that is meant: the path itself, or what a pack unpacks to below `work`."""
    return unpack(footage_or_pack, work) if footage_or_pack.is_file() else footage_or_pack


def unpack(pack: Path, work: Path) -> Path:
    """Unpack into a folder below `work` that is named by the pack's hash, unless it is there already."""
    folder = work / f"footage-{hashlib.sha256(pack.read_bytes()).hexdigest()[:8]}"
    if folder.is_dir():
        return folder
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        unpacked = Path(scratch) / "footage"
        unpacked.mkdir()
        try:
            with tarfile.open(pack) as archive:
                for member in archive:
                    _extract(archive, member, unpacked)
        except (tarfile.TarError, OSError) as error:
            raise PackError(f"{pack} is no pack of footage: {error}") from error
        unpacked.rename(folder)
    return folder


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write a plain file below `folder`; tarfile's own filters need a later Python than Debian 12 has."""
    data = archive.extractfile(member) if member.isfile() else None
    target = folder / member.name
    if data is None or ".." in target.parts or not target.is_relative_to(folder):
        raise tarfile.TarError(f"it holds {member.name}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data.read())


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)  # no time, no owner: the same folder gives the same pack
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _photo(path: Path, short_px: int) -> bytes:
    picture = cv2.cvtColor(footage.read_photo(path, short_px), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1])


def _clip(path: Path, short_px: int) -> bytes:
    """Encode as H.264 at the clip's own rate; readers go by the content, not by the name."""
    try:
        return _encoded(path, short_px)
    except (av.FFmpegError, IndexError) as error:
        raise footage.FootageError(f"{path} cannot be read: {error}") from error


def _encoded(path: Path, short_px: int) -> bytes:
    written = io.BytesIO()
    with av.open(str(path)) as source, av.open(written, "w", format="mp4") as target:
        video = source.streams.video[0]
        stream = target.add_stream("libx264", rate=video.average_rate or Fraction(25))
        scale = min(1.0, short_px / min(video.width, video.height))
        stream.width, stream.height = (
            2 * max(1, round(side * scale / 2)) for side in (video.width, video.height)
        )
        stream.pix_fmt, stream.options = "yuv420p", {"crf": _CLIP_CRF, "preset": "medium"}
        for frame in source.decode(video):
            small = cv2.resize(
                frame.to_ndarray(format="rgb24"), (stream.width, stream.height), interpolation=cv2.INTER_AREA
            )
            picture = av.VideoFrame.from_ndarray(np.asarray(small, np.uint8), format="rgb24")
            target.mux(stream.encode(picture))
        target.mux(stream.encode(None))
    return written.getvalue()
