"""Settings: whole or refused, with the key by its name."""

from pathlib import Path

import pytest
from msgspec import structs

from edge.config import ConfigError, load
from edge.pipeline import Settings
from tests.edge.settings import config_of, write_config

CAMERAS = {"door": "door.mp4", "yard": "rtsp://10.0.0.9/main"}


def test_paths_are_relative_to_the_settings_file(tmp_path: Path) -> None:
    config = config_of(tmp_path, 1883, Path("models/tiny"), CAMERAS)
    assert config.bundle.path == str(tmp_path / "models" / "tiny")
    assert config.spool.path == str(tmp_path / "spool.db")
    assert [camera.source for camera in config.camera] == [str(tmp_path / "door.mp4"), CAMERAS["yard"]]


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    config = config_of(tmp_path, 1883, tmp_path, CAMERAS)
    assert (config.encode.planes, config.encode.segment_ms, config.encode.threads) == (None, 2000, 1)
    assert config.settings() == Settings(still_bytes=116, beams=1)
    assert (config.broker.envelope, config.spool.max_bytes) == ("none", 64 * 1024 * 1024)
    assert config.spool.max_age_s == 7 * 24 * 3600


def test_engines_in_the_bundle_are_used_where_none_are_named(tmp_path: Path) -> None:
    config = config_of(tmp_path, 1883, tmp_path / "bundle", CAMERAS)
    assert config.settings().engine_cache is None
    (tmp_path / "bundle" / "engines").mkdir(parents=True)
    assert config.settings().engine_cache == tmp_path / "bundle" / "engines"
    named = structs.replace(config, bundle=structs.replace(config.bundle, engine_cache="/var/lib/engines"))
    assert named.settings().engine_cache == Path("/var/lib/engines")


def test_a_captioner_may_search_with_beams(tmp_path: Path) -> None:
    config = config_of(tmp_path, 1883, tmp_path, CAMERAS, "[encode]\nbeams = 4")
    assert config.settings().beams == 4


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[encode]\nplains = 8", "plains"),
        ("[encode]\nsegment_ms = 20", "encode.segment_ms"),
        ("[encode]\nstill_bytes = -1", "encode.still_bytes"),
        ("[encode]\nthreads = 'many'", "encode.threads"),
        ("[encode]\nbeams = 0", "encode.beams"),
        ("[telemetry]\nevery_s = 60", "telemetry"),
        ("[sender]\nfacse = 'redact'", "[sender] has no key 'facse': did you mean faces"),
        ("[sender]\npreset = 'secret'", "secret"),
        ("[sender]\nlayers = ['appearance-detail']", "appearance-tokens, which it refines"),
        ("[sender]\nlayers = ['motion']\n[network]\nlayers = ['caption']", "nothing in common"),
        ("[network]\nlatency_ms = 20", "network.latency_ms"),
        ('[[camera]]\nname = "side"\nsource = "x.mp4"\nzones = [{ box = [1, 0, 0, 1] }]', "left, top"),
        ('[[camera]]\nname = "door"\nsource = "again.mp4"', "not all different"),
        ('[[camera]]\nname = "birth"\nsource = "x.mp4"', "'birth' is reserved"),
        ('[[camera]]\nname = "-"\nsource = "x.mp4"', "'-' has neither a letter nor a digit"),
        ('[[camera]]\nname = "Front Door"\nsource = "x.mp4"', "Front Door"),
        ('[[camera]]\nname = "side"', "source"),
        ("[encode", "']'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_its_file(tmp_path: Path, more: str, key: str) -> None:
    path = write_config(tmp_path, 1883, tmp_path, CAMERAS, more)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert key in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_envelope_that_this_version_does_not_know_is_refused(tmp_path: Path) -> None:
    path = write_config(tmp_path, 1883, tmp_path, CAMERAS)
    path.write_text(path.read_text().replace("port = 1883", 'port = 1883\nenvelope = "hpke"'))
    with pytest.raises(ConfigError, match="envelope"):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: No such file"):
        load(tmp_path / "gone.toml")


def test_packets_are_sealed_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    config = config_of(tmp_path, 8883, tmp_path, CAMERAS, broker="")
    broker, device = config.broker, config.device
    assert (broker.envelope, broker.ca, broker.keepalive_s) == ("sealed", None, 120)
    assert (device.key, device.certificate) == (str(tmp_path / "device.key"), str(tmp_path / "device.pem"))
    assert broker.cloud_key == str(tmp_path / "cloud.pub")
    assert (config.network.bytes_per_s, config.network.burst_bytes) == (None, 16384)


def test_files_of_keys_are_relative_to_the_settings_file_but_credentials(tmp_path: Path) -> None:
    path = write_config(
        tmp_path, 8883, tmp_path, CAMERAS, broker='ca = "pki/ca.pem"\ncloud_key = "/etc/c.pub"'
    )
    path.write_text(path.read_text().replace("[device]", '[device]\nkey = "credential:own"'))
    config = load(path)
    assert config.device.key == "credential:own"
    assert (config.broker.ca, config.broker.cloud_key) == (str(tmp_path / "pki" / "ca.pem"), "/etc/c.pub")


@pytest.mark.parametrize(
    ("broker", "key"),
    [
        ('envelope = "Sealed"', "broker.envelope"),
        ("keepalive_s = 1", "broker.keepalive_s"),
        ("keepalive_s = 65536", "broker.keepalive_s"),
        ('ca = ""', "broker.ca"),
        ("tls = true", "tls"),
        ("[network]\nbytes_per_s = 0", "network.bytes_per_s"),
        ("[network]\nburst_bytes = 10", "network.burst_bytes"),
        ("[network]\nbits = 10", "bits"),
        ("[metrics]\nport = 0", "metrics.port"),
        ("[meter]\nshare = 0.03", "meter.share"),
        ('[meter]\npreset = "fastest"', "meter.preset"),
    ],
)
def test_a_setting_of_the_link_that_cannot_be_used_is_named(tmp_path: Path, broker: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        config_of(tmp_path, 8883, tmp_path, CAMERAS, broker=broker)


def test_what_a_preset_says_gives_way_to_the_keys_beside_it(tmp_path: Path) -> None:
    more = '[sender]\npreset = "private"\nplanes = 8\n[sender.receiver]\nkeep_days = 3'
    sender = config_of(tmp_path, 1883, tmp_path, CAMERAS, more).sender
    assert (sender.planes, sender.faces, sender.receiver.keep_days) == (8, "redact", 3)
    assert sender.receiver.viewers == "operator"


def test_zones_stay_with_their_camera(tmp_path: Path) -> None:
    zoned = '[[camera]]\nname = "hall"\nsource = "hall.mp4"\nzones = [{ box = [0.0, 0.0, 0.5, 1.0] }]'
    config = config_of(tmp_path, 1883, tmp_path, CAMERAS, zoned)
    assert [len(camera.zones) for camera in config.camera] == [0, 0, 1]
    assert config.camera[2].source == str(tmp_path / "hall.mp4")
