"""A `set-policy` that is refused hides nothing less, not for a moment, and its reason is the answer."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import numpy as np
import pytest

import edge.pipeline
from edge.appearance import AppearanceEncoder
from edge.commands import CommandError
from edge.pipeline import Pipeline
from edge.privacy import detectors
from edge.privacy.detectors import Boxes
from edge.runtime import Runtime
from tests.edge.test_policy import Device
from wire.bundle import Bundle, BundleError
from wire.policy import Network, Sender


class Nothing:
    """Finds nothing."""

    def find(self, rgb: np.ndarray) -> Boxes:
        return np.zeros((len(rgb[:0]), 4), np.float32)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name each detector that is loaded."""
    names = list[str]()

    def load(name: str, _bundle: Bundle, _runtime: Runtime) -> Nothing:
        names.append(name)
        return Nothing()

    monkeypatch.setattr(detectors, "load_detector", load)
    return names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db.policy"


def hiding(device: Device) -> tuple[Sender, frozenset[str]]:
    return device.guard.sender, device.guard.rules("door").detectors.names


def test_what_is_refused_for_its_planes_hides_faces_all_the_while(
    tiny: Path, path: Path, loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tiny, path, network=Network(planes=4))
    device.ask(faces="redact")
    before, seen = hiding(device), list[tuple[Sender, frozenset[str]]]()

    def spied(check: Callable[..., None]) -> Callable[..., None]:
        @wraps(check)
        def look(*arguments: object, **more: object) -> None:
            seen.append(hiding(device))
            check(*arguments, **more)

        return look

    monkeypatch.setattr(Pipeline, "check", spied(Pipeline.check))
    for refused in ({"faces": "keep", "planes": 24}, {"reset": True, "planes": 24}):
        with pytest.raises(CommandError, match="planes 24 is more than the 4 that network allows"):
            device.ask(**refused)
    assert seen == [before, before]
    assert hiding(device) == before
    assert loaded == ["faces"], "nothing is loaded anew, which may fail"
    assert device.ask(faces="keep")["faces"] == "keep"


def test_a_graph_that_cannot_be_loaded_refuses_all_of_a_command(
    tiny: Path, path: Path, loaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tiny, path, planes=0)
    device.ask(faces="redact", words="age")
    before, seen = device.policy.in_force(), list[tuple[Sender, frozenset[str]]]()

    def fail(*_: object) -> AppearanceEncoder:
        seen.append(hiding(device))
        raise BundleError("appearance.onnx: is gone")

    monkeypatch.setattr(edge.pipeline, "AppearanceEncoder", fail)
    with pytest.raises(CommandError, match=r"appearance\.onnx: is gone"):
        device.ask(faces="keep", words="", planes=8)
    assert seen == [hiding(device)]
    assert device.guard.sender.faces == "redact"
    assert device.policy.in_force() == before
    assert loaded == ["faces"]


def test_a_full_disk_under_a_detector_refuses_the_command_and_ends_nothing(
    tiny: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packaged model is laid into a file before it is opened."""

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    device = Device(tiny, path)
    before = device.policy.in_force()
    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(type(detectors.CENTERFACE), "read", lambda _: b"")
    with pytest.raises(CommandError, match=r"faces cannot be redacted.*No space left on device"):
        device.ask(faces="redact")
    assert device.policy.in_force() == before
