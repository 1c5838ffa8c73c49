"""`mirage cloud anchors`: reference pictures added, listed and removed at the command line."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mirage import anchors_command as command
from mirage.errors import InputError
from mirage.output import read_input


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nhost = "broker"\n[bundle]\npaths = ["/models/tiny"]\n')
    return path


def test_a_picture_is_added_listed_and_removed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "gate.png"
    assert cv2.imwrite(str(picture), np.full((36, 64, 3), 90, np.uint8))
    command.add(config, picture, ("place", "acme/north/*/gate", "", "operator"), json=True)
    added = json.loads(capsys.readouterr().out)
    assert (added["camera"], added["role"], added["name"]) == ("acme/north/*/gate", "operator", "gate.png")
    stored = tmp_path / "objects" / "anchors" / f"{added['sha256']}.jpg"
    assert read_input(stored)[:2] == b"\xff\xd8"
    command.show(config, json=True)
    assert json.loads(capsys.readouterr().out) == {"anchors": [added]}
    command.show(config, json=False)
    assert "operator" in capsys.readouterr().out
    command.remove(config, added["id"], json=False)
    assert not stored.exists()
    with pytest.raises(InputError, match=f"no anchor {added['id']}"):
        command.remove(config, added["id"], json=False)
