"""Wan: text, a first picture and, where the model was trained for it, a last one.

    transformer                     pictures       without a picture
    text to video (2.1)             none           WanPipeline
    image to video (2.1)            first          as for unknown frames: grey, and a mask that says so
    first and last (2.1)            first, last    likewise; its encoder sees a picture alone twice
    image to video (2.2)            first, last    likewise
    text and image to video (2.2)   first          every frame is unknown, which is what WanPipeline does

The first picture is the last frame of the clip before, if that is carried; but where there is no last
picture, the keyframe.
"""

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from PIL import Image

from cloud.render.diffusion.models import Models
from cloud.render.diffusion.options import Options
from cloud.render.diffusion.plan import Pictures, Slot, Span, end_slots
from cloud.render.diffusion.request import Float, Request

MODELS = ("pipeline",)
_GREY = 127  # of 255: what the model's own unknown frames are, 0 in -1..1


class _MaybeBlind(WanImageToVideoPipeline):
    """Image to video that can do without: `blind`, no frame is known; in `pairs`, it embeds two pictures."""

    blind = False
    pairs = False

    def encode_image(
        self, image: Image.Image | list[Image.Image], device: torch.device | None = None
    ) -> torch.Tensor:
        both = [image, image] if self.pairs and not isinstance(image, list) else image
        embedded: torch.Tensor = super().encode_image(both, device)
        return embedded

    def prepare_latents(self, *args: object, **kwargs: object) -> tuple[torch.Tensor, ...]:
        prepared: tuple[torch.Tensor, ...] = super().prepare_latents(*args, **kwargs)
        if not self.blind:
            return prepared
        if self.config.expand_timesteps:  # latents, the first frame, where it is not shown
            latents, condition, unknown = prepared
            return latents, condition, torch.ones_like(unknown)
        latents, condition = prepared  # mask channels come before those of the frames
        condition[:, : self.vae_scale_factor_temporal] = 0
        return latents, condition


class Wan:
    """Its VAE and its image encoder compute in fp32, as published."""

    reaches = False

    def __init__(self, models: Models, options: Options) -> None:
        exact = dict.fromkeys(("vae", "image_encoder"), torch.float32)
        pipe = models.load("pipeline", _MaybeBlind, {"default": models.dtype, **exact})
        denoiser = pipe.transformer or pipe.transformer_2
        models.check("pipeline", denoiser, WanTransformer3DModel)
        config = denoiser.config
        self.sees = config.in_channels > pipe.vae.config.z_dim or pipe.config.expand_timesteps
        pipe.pairs = config.image_dim is not None and config.pos_embed_seq_len is not None
        self._sees_last = pipe.pairs or (config.image_dim is None and not pipe.config.expand_timesteps)
        if not self.sees:
            pipe = _text_to_video(pipe)
        self.loaded = models.prepare(pipe, options)
        self.stride = pipe.vae_scale_factor_temporal
        self.multiple = pipe.vae_scale_factor_spatial * config.patch_size[1]
        self.carries = self.lead = options.carries if self.sees else 0

    def slots(self, span: Span, pictures: Pictures) -> tuple[Slot, ...]:
        if not self.sees:
            return ()
        return end_slots(span, pictures, both=self._sees_last)

    def diffuse(self, request: Request) -> Float:
        result = self.loaded.pipe(
            **(self._pictures(request) if self.sees else {}),
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=request.width,
            height=request.height,
            num_frames=request.span.count,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            generator=request.generator(),
            callback_on_step_end=request.on_step_end,
            callback_on_step_end_tensor_inputs=[],
            output_type="np",
        )
        return np.asarray(result.frames[0], np.float32)

    def _pictures(self, request: Request) -> dict[str, Image.Image]:
        known = {placed.index: placed.picture for placed in request.placed}
        if request.carried is not None and request.span.lead:
            known.setdefault(0, request.carried[-1])
        self.loaded.pipe.blind = 0 not in known
        first = known.get(0, np.full((request.height, request.width, 3), _GREY, np.uint8))
        last = known.get(request.span.count - 1) if request.span.count > 1 else None
        pictures = {"image": Image.fromarray(first)}
        return pictures if last is None else {**pictures, "last_image": Image.fromarray(last)}


def _text_to_video(pipe: WanImageToVideoPipeline) -> WanPipeline:
    names = ("tokenizer", "text_encoder", "vae", "scheduler", "transformer", "transformer_2")
    return WanPipeline(
        **{name: getattr(pipe, name) for name in names}, boundary_ratio=pipe.config.boundary_ratio
    )
