"""The demo end to end: real agent, broker, cloud and renderer, and what bad input gets."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest

MakeVideo = Callable[..., Path]

ENCODED = {"source", "segments", "still_segments", "packet_bytes", "layers", "ratio", "encode_s"}
DECODED = {"frames", "fps", "width", "height", "render_s", "render_s_per_segment"}
ON_WIRE = {"mqtt_bytes", "birth_bytes", "ratio_on_wire", "mqtt", "realtime_factor", "timeline"}


def demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "demo", "--no-serve", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_a_clip_goes_through_the_whole_system(make_video: MakeVideo, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = demo(make_video(frames=110), "--out", out)
    assert result.returncode == 0, result.stderr
    report = json.loads((out / "report.json").read_text())
    assert report.keys() >= ENCODED | DECODED | ON_WIRE
    assert report["source"]["raw_bytes"] == 110 * 192 * 108 * 3
    assert frames_of(out / "reconstruction.mp4") == report["frames"] == 110
    assert frames_of(out / "side-by-side.mp4") == 110

    uplink = {cost["kind"]: cost for cost in report["mqtt"] if cost["direction"] == "up"}
    assert uplink["sem"]["payload_bytes"] == report["packet_bytes"]
    assert uplink["sem"]["packets"] == report["segments"]
    assert {"birth", "state", "connect"} <= uplink.keys()
    assert report["mqtt_bytes"] == sum(cost["bytes"] for cost in report["mqtt"])
    assert report["birth_bytes"] == uplink["birth"]["bytes"]
    sent = {kind: size for kind, size in report["sent_bytes"].items() if kind != "transport"}
    assert sum(sent.values()) == sum(cost["bytes"] for cost in uplink.values())
    assert sent["payload"] == sum(cost["payload_bytes"] for cost in uplink.values())
    assert not {"unparsed", "cut", "other"} & {cost["kind"] for cost in report["mqtt"]}
    assert sum(report["layers"].values()) < report["packet_bytes"] < report["mqtt_bytes"]
    assert report["ratio_on_wire"] == pytest.approx(report["source"]["raw_bytes"] / report["mqtt_bytes"])
    for row in report["timeline"]:
        assert row["encode_ms"] > 0
        assert row["render_ms"] > 0
        assert row["caption"] in result.stdout.replace("\n", " ") or len(row["caption"]) > 20


@pytest.mark.usefixtures("tiny")
def test_what_is_no_video_is_refused_and_old_results_are_not_mistaken(tmp_path: Path) -> None:
    video = tmp_path / "text.mp4"
    video.write_text("no video")
    result = demo(video, "--out", tmp_path / "out")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("mirage: ")
    assert str(video) in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "report.json").exists()


@pytest.mark.usefixtures("tiny")
def test_a_live_source_needs_an_end(tmp_path: Path) -> None:
    result = demo("rtsp://127.0.0.1:9/none", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "--seconds" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_in_out_is_one_line(make_video: MakeVideo, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", disk], check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        result = demo(make_video(frames=60), "--out", disk / "demo")
        assert result.returncode == 1, result.stderr
        last = result.stderr.strip().splitlines()[-1]
        assert last.startswith("mirage: ")
        assert "No space left" in last or "full" in last
        assert "Traceback" not in result.stderr
        assert not [path for path in (disk / "demo").iterdir() if path.suffix in {".mp4", ".json"}]
    finally:
        subprocess.run(["umount", disk], check=True)
