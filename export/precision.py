"""Narrower numbers in a graph: fewer bytes to ship, and what the hardware computes fastest.

to_fp16            weights and compute float16, inputs and outputs float32      GPU
quantise_dynamic   weights int8 by channel, activations as they come            decoders on a processor
quantise_static    weights int8 by channel, activations by ranges of real       vision encoders, TensorRT
                   pictures: QuantizeLinear and DequantizeLinear only
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from export.branches import fold_transposes, rename_branch_outputs, sort_nodes
from export.graph_file import (
    RUNTIME_FAILURES,
    GraphError,
    graphs,
    is_large,
    read_graph,
    rewritten,
    write_graph,
)
from wire.bundle import QUANTISED

Feeds = Mapping[str, NDArray[np.generic]]

_WEIGHTED = ("Conv", "MatMul", "Gemm")  # operators whose second input is a weight
_PERCENTILE = 99.999  # of what activations are seen to be: a few stray values must not cost all others a bit
_DYNAMIC = ("MatMul", "Gemm", "Gather", "Attention")  # ConvInteger is slower than float on every processor


def to_fp16(path: Path) -> None:
    """Turn weights and compute into float16 in place; inputs and outputs stay float32. Raises GraphError."""
    model = read_graph(path)
    # The conversion puts the casts of blocked operators into the outermost graph, where branches cannot
    # be reached from, and so blocks nothing in a graph that has branches.
    blocked = DEFAULT_OP_BLOCK_LIST if len(list(graphs(model.graph))) == 1 else []
    large = is_large(model)
    rename_branch_outputs(model)
    with rewritten(path) as made, _told(path):
        half = convert_float_to_float16(
            model, keep_io_types=True, op_block_list=blocked, disable_shape_infer=large
        )
        sort_nodes(half)
        write_graph(half, made)


def quantise_dynamic(path: Path) -> None:
    """Turn weights into int8 by channel in place, those in branches of `If` too. Raises GraphError.

    Activations are quantised as they come, which processors do well and TensorRT not at all.
    """
    model = read_graph(path)
    fold_transposes(model)
    with rewritten(path) as made, _told(path):
        prepared = _prepared(model, made)
        quantize_dynamic(
            prepared, made, list(_DYNAMIC), per_channel=True, weight_type=QuantType.QInt8,
            use_external_data_format=is_large(model),
            extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
        )  # fmt: skip


def quantise_static(path: Path, feeds: Iterable[Feeds]) -> None:
    """Turn weights into int8 by channel and activations into int8 by the ranges that `feeds` show.

    `feeds` are what the graph gets in use, by input name, 20 or more. Only operators with weights are
    quantised, symmetrically and with float biases, as TensorRT demands. Raises GraphError.
    """
    reader = _Reader(list(feeds))
    model = read_graph(path)
    if len(list(graphs(model.graph))) > 1:
        raise GraphError(f"{path}: has branches, where ONNX Runtime breaks down over static quantisation")
    weighted = _weighted_nodes(model)
    if not weighted:
        raise GraphError(f"{path}: has no {', '.join(_WEIGHTED)} with weights, so nothing to quantise")
    with rewritten(path) as made, _told(path), redirect_stdout(io.StringIO()):
        quantize_static(
            _prepared(model, made), made, reader, QuantFormat.QDQ, list(_WEIGHTED), per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, nodes_to_quantize=weighted,
            use_external_data_format=is_large(model), calibrate_method=CalibrationMethod.Percentile,
            extra_options={
                "ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False,
                "CalibPercentile": _PERCENTILE,
                "CalibStridedMinMax": 1,  # one picture at a time: all activations of all pictures fill memory
            },
        )  # fmt: skip


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what converters raise, which have no error of their own, into GraphError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, OSError, *RUNTIME_FAILURES) as error:
        reason = " ".join(str(error).split())[:200]
        raise GraphError(f"{path}: cannot be converted: {type(error).__name__}: {reason}") from error


class _Reader(CalibrationDataReader):
    """Hands out feeds, a range of them at a time."""

    def __init__(self, feeds: list[Feeds]) -> None:
        if not feeds:
            raise GraphError("static quantisation needs feeds to measure ranges on, and there are none")
        self._feeds = feeds
        self._left = iter(feeds)

    def __len__(self) -> int:
        return len(self._feeds)

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        feeds = next(self._left, None)
        return None if feeds is None else dict(feeds)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = iter(self._feeds[start_index:end_index])


def _prepared(model: onnx.ModelProto, made: Path) -> Path:
    """Write the graph with the shapes of all its values beside `made`, for quantisers to look up."""
    plain, prepared = made.with_name("plain.onnx"), made.with_name("prepared.onnx")
    # Weights that are stored in 8 bits ONNX Runtime 1.32 breaks where it is to multiply exactly.
    if not any(node.op_type == "DequantizeLinear" for graph in graphs(model.graph) for node in graph.node):
        model.metadata_props.add(key=QUANTISED, value="yes")
    write_graph(model, plain)
    quant_pre_process(
        plain, prepared, skip_optimization=True, skip_symbolic_shape=True,
        save_as_external_data=is_large(model), all_tensors_to_one_file=True,
    )  # fmt: skip
    return prepared


def _weighted_nodes(model: onnx.ModelProto) -> list[str]:
    """Name the nodes with weights, and first those that have no name."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    weights = {tensor.name for tensor in model.graph.initializer}
    return [n.name for n in model.graph.node if n.op_type in _WEIGHTED and n.input[1] in weights]
