"""Writing ONNX graphs: torch modules out, weights stored at half precision."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from export.graph_file import OPSET

_SMALLEST = 1024  # elements: below, a cast costs more than it saves
_ON_STEP = 1e-3  # of a step

Values = NDArray[np.float32]
Stored = tuple[list[onnx.TensorProto], onnx.NodeProto]


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


def _as_half(name: str, values: Values) -> Stored:
    whole = np.abs(values).max() < 128 and np.array_equal(values, values.round())
    half = numpy_helper.from_array(values.astype(np.int8 if whole else np.float16), f"{name}_half")
    return [half], helper.make_node("Cast", [half.name], [name], name=f"{name}_cast", to=TensorProto.FLOAT)


def _as_bytes(name: str, values: Values, axis: int) -> Stored:
    scale = np.maximum(np.abs(values).max(1 - axis) / np.float32(127), np.float32(1e-12))
    steps = (values / np.expand_dims(scale, 1 - axis)).round().astype(np.int8)
    small = [numpy_helper.from_array(steps, f"{name}_int8"), numpy_helper.from_array(scale, f"{name}_scale")]
    inputs = [tensor.name for tensor in small]
    return small, helper.make_node("DequantizeLinear", inputs, [name], name=f"{name}_cast", axis=axis)


def _rounded_axis(values: Values) -> int | None:
    """Axis along which a matrix's rows were rounded to 127 steps of their largest, or None."""
    if values.ndim == 2:
        for axis in (0, 1):
            steps = values / np.maximum(np.abs(values).max(1 - axis, keepdims=True) / 127, 1e-12)
            if np.abs(steps - steps.round()).max() < _ON_STEP and not np.array_equal(values, values.round()):
                return axis
    return None


def store_half(path: Path) -> None:
    """Store float32 weights as float16 with a cast in front; runtimes fold the casts when they load.

    Small whole numbers go into one byte, and so do weights that were rounded to 127 steps of their row's
    largest. Halves the file. What is computed stays float32.
    """
    model = onnx.load(str(path))
    casts = []
    kept = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < _SMALLEST:
            kept.append(weight)
            continue
        values = numpy_helper.to_array(weight)
        axis = _rounded_axis(values)
        small, node = (
            _as_bytes(weight.name, values, axis) if axis is not None else _as_half(weight.name, values)
        )
        kept += small
        casts.append(node)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
