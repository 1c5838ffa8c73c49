"""How a pipeline takes less memory: in order on a stand-in, for real where there is a GPU."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLLTXVideo, AutoencoderKLWan

from cloud.render.diffusion.models import Loaded
from cloud.render.diffusion.renderer import DiffusionRenderer
from cloud.render.renderer import Context
from tests.cloud.render.diffusion.studio import (
    CAMERA,
    POLICY,
    bare,
    carried,
    diffusion_bundle,
    picture,
    segment,
    with_vector,
)
from tests.pipelines import Models

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy, by diffusers' schedulers

VAES = {"ltx": AutoencoderKLLTXVideo, "wan": AutoencoderKLWan, "animatediff": AutoencoderKL}
CONTEXT = Context(None, segment(2, start_ms=1000), carried(1, 9), (picture(1),))


@dataclass
class StandIn:
    """A pipeline that notes what it is told, and its own VAE."""

    told: list[str] = field(default_factory=list)

    @property
    def vae(self) -> "StandIn":
        return self

    def enable_model_cpu_offload(self) -> None:
        self.told.append("model")

    def enable_sequential_cpu_offload(self) -> None:
        self.told.append("sequential")

    def remove_all_hooks(self) -> None:
        self.told.append("no hooks")

    def to(self, device: str) -> None:
        self.told.append(device)

    def enable_tiling(self) -> None:
        self.told.append("tiles")

    def disable_tiling(self) -> None:
        self.told.append("no tiles")


@pytest.mark.parametrize(
    ("device", "offload", "told", "after"),
    [
        ("cuda", "none", ["model"], "model"),
        ("cuda", "model", ["no hooks", "cpu", "sequential"], "sequential"),
        ("cuda", "sequential", [], "sequential"),
        ("cpu", "none", [], "none"),
    ],
)
@pytest.mark.parametrize("tiled", [False, True])
def test_more_is_offloaded_for_good_and_tiles_are_for_once(
    device: str, offload: str, told: list[str], after: str, *, tiled: bool
) -> None:
    pipe = StandIn()
    loaded = Loaded(pipe, device, offload, tiled, "native")
    with loaded.economised():
        assert pipe.told == [*told, "tiles"]
    assert loaded.offload == after
    assert pipe.told[len(told) + 1 :] == ([] if tiled else ["no tiles"])


@pytest.fixture
def gpu() -> Iterator[None]:
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    yield
    torch.cuda.empty_cache()


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("pipeline", ["ltx", "wan", "animatediff"])
def test_offloading_changes_no_pixel(
    pipeline: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: Models = request.getfixturevalue(f"{pipeline}_models")
    told = with_vector(segment(), 1) if pipeline == "animatediff" else segment()
    clips = []
    for offload in ("none", "model", "sequential"):
        bundle = diffusion_bundle(tmp_path / offload, pipeline, models, frames=9, offload=offload)
        renderer = DiffusionRenderer(bundle)
        assert "bf16 cuda" in renderer.name
        clips += [renderer.render(told, CONTEXT, CAMERA, POLICY, 3) for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(VAES[pipeline], "decode", FailsOnce(VAES[pipeline]))
            short = renderer.render(bare(told), CONTEXT, CAMERA, POLICY, 3)
        assert short.shape == clips[0].shape
        clips.append(renderer.render(told, CONTEXT, CAMERA, POLICY, 3))
    for clip in clips:
        assert np.array_equal(clip, clips[0])


class FailsOnce:
    """Stands for a method that runs out of memory at its first call."""

    def __init__(self, kind: type[AutoencoderKL]) -> None:
        self._work = kind.decode
        self._failed = False

    def __get__(self, owner: object, kind: type | None = None) -> object:
        def decode(*values: object, **named: object) -> object:
            if not self._failed:
                self._failed = True
                raise torch.OutOfMemoryError("2.00 GiB wanted")
            return self._work(owner, *values, **named)

        return decode
