"""The office in a process of its own: it needs the authority, a store, and nothing else."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cloud.config import ConfigError, load
from cloud.identity import connection
from cloud.identity.office import application, listed_serials, read_authority, settings_of
from cloud.run import run
from edge.enrolment import Enroller
from edge.enrolment_config import load as load_enrolment
from tests.office import Counter, counter
from tests.pki import Pki, new_key, pem_of
from wire.topics import DeviceTopics

DOOR = DeviceTopics("acme", "north", "edge-1")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Counter]:
    with counter(tmp_path / "cloud") as made:
        yield made


def test_a_process_that_only_enrols_serves_devices(desk: Counter, tmp_path: Path) -> None:
    stop, ready = threading.Event(), threading.Event()

    def serve() -> None:
        run(desk.config, stop, roles=frozenset({"enrol"}), ready=lambda _page: ready.set())

    thread = threading.Thread(target=serve, name="run")
    thread.start()
    try:
        assert ready.wait(60)
        outcome = Enroller(load_enrolment(desk.seed(tmp_path / "device", DOOR))).enrol(threading.Event())
        assert outcome is not None
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_it_speaks_tls_only_where_it_has_a_certificate(desk: Counter) -> None:
    port = settings_of(desk.config).port
    with desk.open():
        with pytest.raises(httpx.HTTPError):
            httpx.post(f"http://127.0.0.1:{port}/api/v1/renew/nonce", json={"name": "acme/north/edge-1"})
        with socket.create_connection(("127.0.0.1", port)) as plain:
            context = ssl.create_default_context(cafile=str(desk.pki.ca))
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_who_connects_and_says_nothing_is_let_go(desk: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LONGEST_S", 0.05)
    context = ssl.create_default_context(cafile=str(desk.pki.ca))
    with (
        desk.open(),
        socket.create_connection(("127.0.0.1", settings_of(desk.config).port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        try:
            secure.sendall(b"POST /api/v1/enrol HTTP/1.1\r\nHost: localhost\r\n")
            assert secure.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            pass  # it was let go without a goodbye


def changed(desk: Counter, old: str, new: str) -> Path:
    text = desk.settings.read_text()
    assert old in text
    desk.settings.write_text(text.replace(old, new))
    return desk.settings


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            'certificate = "office.pem"\ncertificate_key = "office.key"',
            'host = "0.0.0.0"',
            "reached by others",
        ),
        ('certificate_key = "office.key"', "", "go together"),
        ('broker_host = "localhost"', "", "broker_host"),
        ("[enrolment]", "[enrolment]\ncertificate_days = 0.5", "certificate_days"),
    ],
)
def test_settings_that_would_be_unsafe_are_refused(desk: Counter, old: str, new: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(changed(desk, old, new))


def test_files_that_will_not_do_are_named(desk: Counter) -> None:
    (desk.folder / "ca.key").chmod(0o644)
    with pytest.raises(ConfigError, match=r"enrolment.key: .*can be read by others"):
        application(desk.config, desk.store)
    (desk.folder / "ca.key").chmod(0o600)
    (desk.folder / "ca.key").write_bytes(pem_of(new_key()))
    with pytest.raises(ConfigError, match="not that of its certificate"):
        application(desk.config, desk.store)
    (desk.folder / "ca.key").write_bytes(pem_of(desk.pki.authority.key))
    (desk.folder / "cloud.pub").write_text("x")
    with pytest.raises(ConfigError, match="no public key in PEM"):
        application(desk.config, desk.store)


def test_the_authoritys_key_may_be_a_credential(desk: Counter) -> None:
    config = load(changed(desk, 'key = "ca.key"', 'key = "credential:ca.key"'))
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY"):
        read_authority(settings_of(config))
    found = read_authority(settings_of(config), str(desk.folder))
    assert found.key.private_numbers() == desk.pki.authority.key.private_numbers()


def test_only_lists_of_the_same_authority_are_taken_in(desk: Counter) -> None:
    foreign = Pki(desk.folder / "foreign")
    (desk.folder / "other.pem").write_bytes((foreign.folder / "crl.pem").read_bytes())
    config = load(changed(desk, "[enrolment]", '[enrolment]\nrevoked = "other.pem"'))
    settings = settings_of(config)
    with pytest.raises(ConfigError, match="is not of the authority"):
        listed_serials(settings, read_authority(settings))


def test_without_the_section_it_is_said_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n')
    with pytest.raises(ConfigError, match=r"no \[enrolment\] in the settings"):
        settings_of(load(path))
