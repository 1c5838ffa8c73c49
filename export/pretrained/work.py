"""What the parts of one build share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.calibration import Calibration
from export.golden import GoldenWriter
from export.precision import quantise_dynamic, quantise_static, to_fp16
from export.recipe import Recipe
from export.simplify import simplify
from wire.bundle import ModelSource, Precision

Array = NDArray[np.generic]
BATCH = 8  # pictures that an encoder sees at once


class OrderError(ValueError):
    """The models cannot be built in this way here; the message says why."""


@dataclass(frozen=True, slots=True)
class Order:
    """How to build: `device` for torch, `precision` of the sender's graphs, `footage` to fit tables to."""

    device: str = "cpu"
    precision: Precision = "fp32"
    footage: Path | None = None

    def __post_init__(self) -> None:
        if self.device not in ("cpu", "cuda"):
            raise OrderError(f"device {self.device!r} is neither cpu nor cuda")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise OrderError(
                f"device is cuda, but PyTorch {torch.__version__} sees no GPU here: build on cpu"
            )


@dataclass(frozen=True, slots=True)
class Work:
    """One build: `made` is the temporary folder. `golden` and `sources` are filled by the parts."""

    bundle: Path
    made: Path
    recipe: Recipe
    order: Order
    frames: Calibration
    golden: GoldenWriter = field(default_factory=GoldenWriter)
    sources: dict[str, str] = field(default_factory=dict)

    def place(self, part: str, source: ModelSource) -> str:
        """Give what to load a part from, and remember it for the manifest."""
        pinned = source.model if source.revision is None else f"{source.model}@{source.revision}"
        self.sources[part] = "/".join(part for part in (pinned, source.subfolder, source.weights) if part)
        return source.place(self.bundle)

    def tensor(self, pixels: Array) -> Tensor:
        """Bring pictures (N, 3, S, S) to where the models are."""
        return torch.from_numpy(np.ascontiguousarray(pixels)).to(self.order.device)

    def save(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Write a table file."""
        path = self.made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @property
    def precision_of_codes(self) -> Precision:
        """That of the image tokenizer, whose output is the code itself: never 8 bits."""
        return "fp32" if self.order.precision == "int8" else self.order.precision

    def finish(
        self,
        graph: str,
        precision: Precision | None = None,
        feeds: Iterable[Mapping[str, Array]] | None = None,
    ) -> None:
        """Simplify a graph of the sender and bring it into `precision`, by default the wanted one.

        `feeds` are what 8-bit ranges are measured on; without them, only the weights become 8 bits.
        """
        path, wanted = self.made / graph, precision or self.order.precision
        simplify(path)
        if wanted == "fp16":
            to_fp16(path)
        elif wanted == "int8" and feeds is None:
            quantise_dynamic(path)
        elif wanted == "int8" and feeds is not None:
            quantise_static(path, feeds)
