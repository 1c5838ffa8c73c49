"""`mirage decode` and `mirage policy explain --receiver` do, and say, what binds a receiver."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud.config import load
from cloud.terms import NAMES, Terms, stated
from mirage.cli import app
from mirage.errors import mistakes, one_line
from tests.cloud.demanding import UNKNOWN, bound_by
from tests.conftest import MakeVideo
from wire import recording
from wire.envelope import PlainEnvelope
from wire.policy import Demands, binding

CLOUD = """
[broker]
host = "localhost"
[bundle]
paths = ["models/tiny"]
[render]
long_side_px = 640
steps = 3
style_prompt = "oil painting"
[retention]
packets_days = 30
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def film(tmp_path: Path, make_video: MakeVideo) -> Path:
    target = tmp_path / "film.mrg"
    source = make_video(frames=25)
    assert run("encode", source, "-o", target).exit_code == 0
    return target


def bind(film: Path, layer: bytes) -> None:
    """Have the last packet of a recording bind."""
    found = recording.parse(film.read_bytes())
    *others, last = found.packets
    bound = bound_by(last, layer)
    frames = [PlainEnvelope().wrap(bytes(packet), "") for packet in (*others, bound)]
    film.write_bytes(recording.write(found.birth, frames))


def test_decode_renders_as_any_of_the_packets_demands(film: Path, tmp_path: Path) -> None:
    bind(film, binding.encode(Demands(largest_px=64, style=False)))
    result = run(
        "decode", film, "-o", tmp_path / "dream.mp4", "--long-side", "128", "--style", "rain", "--json"
    )
    assert result.exit_code == 0, result.exception
    decoded = json.loads(result.stdout)
    assert decoded["width"] == 64
    assert [reason.partition(":")[0] for reason in decoded["refused"]] == ["long_side_px", "style_prompt"]


def test_decode_refuses_what_it_cannot_meet(film: Path, tmp_path: Path) -> None:
    bind(film, UNKNOWN)
    target = tmp_path / "dream.mp4"
    result = run("decode", film, "-o", target)
    assert isinstance(result.exception, mistakes())
    assert "does not know" in one_line(result.exception)
    assert not target.exists()


@pytest.mark.parametrize(
    "demands",
    [
        Demands(),
        Demands(largest_px=64, anchors="none", style=False, publish=False, keep_days=7, viewers="operator"),
        Demands(largest_px=1024, keep_days=90, anchors="places", stand_in=True, viewers="admin"),
    ],
)
def test_what_is_explained_is_what_is_enforced(tmp_path: Path, demands: Demands) -> None:
    settings, sender = tmp_path / "cloud.toml", tmp_path / "sender.toml"
    settings.write_text(CLOUD)
    lines = [f"{name} = {json.dumps(value)}" for name, value in told(demands).items()]
    sender.write_text("\n".join(["[sender.receiver]", *lines, ""]))
    report = run("policy", "explain", "--sender", sender, "--receiver", settings, "--json")
    explained = {
        field["name"]: {key: field[key] for key in ("value", "by", "outcome", "why")}
        for field in json.loads(report.stdout)["fields"]
        if field["name"] in NAMES
    }
    config = load(settings)
    assert explained == json.loads(json.dumps(stated(Terms(config.receiver).under(demands))))


def told(demands: Demands) -> dict[str, object]:
    return {
        name: value
        for name in demands.__struct_fields__
        if (value := getattr(demands, name)) != getattr(Demands(), name)
    }


def test_roles_and_cameras_are_told_apart(tmp_path: Path) -> None:
    settings = tmp_path / "cloud.toml"
    settings.write_text(
        CLOUD + '[receiver.viewer]\nseed = 3\npeople = "stand-in"\n'
        '[[receiver.camera]]\nname = "acme/*/*/gate"\nseed = 5\nanchors = ["yard.jpg"]\n'
    )

    def fields(*more: str) -> dict[str, object]:
        report = run("policy", "explain", "--receiver", settings, "--json", *more)
        return {each["name"]: each["value"] for each in json.loads(report.stdout)["fields"]}

    viewers, operators = fields(), fields("--role", "operator", "--camera", "acme/north/cam/gate")
    assert (viewers["seed"], viewers["people_drawn"], viewers["stand_in"]) == (3, "stand-in", "figure")
    assert (operators["seed"], operators["people_drawn"], operators["stand_in"]) == (5, "as-sent", None)
    assert operators["anchors"] == ["yard.jpg"]
