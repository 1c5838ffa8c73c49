"""LTX-Video: text, keyframes at their own times, and the end of the clip before.

    carried frames (8n + 1) at 0 | keyframe at its frame ........ next keyframe at its frame

`LTXConditionPipeline` replaces the first latent frames by a condition at frame 0; one at any other frame
becomes tokens of its own that say when it is, so every frame may have one. Without any it is text to video.
"""

import numpy as np
from diffusers import LTXConditionPipeline, LTXVideoTransformer3DModel
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
from PIL import Image

from cloud.render.diffusion.models import Models
from cloud.render.diffusion.options import Options
from cloud.render.diffusion.plan import Pictures, Slot, Span, timed_slots
from cloud.render.diffusion.request import Float, Request

MODELS = ("pipeline",)


class Ltx:
    """`carried` frames that lead are video; one is a picture."""

    reaches = True
    sees = True

    def __init__(self, models: Models, options: Options) -> None:
        pipe = models.load("pipeline", LTXConditionPipeline)
        models.check("pipeline", pipe.transformer, LTXVideoTransformer3DModel)
        self.loaded = models.prepare(pipe, options)
        self.stride = pipe.vae_temporal_compression_ratio
        self.multiple = pipe.vae_spatial_compression_ratio * pipe.transformer_spatial_patch_size
        self.carries = self.lead = options.carries
        self._options = options

    def slots(self, span: Span, pictures: Pictures) -> tuple[Slot, ...]:
        return timed_slots(span, pictures)

    def diffuse(self, request: Request) -> Float:
        options = self._options
        result = self.loaded.pipe(
            conditions=_conditions(request) or None,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=request.width,
            height=request.height,
            num_frames=request.span.count,
            frame_rate=float(request.span.rate),
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            image_cond_noise_scale=options.condition_noise,
            decode_timestep=options.decode_timestep,
            decode_noise_scale=options.decode_noise,
            generator=request.generator(),
            callback_on_step_end=request.on_step_end,
            callback_on_step_end_tensor_inputs=[],
            output_type="np",
        )
        return np.asarray(result.frames[0], np.float32)


def _conditions(request: Request) -> list[LTXVideoCondition]:
    conditions = []
    if request.carried is not None and request.span.lead:
        conditions = [LTXVideoCondition(video=[Image.fromarray(frame) for frame in request.carried])]
    return conditions + [
        LTXVideoCondition(
            image=Image.fromarray(placed.picture), frame_index=placed.index, strength=placed.strength
        )
        for placed in request.placed
    ]
