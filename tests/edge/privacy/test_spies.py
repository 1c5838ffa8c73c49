"""Whatever path a picture takes: encoders, motion and scene cuts see nothing of what is hidden."""

import ast
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edge.pipeline
from edge import agent
from edge.appearance import AppearanceEncoder
from edge.captioner import Captioner
from edge.change import Look
from edge.config import load
from edge.motion import estimate_motion
from edge.pipeline import Settings
from edge.uplink import UplinkError
from mirage.encode import encode
from tests.conftest import ROOT
from tests.edge.privacy.detecting import magenta_bundle, secret_film, secrets_in
from wire.bundle import Bundle
from wire.policy import Sender
from wire.policy.zones import Zone

ZONE = Zone(box=(0.0, 0.28, 1.0, 0.72))
HIDDEN = {
    "a detector": Sender(people="redact"),
    "a zone": Sender(zones=(ZONE,)),
    "the only zones": Sender(zones=(Zone(see="only", box=(0.0, 0.0, 1.0, 0.3)),)),
    "a moving scene only": Sender(people="redact", on_motion=True),
}


class Spies:
    """Stand at every door behind which pixels are looked at, and count what they see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secrets = dict[str, int]()
        caption, appear = Captioner.describe, AppearanceEncoder.encode
        motion, look = estimate_motion, Look.of

        def describe(this: Captioner, frames: NDArray[np.uint8], *rest: object, **more: object) -> str:
            self._see("caption", frames)
            return caption(this, frames, *rest, **more)  # type: ignore[arg-type]

        def seen(this: AppearanceEncoder, keyframe: NDArray[np.uint8]) -> NDArray[np.uint8]:
            self._see("appearance", keyframe)
            return appear(this, keyframe)

        def moved(frames: NDArray[np.uint8], *rest: object) -> object:
            self._see("motion", frames)
            return motion(frames, *rest)  # type: ignore[arg-type]

        def looked(rgb: NDArray[np.uint8]) -> Look:
            self._see("segmenter", rgb)
            return look(rgb)

        monkeypatch.setattr(Captioner, "describe", describe)
        monkeypatch.setattr(AppearanceEncoder, "encode", seen)
        monkeypatch.setattr(edge.pipeline, "estimate_motion", moved)
        monkeypatch.setattr(Look, "of", looked)

    def _see(self, door: str, pixels: NDArray[np.uint8]) -> None:
        self.secrets[door] = self.secrets.get(door, 0) + secrets_in(pixels)


@pytest.fixture
def spies(monkeypatch: pytest.MonkeyPatch) -> Spies:
    return Spies(monkeypatch)


@pytest.fixture(scope="module")
def bundle(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the detector of these tests")
    return magenta_bundle(tiny, tmp_path_factory.mktemp("bundles") / "magenta")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return secret_film(tmp_path_factory.mktemp("films") / "secret.mp4")


def test_without_redaction_every_door_sees_it(bundle: Path, film: Path, spies: Spies) -> None:
    encode(str(film), Bundle.load(bundle, "edge"), Settings())
    assert spies.secrets.keys() == {"caption", "appearance", "motion", "segmenter"}
    assert all(count > 100 for count in spies.secrets.values())


@pytest.mark.parametrize("by", HIDDEN)
def test_offline_nothing_of_it_is_seen(bundle: Path, film: Path, spies: Spies, by: str) -> None:
    encode(str(film), Bundle.load(bundle, "edge"), Settings(sender=HIDDEN[by]))
    assert spies.secrets.get("segmenter") == 0
    assert sum(spies.secrets.values()) == 0


def test_an_agent_sees_nothing_of_it(bundle: Path, film: Path, spies: Spies, tmp_path: Path) -> None:
    settings = tmp_path / "edge.toml"
    settings.write_text(
        f"""
        [device]
        tenant = "acme"
        site = "north"
        id = "edge-1"
        [broker]
        host = "127.0.0.1"
        port = 1
        envelope = "none"
        [bundle]
        path = "{bundle}"
        [spool]
        path = "spool.db"
        [sender]
        people = "redact"
        [[camera]]
        name = "door"
        source = "{film}"
        [[camera]]
        name = "yard"
        source = "{film}"
        zones = [{{ box = [0.0, 0.28, 1.0, 0.72] }}]
        """
    )
    with pytest.raises(UplinkError, match="packets were not"):  # there is no broker: they stay in the spool
        agent.run(load(settings), threading.Event(), drain_timeout_s=0.1)
    assert spies.secrets == {"caption": 0, "appearance": 0, "motion": 0, "segmenter": 0}


def test_only_the_guard_opens_cameras_for_an_agent() -> None:
    """Doctor and preview look at one picture, and send none; benchmarks and simulations send none either."""
    opening = {
        str(path.relative_to(ROOT))
        for folder in ("edge", "mirage")
        for path in (ROOT / folder).rglob("*.py")
        if "bench" not in path.parts and "fleet" not in path.parts and _calls(path, "open_camera")
    }
    assert opening == {"edge/doctor.py", "edge/privacy/guard.py", "mirage/preview.py", "mirage/demo/run.py"}


def _calls(path: Path, name: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )
