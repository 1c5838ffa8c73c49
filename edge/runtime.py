"""Opens ONNX graphs on the best hardware that is there: TensorRT, then CUDA, then the processor."""

from pathlib import Path
from typing import TypeAlias

import onnxruntime as ort
import structlog
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from wire.bundle import BundleError

PREFERENCE = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
LOAD_FAILURES = (  # ONNX Runtime has no common base class for them
    failures.EPFail,
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoSuchFile,
    failures.NotImplemented,
    failures.RuntimeException,
)

Provider: TypeAlias = "str | tuple[str, dict[str, str]]"

log = structlog.get_logger()


class ModelError(BundleError):
    """A graph of the bundle cannot run here; the message names its file."""


def open_session(path: Path, threads: int = 1, engine_cache: Path | None = None) -> ort.InferenceSession:
    """Load a graph, or raise ModelError.

    `threads` is for the processor only. TensorRT takes minutes to build an engine, so it is used
    only where there is a folder to keep engines in.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its own words about a bad file are many; the error below is one line
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the camera needs that time
    wanted = _wanted(engine_cache)
    for first in range(len(wanted)):
        try:
            session = ort.InferenceSession(str(path), options, providers=wanted[first:])
        except LOAD_FAILURES as error:
            reason = str(error).strip().split("\n")[0]
            if first == len(wanted) - 1:
                raise ModelError(f"{path}: cannot be loaded: {reason}") from error
            log.warning(
                "execution provider failed", model=path.name, provider=_name(wanted[first]), reason=reason
            )
            continue
        running = session.get_providers()[0]
        if running != _name(wanted[0]):
            log.warning("fell back", model=path.name, wanted=_name(wanted[0]), running=running)
        return session
    raise ModelError(f"{path}: this ONNX Runtime has no execution provider of {', '.join(PREFERENCE)}")


def _wanted(engine_cache: Path | None) -> list[Provider]:
    """List what this build of ONNX Runtime was made with, best first."""
    wanted: list[Provider] = []
    for name in PREFERENCE:
        if name not in ort.get_available_providers():
            continue
        if name != PREFERENCE[0]:
            wanted.append(name)
        elif engine_cache is not None:
            cache = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(engine_cache)}
            wanted.append((name, cache))
    return wanted


def _name(provider: Provider) -> str:
    return provider if isinstance(provider, str) else provider[0]
