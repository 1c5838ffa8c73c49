"""TensorRT's Python package as far as a builder sees it, in the versions that JetPacks have.

It builds nothing, but it is as strict as the real one: what a version does not have is not there.
"""

from collections.abc import Sequence
from enum import Enum, IntEnum
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

ENGINE = b"an engine"


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class MemoryPoolType(Enum):
    WORKSPACE = 0


class LayerType(Enum):
    CONVOLUTION = 0
    QUANTIZE = 1
    DEQUANTIZE = 2


class Tensor(SimpleNamespace):
    name: str
    is_shape_tensor: bool


class Recorder:
    """What was asked of TensorRT, and what it is to answer."""

    def __init__(self) -> None:
        self.inputs: Sequence[Tensor] = (Tensor(name="pixel_values", is_shape_tensor=False),)
        self.layers: Sequence[LayerType] = (LayerType.CONVOLUTION,)
        self.parser_errors: Sequence[tuple[int, str]] = ()
        self.build_error: str | None = None
        self.knows_timing = True
        self.network_flags: int | None = None
        self.flags: list[str] = []
        self.workspace_bytes = 0
        self.profile: dict[str, tuple[object, ...]] = {}
        self.timing: list[bytes] = []


class OnnxParser:
    def __init__(self, recorder: Recorder, network: object, log: object) -> None:
        del network, log
        self._errors = recorder.parser_errors
        self.num_errors = len(self._errors)

    def parse_from_file(self, path: str) -> bool:
        assert path.endswith(".onnx")
        return not self._errors

    def get_error(self, at: int) -> SimpleNamespace:
        node, text = self._errors[at]
        return SimpleNamespace(node=lambda: node, desc=lambda: text)


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[object, ...]] = {}

    def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        assert len(shapes) == 3
        self.shapes[name] = shapes

    def set_shape_input(self, name: str, *values: tuple[int, ...]) -> None:
        self.shapes[name] = ("values", *values)


class Config:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def set_memory_pool_limit(self, pool: Enum, size: int) -> None:
        assert pool is MemoryPoolType.WORKSPACE
        self._recorder.workspace_bytes = size

    def set_flag(self, flag: Enum) -> None:
        self._recorder.flags.append(flag.name)

    def create_timing_cache(self, content: bytes) -> SimpleNamespace:
        self._recorder.timing.append(content)
        return SimpleNamespace(serialize=lambda: b"timings of " + content)

    def set_timing_cache(self, cache: SimpleNamespace, ignore_mismatch: object) -> bool:
        assert ignore_mismatch is False
        return self._recorder.knows_timing or cache.serialize() == b"timings of "

    def add_optimization_profile(self, profile: Profile) -> None:
        self._recorder.profile = profile.shapes


class Network:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.num_inputs = len(recorder.inputs)
        self.num_layers = len(recorder.layers)

    def get_input(self, at: int) -> Tensor:
        return self._recorder.inputs[at]

    def get_layer(self, at: int) -> SimpleNamespace:
        return SimpleNamespace(type=self._recorder.layers[at])


class Builder:
    def __init__(self, recorder: Recorder, log: Any) -> None:  # noqa: ANN401 (a class made by what is tested)
        self._recorder = recorder
        self._log = log

    def create_network(self, flags: int) -> Network:
        self._recorder.network_flags = flags
        return Network(self._recorder)

    def create_builder_config(self) -> Config:
        return Config(self._recorder)

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        del network, config
        if self._recorder.build_error is None:
            return ENGINE
        self._log.log(Severity.WARNING, "this is slow")
        self._log.log(Severity.ERROR, self._recorder.build_error)
        return None


def module(version: str, recorder: Recorder) -> ModuleType:
    """Make the package."""
    major = int(version.partition(".")[0])
    creation = {"EXPLICIT_BATCH": 0} if major < 10 else {"STRONGLY_TYPED": 1}
    package = ModuleType("tensorrt")
    vars(package).update(
        __version__=version,
        ILogger=type("ILogger", (), {"Severity": Severity}),
        MemoryPoolType=MemoryPoolType,
        LayerType=LayerType,
        NetworkDefinitionCreationFlag=IntEnum("NetworkDefinitionCreationFlag", creation),
        BuilderFlag=Enum("BuilderFlag", ["TF32"] if major > 10 else ["FP16", "INT8", "TF32"]),
        OnnxParser=partial(OnnxParser, recorder),
        Builder=partial(Builder, recorder),
    )
    return package
