"""MP4 files: playable, marked, counted exactly, whole or not there at all."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.render.mark import mark
from cloud.render.mp4 import Mp4Writer, OutputError

ROOT = Path(__file__).resolve().parents[2]
RATE = Fraction(30000, 1001)


def noise(count: int, height: int = 144, width: int = 256) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def write(path: Path, frames: NDArray[np.uint8], rate: Fraction = RATE) -> None:
    height, width = frames.shape[1:3]
    with Mp4Writer(path, width, height, rate, "north gate", {"seed": 7, "renderer": "mean-1"}) as writer:
        writer.write(frames)


def read(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", noise(60))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.codec_context.codec_tag == "avc1"
        assert (stream.frames, stream.average_rate) == (60, RATE)
        assert stream.duration is not None
        assert stream.time_base is not None
        assert stream.duration * stream.time_base == 60 / RATE
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "a browser needs the index first"
    assert len(read(tmp_path / "a.mp4")) == 60


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", noise(12))
    write(tmp_path / "b.mp4", noise(12))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_so_they_do_on_a_busy_machine(tmp_path: Path) -> None:
    still = noise(1, 36, 64)[0] // 8 + 100
    pan = np.stack([np.roll(still, step, axis=1) for step in range(10)])
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        films = set[bytes]()
        for _ in range(400):
            write(tmp_path / "pan.mp4", pan)
            films.add((tmp_path / "pan.mp4").read_bytes())
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert len(films) == 1


def test_metadata_says_what_it_is_and_where_it_comes_from(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", noise(2))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata["title"] == "north gate"
        assert container.metadata["description"] == "AI-reconstructed"
        assert json.loads(container.metadata["comment"]) == {"seed": 7, "renderer": "mean-1"}


@pytest.mark.parametrize(
    ("width", "height"),
    [(256, 144), (144, 256), (64, 48), (1280, 720), (16, 16), (256, 2), (2, 2)],
)
def test_every_frame_carries_the_mark(tmp_path: Path, width: int, height: int) -> None:
    grey = np.full((3, height, width, 3), 128, np.uint8)
    write(tmp_path / "a.mp4", grey)
    for picture in read(tmp_path / "a.mp4"):
        assert picture.shape == (height, width, 3)
        assert np.ptp(picture.astype(int)) > (60 if height >= 16 else 10)


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_the_mark_stands_out_from_any_picture_and_hides_little_of_it(shade: int) -> None:
    picture = np.full((1, 144, 256, 3), shade, np.uint8)
    marked = mark(picture)
    changed = (marked != picture).any(-1)
    assert (picture == shade).all(), "the argument is left alone"
    assert changed[0, :, :].mean() < 0.05
    patch = marked[0][changed[0]].astype(int)
    assert patch.max() - patch.min() > 70 or abs(patch.max() - shade) > 70
    rows = np.flatnonzero(changed[0].any(1))
    assert rows[-1] < 24, "at the top, where players draw no controls"


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"expected \(T"),
        Mp4Writer(tmp_path / "a.mp4", 64, 64, RATE, "", {}) as writer,
    ):
        writer.write(noise(1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(63, 64), (64, 63), (0, 64)])
def test_odd_sides_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(OutputError, match="even"):
        Mp4Writer(tmp_path / "a.mp4", *size, RATE, "", {})


def test_a_film_without_frames_is_an_error_and_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no frame"),
        Mp4Writer(tmp_path / "a.mp4", 64, 64, RATE, "", {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def interrupted(writer: Mp4Writer) -> None:
    writer.write(noise(5))
    raise KeyboardInterrupt


def test_an_interrupted_film_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        Mp4Writer(tmp_path / "a.mp4", 256, 144, RATE, "", {}) as writer,
    ):
        interrupted(writer)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_film_does_not_touch_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", noise(3))
    before = (tmp_path / "a.mp4").read_bytes()
    with (
        pytest.raises(OutputError, match="expected"),
        Mp4Writer(tmp_path / "a.mp4", 256, 144, RATE, "", {}) as writer,
    ):
        writer.write(noise(5, height=100))
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_process_that_is_killed_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    script = (
        "import sys; import numpy as np; from fractions import Fraction; from pathlib import Path\n"
        "from cloud.render.mp4 import Mp4Writer\n"
        "writer = Mp4Writer(Path(sys.argv[1]), 256, 144, Fraction(25), '', {})\n"
        "writer.write(np.zeros((200, 144, 256, 3), np.uint8))\n"
        "print('written', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "a.mp4")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    assert not (tmp_path / "a.mp4").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere/a\.mp4: No such file"):
        write(tmp_path / "nowhere/a.mp4", noise(1))


@contextlib.contextmanager
def disk_of(size: int, folder: Path) -> Iterator[Path]:
    """Mount a file system of `size` bytes, or skip."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("missing", [4096, 8192, 100_000])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path, missing: int) -> None:
    """Where it fills up differs: within the frames, or only when the index is moved to the front."""
    write(tmp_path / "whole.mp4", noise(12))
    size = (tmp_path / "whole.mp4").stat().st_size
    with disk_of(size - missing, tmp_path / "small") as disk:
        with pytest.raises(OutputError, match=r"a\.mp4: No space left on device"):
            write(disk / "a.mp4", noise(12))
        assert list(disk.iterdir()) == []


def test_a_size_limit_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError, match=r"a\.mp4: File too large"):
            write(tmp_path / "a.mp4", noise(60))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_begun_and_never_entered_is_gone_with_its_writer(tmp_path: Path) -> None:
    writer = Mp4Writer(tmp_path / "a.mp4", 256, 144, Fraction(10), "", {})
    assert list(tmp_path.iterdir())
    del writer
    assert not list(tmp_path.iterdir())
