"""Pipelines with random weights draw something, but nothing of what they are told: the comparison says so."""

from pathlib import Path

import pytest

from cloud.confidence.assessor import Assessor
from cloud.confidence.obedience import Shot, compare
from cloud.confidence.reader import Reader
from cloud.render.clip import render_segment
from cloud.render.load import load_renderer
from cloud.render.renderer import output_rate
from tests.cloud.confidence.pictures import pictures, shown
from tests.cloud.render.diffusion.studio import CAMERA, POLICY, shipped_diffusion_bundle
from tests.pipelines import Models
from wire.bundle import Bundle

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers", "ignore::FutureWarning")


@pytest.fixture(params=["ltx", "wan"])
def bundle(request: pytest.FixtureRequest, tiny: Path, tmp_path: Path) -> Bundle:
    models: Models = request.getfixturevalue(f"{request.param}_models")
    return shipped_diffusion_bundle(tiny, tmp_path, request.param, models)


def test_random_weights_are_caught(bundle: Bundle, tiny: Path) -> None:
    shots = [
        Shot(f"yard {number}", shown(bundle, picture, number, f"scene {number}"), CAMERA, POLICY)
        for number, picture in enumerate(pictures(tiny))
    ]
    verdict = compare(load_renderer(bundle, threads=1), Reader(bundle), shots, 0, lambda: None)
    assert verdict.obeys is False
    assert max(abs(each.obedience) for each in verdict.compared) < 0.05


def test_without_a_calibration_of_this_renderer_their_clips_have_no_score(bundle: Bundle, tiny: Path) -> None:
    segment = shown(bundle, pictures(tiny)[0])
    frames = render_segment([segment], 0, CAMERA, load_renderer(bundle, threads=1), POLICY, 0)
    found = Assessor().assess(bundle, segment, frames, output_rate(CAMERA, POLICY))
    assert (found.score, "not calibrated" in str(found.why)) == (None, True)
    assert found.likeness is not None
    assert found.likeness < 0.7
