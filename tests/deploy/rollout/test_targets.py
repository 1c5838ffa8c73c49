"""Which releases a rollout brings: signed ones, of one version, one for each platform that is there."""

import functools
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mirage.deploy.device import Platform
from mirage.deploy.fleet import Fleet, load
from mirage.deploy.release.trees import TreeError, read_document, read_manifest
from mirage.deploy.rollout.ordering import dry_run, order_of
from mirage.deploy.rollout.targets import TargetError, read_agents, read_bundle
from tests.deploy.fleets import certificate, fleet_folder
from tests.deploy.release import made
from tests.pki import Pki
from wire.bundle import Bundle
from wire.release import sign

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def file(tmp_path: Path, tiny: Path) -> Path:
    return fleet_folder(tmp_path / "fleet", tiny)


@pytest.fixture
def fleet(file: Path) -> Fleet:
    return load(file)


def published(folder: Path, version: str, *platforms: Platform) -> dict[str, str]:
    """Lay releases out as `mirage deploy release -o FOLDER` does; gives their ids."""
    ids: dict[str, str] = {}
    for platform in platforms:
        archive = made.archive(
            folder.parent / f"{version}-{platform}.tar", version=version, platform=platform
        )
        manifest = read_manifest(archive, None)
        place = folder / manifest.id
        place.mkdir(parents=True)
        (place / "release.json").write_bytes(read_document(archive))
        ids[platform] = manifest.id
    return ids


def published_bundle(folder: Path, bundle: Bundle) -> str:
    from mirage.deploy.release.build import bundle_tree

    manifest = bundle_tree(bundle, "2", folder.parent / "bundle-tree")
    (folder / manifest.id).mkdir(parents=True)
    (folder / manifest.id / "release.json").write_bytes(sign(manifest, made.KEY))
    return manifest.id


def test_of_a_folder_those_of_the_fleet_files_version_are_meant(
    fleet: Fleet, file: Path, tmp_path: Path
) -> None:
    published(tmp_path / "releases", "0.0.9", "amd64")
    ids = published(tmp_path / "releases", "0.1.0", "amd64", "jetpack6")
    found = read_agents(fleet, file.parent, [str(tmp_path / "releases")])
    assert {platform: target.id for platform, target in found.items()} == ids


def test_each_device_gets_the_release_of_its_platform(fleet: Fleet, file: Path, tmp_path: Path) -> None:
    ids = published(tmp_path / "releases", "0.2.0", "amd64", "arm64", "jetpack6")
    agents = read_agents(fleet, file.parent, [str(tmp_path / "releases")])
    order = order_of(fleet, agents, None, None)
    wanted = {each.device: (each.wave, [goal.id for goal in each.goals]) for each in order.devices}
    assert wanted == {"north-gate": (0, [ids["jetpack6"]]), "north-yard": (1, [ids["amd64"]])}
    assert order.aim == {"amd64": ids["amd64"], "jetpack6": ids["jetpack6"], "version": "0.2.0"}


def test_a_device_of_whose_platform_there_is_no_release_is_named(
    fleet: Fleet, file: Path, tmp_path: Path
) -> None:
    ids = published(tmp_path / "releases", "0.2.0", "amd64")
    agents = read_agents(fleet, file.parent, [str(tmp_path / "releases")])
    with pytest.raises(TargetError, match=f"north-gate: runs jetpack6, .*there is {ids['amd64']} for amd64"):
        order_of(fleet, agents, None, None)
    assert [each.device for each in order_of(fleet, agents, None, "rest").devices] == ["north-yard"]
    with pytest.raises(TargetError, match=r"--wave last: update.waves has canary, rest"):
        order_of(fleet, agents, None, "last")


def test_what_another_key_signed_is_refused(fleet: Fleet, file: Path, tmp_path: Path) -> None:
    archive = made.archive(tmp_path / "evil.tar", key=made.OTHER)
    with pytest.raises(TreeError, match=r"evil.tar"):
        read_agents(fleet, file.parent, [str(archive)])


def test_two_releases_for_one_platform_are_not_chosen_between(
    fleet: Fleet, file: Path, tmp_path: Path
) -> None:
    published(tmp_path / "a", "0.2.0", "amd64")
    other = made.archive(tmp_path / "b.tar", {"lib/a.py": b"b = 1\n"}, version="0.2.0")
    with pytest.raises(TargetError, match=r"amd64: both .* are for it: say --release ID"):
        read_agents(fleet, file.parent, [str(tmp_path / "a"), str(other)])


def test_versions_do_not_mix(fleet: Fleet, file: Path, tmp_path: Path) -> None:
    published(tmp_path / "a", "0.2.0", "amd64")
    published(tmp_path / "b", "0.3.0", "jetpack6")
    with pytest.raises(TargetError, match=r"versions 0.2.0, 0.3.0 at once"):
        read_agents(fleet, file.parent, [str(tmp_path / "a"), str(tmp_path / "b")])


def test_of_several_versions_none_is_guessed(fleet: Fleet, file: Path, tmp_path: Path) -> None:
    published(tmp_path / "a", "0.2.0", "amd64")
    published(tmp_path / "a", "0.3.0", "amd64")
    with pytest.raises(TargetError, match=r"has 0.2.0, 0.3.0, and not 0.1.0, which release.version says"):
        read_agents(fleet, file.parent, [str(tmp_path / "a")])


def test_a_bundle_is_known_by_its_id_and_by_what_births_say_of_it(
    fleet: Fleet, file: Path, tmp_path: Path, tiny: Path
) -> None:
    release = published_bundle(tmp_path / "releases", Bundle.load(tiny, "edge"))
    target = read_bundle(fleet, file.parent, str(tmp_path / "releases"))
    assert (target.id, target.sha256) == (release, Bundle.load(tiny, "edge").short_sha256)
    with pytest.raises(TargetError, match="has no release of kind agent"):
        read_agents(fleet, file.parent, [str(tmp_path / "releases")])
    with pytest.raises(TargetError, match="nothing to roll out"):
        order_of(fleet, {}, None, None)


def test_a_fleet_whose_devices_fetch_nothing_is_not_updated(tmp_path: Path, tiny: Path) -> None:
    url = 'url = "https://cloud.example.com:8444/v1/releases"\n'
    file = fleet_folder(tmp_path / "fleet", tiny, (url, ""))
    published(tmp_path / "releases", "0.2.0", "amd64", "jetpack6")
    agents = read_agents(load(file), file.parent, [str(tmp_path / "releases")])
    with pytest.raises(TargetError, match=r"update.url and release.key are not both set"):
        order_of(load(file), agents, None, None)


def test_an_empty_folder_says_how_to_fill_it(fleet: Fleet, file: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"has no ID/release.json: `mirage deploy release"):
        read_agents(fleet, file.parent, [str(tmp_path)])


@contextmanager
def serving(folder: Path, pki: Pki) -> Iterator[int]:
    """Serve a folder by HTTPS, with a certificate of the fleet's authority."""
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.folder / "server.pem", pki.folder / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="releases")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join(20)
        server.server_close()


def test_dry_run_says_what_each_device_would_be_asked(
    fleet: Fleet, file: Path, tmp_path: Path, tiny: Path
) -> None:
    ids = published(tmp_path / "releases", "0.2.0", "amd64", "jetpack6")
    ids["bundle"] = published_bundle(tmp_path / "bundles", Bundle.load(tiny, "edge"))
    agents = read_agents(fleet, file.parent, [str(tmp_path / "releases")])
    bundle = read_bundle(fleet, file.parent, str(tmp_path / "bundles"))
    text = "\n".join(dry_run(order_of(fleet, agents, bundle, None), "cloud.toml")) + "\n"
    for name, release in ids.items():
        text = text.replace(release, f"<{name}>")
    golden = GOLDEN / "update.txt"
    assert text == golden.read_text("utf-8"), f"if this is meant, write it to {golden.name}:\n{text}"


def test_an_id_is_looked_up_where_devices_fetch_it(tmp_path: Path, tiny: Path) -> None:
    ids = published(tmp_path / "releases", "0.2.0", "amd64")
    pki = Pki(tmp_path / "server")
    with serving(tmp_path / "releases", pki) as port:
        url = f"https://127.0.0.1:{port}"
        old = "https://cloud.example.com:8444/v1/releases"
        there = fleet_folder(tmp_path / "there", tiny, (old, url))
        (there.parent / "pki/ca.pem").write_bytes(pki.ca.read_bytes())
        found = read_agents(load(there), there.parent, [ids["amd64"]])
        assert found["amd64"].id == ids["amd64"]
        with pytest.raises(TargetError, match=f"{url}/{'0' * 16}/release.json: .*give its folder instead"):
            read_agents(load(there), there.parent, ["0" * 16])
        (tmp_path / "releases" / ("1" * 16)).mkdir()
        document = (tmp_path / "releases" / ids["amd64"] / "release.json").read_bytes()
        (tmp_path / "releases" / ("1" * 16) / "release.json").write_bytes(document)
        with pytest.raises(TargetError, match=f"is release {ids['amd64']}"):
            read_agents(load(there), there.parent, ["1" * 16])
        (there.parent / "pki/ca.pem").write_bytes(certificate())
        with pytest.raises(TargetError, match="CERTIFICATE_VERIFY_FAILED"):
            read_agents(load(there), there.parent, [ids["amd64"]])
