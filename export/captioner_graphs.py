"""Exports the captioner through optimum: encoder, and decoder with its key/value cache merged in."""

import shutil
import tempfile
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from optimum.exporters.onnx import onnx_export_from_model
from optimum.exporters.onnx.model_configs import ViTOnnxConfig
from optimum.exporters.tasks import TasksManager
from transformers import VisionEncoderDecoderModel

from export.graph import OPSET, store_half

ENCODER, DECODER = "encoder_model.onnx", "decoder_model_merged.onnx"


class GridEncoderOnnxConfig(ViTOnnxConfig):
    """What optimum must know of `mirage-grid`: a picture in, states out, no pooled output."""

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return {"pixel_values": {0: "batch_size"}}

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return {"last_hidden_state": {0: "batch_size"}}


TasksManager.create_register("onnx")("mirage-grid", "feature-extraction")(GridEncoderOnnxConfig)


def export_captioner(model: VisionEncoderDecoderModel, folder: Path, *, int8: bool = False) -> None:
    """Write ENCODER and DECODER into `folder`; optimum validates them against torch first.

    With `int8` the decoder computes in 8 bits: weights by row, activations quantised as they come.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The fused kernel of nn.TransformerEncoderLayer has no ONNX counterpart.
    torch.backends.mha.set_fastpath_enabled(value=False)
    with tempfile.TemporaryDirectory() as scratch:
        onnx_export_from_model(model.eval(), scratch, task="image-to-text-with-past", opset=OPSET)
        for name in (ENCODER, DECODER):
            if int8 and name == DECODER:
                quantize_dynamic(
                    Path(scratch) / name, folder / name, per_channel=True, weight_type=QuantType.QInt8,
                    extra_options={"EnableSubgraph": True},
                )  # fmt: skip
                continue
            store_half(Path(scratch) / name)
            shutil.copyfile(Path(scratch) / name, folder / name)
