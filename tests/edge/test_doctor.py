"""The doctor: everything is tried, and what fails is said in one line."""

from pathlib import Path

from edge.doctor import Finding, examine
from mirage.demo.broker import LoopbackBroker, free_port
from tests.edge.films import panned, texture, write_film
from tests.edge.settings import config_of


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_device_where_everything_works_is_healthy(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker
) -> None:
    film = write_film(tmp_path / "door.mp4", panned(texture(0), (320, 180), [(0, 0)] * 5))
    found = by_name(examine(config_of(tmp_path, broker.port, tiny, {"door": str(film)})))
    assert [name for name, finding in found.items() if not finding.ok] == []
    assert list(found) == [
        "software", "opencv", "onnxruntime", "bundle", "models", "spool", "broker", "camera door",
    ]  # fmt: skip
    assert "320x180 at 25 frames/s, file of 0.2 s" in found["camera door"].detail


def test_everything_that_fails_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "letter.mp4").write_bytes(b"hello")
    port = free_port()
    found = by_name(examine(config_of(tmp_path, port, tmp_path / "nothing", {"door": "letter.mp4"})))
    broken = {name: finding.detail for name, finding in found.items() if not finding.ok}
    assert list(broken) == ["bundle", "models", "broker", "camera door"]
    assert "bundle.toml" in broken["bundle"]
    assert f"127.0.0.1:{port}" in broken["broker"]
    assert "letter.mp4: not a video" in broken["camera door"]
    assert not any("\n" in detail for detail in broken.values())


def test_looking_at_a_device_makes_no_spool(tmp_path: Path, tiny: Path) -> None:
    config = config_of(tmp_path, free_port(), tiny, {"door": "gone.mp4"})
    spool = next(finding for finding in examine(config) if finding.name == "spool")
    assert spool.ok
    assert "will be made" in spool.detail
    assert not Path(config.spool.path).exists()
