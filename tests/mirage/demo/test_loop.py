"""A clip as a camera that never ends."""

from pathlib import Path
from threading import Event

import pytest

from edge.camera import is_live, open_camera
from mirage.demo.loop import looped
from mirage.demo.source import clip_of, named
from mirage.errors import InputError


def test_a_clip_goes_on_behind_its_end_at_its_own_pace() -> None:
    stop = Event()
    with looped(clip_of("carphone")) as address:  # 4 seconds
        assert is_live(address)
        camera = open_camera(address, stop=stop)
        times = list[int]()
        for frame in camera:
            times.append(frame.captured_us)
            if times[-1] - times[0] > 6_000_000:
                stop.set()
        attempts = camera.attempts
        camera.close()
    assert attempts == 1  # one stream, and not one for each loop
    assert times == sorted(times)
    assert times[-1] - times[0] > 6_000_000


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a video at all")
    with pytest.raises(InputError, match=r"clip\.mp4"), looped(path):
        pass


def test_clips_that_come_with_the_demo_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(None) == str(clip_of("bunny"))
    assert named("carphone").endswith("carphone_pristine.mp4")
    assert named("door.mp4") == "door.mp4"
    monkeypatch.chdir(tmp_path)
    Path("bikes").touch()  # a file of that name goes before
    assert named("bikes") == "bikes"
