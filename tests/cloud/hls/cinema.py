"""Clips put into the store as a worker would, by hand: what is rendered when, a test decides."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sqlalchemy import select

from cloud.catalog import poster_key, video_key
from cloud.objects import Objects
from cloud.render.mp4 import Mp4Writer
from cloud.schema import ClipRow, JobRow
from cloud.store import Store

RATE = Fraction(10)


def clip(level: int, frames: int, width: int = 64, height: int = 36, rate: Fraction = RATE) -> bytes:
    """Film a wall that is as bright as `level` at first, and one lighter with every frame."""
    return walls(tuple(range(level, level + frames)), width, height, rate)


def still(level: int, frames: int) -> bytes:
    """Film a wall that stays as it is."""
    return walls((level,) * frames)


@cache
def walls(levels: Sequence[int], width: int = 64, height: int = 36, rate: Fraction = RATE) -> bytes:
    """Film rough walls, in the mean as bright as these levels."""
    wall = np.random.default_rng(1).integers(-9, 10, (height, width, 1))
    pictures = np.array(levels)[:, None, None, None] + wall
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with Mp4Writer(path, width, height, rate, "a wall", {}) as writer:
            writer.write(np.repeat(pictures.astype(np.uint8), 3, axis=3))
        return path.read_bytes()


class Cinema:
    """A store and its objects, with clips by hand."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.objects = Objects(str(folder))

    def render(self, packet_id: int, film: bytes) -> str:
        """Have a segment's clip be there; give its fingerprint."""
        made = hashlib.sha256(packet_id.to_bytes(4, "big") + film).hexdigest()
        self.objects.put(video_key(made), film)
        self.objects.put(poster_key(made), b"poster")
        with self.store.write() as session:
            session.merge(
                ClipRow(
                    packet_id=packet_id, look="", fingerprint=made, wanted=None,
                    video_key=video_key(made), poster_key=poster_key(made), tail_key=None,
                    size=len(film), width=64, height=36, frames=1, render_ms=1,
                    provenance="{}", seam=None, made_ms=0,
                )
            )  # fmt: skip
            job = session.get(JobRow, (packet_id, ""))
            if job is not None:
                job.state = "done"
        return made

    def set_state(self, packet_id: int, state: str) -> None:
        """Have a worker do something with a job."""
        with self.store.write() as session:
            session.get_one(JobRow, (packet_id, "")).state = state

    def jobs(self) -> dict[int, str]:
        """Give all jobs' states by packet."""
        with self.store.read() as session:
            return {job.packet_id: job.state for job in session.scalars(select(JobRow))}
