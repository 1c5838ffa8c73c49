"""`mirage policy`, `mirage encode --sender`: what is written in files happens, or an error says why."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mirage.cli import app
from mirage.errors import mistakes, one_line
from tests.edge.privacy.detecting import secret_film, secrets_in
from wire import recording
from wire.packet import Layer
from wire.policy import Demands, binding

TABLES = """
[sender]
words = ["gender"]
layers = ["caption", "motion", "appearance-tokens"]
zones = [{ box = [0.0, 0.28, 1.0, 0.72] }]
[sender.receiver]
largest_px = 256
style = false
[network]
bytes_per_s = 62.5
[receiver]
long_side_px = 1024
style_prompt = "oil painting"
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(result: Result) -> str:
    """Give the one line that a user would read."""
    assert isinstance(result.exception, mistakes()), result.exception
    return one_line(result.exception)


@pytest.fixture
def tables(tmp_path: Path) -> str:
    path = tmp_path / "tables.toml"
    path.write_text(TABLES)
    return str(path)


def test_each_constraint_says_who_decided_and_why(tables: str) -> None:
    result = run("policy", "explain", "--sender", tables, "--receiver", tables, "--json")
    report = json.loads(result.stdout)
    fields = {field["name"]: field for field in report["fields"]}
    assert (fields["long_side_px"]["value"], fields["long_side_px"]["by"]) == (256, "sender")
    assert fields["long_side_px"]["outcome"] == "limited"
    assert fields["style_prompt"] == {
        "name": "style_prompt",
        "value": "",
        "by": "sender",
        "asked": [{"party": "sender", "value": False}, {"party": "receiver", "value": "oil painting"}],
        "outcome": "refused",
        "why": "the sender allows no words of the receiver (sender.receiver.style = false)",
    }
    assert fields["bytes_per_s"]["by"] == "network"
    assert binding.decode(bytes.fromhex(report["policy_layer"])) == Demands(largest_px=256, style=False)


def test_people_get_a_table(tables: str) -> None:
    result = run("policy", "explain", "--sender", tables, "--receiver", tables)
    assert result.exit_code == 0
    for text in ("decided by", "oil painting", "refused: style_prompt", "bind its receiver"):
        assert text in result.stdout


def test_settings_of_agent_and_cloud_are_read_too() -> None:
    report = json.loads(
        run(
            *("policy", "explain", "--sender", "deploy/edge.example.toml"),
            *("--receiver", "deploy/cloud.example.toml", "--json"),
        ).stdout
    )
    assert {field["name"] for field in report["fields"]} >= {"faces", "layers", "long_side_px"}
    assert report["policy_layer"] == ""


def test_a_camera_that_is_no_path_is_named(tables: str) -> None:
    assert "tenant/site/device/camera" in said(
        run("policy", "explain", "--receiver", tables, "--camera", "gate")
    )


@pytest.mark.parametrize(("preset", "size"), [("private", 8), ("balanced", 8), ("faithful", 0)])
def test_presets_can_be_looked_at(preset: str, size: int) -> None:
    report = json.loads(run("policy", "explain", "--preset", preset, "--json").stdout)
    assert report["policy_layer_bytes"] == size


def test_a_mistake_is_named_with_file_table_and_key(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[sender]\nfacse = 'redact'\n")
    message = said(run("policy", "explain", "--sender", str(path)))
    assert message == f"{path}: [sender] has no key 'facse': did you mean faces?"


def test_a_preview_shows_what_is_left(tables: str, tmp_path: Path) -> None:
    film, picture = secret_film(tmp_path / "secret.mp4", 40), tmp_path / "seen.png"
    result = run("policy", "preview", str(film), "--sender", tables, "-o", str(picture), "--at", "0.5")
    assert result.exit_code == 0, result.exception
    assert "of it hidden" in result.stdout
    seen = np.asarray(cv2.imread(str(picture)), np.uint8)[..., ::-1]
    assert secrets_in(seen) == 0
    beside = tmp_path / "beside.png"
    run("policy", "preview", str(film), "--sender", tables, "-o", str(beside), "--at", "0.5", "--beside")
    both = np.asarray(cv2.imread(str(beside)), np.uint8)[..., ::-1]
    assert both.shape[1] == 2 * seen.shape[1]
    assert secrets_in(both[:, : seen.shape[1]]) > 1000
    assert (both[:, seen.shape[1] :] == seen).all()


def test_encode_sends_what_the_sender_allows_and_binds_the_receiver(tables: str, tmp_path: Path) -> None:
    film, target = secret_film(tmp_path / "secret.mp4", 60), tmp_path / "film.mrg"
    assert run("encode", str(film), "-o", str(target), "--sender", tables).exit_code == 0
    packets = recording.parse(target.read_bytes()).packets
    assert packets
    for packet in packets:
        assert Layer.APPEARANCE_DETAIL not in packet.layers
        assert binding.decode(packet.layers[Layer.POLICY]) == Demands(largest_px=256, style=False)


def test_encode_writes_nothing_where_nothing_may_be_sent(tmp_path: Path) -> None:
    film, target = secret_film(tmp_path / "secret.mp4", 10), tmp_path / "film.mrg"
    for text, reason in (
        ("off = true", "sender.off is true"),
        ("plates = 'redact'", "plates cannot be redacted"),
    ):
        path = tmp_path / "tables.toml"
        path.write_text(f"[sender]\n{text}\n")
        assert reason in said(run("encode", str(film), "-o", str(target), "--sender", str(path)))
        assert not target.exists()


def test_of_several_cameras_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    text = Path("deploy/edge.example.toml").read_text("utf-8")
    path.write_text(text + '\n[[camera]]\nname = "yard"\nsource = "yard.mp4"\n')
    film = secret_film(tmp_path / "secret.mp4", 10)
    arguments = ("encode", str(film), "-o", str(tmp_path / "a.mrg"), "--sender", str(path))
    assert "say which by --camera: door, yard" in said(run(*arguments))
    assert "no camera 'attic'" in said(run(*arguments, "--camera", "attic"))
    assert run(*arguments, "--camera", "yard").exit_code == 0


def test_inspect_says_what_binds_the_receiver(tables: str, tmp_path: Path) -> None:
    film, target = secret_film(tmp_path / "secret.mp4", 20), tmp_path / "film.mrg"
    run("encode", str(film), "-o", str(target), "--sender", tables)
    report = json.loads(run("inspect", str(target), "--json").stdout)
    assert [packet["binds"]["largest_px"] for packet in report["packets"]] == [256] * len(report["packets"])
    assert "binds its receiver: largest_px = 256, style = False" in run("inspect", str(target)).stdout


def test_what_holds_on_a_link_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        '[network]\nbytes_per_s = 500\n[[network.link]]\nname = "lte"\nmatch = "wwan*"\nbytes_per_s = 20\n'
        'price_per_mb = "0.40 EUR"\n[[network.link]]\nname = "sat"\nmatch = ["usb*", "ppp*"]\n'
    )
    rates = list[object]()
    for more in ([], ["--link", "lte"]):
        result = run("policy", "explain", "--network", str(path), *more, "--json")
        fields = {field["name"]: field for field in json.loads(result.stdout)["fields"]}
        rates.append(fields["bytes_per_s"]["value"])
    assert rates == [500, 20]
    assert json.loads(result.stdout)["link"] == {"name": "lte", "match": "wwan*", "price_per_mb": "0.40 EUR"}
    shown = run("policy", "explain", "--network", str(path), "--link", "lte").stdout
    assert "On link lte (wwan*), 0.40 EUR a megabyte." in shown
    shown = run("policy", "explain", "--network", str(path), "--link", "sat").stdout
    assert "On link sat (usb*, ppp*), without a price." in shown
    assert "only lte, sat" in said(run("policy", "explain", "--network", str(path), "--link", "tin-can"))
