"""`mirage encode` and `mirage decode`: what others script against, and what bad input gets."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.conftest import write_video

Mirage = Callable[..., subprocess.CompletedProcess[str]]
MakeVideo = Callable[..., Path]
Recorded = Callable[[int], Path]

ENCODED = {
    "source",
    "segments",
    "still_segments",
    "packet_bytes",
    "layers",
    "ratio",
    "encode_s",
    "realtime_factor",
}
DECODED = {
    "frames",
    "fps",
    "width",
    "height",
    "render_s",
    "render_s_per_segment",
    "seam_mean",
    "seam_worst",
    "refused",
}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mirage(tiny: Path) -> Mirage:
    """Run a command with the shipped bundle."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mirage", *map(str, arguments), "--bundle", str(tiny)]
        return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]

    return run


@pytest.fixture(scope="module")
def clips(mirage: Mirage, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Encode a clip of so many frames, once for all that only need one."""
    folder: Path = tmp_path_factory.mktemp("clips")

    def recorded(frames: int) -> Path:
        made = folder / f"{frames}.mrg"
        if not made.exists():
            video = write_video(folder / f"{frames}.mp4", frames)
            assert mirage("encode", video, "-o", made).returncode == 0
        return made

    return recorded


@pytest.fixture
def recorded(clips: Recorded, tmp_path: Path) -> Recorded:
    """Give a clip of so many frames as `clip.mrg`, which may be written to."""
    return lambda frames: Path(shutil.copy(clips(frames), tmp_path / "clip.mrg"))


def refused(result: subprocess.CompletedProcess[str], *mentions: object) -> None:
    """Exit 2, nothing on stdout, one line on stderr that says what and where."""
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert result.stderr.startswith("mirage: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for mention in mentions:
        assert str(mention) in result.stderr


def duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return container.streams.video[0].frames / float(container.streams.video[0].average_rate or 1)


def test_encode_json_is_the_contract(mirage: Mirage, make_video: MakeVideo, tmp_path: Path) -> None:
    video, output = make_video(frames=75), tmp_path / "clip.mrg"
    result = mirage("encode", video, "-o", output, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report.keys() == ENCODED
    assert report["source"] == {
        "width": 192,
        "height": 108,
        "fps": 25.0,
        "duration_s": pytest.approx(3.0, abs=0.05),
        "raw_bytes": 75 * 192 * 108 * 3,
    }
    assert 0 < sum(report["layers"].values()) < report["packet_bytes"] < output.stat().st_size
    assert report["ratio"] == pytest.approx(report["source"]["raw_bytes"] / report["packet_bytes"])
    assert report["realtime_factor"] == pytest.approx(3.0 / report["encode_s"], rel=0.02)
    inspected = json.loads(mirage("inspect", output, "--json").stdout)
    assert len(inspected["packets"]) == report["segments"]
    assert sum(packet["still"] for packet in inspected["packets"]) == report["still_segments"]


def test_the_same_video_gives_the_same_file(mirage: Mirage, make_video: MakeVideo, tmp_path: Path) -> None:
    video = make_video(frames=60)
    for name in ("a.mrg", "b.mrg"):
        assert mirage("encode", video, "-o", tmp_path / name).returncode == 0
    assert (tmp_path / "a.mrg").read_bytes() == (tmp_path / "b.mrg").read_bytes()


@pytest.mark.parametrize(
    ("frames", "width", "height"),
    [(1, 192, 108), (2, 192, 108), (30, 108, 192), (30, 178, 98), (26, 64, 48)],
    ids=["one frame", "two frames", "portrait", "odd halves", "tiny"],
)
def test_decode_gives_the_duration_of_the_source(
    mirage: Mirage, make_video: MakeVideo, tmp_path: Path, frames: int, width: int, height: int
) -> None:
    video = make_video(frames=frames, width=width, height=height)
    encoded, dream = tmp_path / "clip.mrg", tmp_path / "dream.mp4"
    assert mirage("encode", video, "-o", encoded).returncode == 0
    result = mirage("decode", encoded, "-o", dream, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report.keys() == DECODED
    assert abs(report["frames"] - frames) <= 1
    assert abs(duration_s(dream) - frames / 25) <= 1 / 25 + 1e-6
    assert report["fps"] == 25.0
    assert (report["width"] > report["height"]) == (width > height)


def test_decode_is_deterministic_for_a_seed(mirage: Mirage, recorded: Recorded, tmp_path: Path) -> None:
    encoded, outputs = recorded(30), []
    for name, seed in (("a", 5), ("b", 5)):
        output = tmp_path / f"{name}.mp4"
        assert mirage("decode", encoded, "-o", output, "--seed", seed).returncode == 0
        with av.open(str(output)) as container:
            outputs.append([frame.to_ndarray().tobytes() for frame in container.decode(video=0)])
    assert outputs[0] == outputs[1]


def test_decode_measures_the_seams_between_segments(
    mirage: Mirage, make_video: MakeVideo, recorded: Recorded, tmp_path: Path
) -> None:
    encoded, dream = recorded(5), tmp_path / "dream.mp4"
    alone = json.loads(mirage("decode", encoded, "-o", dream, "--json").stdout)
    assert (alone["seam_mean"], alone["seam_worst"]) == (None, None), "there is no border in one segment"
    encoded_again = mirage("encode", make_video(frames=50), "-o", encoded, "--segment-ms", 500)
    assert encoded_again.returncode == 0
    several = json.loads(mirage("decode", encoded, "-o", dream, "--json").stdout)
    assert 0 < several["seam_mean"] <= several["seam_worst"]


def test_decode_does_as_the_receiver_wishes(mirage: Mirage, make_video: MakeVideo, tmp_path: Path) -> None:
    encoded, dream = tmp_path / "clip.mrg", tmp_path / "dream.mp4"
    anchor = tmp_path / "yard.png"
    assert cv2.imwrite(str(anchor), np.full((4, 4, 3), 80, np.uint8))
    assert mirage("encode", make_video(frames=25), "-o", encoded).returncode == 0
    wishes = ["--fps", 10, "--steps", 2, "--frames", 9, "--guidance", 3, "--style", "dusk"]
    wishes += ["--negative", "text", "--anchor", anchor, "--anchor", anchor, "--long-side", 64]
    result = mirage("decode", encoded, "-o", dream, *wishes, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["frames"], report["fps"], report["width"]) == (10, 10.0, 64)
    with av.open(str(dream)) as container:
        policy = json.loads(container.metadata["comment"])["policy"]
    digest = hashlib.sha256(anchor.read_bytes()).hexdigest()
    assert policy == {
        "long_side_px": 64, "steps": 2, "fps": 10.0, "frames": 9, "guidance": 3.0,
        "style_prompt": "dusk", "negative_prompt": "text", "anchors": [digest],
        "planes": None, "stand_in": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "mention"),
    [
        (("--anchor", "yard.jpg"), "yard.jpg: No such file"),
        (("--anchor", "clip.mrg"), "clip.mrg: no picture"),
        (("--steps", 0), "steps 0"),
        (("--guidance", 101), "guidance 101"),
        (("--fps", 0), "fps 0"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    mirage: Mirage, recorded: Recorded, tmp_path: Path, wish: tuple[str, object], mention: str
) -> None:
    encoded, dream = recorded(5), tmp_path / "dream.mp4"
    option, value = wish
    given = tmp_path / value if isinstance(value, str) else value
    refused(mirage("decode", encoded, "-o", dream, option, given), mention)
    assert not dream.exists()


@pytest.mark.parametrize("content", [b"", b"this is text, not video\n" * 400, b"\x00" * 4096])
def test_what_is_no_video_is_refused(mirage: Mirage, tmp_path: Path, content: bytes) -> None:
    video, output = tmp_path / "film.mp4", tmp_path / "film.mrg"
    video.write_bytes(content)
    refused(mirage("encode", video, "-o", output), video)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4"]


def test_a_video_without_frames_is_refused(mirage: Mirage, tmp_path: Path) -> None:
    video = tmp_path / "empty.mp4"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    refused(mirage("encode", video, "-o", tmp_path / "x.mrg"), video)


def test_a_missing_video_is_refused(mirage: Mirage, tmp_path: Path) -> None:
    refused(mirage("encode", tmp_path / "none.mp4", "-o", tmp_path / "x.mrg"), "none.mp4")


def test_a_truncated_mp4_is_refused_or_read_as_far_as_it_goes(
    mirage: Mirage, make_video: MakeVideo, tmp_path: Path
) -> None:
    video = make_video(frames=75)
    whole = video.read_bytes()
    for share in (0.1, 0.5, 0.9):
        video.write_bytes(whole[: int(len(whole) * share)])
        refused(mirage("encode", video, "-o", tmp_path / "x.mrg"), video)
    assert not (tmp_path / "x.mrg").exists()


def test_a_live_source_needs_an_end(mirage: Mirage, make_video: MakeVideo, tmp_path: Path) -> None:
    refused(mirage("encode", "rtsp://127.0.0.1:9/none", "-o", tmp_path / "x.mrg"), "--seconds")
    refused(mirage("encode", make_video(), "-o", tmp_path / "x.mrg", "--seconds", 1), "--seconds")


def test_encode_does_not_overwrite_its_input(mirage: Mirage, make_video: MakeVideo) -> None:
    video = make_video(frames=5)
    before = video.read_bytes()
    refused(mirage("encode", video, "-o", video), "overwrite")
    assert video.read_bytes() == before


def test_decode_does_not_overwrite_its_input(mirage: Mirage, recorded: Recorded) -> None:
    recording = recorded(5)
    before = recording.read_bytes()
    refused(mirage("decode", recording, "-o", recording), recording)
    assert recording.read_bytes() == before


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_pipe_is_not_replaced_by_a_file(
    mirage: Mirage, make_video: MakeVideo, recorded: Recorded, tmp_path: Path, command: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refused(mirage(command, recorded(5) if command == "decode" else make_video(), "-o", pipe), pipe)
    assert pipe.is_fifo()


@pytest.mark.parametrize("planes", [1, 99])
def test_planes_that_the_bundle_has_not_are_refused(
    mirage: Mirage, make_video: MakeVideo, tmp_path: Path, planes: int
) -> None:
    refused(mirage("encode", make_video(frames=5), "-o", tmp_path / "x.mrg", "--planes", planes), "planes")


def test_a_recording_cut_at_any_byte_is_not_decoded(
    mirage: Mirage, recorded: Recorded, tmp_path: Path
) -> None:
    encoded, output = recorded(5), tmp_path / "dream.mp4"
    whole = encoded.read_bytes()
    for size in (0, 3, 40, len(whole) // 2, len(whole) - 1):  # every byte: tests/mirage/test_inspect.py
        encoded.write_bytes(whole[:size])
        refused(mirage("decode", encoded, "-o", output), encoded)
    assert not output.exists()


@pytest.mark.parametrize("command", ["encode", "decode"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    mirage: Mirage, make_video: MakeVideo, recorded: Recorded, tmp_path: Path, command: str
) -> None:
    given = make_video(frames=30) if command == "encode" else recorded(30)
    target = tmp_path / "out" / ("full.mrg" if command == "encode" else "full.mp4")
    target.parent.mkdir()

    def nothing_fits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    result = mirage(command, given, "-o", target, preexec_fn=nothing_fits)
    assert result.returncode == 1, result.stderr
    assert str(target) in result.stderr
    assert "Traceback" not in result.stderr
    assert list(target.parent.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_really_full_disk_is_one_line_and_leaves_nothing(
    mirage: Mirage, make_video: MakeVideo, tmp_path: Path
) -> None:
    encoded, disk = tmp_path / "clip.mrg", tmp_path / "disk"
    assert mirage("encode", make_video(frames=75), "-o", encoded).returncode == 0
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12k", "none", disk], check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        result = mirage("decode", encoded, "-o", disk / "dream.mp4")
        assert (result.returncode, "Traceback" in result.stderr) == (1, False), result.stderr
        assert f"{disk / 'dream.mp4'}: No space left on device" in result.stderr
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_made_is_named(mirage: Mirage, make_video: MakeVideo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = mirage("encode", make_video(frames=5), "-o", tmp_path / "file" / "x.mrg")
    assert result.returncode == 1
    assert str(tmp_path / "file") in result.stderr


def test_a_decode_that_is_ended_leaves_nothing(
    mirage: Mirage, make_video: MakeVideo, tmp_path: Path, tiny: Path
) -> None:
    recording, folder = tmp_path / "clip.mrg", tmp_path / "out"
    mirage("encode", make_video(frames=200), "-o", recording)
    command = [sys.executable, "-m", "mirage", "decode", str(recording), "-o", str(folder / "clip.mp4")]
    with subprocess.Popen([*command, "--long-side", "1920", "--bundle", str(tiny)]) as process:
        deadline_s = time.monotonic() + 60
        while not (folder.exists() and any(folder.iterdir())) and process.poll() is None:
            assert time.monotonic() < deadline_s, "nothing was begun"
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(folder.iterdir()) == []
