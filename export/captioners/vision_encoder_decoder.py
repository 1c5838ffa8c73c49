"""Vision encoder-decoders, exported by optimum: an encoder, and GPT-2 with its cache merged into one graph.

The decoder graph takes `encoder_hidden_states` at every step; `use_cache_branch` tells the first step, which
does not read its cache, from the others.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import onnx_export_from_model
from optimum.exporters.onnx.model_configs import ViTOnnxConfig
from optimum.exporters.tasks import TasksManager
from torch import Tensor
from transformers import VisionEncoderDecoderConfig, VisionEncoderDecoderModel

from export.captioners.captioner import (
    DECODER,
    DEPTH,
    ENCODER,
    Prepared,
    Traits,
    UnsupportedModelError,
    sample,
    square,
    token,
)
from export.captioners.graph import before_last, kept
from export.graph import store_half
from export.graph_file import OPSET, read_graph, write_graph
from wire.golden import Sample

ENCODERS = ("vit", "deit", "mirage-grid")
DECODERS = ("gpt2",)


class GridEncoderOnnxConfig(ViTOnnxConfig):
    """What optimum must know of `mirage-grid`: a picture in, states out, no pooled output."""

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return {"pixel_values": {0: "batch_size"}}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {"last_hidden_state": {0: "batch_size"}}


TasksManager.create_register("onnx")("mirage-grid", "feature-extraction")(GridEncoderOnnxConfig)


def export_captioner(
    model: VisionEncoderDecoderModel, folder: Path, *, half: bool = True, int8: bool = False
) -> None:
    """Write ENCODER and DECODER into `folder`; optimum validates them against torch first.

    With `half`, weights are stored as float16; with `int8`, the decoder computes in 8 bits: weights by row,
    activations quantised as they come.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The fused kernel of nn.TransformerEncoderLayer has no ONNX counterpart.
    torch.backends.mha.set_fastpath_enabled(value=False)
    with tempfile.TemporaryDirectory() as scratch:
        onnx_export_from_model(
            model.eval(), scratch, task="image-to-text-with-past", opset=OPSET, device=model.device.type
        )
        for name in (ENCODER, DECODER):
            if int8 and name == DECODER:
                quantize_dynamic(
                    Path(scratch) / name, folder / name, per_channel=True, weight_type=QuantType.QInt8,
                    extra_options={"EnableSubgraph": True},
                )  # fmt: skip
                continue
            if half:
                store_half(Path(scratch) / name)
                shutil.copyfile(Path(scratch) / name, folder / name)
            else:  # read and written, since weights of more than 2 GiB lie in a second file
                write_graph(read_graph(Path(scratch) / name), folder / name)


@dataclass(frozen=True, slots=True, eq=False)
class EncoderDecoderCaptioner(Traits):
    """A `Captioner` of class VisionEncoderDecoderModel."""

    model: VisionEncoderDecoderModel

    @staticmethod
    def check(config: VisionEncoderDecoderConfig) -> None:
        """Raise UnsupportedModelError for a model with other parts than are known."""
        for part, known in ((config.encoder, ENCODERS), (config.decoder, DECODERS)):
            if part.model_type not in known:
                raise UnsupportedModelError(
                    f"its {'encoder' if part is config.encoder else 'decoder'} is {part.model_type!r}, "
                    f"known are {', '.join(known)}"
                )
        square(config.encoder.image_size, "encoder.image_size")

    @classmethod
    def of(cls, model: VisionEncoderDecoderModel, prepared: Prepared) -> "EncoderDecoderCaptioner":
        """Make one of a checked model; raises UnsupportedModelError where start or end are not known."""
        config, generation = model.config, model.generation_config
        return cls(
            kind=config.model_type,
            input_px=square(config.encoder.image_size, "encoder.image_size"),
            mean=prepared.mean,
            std=prepared.std,
            start_token=token(
                _first(
                    generation.decoder_start_token_id, config.decoder_start_token_id, generation.bos_token_id
                ),
                "decoder_start_token_id",
            ),
            end_token=token(_first(generation.eos_token_id, config.eos_token_id), "eos_token_id"),
            tokenizer_json=prepared.tokenizer_json,
            positions=config.decoder.n_positions,
            parameters=model.num_parameters(),
            model=model,
        )

    def export(self, folder: Path) -> None:
        export_captioner(self.model, folder, half=False)

    @torch.no_grad()
    def samples(self, pixels: Tensor) -> Mapping[str, list[Sample]]:
        """As `Captioner.samples`; of the decoder the first step and one that reads its cache."""
        pixels = pixels.to(self.model.device)
        ids = self._generated(pixels, DEPTH, ended=False)
        states = self.model.encoder(pixels).last_hidden_state
        out = self.model(encoder_outputs=(states,), decoder_input_ids=ids, use_cache=True)
        past = {
            f"past_key_values.{layer}.{part}": tensor
            for layer, pair in enumerate(before_last(kept(out.past_key_values.self_attention_cache)))
            for part, tensor in zip(("key", "value"), pair, strict=True)
        }
        steps = [
            sample(
                {
                    "input_ids": ids[:, place : place + 1],
                    "encoder_hidden_states": states,
                    "use_cache_branch": torch.tensor([place > 0]),
                    **past,
                },
                # The caches that come out are not of equal length.
                {"logits": out.logits[:, place : place + 1]},
            )
            for place in (0, DEPTH)
        ]
        return {ENCODER: [sample({"pixel_values": pixels}, {"last_hidden_state": states})], DECODER: steps}

    def greedy(self, pixels: Tensor, max_tokens: int) -> list[int]:
        return self.said(self._generated(pixels.to(self.model.device), max_tokens))

    def _generated(self, pixels: Tensor, tokens: int, *, ended: bool = True) -> Tensor:
        wanted = self.generation(tokens, ended=ended)
        return self.model.generate(pixels, generation_config=wanted, use_model_defaults=False)


def _first(*values: object) -> object:
    return next((value for value in values if value is not None), None)
