"""Image embeddings: CLIP with projection (what an IP-Adapter takes), SigLIP, DINOv2.

    pixel_values float32 (1, 3, S, S), normalised  -->  vector_encoder.onnx  -->  embedding float32 (1, D)

The export is our own for all three. optimum's `feature-extraction` declares no `image_embeds` for CLIP, so
that the projection is lost, and leaves width and height open, so that DINOv2 interpolates its positions on
the device, by a cubic Resize that TensorRT does not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from export.encoders.trace import write_traced
from wire.golden import Sample

GRAPH = "vector_encoder.onnx"

Rgb = tuple[float, float, float]


class Embedding(nn.Module):
    """One output of an image model: pixels (N, 3, S, S) to (N, D)."""

    def __init__(self, model: Any, output: str) -> None:  # noqa: ANN401 (transformers has no types)
        super().__init__()
        self.model = model
        self.output = output

    def forward(self, pixel_values: Tensor) -> Tensor:
        embedding: Tensor = getattr(self.model(pixel_values=pixel_values), self.output)
        return embedding


@dataclass(frozen=True, slots=True, eq=False)
class VectorEncoder:
    """An image model whose embedding has `size` dimensions; `mean` and `std` are of RGB in 0..1.

    It sees squares of `input_px`. `kind` is the class of `transformers`.
    """

    kind: str
    input_px: int
    mean: Rgb
    std: Rgb
    size: int
    module: Embedding

    @property
    def parameters(self) -> int:
        return sum(weights.numel() for weights in self.module.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def export(self, folder: Path) -> None:
        """Write GRAPH into `folder`, float32. Raises GraphError."""
        pixels = torch.zeros(1, 3, self.input_px, self.input_px, device=self.device)
        write_traced(self.module, {"pixel_values": pixels}, "embedding", folder / GRAPH)

    def embed(self, pixels: Tensor) -> Tensor:
        """Give the embeddings (N, D) of normalised pixels (N, 3, S, S), on the processor."""
        with torch.inference_mode():
            return self.module(pixels.to(self.device)).float().cpu()

    def samples(self, pixels: Tensor) -> Mapping[str, list[Sample]]:
        """Give what PyTorch makes of normalised pixels (N, 3, S, S), one by one, by graph."""
        shown = [pixels[at : at + 1] for at in range(len(pixels))]
        return {
            GRAPH: [
                Sample({"pixel_values": one.cpu().numpy()}, {"embedding": self.embed(one).numpy()})
                for one in shown
            ]
        }
