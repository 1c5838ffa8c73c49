"""AnimateDiff: a Stable Diffusion that moves, told by text and by an IP-Adapter what the scene looks like.

    vector (D,), anchors --image encoder--> embeddings (1, images, D) --> cross-attention of every frame
    last carried frame --VAE--> latents, noised to the first timestep --> where every frame begins

Without an embedding the adapter has no weight: text only.
"""

import hashlib

import cv2
import numpy as np
import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter, UNetMotionModel
from diffusers.models.embeddings import ImageProjection
from transformers import CLIPVisionModelWithProjection

from cloud.render.diffusion.models import Models
from cloud.render.diffusion.options import Options
from cloud.render.diffusion.plan import Pictures, Slot, Span
from cloud.render.diffusion.request import Float, Picture, Request
from cloud.render.renderer import RenderError
from wire.bundle import BundleError, VectorInfo
from wire.golden import normalised

MODELS = ("pipeline", "motion_adapter", "ip_adapter", "image_encoder")


class AnimateDiff:
    """`info` is how the device made its embeddings: anchors are embedded in the same way."""

    reaches = False
    sees = False
    stride = 1
    lead = 0  # a carried frame is no frame of the clip, only where it begins

    def __init__(self, models: Models, options: Options, info: VectorInfo | None) -> None:
        adapter = {}
        if "motion_adapter" in models:
            adapter["motion_adapter"] = models.load("motion_adapter", MotionAdapter)
        pipe = models.load("pipeline", AnimateDiffPipeline, **adapter)
        models.check("pipeline", pipe.unet, UNetMotionModel)
        if options.frames > pipe.unet.config.motion_max_seq_length:
            raise BundleError(
                f"{models.where('motion_adapter')}: was trained for {pipe.unet.config.motion_max_seq_length} "
                f"frames at most, [renderer.options] frames is {options.frames}"
            )
        if options.scheduler == "ddim":
            pipe.scheduler = DDIMScheduler.from_config(
                pipe.scheduler.config, beta_schedule="linear", timestep_spacing="linspace", steps_offset=1,
                clip_sample=False,
            )  # fmt: skip
        self._adapted = "ip_adapter" in models
        if self._adapted:
            models.load_ip_adapter(pipe)
            _check_size(pipe, info, models.where("ip_adapter"))
        self.loaded = models.prepare(pipe, options)
        self.multiple = pipe.vae_scale_factor
        self.carries = options.carries
        self._info = info
        self._models = models
        self._options = options
        self._encoder: CLIPVisionModelWithProjection | None = None
        self._anchors: dict[bytes, torch.Tensor] = {}

    def slots(self, _span: Span, _pictures: Pictures) -> tuple[Slot, ...]:
        return ()

    def diffuse(self, request: Request) -> Float:
        generator = request.generator()
        result = self.loaded.pipe(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=request.width,
            height=request.height,
            num_frames=request.span.count,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance,
            latents=self._latents(request, generator),
            ip_adapter_image_embeds=self._embeddings(request) if self._adapted else None,
            generator=generator,
            callback_on_step_end=request.on_step_end,
            callback_on_step_end_tensor_inputs=[],
            output_type="np",
        )
        return np.asarray(result.frames[0], np.float32)

    def _embeddings(self, request: Request) -> list[torch.Tensor]:
        """Give (1, images, D), after as many zeros where guidance compares it with no scene at all."""
        options = self._options
        told = request.vector is not None and options.keyframe_strength > 0
        known = [torch.from_numpy(request.vector)] if told else []
        pictures = request.anchors if request.figure is None else (*request.anchors, request.figure)
        if options.anchor_strength > 0 and pictures:
            known += self._embedded(pictures)
        weight = options.keyframe_strength if told else options.anchor_strength
        self.loaded.pipe.set_ip_adapter_scale(weight if known else 0.0)
        images = torch.stack(known or [torch.zeros(_size(self.loaded.pipe))])[None]
        images = images.to(self.loaded.device, self._models.dtype)
        return [torch.cat([torch.zeros_like(images), images]) if request.guidance > 1 else images]

    def _embedded(self, pictures: tuple[Picture, ...]) -> list[torch.Tensor]:
        """Embed pictures (H, W, 3) as the device does; each once, while the same ones are asked for."""
        keys = [_digest(picture) for picture in pictures]
        known = {key: self._anchors[key] for key in keys if key in self._anchors}
        for key, picture in zip(keys, pictures, strict=True):
            if key not in known:
                known[key] = self._embed(picture)
        self._anchors = known
        return [known[key] for key in keys]

    def _embed(self, picture: Picture) -> torch.Tensor:
        if "image_encoder" not in self._models or self._info is None:
            raise RenderError(
                f"{self._models.where('image_encoder')}: is missing, so anchor pictures cannot be embedded: "
                "name the model that the device's embeddings come from"
            )
        if self._encoder is None:  # on the CPU, as it is rarely needed and takes a GPU's memory
            self._encoder = self._models.load("image_encoder", CLIPVisionModelWithProjection, torch.float32)
        side = self._encoder.config.image_size
        small = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        mean, std = (np.asarray(values, np.float32) for values in (self._info.mean, self._info.std))
        with torch.inference_mode():
            embedding = self._encoder(torch.from_numpy(normalised(small[None], mean, std))).image_embeds[0]
        if len(embedding) != self._info.size:
            raise RenderError(
                f"{self._models.where('image_encoder')}: gives {len(embedding)} dimensions, [vector] size is "
                f"{self._info.size}"
            )
        return embedding.clone()

    def _latents(self, request: Request, generator: torch.Generator) -> torch.Tensor | None:
        """Begin every frame with the last carried one under as much noise as the first step expects."""
        if request.carried is None:
            return None
        pipe, scheduler = self.loaded.pipe, self.loaded.pipe.scheduler
        values = request.carried[-1].transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1
        pixels = torch.from_numpy(values).to(self.loaded.device, self._models.dtype)
        with torch.no_grad():
            clean = pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor
        clean = clean.unsqueeze(2).repeat(1, 1, request.span.count, 1, 1)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device, clean.dtype)
        scheduler.set_timesteps(request.steps, device=self.loaded.device)
        noisy = scheduler.add_noise(clean, noise, scheduler.timesteps[:1])
        return torch.as_tensor(noisy / scheduler.init_noise_sigma)  # by which the pipeline multiplies


def _check_size(pipe: AnimateDiffPipeline, info: VectorInfo | None, where: str) -> None:
    """Refuse an adapter that does not take the device's embeddings."""
    projection = pipe.unet.encoder_hid_proj.image_projection_layers[0]
    if not isinstance(projection, ImageProjection):
        raise BundleError(
            f"{where}: takes hidden states of an image encoder ({type(projection).__name__}), which are not "
            "transmitted: use one that takes its embedding"
        )
    if info is None or info.size != _size(pipe):
        found = "there is none" if info is None else f"it is {info.size}"
        raise BundleError(
            f"{where}: takes embeddings of size {_size(pipe)}: [vector] size must be that, {found}"
        )


def _digest(picture: Picture) -> bytes:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()


def _size(pipe: AnimateDiffPipeline) -> int:
    return int(pipe.unet.encoder_hid_proj.image_projection_layers[0].image_embeds.in_features)
