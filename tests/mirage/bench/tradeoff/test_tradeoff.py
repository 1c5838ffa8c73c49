"""Settings against each other: what is asked of presets, the plot, and what a report must hold."""

import json
from pathlib import Path

import numpy as np
import pytest

from mirage.bench.privacy.run import Request as Attack
from mirage.bench.quality.missing import missing_packages
from mirage.bench.quality.statistics import Estimate
from mirage.bench.tradeoff.fidelity import Fidelity
from mirage.bench.tradeoff.run import Named, Point, Request, gates, run
from mirage.errors import InputError


@pytest.fixture(autouse=True)
def _judges() -> None:
    if missing := missing_packages(["stills", "captions", "plot"]):
        pytest.skip(missing)


def point(name: str, bytes_per_s: float, picture: float, faces: float) -> Point:
    named = Named(faces, max(faces - 0.2, 0), min(faces + 0.2, 1), 0.1)
    mean = Estimate(picture, picture - 0.1, picture + 0.1, 20)
    return Point(Fidelity(name, bytes_per_s, mean, mean, mean), named, named)


PRIVATE, FAITHFUL = point("private", 60, 0.5, 0.1), point("faithful", 150, 0.7, 0.8)


def test_presets_that_are_worth_their_names_pass() -> None:
    assert all(gate.ok for gate in gates((PRIVATE, FAITHFUL)))


@pytest.mark.parametrize(
    ("private", "gate"),
    [
        (point("private", 151, 0.5, 0.1), "private_bytes"),
        (point("private", 60, 0.8, 0.1), "faithful_picture"),
        (point("private", 60, 0.5, 0.9), "private_faces"),
    ],
)
def test_a_preset_that_is_not_misses_its_gate(private: Point, gate: str) -> None:
    assert [each.name for each in gates((private, FAITHFUL)) if not each.ok] == [gate]


def test_the_plot_shows_every_setting() -> None:
    import cv2

    from mirage.bench.tradeoff.plot import draw

    one, two = draw((PRIVATE,)), draw((PRIVATE, FAITHFUL))
    drawn = [cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_COLOR) for each in (one, two)]
    assert all(picture is not None and picture.std() > 5 for picture in drawn)
    assert one != two


@pytest.mark.parametrize(
    "content", ["{", '{"results": {}}', '{"results": {"leaks": [{"setting": "private"}]}}']
)
def test_a_file_that_is_no_report_is_one_clear_line(tmp_path: Path, tiny: Path, content: str) -> None:
    (tmp_path / "privacy.json").write_text(content)
    (tmp_path / "clips").mkdir()
    request = Request(Attack(tiny, tmp_path), tmp_path / "privacy.json")
    with pytest.raises(InputError, match=r"privacy.json: not a report of `mirage bench privacy --json`"):
        run(request)


def test_a_report_is_read(tmp_path: Path, tiny: Path) -> None:
    named = {"rate": 0.5, "low": 0.4, "high": 0.6, "chance": 0.1, "groups": 9, "count": 20}
    found = {"best": named, "by": "shipped", "attacks": {}}
    leak = {"setting": "private", "room": found, "people": found}
    (tmp_path / "privacy.json").write_text(json.dumps({"results": {"leaks": [leak]}}))
    with pytest.raises(InputError, match="holds no clip"):  # the report was good
        run(Request(Attack(tiny, tmp_path), tmp_path / "privacy.json"))
