"""Writes a torch module as an ONNX graph with float32 weights, of any size."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from export.graph_file import OPSET, rewritten


def write_traced(
    module: nn.Module, inputs: Mapping[str, Tensor], output: str, path: Path, *, dynamic_batch: bool = False
) -> None:
    """Write `module`, called with the tensors of `inputs` in order, to `path`. Raises GraphError."""
    axes = {name: {0: "batch"} for name in (*inputs, output)} if dynamic_batch else None
    with rewritten(path) as made, torch.no_grad():
        torch.onnx.export(
            module.eval(), tuple(inputs.values()), str(made), input_names=list(inputs),
            output_names=[output], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
