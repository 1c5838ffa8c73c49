"""From nothing to a packet that is served: what compose.yaml runs, run here without containers.

The same script, commands, settings and files, a real Mosquitto and a real PostgreSQL. What this cannot show:
images, networks, users and mounts.
"""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloud.certificate import certificate_of
from cloud.config import load
from mirage.bench.cloud.postgres import NoPostgresError, postgres
from tests.bundles import write_bundle
from tests.cloud.sealed import SealedDevice
from tests.cloud.waiting import until
from tests.cloud.web import TRUST
from tests.deploy.cloud.compose import services
from tests.deploy.cloud.services import Site, bootstrap, mirage, site
from tests.party import Party, admitted
from tests.pki import Credentials
from wire.bundle import Bundle

NAME, CAMERA = "acme/north/jetson-1", "acme/north/jetson-1/gate"
ROLES = ("ingest-1", "ingest-2", "derive", "render", "serve")
_PATIENCE_S = 240.0  # many processes start at once


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    made: Path = tmp_path_factory.mktemp("state")
    done = bootstrap(made, MIRAGE_HOST="mqtt.example.com", BUNDLES=str(tiny))
    assert done.returncode == 0, done.stderr
    return made


def contents(state: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file()}


def test_a_second_start_changes_nothing(state: Path, tiny: Path) -> None:
    before = contents(state)
    done = bootstrap(state, MIRAGE_HOST="mqtt.example.com", BUNDLES=str(tiny))
    assert done.returncode == 0, done.stderr
    assert contents(state) == before


def test_keys_are_for_their_owner_only(state: Path) -> None:
    secret = [*state.rglob("*.key"), *state.glob("*/cloud.toml"), state / "secrets" / "group"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert len({path.read_text() for path in state.glob("*/password")}) == 2


def test_every_ingest_has_its_own_name_and_the_same_group(state: Path) -> None:
    configs = [load(state / f"ingest-{number}" / "cloud.toml") for number in (1, 2)]
    assert len({config.broker.client for config in configs}) == 2
    assert len({config.broker.group for config in configs}) == 1
    assert len(configs[0].broker.group) == 32
    subjects = {
        certificate_of((state / f"ingest-{number}" / "client.pem").read_bytes()).subject.rfc4514_string()
        for number in (1, 2)
    }
    assert subjects == {"CN=cloud.ingest-1", "CN=cloud.ingest-2"}


def test_who_does_not_ingest_gets_no_certificate_and_no_group(state: Path) -> None:
    for name in ("cloud", "registrar"):
        broker = load(state / name / "cloud.toml").broker
        assert (broker.group, broker.ca, broker.certificate) == ("", None, None)
    assert not list((state / "cloud").glob("*.key"))


def test_the_settings_are_what_services_and_networks_are_made_for(state: Path) -> None:
    config = load(state / "ingest-1" / "cloud.toml")
    assert config.broker.address == ("mosquitto", 8883)
    assert "@postgres:5432/mirage" in config.store.url
    assert (config.serve.port, config.serve.access, config.metrics.port) == (8080, "token", 9464)
    assert config.serve.trusted_proxies == (services()["bootstrap"]["environment"]["PROXIES"],)
    registrar = load(state / "registrar" / "cloud.toml")
    enrolment = registrar.enrolment
    assert registrar.metrics == config.metrics, "broker-sync shows how old the list of revocations is"
    assert enrolment is not None
    assert (enrolment.broker_host, enrolment.port) == ("mqtt.example.com", 8444)


def test_the_registrar_serves_the_releases_that_compose_mounts(
    state: Path, tmp_path: Path, tiny: Path
) -> None:
    alone = load(state / "registrar" / "cloud.toml").enrolment
    assert alone is not None
    assert alone.releases is None, "a cluster mounts none"
    place = services()["bootstrap"]["environment"]["RELEASES"]
    done = bootstrap(tmp_path, MIRAGE_HOST="mqtt.example.com", BUNDLES=str(tiny), RELEASES=place)
    assert done.returncode == 0, done.stderr
    enrolment = load(tmp_path / "registrar" / "cloud.toml").enrolment
    assert enrolment is not None
    assert enrolment.releases == place
    assert f"./releases:{place}:ro" in services()["registrar"]["volumes"]


def test_wrong_settings_of_the_operator_stop_it_and_are_named(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "settings.toml").write_text("[retention]\npacket_days = 3\n")
    done = bootstrap(tmp_path / "state", SETTINGS=str(tmp_path / "settings.toml"), BUNDLES=str(tiny))
    assert done.returncode == 1
    assert "packet_days" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("count", ["0", "many", "-1"])
def test_a_number_of_ingests_that_is_none_is_refused(tmp_path: Path, count: str) -> None:
    done = bootstrap(tmp_path, MIRAGE_INGESTS=count)
    assert (done.returncode, done.stderr) == (2, f"MIRAGE_INGESTS={count}: give a number from 1 to 99\n")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(write_bundle(tmp_path / "bundle"), "cloud")


@pytest.fixture
def running(tmp_path: Path, bundle: Bundle) -> Iterator[Site]:
    """Bring everything up, in the order of depends_on."""
    try:
        with postgres(durable=False) as server, site(tmp_path / "state", server.url("mirage")) as made:
            server.execute("CREATE DATABASE mirage")
            made.prepare(bundle.root)
            made.once("broker-lists")
            made.start("mosquitto")
            wait(made, "mosquitto", lambda: made.healthy("mosquitto"))
            for name in ("broker-sync", *ROLES, "registrar"):
                made.start(name)
            yield made
    except NoPostgresError as error:
        pytest.skip(str(error))


def wait(running: Site, name: str, claim: Callable[[], bool]) -> None:
    """Wait for something that a service does; its log is what a failure shows."""

    def holds() -> bool:
        process = running.running[name]
        assert process.poll() is None, f"{name} ended: {running.log(name)}"
        return claim()

    try:
        until(holds, _PATIENCE_S, every_s=0.3)  # asked with processes, which take what the services need
    except AssertionError as error:
        raise AssertionError(f"{name}: {running.log(name)}") from error


def enrolled(running: Site, folder: Path) -> Credentials:
    """Certify and enrol one device, with commands that the README names."""
    prefix = folder / "device"
    mirage("cloud", "ca", "device", "--ca", running.state / "authority", "-o", prefix, NAME)
    config = running.state / "registrar" / "cloud.toml"
    mirage("cloud", "enrol", "--config", config, f"{prefix}.pem", "--camera", "gate")
    key = load_pem_private_key(Path(f"{prefix}.key").read_bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return Credentials(Path(f"{prefix}.pem"), Path(f"{prefix}.key"), key)


def cloud_key(running: Site) -> X25519PrivateKey:
    key = load_pem_private_key((running.state / "secrets" / "cloud.key").read_bytes(), None)
    assert isinstance(key, X25519PrivateKey)
    return key


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_device_is_enrolled_and_what_it_sends_is_stored_and_served(
    running: Site, tmp_path: Path, bundle: Bundle
) -> None:
    for name in (*ROLES, "registrar"):
        wait(running, name, lambda name=name: running.healthy(name))  # type: ignore[misc]
    credentials = enrolled(running, tmp_path)
    device = SealedDevice(bundle, cloud=cloud_key(running), key=credentials.private_key)
    acl = running.state / "broker" / "acl"
    wait(running, "broker-sync", lambda: device.topics.birth in acl.read_text())
    party = Party(running.broker, running.state / "broker" / "ca.pem", credentials)
    with admitted(party, device.topics.ack):
        # Refused until Mosquitto has read its list again.
        wait(running, "mosquitto", lambda: party.publish(device.topics.birth, device.birth(), retain=True))
        frames = [device.frame(device.packet()) for _ in range(3)]
        for frame in frames:
            assert party.publish(device.topics.sem("gate"), frame)
        party.wait_for_any(device.topics.ack)
        wait(running, "serve", lambda: len(segments(running)) == 3)
    assert running.healthy("mosquitto")
    assert all(process.poll() is None for process in running.running.values())


def segments(running: Site) -> list[dict[str, object]]:
    """Ask the API, with a token that was made as the README says."""
    config = running.state / "cloud" / "cloud.toml"
    token = running.state / "token"
    if not token.exists():
        said = mirage("cloud", "tokens", "create", "test", "--role", "viewer", "--config", config)
        token.write_text(said.splitlines()[1])
    answer = httpx.get(
        f"http://127.0.0.1:{running.page}/api/v1/segments",
        params={"camera": CAMERA},
        headers={"Authorization": f"Bearer {token.read_text()}"},
        timeout=60,
        verify=TRUST,
    )
    if answer.status_code == 404:
        return []  # no such camera yet
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()
    return found
