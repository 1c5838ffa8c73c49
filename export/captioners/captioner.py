"""What `mirage export` knows of a captioner, whatever class it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Tensor
from transformers import GenerationConfig

from wire.golden import Array, Sample

ENCODER, DECODER = "encoder_model.onnx", "decoder_model_merged.onnx"
DEPTH = 3  # tokens in the cache of a sampled decoder step

Rgb = tuple[float, float, float]


class UnsupportedModelError(ValueError):
    """The model is none that can be exported; the message names it, its class, and what is supported."""


class Captioner(Protocol):
    """A captioner with its weights: `mean` and `std` are of RGB in 0..1, `input_px` is its picture's side.

    `kind` is the config's model_type, `positions` how many tokens it can say in a row.
    """

    @property
    def kind(self) -> str: ...
    @property
    def input_px(self) -> int: ...
    @property
    def mean(self) -> Rgb: ...
    @property
    def std(self) -> Rgb: ...
    @property
    def start_token(self) -> int: ...
    @property
    def end_token(self) -> int: ...
    @property
    def tokenizer_json(self) -> str: ...
    @property
    def positions(self) -> int: ...
    @property
    def parameters(self) -> int: ...

    def export(self, folder: Path) -> None:
        """Write ENCODER and DECODER into `folder`, in float32."""

    def samples(self, pixels: Tensor) -> Mapping[str, list[Sample]]:
        """Give what the original model makes of pixels (1, 3, S, S), by graph; shapes are always the same."""

    def greedy(self, pixels: Tensor, max_tokens: int) -> list[int]:
        """Give the original model's greedy tokens for pixels (1, 3, S, S), without start and end.

        Raises UnsupportedModelError for more than `positions`.
        """


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a captioner's picture is normalised, and the tokenizer.json that its tokens are read with."""

    mean: Rgb
    std: Rgb
    tokenizer_json: str


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """The numbers of a `Captioner`."""

    kind: str
    input_px: int
    mean: Rgb
    std: Rgb
    start_token: int
    end_token: int
    tokenizer_json: str
    positions: int
    parameters: int

    def generation(self, tokens: int, *, ended: bool = True) -> GenerationConfig:
        """Ask for up to `tokens` greedy tokens as the device decodes them; exactly so many if not `ended`.

        The model's own defaults (beams, penalties, forced tokens) are left out.
        """
        if tokens > self.positions:
            raise UnsupportedModelError(
                f"max_tokens is {tokens}, but the {self.kind} captioner can say {self.positions} in a row"
            )
        return GenerationConfig(
            max_new_tokens=tokens, min_new_tokens=0 if ended else tokens, num_beams=1, do_sample=False,
            bos_token_id=self.start_token, decoder_start_token_id=self.start_token,
            eos_token_id=self.end_token,
            pad_token_id=int(self.end_token == 0),  # not used for one caption; any but the end
        )  # fmt: skip

    def said(self, generated: Tensor) -> list[int]:
        """Take start and end from what `generate` gave (1, L)."""
        tokens: list[int] = generated[0, 1:].tolist()
        return tokens[: tokens.index(self.end_token)] if self.end_token in tokens else tokens


def token(value: object, field: str) -> int:
    """Give a config's token id, or raise UnsupportedModelError naming the field."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, int):
        raise UnsupportedModelError(f"config.json: {field} is {value}, expected one token id")
    return value


def square(value: object, field: str) -> int:
    """Give the side of the square picture that a config asks for, or raise UnsupportedModelError."""
    sides = set(value) if isinstance(value, list | tuple) else {value}
    side = sides.pop() if len(sides) == 1 else None
    if not isinstance(side, int):
        raise UnsupportedModelError(f"config.json: {field} is {value}, expected one side of a square")
    return side


def sample(feeds: Mapping[str, Tensor], results: Mapping[str, Tensor]) -> Sample:
    """Keep the content of tensors."""
    return Sample(_arrays(feeds), _arrays(results))


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {name: np.ascontiguousarray(tensor.detach().cpu().numpy()) for name, tensor in tensors.items()}
