"""Clips join without loss of a frame; source and reconstruction stand beside each other in time."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.mp4 import Mp4Writer
from mirage.demo.films import join_clips, side_by_side
from mirage.errors import OutputError

NTSC = Fraction(30000, 1001)


def clip(path: Path, frames: int, gray: int, rate: Fraction = NTSC) -> Path:
    with Mp4Writer(path, 128, 72, rate, "clip", {"seed": 1}) as writer:
        writer.write(np.full((frames, 72, 128, 3), gray, np.uint8))
    return path


def decoded(path: Path) -> tuple[NDArray[np.uint8], list[float], Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.average_rate is not None
        return (
            np.stack([frame.to_ndarray(format="rgb24") for frame in frames]),
            [float(frame.time or 0) for frame in frames],
            stream.average_rate,
        )


def test_joined_clips_have_every_frame_at_its_time(tmp_path: Path) -> None:
    parts = [clip(tmp_path / f"{i}.mp4", frames, 60 * i) for i, frames in enumerate((60, 47, 1, 30))]
    joined = tmp_path / "joined.mp4"
    join_clips(parts, joined, "four parts")
    pictures, times, rate = decoded(joined)
    with av.open(str(joined)) as container:
        assert container.metadata["title"] == "four parts"
        assert json.loads(container.metadata["comment"])["clips"] == [{"seed": 1}] * 4
    assert rate == NTSC
    assert len(pictures) == 138
    assert np.allclose(times, [float(k / NTSC) for k in range(138)], atol=1e-3)
    centre = pictures[[0, 80, 107, 137], 30, 100, 0].astype(int)
    assert np.abs(centre - [0, 60, 120, 180]).max() < 4  # one frame of each part


def test_a_join_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    part = clip(tmp_path / "a.mp4", 5, 9)
    (tmp_path / "out").mkdir()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(OutputError, match="damaged"):
        join_clips([part, broken], tmp_path / "out" / "damaged.mp4", "x")
    assert list((tmp_path / "out").iterdir()) == []


def test_source_is_left_reconstruction_right_for_the_same_time(
    tmp_path: Path, make_video: Callable[..., Path]
) -> None:
    source = make_video(frames=50)  # 2 s at 25 fps
    reconstruction = clip(tmp_path / "r.mp4", 60, 200)
    both = tmp_path / "both.mp4"
    side_by_side(str(source), reconstruction, both, {})
    pictures, _, rate = decoded(both)
    assert (rate, pictures.shape) == (NTSC, (60, 72, 128 * 2 + 4, 3))
    assert abs(int(pictures[30, 20, 230, 0]) - 200) < 6
    bright = [int(np.argmax(picture[30, :128, 0])) for picture in pictures]
    assert bright[0] < 20
    assert bright[-1] > 60  # the source's square moves across its half
    assert np.ptp(pictures[0, :, 132:, 0]) > 100  # the mark is on the reconstruction, which is all gray
