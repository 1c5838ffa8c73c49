"""Cameras: right times, right way up, and one clear line for whatever is no video."""

from pathlib import Path
from threading import Event, Timer

import numpy as np
import pytest
from structlog.testing import capture_logs

from edge.camera import CameraError, Frame, is_live, open_camera
from mirage.demo.broker import free_port
from tests.edge.films import panned, texture, write_film
from tests.edge.livecam import LiveCamera

PICTURES = panned(texture(0), (320, 180), [(3 * step, step) for step in range(50)])


def times_ms(frames: list[Frame]) -> list[int]:
    return [round(frame.captured_us / 1000) for frame in frames]


def test_frames_are_sampled_at_a_steady_rate_of_the_containers_time(tmp_path: Path) -> None:
    camera = open_camera(str(write_film(tmp_path / "clip.mp4", PICTURES)))
    frames = list(camera)
    assert times_ms(frames)[:5] == [0, 160, 280, 400, 520]
    assert (camera.end_us, camera.frames_read) == (2_000_000, 50)
    assert (camera.info.width, camera.info.height, camera.info.fps, camera.info.live) == (320, 180, 25, False)


def test_variable_frame_rate_keeps_the_containers_times(tmp_path: Path) -> None:
    shown = [*range(0, 1000, 40), *range(1000, 6000, 500)]
    camera = open_camera(str(write_film(tmp_path / "vfr.mp4", PICTURES[: len(shown)], shown)))
    assert times_ms(list(camera))[-10:] == shown[-10:]
    assert 5_500_000 < camera.end_us < 6_100_000


def test_a_clip_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    late = write_film(tmp_path / "late.mp4", PICTURES[:25], [9000 + 40 * step for step in range(25)])
    assert times_ms(list(open_camera(str(late))))[0] == 0


def test_pictures_are_scaled_to_what_the_encoders_see_and_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((5, 720, 1280, 3), np.uint8)
    red[..., 0] = 220
    frame = next(iter(open_camera(str(write_film(tmp_path / "red.mp4", red)))))
    assert frame.rgb.shape == (160, 284, 3)
    assert frame.rgb[..., 0].mean() > 180
    assert frame.rgb[..., 1].mean() < 60


def test_rotation_in_the_metadata_turns_portrait_video_upright(tmp_path: Path) -> None:
    pictures = PICTURES.copy()
    pictures[:, :, :60] = 255  # a bright left edge, which the rotation moves to another side
    camera = open_camera(str(write_film(tmp_path / "portrait.mp4", pictures, rotation=90)))
    rgb = next(iter(camera)).rgb
    assert (camera.info.width, camera.info.height) == (180, 320)
    assert rgb.shape == (284, 160, 3)
    assert rgb[-40:].mean() > rgb[:40].mean() + 40 or rgb[:40].mean() > rgb[-40:].mean() + 40


def test_odd_sizes_are_read(tmp_path: Path) -> None:
    odd = panned(texture(1), (321, 181), [(step, 0) for step in range(10)])
    camera = open_camera(str(write_film(tmp_path / "odd.mp4", odd, pixels="yuv444p")))
    assert next(iter(camera)).rgb.shape[0] == 160
    assert (camera.info.width, camera.info.height) == (321, 181)


def test_4k_is_read_and_scaled_down(tmp_path: Path) -> None:
    big = np.repeat(texture(2, 540, 960).repeat(4, axis=0).repeat(4, axis=1)[None], 3, axis=0)
    camera = open_camera(str(write_film(tmp_path / "4k.mp4", big, [0, 200, 400])))
    frames = list(camera)
    assert (camera.info.width, camera.info.height) == (3840, 2160)
    assert [frame.rgb.shape for frame in frames] == [(160, 284, 3)] * 3


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    camera = open_camera(str(write_film(tmp_path / "one.mp4", PICTURES[:1])))
    assert len(list(camera)) == 1
    assert camera.end_us == 40_000


def test_a_video_without_frames_is_an_error_that_names_it(tmp_path: Path) -> None:
    empty = write_film(tmp_path / "none.mp4", PICTURES[:0], [])
    with pytest.raises(CameraError, match=r"none\.mp4: "):
        open_camera(str(empty))


@pytest.mark.parametrize("content", [b"", b"hello, this is a letter\n" * 50, bytes(4096)])
def test_what_is_no_video_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "letter.mp4").write_bytes(content)
    with pytest.raises(CameraError, match=r"letter\.mp4: not a video"):
        open_camera(str(tmp_path / "letter.mp4"))


def test_a_missing_file_and_a_folder_are_errors_that_name_them(tmp_path: Path) -> None:
    for source in (tmp_path / "gone.mp4", tmp_path):
        with pytest.raises(CameraError, match=f"{source}: no such file"):
            open_camera(str(source))


def test_a_file_cut_off_before_its_index_is_an_error_that_says_so(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.mp4", PICTURES).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CameraError, match=r"cut\.mp4: not a video, or cut off before its index"):
        open_camera(str(tmp_path / "cut.mp4"))


def test_a_file_cut_off_after_its_index_is_read_as_far_as_it_goes_with_a_warning(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "whole.mp4", PICTURES, options={"movflags": "+faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    camera = open_camera(str(tmp_path / "cut.mp4"))
    with capture_logs() as logs:
        frames = list(camera)
    assert 0 < len(frames) < 16
    assert [line["event"] for line in logs] == ["file ends early"]
    assert logs[0]["source"].endswith("cut.mp4")


def test_a_bad_file_leaves_no_lines_of_ffmpeg_behind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "letter.mp4").write_bytes(b"hello")
    with pytest.raises(CameraError):
        open_camera(str(tmp_path / "letter.mp4"))
    assert capfd.readouterr() == ("", "")


def test_stop_ends_a_file_early(tmp_path: Path) -> None:
    stop = Event()
    frames = iter(open_camera(str(write_film(tmp_path / "clip.mp4", PICTURES)), stop=stop))
    next(frames)
    stop.set()
    assert list(frames) == []


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("clip.mp4", False),
        ("file:///data/clip.mp4", False),
        ("rtsp://10.0.0.9/main", True),
        ("/dev/video0", True),
        ("0", True),
        ("videotestsrc ! videoconvert ! appsink", True),
    ],
)
def test_what_has_no_end_of_its_own_is_live(source: str, live: bool) -> None:  # noqa: FBT001 -- a table
    assert is_live(source) is live


@pytest.mark.parametrize("source", ["/dev/video97", "rtsp://127.0.0.1:{port}/x", "no ! such ! pipeline"])
def test_a_live_camera_that_is_not_there_is_an_error_that_names_it(source: str) -> None:
    url = source.format(port=free_port())
    with pytest.raises(CameraError, match="camera does not answer"):
        open_camera(url)


def test_a_live_camera_that_is_unplugged_is_opened_again_when_it_is_back(tmp_path: Path) -> None:
    stream = write_film(tmp_path / "stream.ts", PICTURES[:25]).read_bytes()
    plugged = LiveCamera(stream)
    stop = Event()
    camera = open_camera(plugged.url, stop=stop)
    frames = iter(camera)
    before = [next(frames)]
    plugged.unplug()
    Timer(0.7, lambda: again.append(LiveCamera(stream, plugged.port))).start()
    again: list[LiveCamera] = []
    with capture_logs() as logs:
        for frame in frames:
            before.append(frame)
            if frame.resumed:
                break
    stop.set()
    again[0].unplug()
    assert camera.info.live
    assert [line["event"] for line in logs] == ["camera vanished", "camera is back"]
    assert camera.attempts >= 2
    assert times_ms(before) == sorted(set(times_ms(before)))
    assert before[-1].captured_us - before[-2].captured_us > 100_000


def test_waiting_for_a_vanished_camera_ends_with_stop(tmp_path: Path) -> None:
    stream = write_film(tmp_path / "stream.ts", PICTURES[:10]).read_bytes()
    plugged = LiveCamera(stream)
    stop = Event()
    camera = open_camera(plugged.url, stop=stop)
    plugged.unplug()
    Timer(0.3, stop.set).start()
    assert not any(frame.resumed for frame in camera)
