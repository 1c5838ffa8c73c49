"""Discrete image tokens by a public video tokenizer: diffusers' AutoencoderVidTok with FSQ.

    image (1, 3, S, S) in 0..1  --> appearance_encoder.onnx --> tokens int32 (1, D, h, w), 0..7
    code (B, D, h, w) in -1..1  --> appearance_decoder.onnx --> image (B, 3, S, S) in 0..1

A token's code is 2 * token / 7 - 1, and 0 where nothing is known: between the two levels in the middle.
VidTok sees a picture as a video of one frame, led in by copies of it, `temporal_compression_ratio` in all.
What is exported is the same network for one frame (`export.encoders.still`); what `encode` and `decode` run
is the original.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.encoders.still import flattened
from export.encoders.trace import write_traced
from wire.golden import Sample

ENCODER, DECODER = "appearance_encoder.onnx", "appearance_decoder.onnx"
LEVELS = 8  # FSQRegularizer is made with [8] * z_channels

Tokens = NDArray[np.uint8]


class StillEncoder(nn.Module):
    """The sender's half: a picture (1, 3, S, S) in 0..1 to tokens (1, D, h, w) int32."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (diffusers has no types)
        super().__init__()
        self.encoder = flattened(model.encoder)
        self.regularization = model.regularization

    def forward(self, image: Tensor) -> Tensor:
        latent = self.encoder((image * 2 - 1).unsqueeze(2))[:, :, 0]
        code = self.regularization.quantize(latent.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return (code * (LEVELS // 2) + LEVELS // 2).round().to(torch.int32)


class StillDecoder(nn.Module):
    """The receiver's half: codes (B, D, h, w), 0 where nothing is known, to pictures (B, 3, S, S) in 0..1."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.decoder = flattened(model.decoder)

    def forward(self, code: Tensor) -> Tensor:
        return to_picture(self.decoder(to_latent(code).unsqueeze(2))[:, :, 0])


def to_latent(code: Tensor) -> Tensor:
    """Turn codes in -1..1 into VidTok's latents: token t is (t - 4) / 4 there."""
    return ((code + 1) * (LEVELS - 1) / 2 - LEVELS // 2) / (LEVELS // 2)


def to_picture(frames: Tensor) -> Tensor:
    """Bring what VidTok decodes, -1..1 and a little beyond, to 0..1."""
    return ((frames + 1) / 2).clamp(0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class TokenCodec:
    """A tokenizer of pictures of `input_px`; its tokens (planes, *grid) are below `levels`."""

    kind: str
    model: Any
    input_px: int
    grid: tuple[int, int]
    planes: int
    levels: int = LEVELS

    @property
    def parameters(self) -> int:
        return sum(weights.numel() for weights in self.model.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def export(self, folder: Path) -> None:
        """Write ENCODER and DECODER into `folder`, float32. Raises GraphError."""
        picture = torch.zeros(1, 3, self.input_px, self.input_px, device=self.device)
        code = torch.zeros(1, self.planes, *self.grid, device=self.device)
        write_traced(StillEncoder(self.model), {"image": picture}, "tokens", folder / ENCODER)
        write_traced(StillDecoder(self.model), {"code": code}, "image", folder / DECODER, dynamic_batch=True)

    def encode(self, pixels: Tensor) -> Tokens:
        """Give the tokens uint8 (N, D, h, w) of pictures (N, 3, S, S) in 0..1, by the original model."""
        video = (pixels.to(self.device) * 2 - 1).unsqueeze(2)
        lead_in = video.repeat(1, 1, self.model.temporal_compression_ratio, 1, 1)
        with torch.inference_mode():
            _, indices = self.model.encode(lead_in)
        steps = LEVELS ** torch.arange(self.planes, device=self.device)
        tokens = indices[:, 0, None] // steps[:, None, None] % LEVELS
        return np.asarray(tokens.cpu().numpy(), np.uint8)

    def decode(self, tokens: Tokens) -> Tensor:
        """Give the pictures (N, 3, S, S) in 0..1 of tokens (N, D, h, w), by the original model."""
        return self._decode_code(torch.from_numpy(to_code(tokens)))

    def samples(self, pixels: Tensor) -> Mapping[str, list[Sample]]:
        """Give what the original makes of pictures (N, 3, S, S) in 0..1, one by one, by graph.

        Each is decoded twice: with all planes, and with half of them, as a receiver does that got no more.
        """
        encoded, decoded = [], []
        for picture in pixels.split(1):
            tokens = self.encode(picture)
            encoded.append(Sample({"image": picture.cpu().numpy()}, {"tokens": tokens.astype(np.int32)}))
            for known in (self.planes, (self.planes + 1) // 2):
                code = to_code(tokens)
                code[:, known:] = 0
                image = self._decode_code(torch.from_numpy(code)).numpy()
                decoded.append(Sample({"code": code}, {"image": image}))
        return {ENCODER: encoded, DECODER: decoded}

    def _decode_code(self, code: Tensor) -> Tensor:
        with torch.inference_mode():
            frames = self.model.decode(to_latent(code.to(self.device)).unsqueeze(2))
        return to_picture(frames[:, :, -1]).float().cpu()


def to_code(tokens: Tokens) -> NDArray[np.float32]:
    """Turn tokens into codes in -1..1, as receivers do."""
    return np.asarray(tokens * np.float32(2 / (LEVELS - 1)) - 1, np.float32)
