"""TensorRT's own builder, through its Python package, which comes with JetPack and is loaded when needed.

Works with TensorRT 8.6, 10 and later; what they call differently is asked for by name. An engine is run by
ONNX Runtime's TensorRT provider, which takes it wrapped as one EPContext node
(https://onnxruntime.ai/docs/execution-providers/EP-Context-Design.html).
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog

from edge.engine import EngineError, UnsuitedError
from edge.gpu import Host
from edge.profile import InputShapes, Plan

INSTALL = (
    "on JetPack: sudo apt-get install nvidia-jetpack (or tensorrt python3-libnvinfer), NVIDIA's wheel of "
    "onnxruntime-gpu for this JetPack, and a virtual environment made with --system-site-packages; "
    "then pip install 'mirage-video[edge,trt]'"
)
_OPSET, _IR = 17, 8  # of the wrapper: old enough for every ONNX Runtime that knows EPContext
_DYNAMIC = {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}  # no TensorRT's parser knows them

log = structlog.get_logger()


class TensorRtBuilder:
    """Builds with TensorRT. Raises EngineError where it or onnx is not installed, saying what to install."""

    provider = "TensorrtExecutionProvider"

    def __init__(self, library: ModuleType | None = None) -> None:
        self._trt: Any = library or _imported("tensorrt")
        self._onnx: Any = _imported("onnx")  # needed last, but nobody shall wait for that
        self._log = _log(self._trt)

    @property
    def version(self) -> str:
        """Version of the package; its engines run in the same version of the library only."""
        return ".".join(str(self._trt.__version__).split(".")[:3])

    def build(self, model: Path, plan: Plan) -> bytes:
        """Build an engine for the GPU of this machine; takes minutes.

        Raises UnsuitedError for a graph that was quantised dynamically, which is for processors.
        """
        trt = self._trt
        self._check_operators(model)
        self._log.complaints.clear()
        builder = trt.Builder(self._log)
        network = builder.create_network(_network_flags(trt))
        parser = trt.OnnxParser(network, self._log)
        if not parser.parse_from_file(str(model)):
            errors = [_parser_error(parser.get_error(at)) for at in range(parser.num_errors)]
            raise EngineError(f"{model}: TensorRT cannot parse it: {'; '.join(errors)}")
        config = builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, plan.workspace_bytes)
        self._set_precision(config, network, model, plan)
        _add_profile(builder, config, network, plan.inputs)
        cache = _timing_cache(config, plan.timing_cache)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            reasons = "; ".join(self._log.complaints) or "TensorRT does not say why"
            raise EngineError(f"{model}: TensorRT cannot build an engine: {reasons}")
        if plan.timing_cache is not None:
            _keep_timings(plan.timing_cache, bytes(cache.serialize()))
        return bytes(engine)

    def wrap(self, model: Path, engine: str, host: Host) -> bytes:
        """Write the EPContext node around an engine file that will lie beside it."""
        onnx = self._onnx
        source = onnx.load(str(model), load_external_data=False).graph
        weights = {tensor.name for tensor in source.initializer}
        inputs = [value for value in source.input if value.name not in weights]
        node = onnx.helper.make_node(
            "EPContext", [value.name for value in inputs], [value.name for value in source.output],
            name="EPContext", domain="com.microsoft", main_context=1, embed_mode=0, ep_cache_context=engine,
            ep_sdk_version=host.tensorrt, hardware_architecture=host.compute_capability.replace(".", ""),
            source=self.provider,
        )  # fmt: skip
        graph = onnx.helper.make_graph([node], Path(engine).stem, inputs, list(source.output))
        opsets = [onnx.helper.make_opsetid("", _OPSET), onnx.helper.make_opsetid("com.microsoft", 1)]
        wrapper = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
        return bytes(wrapper.SerializeToString())

    def _check_operators(self, model: Path) -> None:
        graph = self._onnx.load(str(model), load_external_data=False).graph
        found = {node.op_type for node in _nodes(graph)} & _DYNAMIC
        if found:
            raise UnsuitedError(
                f"quantised dynamically ({', '.join(sorted(found))}): runs on CUDA or the processor"
            )

    def _set_precision(self, config: Any, network: Any, model: Path, plan: Plan) -> None:  # noqa: ANN401 (TensorRT has no types)
        trt = self._trt
        kinds = {network.get_layer(at).type for at in range(network.num_layers)}
        quantised = bool(kinds & {trt.LayerType.QUANTIZE, trt.LayerType.DEQUANTIZE})
        if plan.precision == "int8" and not quantised:
            raise EngineError(
                f"{model}: int8 needs a graph that was quantised (QuantizeLinear, DequantizeLinear): "
                "mirage export build --precision int8"
            )
        flags = {"fp32": [], "fp16": ["FP16"], "int8": ["FP16"]}[plan.precision]
        if quantised:
            flags.append("INT8")  # weights that are stored in 8 bits need it too
        for flag in flags:
            if hasattr(trt.BuilderFlag, flag):
                config.set_flag(getattr(trt.BuilderFlag, flag))
            elif plan.precision == "fp16":  # TensorRT 11 takes precision from the graph alone
                raise EngineError(
                    f"{model}: TensorRT {self.version} computes as the graph says: build the bundle with "
                    f"mirage export build --precision {plan.precision}, and the engine with fp32"
                )


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = "TensorRT" if name == "tensorrt" else name
        raise EngineError(f"{what} cannot be loaded ({error}): {INSTALL}") from error


def _nodes(graph: Any) -> Iterator[Any]:  # noqa: ANN401 (onnx is loaded late)
    """Give all nodes, those in branches and loops too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for part in (attribute.g, *attribute.graphs):
                yield from _nodes(part)


def _log(trt: Any) -> Any:  # noqa: ANN401 (TensorRT has no types)
    """Make a logger that keeps errors for the exception and says nothing itself."""

    class Log(trt.ILogger):  # type: ignore[misc] # the package is loaded late
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.complaints: list[str] = []

        def log(self, severity: object, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.complaints.append(" ".join(message.split()))

    return Log()


def _network_flags(trt: Any) -> int:  # noqa: ANN401 (TensorRT has no types)
    if int(str(trt.__version__).split(".")[0]) >= 10:
        return 0  # every network has an explicit batch
    return 1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)


def _parser_error(error: Any) -> str:  # noqa: ANN401 (TensorRT has no types)
    return f"node {error.node()}: {error.desc()}"


def _add_profile(builder: Any, config: Any, network: Any, planned: tuple[InputShapes, ...]) -> None:  # noqa: ANN401
    shapes = {each.name: each for each in planned}
    profile = builder.create_optimization_profile()
    for at in range(network.num_inputs):
        tensor = network.get_input(at)
        if tensor.is_shape_tensor:  # its value decides, not its shape: only use_cache_branch is one
            profile.set_shape_input(tensor.name, (0,), (1,), (1,))
        elif tensor.name in shapes:
            profile.set_shape(tensor.name, *shapes[tensor.name].shapes())
        else:
            raise EngineError(f"input {tensor.name}: no shapes were planned for it")
    config.add_optimization_profile(profile)


def _timing_cache(config: Any, path: Path | None) -> Any:  # noqa: ANN401 (TensorRT has no types)
    cache = config.create_timing_cache(_known_timings(path))
    if not config.set_timing_cache(cache, False):  # noqa: FBT003 (TensorRT names it differently by version)
        cache = config.create_timing_cache(b"")  # of another GPU or version: begun afresh
        config.set_timing_cache(cache, False)  # noqa: FBT003
    return cache


def _known_timings(path: Path | None) -> bytes:
    try:
        return b"" if path is None else path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        log.warning("timings were not read", file=str(path), reason=error.strerror)
        return b""


def _keep_timings(path: Path, content: bytes) -> None:
    """Write them for the next build, which is only slower without: no reason to lose an engine."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        log.warning("timings were not kept", file=str(path), reason=error.strerror)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
