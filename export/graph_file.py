"""ONNX files: read whole, and replaced at once or not at all.

A file holds at most 2 GiB. Weights of larger graphs lie in a second file beside it, NAME.onnx.data.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnxruntime as ort
from google.protobuf.message import DecodeError
from onnx.external_data_helper import uses_external_data
from onnxruntime.capi import onnxruntime_pybind11_state as failures

OPSET = 18  # the newest that every runtime in the field takes; TensorRT 8.6 ends at 19
MAX_IR = 10  # the newest that onnxruntime 1.23 loads
INLINE_LIMIT = (1 << 31) - (1 << 24)  # bytes: protobuf ends at 2 GiB, and nodes need some room
DATA = ".data"
RUNTIME_FAILURES = (  # ONNX Runtime has no common base class for them
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)


class GraphError(RuntimeError):
    """A graph cannot be read, or what was made of it cannot be used; the message names the file."""


def read_graph(path: Path) -> onnx.ModelProto:
    """Read a graph with all its weights, or raise GraphError."""
    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise GraphError(f"{path}: is no ONNX graph: {_first_line(error)}") from error
    if not model.opset_import:
        raise GraphError(f"{path}: is no ONNX graph: it names no opset")
    return model


def is_large(model: onnx.ModelProto) -> bool:
    """Tell whether weights need a file of their own."""
    return sum(tensor.ByteSize() for tensor in model.graph.initializer) > INLINE_LIMIT


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Give a graph and all that its nodes hold, branches of `If` among them."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from graphs(inner)


def opset(model: onnx.ModelProto) -> int:
    """Give the version of ONNX's own operators."""
    return max((entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}), default=0)


def weights_beside(path: Path) -> Path:
    """Name the file that holds the weights of a graph of more than 2 GiB, whether it is there or not."""
    return path.with_name(path.name + DATA)


@contextmanager
def rewritten(path: Path) -> Iterator[Path]:
    """Give a path for the graph that takes the place of `path` when the block ends without an error.

    What was written must load in ONNX Runtime and keep to OPSET; its IR version is lowered to MAX_IR.
    Raises GraphError; then `path` is what it was, and nothing lies beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".onnx-") as scratch:
        made, settled = Path(scratch) / "made.onnx", Path(scratch) / "settled"
        yield made
        settled.mkdir()
        write_graph(read_graph(made), settled / path.name)
        _check_loads(settled / path.name, path)
        _move(settled, path)


def write_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph, its weights into a second file where they are too many for one. Raises GraphError."""
    if opset(model) > OPSET:
        raise GraphError(f"{path}: has opset {opset(model)}, devices load up to {OPSET}")
    model.ir_version = min(model.ir_version, MAX_IR)
    for tensor in model.graph.initializer:
        if uses_external_data(tensor):
            raise GraphError(f"{path}: weights of {tensor.name} were left outside")
    large = is_large(model)
    onnx.save(model, str(path), save_as_external_data=large, location=path.name + DATA if large else None)


def _check_loads(made: Path, path: Path) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        ort.InferenceSession(str(made), options, providers=["CPUExecutionProvider"])
    except RUNTIME_FAILURES as error:
        raise GraphError(f"{path}: what was made of it does not load: {_first_line(error)}") from error


def _move(settled: Path, path: Path) -> None:
    data = weights_beside(path)
    if (settled / data.name).exists():
        (settled / data.name).replace(data)
        (settled / path.name).replace(path)
        return
    (settled / path.name).replace(path)
    data.unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
