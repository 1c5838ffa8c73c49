"""`mirage cloud compare`: on what a cloud has stored, a renderer that ignores what it is told is caught."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from cloud.confidence.encoder import TokenEncoder
from cloud.config import load
from cloud.render.renderer import Context, frame_span, never, output_rate, output_size
from cloud.store import Store
from mirage.cli import app
from mirage.compare_command import main
from mirage.errors import InputError
from tests.bundles import CAPTIONS
from tests.cloud import sample
from tests.cloud.confidence.pictures import pictures
from tests.cloud.demanding import bound_by
from tests.cloud.desk import Desk
from tests.cloud.sample import Device
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.policy import Demands, Policy
from wire.segment import Segment

SETTINGS = '[broker]\nhost = "127.0.0.1"\n[bundle]\npaths = ["tiny"]\n[render]\nlong_side_px = 128\n'


class Deaf:
    """Draws grey, whatever it is told."""

    name, carries = "deaf", 0

    def render(
        self, segment: Segment, context: Context, camera: CameraInfo, policy: Policy, seed: int,
        cancelled: Callable[[], bool] = never,
    ) -> NDArray[np.uint8]:  # fmt: skip
        assert (context.previous, context.next, seed, cancelled()) == (None, None, 0, False)
        first, end = frame_span(segment, output_rate(camera, policy))
        width, height = output_size(camera, policy.long_side_px)
        return np.full((end - first, height, width, 3), 90, np.uint8)


@pytest.fixture
def config(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Store four scenes of one camera, one more that may not be rendered, and one that rests."""
    path = tmp_path / "cloud.toml"
    path.write_text(SETTINGS)
    shutil.copytree(tiny, tmp_path / "tiny", ignore=shutil.ignore_patterns("golden.npz"))
    bundle = Bundle.load(tmp_path / "tiny", "cloud")
    encoder = TokenEncoder(bundle)
    codes = [encoder.encode(picture) for picture in pictures(tiny)]
    monkeypatch.setattr(sample, "tokens", lambda seed, _shape: codes[seed % len(codes)])
    store = Store(load(path).store.url)
    desk, device = Desk(store, [bundle]), Device(bundle, shape=(24, 8, 8))
    desk.birth(device)
    for number in range(4):
        desk.sem(device, device.packet(CAPTIONS[number], refresh=True, cut=True))
    desk.sem(device, bound_by(device.packet(refresh=True, cut=True), Demands(viewers="admin", stand_in=True)))
    desk.sem(device, device.packet(refresh=True, cut=True, still=True))
    store.close()
    return path


def test_the_shipped_renderer_obeys(config: Path) -> None:
    result = CliRunner().invoke(app, ["cloud", "compare", "--config", str(config), "--json"])
    assert result.exit_code == 0, result.output
    (verdict,) = json.loads(result.output)["verdicts"]
    assert verdict["obeys"] is True
    assert len(verdict["compared"]) == 4
    assert {each["shot"] for each in verdict["compared"]} == {
        f"acme/north/jetson-1/gate {number}" for number in range(4)
    }


def test_what_receivers_ask_for_does_not_make_a_renderer_deaf(config: Path) -> None:
    config.write_text(
        SETTINGS
        + '[receiver]\npeople = "stand-in"\nstand_in = "figure"\nplanes = 1\nstyle_prompt = "pencil"\n'
    )
    assert main(config, 4, json=True) is True


def test_one_that_ignores_what_it_is_told_is_caught(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(config, 3, json=False, with_renderer=lambda _bundle, _threads: Deaf()) is False
    said = capsys.readouterr().out
    assert "deaf: IGNORES WHAT IT IS TOLD, median 0.00" in said


def test_the_command_fails_then(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirage.compare_command.main", lambda *_args, **_options: False)
    assert CliRunner().invoke(app, ["cloud", "compare", "--config", str(config)]).exit_code == 1


def test_without_the_senders_half_nothing_can_be_compared(config: Path) -> None:
    shutil.rmtree(config.parent / "tiny" / "sender")
    result = CliRunner().invoke(app, ["cloud", "compare", "--config", str(config)])
    assert "appearance_encoder.onnx: No such file" in str(result.exception)


def test_of_one_scene_nothing_can_be_said(config: Path) -> None:
    with pytest.raises(InputError, match="at least two scenes"):
        main(config, 1, json=False)
