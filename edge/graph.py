"""One ONNX graph, loaded: what it takes, what it gives, and calls whose values stay where it runs.

run(arrays by name) -> arrays by name          once in, once out
call(): feed / give, run() -> OrtValues        what comes out of one call goes into the next without a copy
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from wire.bundle import BundleError

Array: TypeAlias = NDArray[np.generic]
Feeds: TypeAlias = Mapping[str, Array]
Value: TypeAlias = ort.OrtValue
Shape: TypeAlias = tuple[int | None, ...]

FAILURES = (  # there is no common base class; a provider without its libraries is a plain RuntimeError
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
_ON_GPU = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
_TYPES = {
    f"tensor({name})": np.dtype(kind)
    for name, kind in (
        ("float", "float32"), ("float16", "float16"), ("double", "float64"), ("int64", "int64"),
        ("int32", "int32"), ("int8", "int8"), ("uint8", "uint8"), ("bool", "bool"),
    )
}  # fmt: skip
_TIMES = 64  # calls whose duration is remembered


class ModelError(BundleError):
    """A graph of the bundle cannot run here, or is not what the manifest says; the message names its file."""


class RunError(ModelError):
    """A graph was loaded, but a call of it failed."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output; a dimension that varies is None, and so is a whole shape that is not declared."""

    name: str
    kind: str
    shape: Shape | None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Element type, as NumPy calls it; ModelError for one that no captioner needs."""
        if self.kind not in _TYPES:
            raise ModelError(f"{self.name} is {self.kind}, known are {', '.join(_TYPES)}")
        return _TYPES[self.kind]

    def admits(self, shape: Sequence[int | None]) -> bool:
        """Whether arrays of this shape may pass; None stands for any size."""
        if self.shape is None:
            return True
        pairs = zip(self.shape, shape, strict=False)
        return len(self.shape) == len(shape) and all(None in pair or pair[0] == pair[1] for pair in pairs)


class Graph:
    """A loaded graph, not for two threads at once.

    `runs_as` says on what: an execution provider, or a TensorRT engine; `notes` why on nothing better.
    `times_ms` are how long its last calls took.
    """

    def __init__(
        self, path: Path, session: ort.InferenceSession, notes: Sequence[str] = (), runs_as: str = ""
    ) -> None:
        self.path = path
        self.provider = str(session.get_providers()[0])
        self.runs_as = runs_as or self.provider
        self.notes = tuple(notes)
        self.inputs = {port.name: port for port in map(_port, session.get_inputs())}
        self.outputs = {port.name: port for port in map(_port, session.get_outputs())}
        self.device = "cuda" if self.provider in _ON_GPU else "cpu"
        self.times_ms: deque[float] = deque(maxlen=_TIMES)
        self._session = session

    def takes(self, shapes: Mapping[str, Sequence[int | None]], because: str) -> None:
        """Check that the inputs are these and no others, or raise ModelError; `because` names the field."""
        for name in shapes:
            self._check("input", self.inputs, name, shapes[name], because)
        unknown = sorted(self.inputs.keys() - shapes.keys())
        if unknown:
            raise ModelError(f"{self.path}: wants {', '.join(unknown)}, which nothing here gives")

    def gives(self, name: str, shape: Sequence[int | None], because: str) -> None:
        """Check that `name` is an output of this shape, or raise ModelError."""
        self._check("output", self.outputs, name, shape, because)

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Run once, or raise RunError. Feeds are cast to what the graph takes."""
        return {name: np.asarray(value.numpy()) for name, value in self.values(feeds).items()}

    def values(self, feeds: Feeds) -> dict[str, Value]:
        """Run once, and leave the results where the graph runs."""
        call = self.call()
        for name, array in feeds.items():
            call.feed(name, array)
        return call.run()

    def call(self, on_host: Iterable[str] = ()) -> "Call":
        """Make a call with nothing bound yet; the outputs named in `on_host` come to the processor."""
        host = set(on_host)
        places = [(name, "cpu" if name in host else self.device) for name in self.outputs]
        return Call(self, self._session, places)

    def value(self, array: Array) -> Value:
        """Put an array where the graph runs."""
        return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array), self.device, 0)

    def _check(
        self, kind: str, ports: Mapping[str, Port], name: str, shape: Sequence[int | None], because: str
    ) -> None:
        port = ports.get(name)
        if port is None:
            found = ", ".join(sorted(ports))
            raise ModelError(f"{self.path}: has no {kind} {name} ({because}); it has {found}")
        if not port.admits(shape):
            raise ModelError(
                f"{self.path}: {kind} {name} is {_text(port.shape or ())}, "
                f"but {because} makes it {_text(shape)}"
            )


class Call:
    """Inputs and outputs of one graph, bound by name; what was bound stays bound for the next `run`."""

    def __init__(
        self, graph: Graph, session: ort.InferenceSession, places: Sequence[tuple[str, str]]
    ) -> None:
        self._graph = graph
        self._session = session
        self._places = places
        self._names = [name for name, _ in places]
        self._binding = session.io_binding()
        self._given: dict[str, Value] = {}

    def feed(self, name: str, array: Array) -> None:
        """Bind an array of the processor: no copy is made there, so it must not change before `run`."""
        port = self._graph.inputs.get(name)
        if port is None:
            raise RunError(f"{self._graph.path}: has no input {name}")
        self._binding.bind_cpu_input(name, np.ascontiguousarray(array, port.dtype))

    def give(self, name: str, value: Value) -> None:
        """Bind what another call left where it ran."""
        self._given[name] = value  # ONNX Runtime 1.23 does not keep it, nor the array that it was made of
        self._binding.bind_ortvalue_input(name, value)

    def run(self) -> dict[str, Value]:
        """Run on what is bound, or raise RunError. Read the results, or give them on, before the next run."""
        begun = perf_counter()
        for name, device in self._places:  # anew: a bound output would be written over, and has its old shape
            self._binding.bind_output(name, device)
        try:
            self._session.run_with_iobinding(self._binding)
        except FAILURES as error:
            raise RunError(f"{self._graph.path}: cannot be run: {first_line(error)}") from error
        self._graph.times_ms.append((perf_counter() - begun) * 1e3)
        return dict(zip(self._names, self._binding.get_outputs(), strict=True))


def first_line(error: BaseException) -> str:
    """Give what ONNX Runtime says before it lists its stack."""
    return str(error).strip().split("\n")[0]


def _port(item: ort.NodeArg) -> Port:
    shape = tuple(size if isinstance(size, int) and size >= 0 else None for size in item.shape or ())
    return Port(item.name, item.type, shape or None)


def _text(shape: Sequence[int | None]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
