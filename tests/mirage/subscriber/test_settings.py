"""Settings of subscribers: from a file, or from options."""

from pathlib import Path

import pytest

from mirage.errors import InputError
from mirage.subscriber.choice import Choice, settings_of
from mirage.subscriber.settings import Broker, Filter, SettingsError, load
from wire.topics import parse


def written(folder: Path, text: str) -> Path:
    path = folder / "viewer.toml"
    path.write_text(text)
    return path


def test_files_are_beside_the_settings(tmp_path: Path) -> None:
    text = '[broker]\nhost = "b"\nca = "ca.pem"\ncertificate = "v.pem"\nkey = "/k/v.key"\n'
    text += '[filter]\nsite = "north"\n'
    settings = load(written(tmp_path, text))
    assert settings.broker.tls is not None
    assert settings.broker.tls.ca == str(tmp_path / "ca.pem")
    assert settings.broker.tls.key == "/k/v.key"
    assert settings.broker.address == ("b", 8883)
    assert settings.filter == Filter(site="north")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[broker]\nhost = "b"\ncolour = 1', "colour"),
        ('[broker]\nhost = ""', "host"),
        ('[broker]\nhost = "b"\nport = 0', "port"),
        ('[broker]\nhost = "b"\ncertificate = "c"', "go together"),
        ('[broker]\nhost = "b"\ncertificate = "c"\nkey = "k"', "needs ca"),
        ('[broker]\nhost = "b"\npassword_file = "p"', "needs user"),
        ('[broker]\nhost = "b"\n[filter]\ntenant = "A/#"', "tenant 'A/#'"),
        ('[broker]\nhost = "b"\n[filter]\ncamera = "ack"', "reserved"),
    ],
)
def test_what_cannot_be_meant_is_named_with_the_file(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=rf"viewer\.toml: .*{reason}"):
        load(written(tmp_path, text))


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    assert Broker("b", user="u", password_file=str(tmp_path / "secret")).password() == "hush"
    assert Broker("b", user="u").password() is None
    with pytest.raises(SettingsError, match="password_file: /nowhere: No such file"):
        Broker("b", user="u", password_file="/nowhere").password()  # noqa: S106 (a path)


def test_a_filter_becomes_a_topic_filter_and_checks_topics() -> None:
    assert Filter().events == "mirage/v1/+/+/+/+/event"
    door = Filter("acme", device="edge-1", camera="door")
    assert door.events == "mirage/v1/acme/+/edge-1/door/event"
    assert door.root == "mirage/v1/acme/+/edge-1"
    admitted = {
        "mirage/v1/acme/north/edge-1/door/event": True,
        "mirage/v1/acme/north/edge-1/yard/event": False,
        "mirage/v1/acme/north/edge-2/door/event": False,
        "mirage/v1/rival/north/edge-1/door/event": False,
        "mirage/v1/acme/north/edge-1/state": True,
        "mirage/v1/acme/north/edge-2/state": False,
    }
    assert {topic: door.admits(parse(topic)) for topic in admitted} == admitted


def test_a_filter_of_the_options_comes_before_the_files(tmp_path: Path) -> None:
    path = written(tmp_path, '[broker]\nhost = "b"\n[filter]\ntenant = "acme"\nsite = "north"\n')
    assert settings_of(Choice(path, site="south")).filter == Filter("acme", "south")


def test_a_host_needs_no_file() -> None:
    settings = settings_of(Choice(host="b", ca=Path("ca.pem"), camera="door"))
    assert settings.broker == Broker("b", ca="ca.pem")
    assert settings.filter == Filter(camera="door")


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (Choice(), "either --config FILE.toml or --host HOST"),
        (Choice(Path("f"), host="b"), "either --config"),
        (Choice(Path("f"), port=1), "go with --host"),
        (Choice(host="b", certificate=Path("c")), "go together"),
        (Choice(host="b", tenant="A"), "tenant 'A'"),
        (Choice(Path("/nowhere.toml")), "/nowhere.toml: No such file"),
    ],
)
def test_options_that_contradict_each_other_are_told(choice: Choice, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        settings_of(choice)
