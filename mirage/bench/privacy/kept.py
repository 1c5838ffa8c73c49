"""What a run keeps of its work, so that one that was stopped goes on: lines of a journal, frames."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import numpy as np

from mirage.bench.privacy.people import Appearance, Sight

Line = TypeVar("Line", bound=msgspec.Struct)


class Journal(Generic[Line]):
    """A file of JSON lines; one that was cut off is as if it were not there."""

    def __init__(self, path: Path, kind: type[Line]) -> None:
        self._path, self._kind = path, kind

    def read(self) -> Iterator[Line]:
        """Give the whole lines."""
        if not self._path.exists():
            return
        for line in self._path.read_bytes().splitlines():
            with suppress(msgspec.DecodeError):  # of a run that was stopped while it wrote
                yield msgspec.json.decode(line, type=self._kind)

    def add(self, line: Line) -> None:
        """Write a line, at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:  # a line before may have been cut off
            file.write(b"\n" + msgspec.json.encode(line) + b"\n")


class Frames:
    """Frames of appearances that were read once; other appearances, or other frames, have another file."""

    def __init__(
        self, folder: Path, found: Sequence[Appearance], frames: int, bundle_sha256: str, kind: str = "frames"
    ) -> None:
        key = repr([(each.clip.name, each.start_s, each.end_s, each.person) for each in found])
        number = zlib.crc32(f"{key} {frames} {bundle_sha256}".encode())
        self._path = folder / f"{kind}-{number:08x}.npz"
        self._found = {_name(each): each for each in found}

    def read(self) -> list[Sight] | None:
        """Give what was kept; None where nothing was."""
        if not self._path.exists():
            return None
        with np.load(self._path) as kept:
            rows = [str(row) for row in kept["rows"]]
            return [
                Sight(
                    self._found[row[1:]], row[0] == "+",
                    kept[f"source{place}"], kept[f"camera{place}"], kept[f"redacted{place}"],
                )
                for place, row in enumerate(rows)
            ]  # fmt: skip

    def keep(self, sights: Sequence[Sight]) -> None:
        """Write all of them, whole or not at all."""
        arrays = {
            f"{name}{place}": getattr(sight, name)
            for place, sight in enumerate(sights)
            for name in ("source", "camera", "redacted")
        }
        rows = [("+" if sight.enrols else "-") + _name(sight.appearance) for sight in sights]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part.npz")
        np.savez(part, rows=np.array(rows), **arrays)
        part.replace(self._path)


def _name(appearance: Appearance) -> str:
    return f"{appearance.clip.stem} {appearance.start_s:g} {appearance.person}"
