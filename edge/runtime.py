"""Opens ONNX graphs on the best hardware that is there.

    TensorRT engine of this device  ->  TensorRT's own cache  ->  CUDA  ->  processor

What really loads and runs once decides. Every step down is logged with its reason, which the graph keeps too.
TensorRT takes minutes to build an engine, so it is used only where there is a folder to keep engines in.
"""

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import onnxruntime as ort
import structlog

from edge.engine import EngineCache, EngineError, graph_sha256
from edge.gpu import GpuError, Host, find_host
from edge.graph import FAILURES, Graph, ModelError, RunError, first_line
from wire.bundle import QUANTISED

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
PREFERENCE = (TENSORRT, CUDA, CPU)
_LIBRARIES = {TENSORRT: "libonnxruntime_providers_tensorrt.so", CUDA: "libonnxruntime_providers_cuda.so"}
_SHARED = "libonnxruntime_providers_shared.so"
_OWN_CACHE = "onnxruntime"  # sub-folder: what ONNX Runtime keeps there is its own

Provider: TypeAlias = "str | tuple[str, dict[str, str]]"
WarmUp: TypeAlias = Callable[[Graph], None]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to run a graph: a file, and execution providers, of which the first must be what runs it."""

    name: str
    model: Path
    providers: tuple[Provider, ...]


class Runtime:
    """Opens graphs with `threads` threads on the processor, and with the engines in `engine_cache`.

    `host` is who the GPU is, for engines; asked of the machine where it is needed and not given.
    """

    def __init__(
        self,
        threads: int = 1,
        engine_cache: Path | None = None,
        available: Sequence[str] | None = None,
        host: Host | None = None,
    ) -> None:
        self._threads = threads
        self._cache = engine_cache
        self._available = ort.get_available_providers() if available is None else available
        self._host = host

    def open(self, path: Path, warm_up: WarmUp | None = None) -> Graph:
        """Load a graph and warm it up, or raise ModelError.

        `warm_up` runs it once as it will be run; where that raises RunError, the next provider is tried, and
        anything else that it finds wrong is wrong everywhere.
        """
        notes: list[str] = []
        attempts = self._attempts(path, notes)
        for attempt in attempts:
            try:
                graph = load(attempt, self._threads, notes)
                if warm_up is not None:
                    warm_up(graph)
            except (_LoadError, RunError) as error:
                if attempt is attempts[-1]:
                    raise ModelError(str(error)) from error
                self._note(notes, path, f"{attempt.name}: {error}")
                continue
            return graph
        raise ModelError(f"{path}: this ONNX Runtime has no execution provider of {', '.join(PREFERENCE)}")

    def _attempts(self, path: Path, notes: list[str]) -> list[Attempt]:
        """List what this build of ONNX Runtime was made with, best first."""
        there = [name for name in PREFERENCE if name in self._available]
        attempts = [Attempt(name, path, (name, CPU)) for name in there if name not in (TENSORRT, CPU)]
        if CPU in there:
            attempts.append(Attempt(CPU, path, (CPU,)))
        if self._cache is None:
            return attempts
        if TENSORRT in there:
            own = str(self._own_cache(self._cache / _OWN_CACHE))
            options = {
                "trt_engine_cache_enable": "1", "trt_engine_cache_path": own,
                "trt_timing_cache_enable": "1", "trt_timing_cache_path": own,
            }  # fmt: skip
            rest = tuple(name for name in there if name != TENSORRT)
            attempts.insert(0, Attempt(TENSORRT, path, ((TENSORRT, options), *rest)))
        engine = self._engine(path, notes)
        return attempts if engine is None else [engine, *attempts]

    def _own_cache(self, folder: Path) -> Path:
        with contextlib.suppress(OSError):  # ONNX Runtime says itself that it cannot write there
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _engine(self, path: Path, notes: list[str]) -> Attempt | None:
        cache = EngineCache(self._cache or Path())
        try:
            if not cache.index().engines:
                return None
            entry = cache.find(graph_sha256(path), self._host or find_host())
        except (EngineError, GpuError) as error:
            self._note(notes, path, f"TensorRT engine: {error}")
            return None
        if entry is None:
            return None
        if entry.provider not in self._available:
            self._note(notes, path, f"TensorRT engine: this ONNX Runtime was made without {entry.provider}")
            return None
        return Attempt("TensorRT engine", cache.wrapper(entry), (entry.provider,))

    def _note(self, notes: list[str], path: Path, reason: str) -> None:
        log.warning("fell back", model=path.name, reason=reason)
        notes.append(reason)


class _LoadError(ModelError):
    """A provider cannot load a graph."""


def load(attempt: Attempt, threads: int = 1, notes: Sequence[str] = ()) -> Graph:
    """Load a graph in one way, or raise ModelError."""
    first = attempt.providers[0]
    wanted = first if isinstance(first, str) else first[0]
    ort.set_default_logger_severity(
        4
    )  # its own words about a missing library are many; the error is one line
    try:
        session = _session(attempt, _options(threads))
        if wanted == CPU and QUANTISED in session.get_modelmeta().custom_metadata_map:
            session = _exact(attempt, threads) or session
    except FAILURES as error:
        why = _missing_library(wanted) or first_line(error)
        raise _LoadError(f"{attempt.model}: cannot be loaded: {why}") from error
    if session.get_providers()[0] != wanted:
        why = _missing_library(wanted) or "ONNX Runtime does not say why"
        raise _LoadError(f"{attempt.model}: {wanted} does not start: {why}")
    return Graph(attempt.model, session, notes, attempt.name)


def _exact(attempt: Attempt, threads: int) -> ort.InferenceSession | None:
    """Load a quantised graph so that nothing overflows, or give None where ONNX Runtime 1.32 cannot.

    Without VNNI products of int8 are added in 16 bits, which overflow. Weights that two nodes share it cannot
    load like that.
    """
    options = _options(threads)
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return _session(attempt, options)
    except FAILURES as error:
        log.warning("8 bits may overflow", model=attempt.model.name, reason=first_line(error))
        return None


def _session(attempt: Attempt, options: ort.SessionOptions) -> ort.InferenceSession:
    return ort.InferenceSession(
        str(attempt.model),
        options,
        providers=list(attempt.providers),
        enable_fallback=0,  # it says so on stdout, where results go
    )


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the camera needs that time
    return options


def _missing_library(provider: str) -> str | None:
    """Load the provider's library by hand: the loader names what is missing, where ONNX Runtime does not."""
    if provider not in _LIBRARIES:
        return None
    folder = Path(ort.__file__).parent / "capi"
    try:
        ctypes.CDLL(str(folder / _SHARED), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / _LIBRARIES[provider]))
    except OSError as error:
        return str(error)
    return None
