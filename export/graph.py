"""Writing ONNX graphs: torch modules out, weights stored at half precision."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 18
_SMALLEST = 1024  # elements: below, a cast costs more than it saves


def export_module(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    path: Path,
    *,
    dynamic_batch: bool = False,
) -> None:
    """Export `module`, called with the tensors of `inputs` in order, to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {name: {0: "batch"} for name in (*inputs, *outputs)} if dynamic_batch else None
    with torch.no_grad():
        torch.onnx.export(
            module.eval(), tuple(inputs.values()), str(path), input_names=list(inputs),
            output_names=list(outputs), dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    store_half(path)


def store_half(path: Path) -> None:
    """Store float32 weights as float16 with a cast in front; runtimes fold the casts when they load.

    Halves the file. What is computed stays float32.
    """
    model = onnx.load(str(path))
    casts = []
    kept = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _SMALLEST:
            kept.append(weight)
            continue
        values = numpy_helper.to_array(weight)
        half = f"{weight.name}_half"
        kept.append(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(
            helper.make_node("Cast", [half], [weight.name], name=f"{weight.name}_cast", to=TensorProto.FLOAT)
        )
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
