"""One ONNX graph of a bundle's receiver half: loaded, held to the manifest, run.

file, provider --> session, whose ports must have the shapes that the manifest makes
arrays by name --> its one output
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import structlog
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from cloud.render.renderer import RenderError
from wire.bundle import Bundle, BundleError

Array = NDArray[np.float32] | NDArray[np.int64]
Shape = Sequence[int | None]  # None: any size

FAILURES = (  # of ONNX Runtime; they have no base class of their own
    failures.EPFail,
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.RuntimeException,
    RuntimeError,
    ValueError,
)
_CPU, _GPU = "CPUExecutionProvider", "CUDAExecutionProvider"

log = structlog.get_logger()


class Graph:
    """A graph of `bundle` with one output, on the GPU where that is wished and possible.

    Raises BundleError for a file that is no graph, or one that ONNX Runtime cannot run here.
    """

    def __init__(self, bundle: Bundle, name: str, threads: int, *, gpu: bool = False) -> None:
        self.path = bundle.path(name)
        self._session = _session(self.path, threads, gpu=gpu)
        self.inputs = {node.name: _sizes(node) for node in self._session.get_inputs()}
        self.outputs = {node.name: _sizes(node) for node in self._session.get_outputs()}

    def check(self, inputs: Mapping[str, Shape], output: str, shape: Shape, because: str) -> None:
        """Check that it turns exactly `inputs` into an `output` of this shape, or raise BundleError.

        `because` names the field of the manifest that makes them so. Sizes that the graph leaves open fit.
        """
        if self.inputs.keys() != inputs.keys() or list(self.outputs) != [output]:
            raise BundleError(
                f"{self.path}: turns {_names(self.inputs)} into {_names(self.outputs)}, but {because} "
                f"needs a graph that turns {_names(inputs)} into {_names([output])}"
            )
        for name, expected, found in (
            *((name, inputs[name], self.inputs[name]) for name in inputs),
            (output, shape, self.outputs[output]),
        ):
            if not _fits(expected, found):
                raise BundleError(
                    f"{self.path}: {name} is {_text(found)}, but {because} makes it {_text(expected)}"
                )

    def run(self, feeds: Mapping[str, Array]) -> NDArray[np.float32]:
        """Give the output, or raise RenderError."""
        try:
            (result,) = self._session.run(None, dict(feeds))
        except FAILURES as error:
            raise RenderError(f"{self.path}: cannot be run: {_first_line(error)}") from error
        return np.asarray(result, np.float32)


def _session(path: Path, threads: int, *, gpu: bool) -> onnxruntime.InferenceSession:
    if gpu and _GPU in onnxruntime.get_available_providers():
        try:
            return _open(path, threads, [_GPU, _CPU])
        except FAILURES as error:
            log.warning("a graph runs on the CPU", graph=str(path), error=_first_line(error))
    try:
        return _open(path, threads, [_CPU])
    except FAILURES as error:
        raise BundleError(f"{path}: ONNX Runtime cannot load it: {_first_line(error)}") from error


def _open(path: Path, threads: int, providers: Sequence[str]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Its own fallback tells of it on stdout, where results go.
    return onnxruntime.InferenceSession(str(path), options, providers=list(providers), enable_fallback=0)


def _sizes(node: onnxruntime.NodeArg) -> Shape:
    return tuple(size if isinstance(size, int) and size >= 0 else None for size in node.shape)


def _fits(expected: Shape, found: Shape) -> bool:
    pairs = zip(expected, found, strict=False)
    return len(expected) == len(found) and all(None in pair or pair[0] == pair[1] for pair in pairs)


def _names(names: Mapping[str, Shape] | Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"


def _text(shape: Shape) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
