"""Settings: read, completed, and refused by the name of the key that is wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.access.roles import Role
from cloud.config import ConfigError, load, parse
from cloud.looks import looks_of
from cloud.objects import Objects
from cloud.render.anchors import Anchors
from cloud.store import Store
from cloud.terms import Terms
from wire.policy import Demands, Policy

GATE = "acme/north/jetson-1/gate"
WHOLE = """
[broker]
host = "127.0.0.1"
port = 1884
group = "north"
ack_interval_s = 0.5
[store]
url = "sqlite:///mirage.db"
objects = "clips"
[bundle]
paths = ["../models/tiny"]
[serve]
host = "0.0.0.0"
access = "token"
port = 9000
[render]
long_side_px = 512
steps = 8
fps = 12.5
frames = 49
guidance = 3
style_prompt = "dusk, heavy rain"
negative_prompt = "text"
anchors = ["yard.png", "/srv/gate.png"]
policy = "all"
"""
SHORT = '[broker]\nhost = "broker"\n[bundle]\npaths = ["/models/tiny"]\n'


def test_a_file_is_read_with_paths_relative_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(WHOLE)
    config = load(path)
    assert config.store.url == f"sqlite:///{tmp_path}/mirage.db"
    assert config.store.objects == f"{tmp_path}/clips"
    assert config.bundle.paths == (f"{tmp_path}/../models/tiny",)
    assert (config.broker.port, config.broker.group) == (1884, "north")
    assert config.render.policy == "all"
    assert config.render.anchors == (f"{tmp_path}/yard.png", "/srv/gate.png")
    assert config.render.constraints(Anchors(("ab" * 32,))) == Policy(
        long_side_px=512, steps=8, fps=12.5, frames=49, guidance=3.0,
        style_prompt="dusk, heavy rain", negative_prompt="text", anchors=("ab" * 32,),
    )  # fmt: skip


SEALED = """
[broker]
host = "broker"
ca = "pki/ca.pem"
certificate = "pki/cloud.pem"
key = "/etc/pki/cloud.key"
[security]
key = "credential:cloud-key"
old_keys = ["old.key"]
[limits]
device_packets_per_s = 0.5
[bundle]
paths = ["/models/tiny"]
"""


def test_certificates_and_keys_are_files_beside_the_settings_or_credentials() -> None:
    config = parse(SEALED.encode(), Path("/etc/mirage/cloud.toml"))
    broker = config.broker
    assert broker.address == ("broker", 8883)
    assert (broker.ca, broker.certificate) == ("/etc/mirage/pki/ca.pem", "/etc/mirage/pki/cloud.pem")
    assert broker.key == "/etc/pki/cloud.key"
    assert config.security.key == "credential:cloud-key"
    assert config.security.old_keys == ("/etc/mirage/old.key",)
    assert config.limits.device_packets_per_s == 0.5


def test_what_is_not_said_has_safe_defaults() -> None:
    config = parse(SHORT.encode(), Path("/etc/mirage/cloud.toml"))
    assert config.broker.envelope == "sealed"
    assert config.broker.address == ("broker", 1883)
    assert config.security.key == "/etc/mirage/cloud.key"
    assert config.store.url == "sqlite:////etc/mirage/store.db"
    assert (config.serve.host, config.serve.access) == ("127.0.0.1", "open")
    assert config.serve.cors_origins == config.serve.trusted_proxies == ()
    assert config.render.policy == "on-demand"
    assert config.bundle.paths == ("/models/tiny",)
    assert config.render.constraints(Anchors()) == Policy(), "the bundle decides"


def test_urls_of_other_stores_are_left_alone() -> None:
    text = SHORT + '[store]\nurl = "postgresql://db/mirage"\nobjects = "s3://bucket/clips"\n'
    config = parse(text.encode(), Path("/etc/cloud.toml"))
    assert (config.store.url, config.store.objects) == ("postgresql://db/mirage", "s3://bucket/clips")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_a_loopback_may_be_open_and_anything_may_want_tokens(host: str) -> None:
    assert parse((SHORT + f'[serve]\nhost = "{host}"\n').encode(), Path("c.toml")).serve.access == "open"
    wanted = '[serve]\nhost = "0.0.0.0"\naccess = "token"\ncors_origins = ["https://map.example:8443"]\n'
    assert parse((SHORT + wanted).encode(), Path("c.toml")).serve.access == "token"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(SHORT + "[render]\ncolour = 1\n", "colour", id="unknown key"),
        pytest.param(SHORT + "[rendering]\n", "no key 'rendering': did you mean render", id="unknown table"),
        pytest.param(
            SHORT + "[serve.rates]\nrequest_per_s = 9\n",
            r"\[serve.rates\] has no key 'request_per_s': did you mean requests_per_s",
            id="misspelt key",
        ),
        pytest.param(SHORT + "[metrics]\nqqq = 1\n", "it has host, port, per_device", id="no such key"),
        pytest.param("[broker]\n", "host", id="missing key"),
        pytest.param(SHORT + "[serve]\nport = 70000\n", "serve.port", id="port out of range"),
        pytest.param(
            SHORT + '[serve]\nhost = "0.0.0.0"\n', 'serve.access = "token" .*tokens create', id="open to all"
        ),
        pytest.param(
            SHORT + '[serve]\nhost = "mirage.example"\naccess = "open"\n',
            "mirage.example",
            id="open to others",
        ),
        pytest.param(SHORT + '[serve]\ncors_origins = ["*"]\n', "exact origin", id="any origin"),
        pytest.param(SHORT + '[serve]\ncors_origins = ["https://*.example"]\n', "exact", id="many origins"),
        pytest.param(SHORT + '[serve]\ncors_origins = ["https://a.example/"]\n', "exact", id="a page"),
        pytest.param(SHORT + '[serve]\ncors_origins = ["null"]\n', "exact", id="no origin"),
        pytest.param(SHORT + '[serve]\ntrusted_proxies = ["10.0.0.7/8"]\n', "trusted_proxies", id="proxy"),
        pytest.param(SHORT + "[serve.rates]\nburst = 0\n", "burst", id="no burst"),
        pytest.param(SHORT + "[render]\nsteps = 0\n", "steps 0", id="no steps"),
        pytest.param(SHORT + "[render]\nguidance = -1\n", "guidance -1", id="guidance out of range"),
        pytest.param(SHORT + "[render]\nframes = 0\n", "frames 0", id="no frames"),
        pytest.param(SHORT + f'[render]\nstyle_prompt = "{"a" * 1001}"\n', "style_prompt", id="long prompt"),
        pytest.param(SHORT + '[render]\nanchors = "yard.jpg"\n', "anchors", id="anchors are a list"),
        pytest.param(SHORT + '[render]\npolicy = "some"\n', "some", id="unknown policy"),
        pytest.param(SHORT.replace("[bundle]", 'group = "a/b"\n[bundle]'), "group", id="bad group"),
        pytest.param(SHORT.replace("[bundle]", 'envelope = "open"\n[bundle]'), "envelope", id="envelope"),
        pytest.param(SHORT.replace("[bundle]", 'key = "k"\n[bundle]'), "go together", id="key alone"),
        pytest.param(
            SHORT.replace("[bundle]", 'key = "k"\ncertificate = "c"\n[bundle]'), "needs broker.ca", id="no ca"
        ),
        pytest.param(SHORT + "[limits]\ndevice_packets_per_s = 0\n", "device_packets_per_s", id="no rate"),
        pytest.param("no toml", "cloud.toml", id="no toml"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        parse(text.encode(), Path("cloud.toml"))
    assert "cloud.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file"):
        load(tmp_path / "nowhere.toml")


def asked(path: Path, store: Store) -> Terms:
    """Give what the settings ask for, for viewers of any camera."""
    looks = looks_of(load(path), store, Objects(str(path.parent / "objects")))
    return looks.terms(GATE, looks.look(GATE, Role.VIEWER))


def test_anchors_are_read_from_beside_the_file(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(SHORT + '[render]\nanchors = ["looks/yard.png"]\n')
    (tmp_path / "looks").mkdir()
    assert cv2.imwrite(str(tmp_path / "looks" / "yard.png"), np.full((2, 4, 3), 9, np.uint8))
    read = asked(path, store).places
    assert [picture.shape for picture in read.pictures] == [(2, 4, 3)]
    assert len(read.sha256s) == 1


def test_an_anchor_that_is_no_picture_or_not_there_is_named(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(SHORT + '[render]\nanchors = ["yard.jpg"]\n')
    with pytest.raises(ConfigError, match=r"anchors of \[render\] .*/yard\.jpg: No such file"):
        asked(path, store)
    (tmp_path / "yard.jpg").write_bytes(b"a picture")
    with pytest.raises(ConfigError, match=r"/yard\.jpg: no picture"):
        asked(path, store)


def test_pictures_of_people_are_read_and_asked_for_apart(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(
        SHORT + '[render]\nanchors = ["yard.png"]\n[receiver.viewer]\npeople_anchors = ["guard.png"]\n'
    )
    assert cv2.imwrite(str(tmp_path / "yard.png"), np.full((2, 4, 3), 9, np.uint8))
    with pytest.raises(ConfigError, match=r"/guard\.png: No such file"):
        asked(path, store)
    assert cv2.imwrite(str(tmp_path / "guard.png"), np.full((3, 3, 3), 9, np.uint8))
    terms = asked(path, store)
    anchors = terms.allowed(terms.under(Demands()))
    assert [picture.shape for picture in anchors.pictures] == [(2, 4, 3), (3, 3, 3)]
    assert terms.allowed(terms.under(Demands(anchors="places"))).sha256s == anchors.sha256s[:1]


def test_days_of_retention_are_the_receivers(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(SHORT + "[retention]\npackets_days = 0.5\n")
    assert load(path).receiver.keep_days == 1
