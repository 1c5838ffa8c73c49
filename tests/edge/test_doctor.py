"""The doctor: everything is tried, and what fails is said in one line."""

import re
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

pytest.importorskip("onnx", reason="onnx is not installed: it writes the graphs of these tests")

from edge.config import Config, load
from edge.doctor import Finding, examine
from edge.engine import INDEX, EngineCache
from edge.engine_build import Order, deliver
from edge.privacy import detectors
from edge.privacy.model_files import PackagedFile
from edge.profile import Plan
from edge.spool import Spool
from mirage.demo.broker import LoopbackBroker, free_port
from tests.edge.bundles import DECODER, GRAPHS, write_running_bundle
from tests.edge.films import panned, texture, write_film
from tests.edge.privacy.detecting import magenta_bundle
from tests.edge.settings import config_of, write_config
from tests.edge.workshop import HOST, StandIn, forbid
from wire.bundle import Bundle


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_device_where_everything_works_is_healthy(
    tmp_path: Path, tiny: Path, broker: LoopbackBroker
) -> None:
    film = write_film(tmp_path / "door.mp4", panned(texture(0), (320, 180), [(0, 0)] * 5))
    found = by_name(examine(config_of(tmp_path, broker.port, tiny, {"door": str(film)})))
    assert [name for name, finding in found.items() if not finding.ok] == []
    assert list(found) == [
        "software", "opencv", "onnxruntime", "gpu", "bundle", "models",
        "graph sender/encoder_model.onnx", "graph sender/decoder_model_merged.onnx",
        "graph sender/appearance_encoder.onnx", "spool", "envelope", "broker",
        "sensors", "camera door",
    ]  # fmt: skip
    assert re.fullmatch(r"\w+, \d+\.\d ms", found["graph sender/encoder_model.onnx"].detail)
    assert re.fullmatch(r"\w+, \d+\.\d ms a step", found["graph sender/decoder_model_merged.onnx"].detail)
    assert "320x180 at 25 frames/s, file of 0.2 s" in found["camera door"].detail


def test_updates_are_looked_at_where_they_are_set_up(tmp_path: Path, tiny: Path) -> None:
    settings = '[update]\nsettings = "update.toml"'
    config = config_of(tmp_path, free_port(), tiny, {"door": "none.mp4"}, settings)
    assert "update.toml: No such file" in by_name(examine(config))["updates"].detail
    (tmp_path / "update.toml").write_text('[update]\nurl = "https://localhost/releases"\nroot = "opt"\n')
    assert "release.pub: No such file" in by_name(examine(config))["updates"].detail
    (tmp_path / "release.pub").write_text("hello")
    assert "no public key" in by_name(examine(config))["updates"].detail
    key = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "release.pub").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    found = by_name(examine(config))["updates"]
    assert (found.ok, found.detail) == (True, "https://localhost/releases; last: none")


def test_redactions_are_tried_and_what_is_missing_is_named(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = PackagedFile("mirage-no-such-package", "1.0", "faces.onnx", "0" * 64)
    monkeypatch.setattr(detectors, "CENTERFACE", missing)
    more = '[sender]\nfaces = "redact"\npeople = "redact"\nwords = ["gender"]'
    found = by_name(examine(config_of(tmp_path, free_port(), tiny, {"door": "none.mp4"}, more)))
    assert not found["redaction of faces"].ok
    assert "pip install --no-deps mirage-no-such-package==1.0" in found["redaction of faces"].detail
    assert "[detectors.people]" in found["redaction of people"].detail
    assert found["sender"].ok
    assert "cameras are looked at now" in found["sender"].detail


def test_a_redaction_that_works_says_how_long_it_takes(tmp_path: Path, tiny: Path) -> None:
    config = config_of(
        tmp_path,
        free_port(),
        magenta_bundle(tiny, tmp_path / "b"),
        {"door": "none.mp4"},
        '[sender]\npeople = "redact"',
    )
    found = by_name(examine(config))
    assert re.fullmatch(r"\d+ ms a frame, of which there are 8 a second", found["redaction of people"].detail)


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


def test_what_the_comparison_with_video_lacks_is_named(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    config = config_of(tmp_path, free_port(), tiny, {"door": "gone.mp4"}, "[meter]\nenabled = true")
    found = by_name(examine(config))["meter"]
    assert (found.ok, "mirage-video[meter]" in found.detail) == (False, True)


def test_looking_at_a_device_makes_no_spool(tmp_path: Path, tiny: Path) -> None:
    config = config_of(tmp_path, free_port(), tiny, {"door": "gone.mp4"})
    spool = next(finding for finding in examine(config) if finding.name == "spool")
    assert spool.ok
    assert "will be made" in spool.detail
    assert not Path(config.spool.path).exists()


def spool_finding(config: Config) -> Finding:
    return next(finding for finding in examine(config) if finding.name == "spool")


def test_a_spool_that_is_in_use_is_looked_at_and_not_touched(tmp_path: Path, tiny: Path) -> None:
    config = config_of(tmp_path, free_port(), tiny, {"door": "gone.mp4"})
    spool = Spool(Path(config.spool.path))
    spool.keep_birth(b"birth")
    spool.append(0, "door", b"packet")
    found = spool_finding(config)
    assert (found.ok, found.detail) == (
        True,
        f"{config.spool.path}: 1 packets wait, 6 bytes, and 0 gap records",
    )
    spool.append(1, "door", b"packet")
    spool.close()
    content = Path(config.spool.path).read_bytes()
    assert spool_finding(config).detail.startswith(f"{config.spool.path}: 2 packets wait")
    assert Path(config.spool.path).read_bytes() == content


def test_a_damaged_spool_is_named_with_what_will_become_of_it(tmp_path: Path, tiny: Path) -> None:
    config = config_of(tmp_path, free_port(), tiny, {"door": "gone.mp4"})
    letter = b"not a database at all" * 100
    Path(config.spool.path).write_bytes(letter)
    found = spool_finding(config)
    assert not found.ok
    assert "file is not a database: the agent will set it aside" in found.detail
    assert Path(config.spool.path).read_bytes() == letter


def engines_config(folder: Path) -> Config:
    """Write settings for a small bundle with an engine cache, built by a stand-in."""
    bundle = write_running_bundle(folder / "bundle")
    loaded = Bundle.load(bundle, "edge")
    for name in GRAPHS:
        order = Order(name, loaded.path(name), Plan("fp16", ()), loaded.golden().samples(name))
        deliver(order, EngineCache(folder / "engines"), StandIn(), HOST)
    path = write_config(folder, free_port(), bundle, {"door": "gone.mp4"})
    path.write_text(path.read_text().replace("[bundle]", '[bundle]\nengine_cache = "engines"'))
    return load(path)


def test_engines_are_named_with_their_precision(tmp_path: Path) -> None:
    config = engines_config(tmp_path)
    found = by_name(examine(config))["engines"]
    assert found.ok
    assert found.detail.endswith(", ".join(f"{name} in fp16" for name in sorted(GRAPHS)))


def test_what_is_wrong_with_engines_is_named_with_what_runs_instead(tmp_path: Path) -> None:
    config = engines_config(tmp_path)
    engine = next((tmp_path / "engines").glob("decoder-*.engine"))
    engine.write_bytes(b"half")
    with capture_logs():
        found = by_name(examine(config))
    assert not found["engines"].ok
    assert f"{engine}: engine.bytes is 4, engines.json says" in found["engines"].detail
    graph = found[f"graph {DECODER}"]
    assert not graph.ok  # of another machine's engine, or of this one's damage: both are passed over
    assert re.match(r"\w+, [\d.]+ ms a step, for want of better: TensorRT engine: ", graph.detail)
    assert found["models"].ok


@pytest.mark.parametrize("pattern", ["decoder-*.engine", INDEX])
def test_engines_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    config = engines_config(tmp_path)
    file = next((tmp_path / "engines").glob(pattern))
    forbid(monkeypatch, pattern)
    with capture_logs():
        found = by_name(examine(config))
    assert (found["engines"].ok, found["engines"].detail) == (False, f"{file}: Permission denied")
    assert found["models"].ok


def test_an_index_of_engines_that_was_cut_off_is_named(tmp_path: Path) -> None:
    config = engines_config(tmp_path)
    index = tmp_path / "engines" / INDEX
    index.write_bytes(index.read_bytes()[:100])
    with capture_logs():
        found = by_name(examine(config))["engines"]
    assert (found.ok, found.detail) == (False, f"{index}: Input data was truncated")


def test_a_bundle_with_a_wrong_hash_is_named_by_its_file(tmp_path: Path) -> None:
    bundle = write_running_bundle(tmp_path / "bundle")
    (bundle / DECODER).write_bytes(b"another")
    config = config_of(tmp_path, free_port(), bundle, {"door": "gone.mp4"})
    found = by_name(examine(config))
    assert f"{bundle / DECODER}: SHA-256 is" in found["bundle"].detail
    assert not found["models"].ok
