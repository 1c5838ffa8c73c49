"""`[renderer.options]` of a bundle whose backend is `diffusers`; what is left out suits the pipeline.

option             animatediff  ltx     wan     what it is
steps              25           40      50      diffusion steps
guidance           7.5          3       5       by the text; 1 and less: none, which halves the time
fps                8            0       16      frames a second that the model was trained at; 0: any
frames             16           161     81      how many are diffused at once at most
carries            1            9       1       last frames of a clip that the next goes on from; 0: none
keyframe_strength  0.7          1       1       how much pictures of the scene bind; Wan knows 0 and 1 only
anchor_strength    0.5          0.5     1       how much the receiver's pictures bind; Wan: as above
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from wire.bundle import MANIFEST, Bundle, BundleError, Scalar

PipelineName = Literal["animatediff", "ltx", "wan"]
Positive = Annotated[int, Meta(ge=1, le=1000)]
Size = Annotated[int, Meta(ge=0, le=8192)]
Share = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(max_length=1000)]

_LTX_STRIDE = 8
_DEFAULTS: dict[str, dict[str, Scalar]] = {
    "animatediff": {
        "steps": 25, "guidance": 7.5, "fps": 8.0, "frames": 16, "carries": 1, "keyframe_strength": 0.7,
        "anchor_strength": 0.5,
    },
    "ltx": {
        "steps": 40, "guidance": 3.0, "fps": 0.0, "frames": 161, "carries": 9, "keyframe_strength": 1.0,
        "anchor_strength": 0.5,
    },
    "wan": {
        "steps": 50, "guidance": 5.0, "fps": 16.0, "frames": 81, "carries": 1, "keyframe_strength": 1.0,
        "anchor_strength": 1.0,
    },
}  # fmt: skip


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """How to load and run a pipeline.

    dtype               of the weights on a GPU; a CPU computes in fp32, which it does faster than in 16 bits
    device              `auto`: the GPU if there is one
    long_side_px        size that is diffused, resized for the output; 0: the output's
    attention           backend for `set_attention_backend`; empty: PyTorch's own
    compile             `torch.compile` of the repeated blocks: the first clip takes minutes more
    vae_tiling, vae_slicing   decode in parts: less memory, a little slower
    offload             what waits in the CPU's memory: whole models, or each layer; without a GPU: nothing
    cache               `first-block`: skip a step's other blocks where the first changes the output by less
                        than `cache_threshold`; transformers only
    scheduler           `ddim`: as AnimateDiff was trained (linear betas); empty: the pipeline's own
    style_prompt, negative_prompt   are added to what the receiver asks for
    condition_noise     LTX: noise on conditioning frames, for more motion
    decode_timestep, decode_noise   LTX: of decoders that are conditioned on time; others ignore them
    """

    pipeline: PipelineName
    steps: Positive
    guidance: Annotated[float, Meta(ge=0, le=100)]
    fps: Annotated[float, Meta(ge=0, le=240)]
    frames: Positive
    carries: Annotated[int, Meta(ge=0, le=257)]
    keyframe_strength: Share
    anchor_strength: Share
    dtype: Literal["bf16", "fp16", "fp32"] = "bf16"
    device: Literal["auto", "cuda", "cpu"] = "auto"
    long_side_px: Size = 0
    attention: str = ""
    compile: bool = False
    vae_tiling: bool = False
    vae_slicing: bool = False
    offload: Literal["none", "model", "sequential"] = "none"
    cache: Literal["none", "first-block"] = "none"
    cache_threshold: Annotated[float, Meta(gt=0, le=1)] = 0.05
    scheduler: Literal["", "ddim"] = ""
    style_prompt: Text = ""
    negative_prompt: Text = ""
    condition_noise: Share = 0.15
    decode_timestep: Share = 0.05
    decode_noise: Share = 0.025

    def __post_init__(self) -> None:
        if self.pipeline == "ltx" and self.carries and self.carries % _LTX_STRIDE != 1:
            raise ValueError(f"carries {self.carries} is not 0, 1, 9, 17, ...: ltx reads 8n + 1 frames")
        if self.pipeline != "ltx" and self.carries > 1:
            raise ValueError(f"carries {self.carries} is not 0 or 1: {self.pipeline} goes on from one frame")
        if self.pipeline == "wan" and not {self.keyframe_strength, self.anchor_strength} <= {0.0, 1.0}:
            raise ValueError("keyframe_strength and anchor_strength are not 0 or 1: wan takes pictures whole")
        if self.pipeline == "animatediff" and self.cache != "none":
            raise ValueError("cache is for transformers: animatediff has none")
        if self.pipeline != "animatediff" and self.scheduler:
            raise ValueError(f"scheduler {self.scheduler!r} is for animatediff, not for {self.pipeline}")


def read_options(bundle: Bundle) -> Options:
    """Read and check the bundle's options, or raise BundleError that names file and key."""
    given = bundle.manifest.renderer.options
    defaults = _DEFAULTS.get(str(given.get("pipeline")), _DEFAULTS["ltx"])
    try:
        return msgspec.convert({**defaults, **given}, Options)
    except msgspec.ValidationError as error:
        what = str(error).replace("$.", "")
        raise BundleError(f"{bundle.root / MANIFEST}: [renderer.options]: {what}") from error
