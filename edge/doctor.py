"""What works on this device and what does not, before the agent is started."""

import os
import platform
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import onnxruntime as ort

from edge import security, video
from edge.address import Address
from edge.camera import CameraError, is_live, open_camera
from edge.config import CameraSource, Config, ConfigError
from edge.engine import EngineCache, EngineError
from edge.gpu import GpuError, find_gpu, find_host, l4t_version, tensorrt_version
from edge.identity import software
from edge.keys import load_tls
from edge.link import Link, LinkError
from edge.pipeline import Pipeline, short_side_px
from edge.privacy import doctor as privacy
from edge.privacy.model_files import DetectorError
from edge.runtime import CUDA, TENSORRT
from edge.segmenter import RawSegment
from edge.sensors import Readings, Sensors
from edge.spool import SpoolError
from edge.spool_file import is_damage, look
from edge.update import state
from edge.update.settings import UpdateConfigError, load, read_key
from edge.video import VideoError
from wire.bundle import Bundle, BundleError
from wire.policy import PolicyError

_RUNS = 5
_KNOWN = (
    BundleError, CameraError, ConfigError, DetectorError, EngineError, LinkError, PolicyError, SpoolError,
    UpdateConfigError, VideoError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. Where it is not ok, `detail` says what and where."""

    name: str
    ok: bool
    detail: str


def examine(config: Config, credentials: Path | None = None) -> list[Finding]:
    """Look at everything that the agent needs; tries each part for real and raises nothing for it.

    `credentials` is the folder in which systemd hands over keys.
    """
    findings = [_software(), _opencv(), _onnxruntime(), _gpu()]
    findings.append(_try("bundle", partial(_bundle, config)))
    engines = config.settings().engine_cache
    if engines is not None:
        findings.append(_try("engines", partial(_engines, engines)))
    findings += _models(config)
    findings += [_try(name, look) for name, look in privacy.examinations(config).items()]
    findings.append(_try("spool", partial(_spool, config)))
    findings += [
        _try(name, partial(look, config, credentials)) for name, look in security.examinations(config).items()
    ]
    findings.append(_try("broker", partial(_broker, config, credentials)))
    if config.update.settings is not None:
        findings.append(_try("updates", partial(_updates, Path(config.update.settings))))
    if config.meter.enabled:
        findings.append(_try("meter", _meter))
    findings.append(Finding("sensors", ok=True, detail=_sensors(Sensors().read())))
    findings += [_try(f"camera {camera.name}", partial(_camera, camera)) for camera in config.camera]
    return findings


def _try(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, detail=look())
    except _KNOWN as error:
        return Finding(name, ok=False, detail=str(error))


def _updates(settings: Path) -> str:
    """Say where releases come from, and what became of the last."""
    found = load(settings)
    read_key(found)
    return f"{found.url}; last: {state.told(state.read(found.folder), found.folder)}"


def _meter() -> str:
    video.check()
    return "x264 and x265 of PyAV"


def _sensors(seen: Readings) -> str:
    """Say what telemetry can tell of the machine."""
    hot = "no temperature" if seen.temperature_c is None else f"{seen.temperature_c:.0f} degrees Celsius"
    power = "no power monitor" if seen.power_w is None else f"{seen.power_w:.1f} W"
    return f"{hot}, {power}"


def _software() -> Finding:
    detail = f"{software()}, Python {platform.python_version()} on {platform.machine()}"
    return Finding("software", ok=True, detail=detail)


def _opencv() -> Finding:
    registry = cv2.videoio_registry  # it also lists what would be a plug-in and is not there
    names = {registry.getBackendName(each) for each in registry.getBackends() if registry.hasBackend(each)}
    detail = f"{cv2.__version__}, reads video with {', '.join(sorted(names))}"
    return Finding("opencv", ok=bool(names), detail=detail)


def _onnxruntime() -> Finding:
    providers = ", ".join(ort.get_available_providers())
    return Finding("onnxruntime", ok=True, detail=f"{ort.__version__}, made for {providers}")


def _bundle(config: Config) -> str:
    bundle = Bundle.load(Path(config.bundle.path), "edge")
    return f"{bundle.manifest.name} {bundle.short_sha256} at {bundle.root}, every file as its hash says"


def _gpu() -> Finding:
    """Having none is no fault, unless ONNX Runtime was made for one."""
    try:
        gpu = find_gpu()
    except GpuError as error:
        wanted = any(name in ort.get_available_providers() for name in (TENSORRT, CUDA))
        return Finding("gpu", ok=not wanted, detail=f"none: {error}")
    try:
        tensorrt = tensorrt_version()
    except GpuError as error:
        tensorrt = f"none ({error})"
    parts = [
        f"{gpu.name}, compute capability {gpu.compute_capability}, driver for CUDA {gpu.driver}",
        f"TensorRT {tensorrt}",
    ]
    release = l4t_version()
    return Finding("gpu", ok=True, detail=", ".join(parts + [f"L4T {release}"] * bool(release)))


def _engines(folder: Path) -> str:
    """Look into the engine cache; where there is no GPU, at whether its files are whole."""
    try:
        host = find_host()
    except GpuError:
        host = None
    cache = EngineCache(folder)
    problems = cache.problems(host)
    if problems:
        raise EngineError("; ".join(problems))
    engines = sorted(cache.index().engines.values(), key=lambda entry: entry.graph)
    names = ", ".join(f"{entry.graph} in {entry.key.precision}" for entry in engines)
    return f"{folder}: {names or 'none yet: mirage export engine'}"


def _models(config: Config) -> list[Finding]:
    """Run everything a few times on a made-up segment, and say what each graph takes."""
    try:
        bundle = Bundle.load(Path(config.bundle.path), "edge")
        pipeline = Pipeline(bundle, config.settings())
        segment_s = _segment_s(pipeline, short_side_px(bundle))
    except BundleError as error:
        return [Finding("models", ok=False, detail=str(error))]
    findings = [Finding("models", ok=True, detail=f"a segment of 2 s takes {segment_s:.2f} s")]
    for name, graph in pipeline.graphs().items():
        unit = " a step" if name == bundle.manifest.captioner.decoder else ""
        detail = f"{graph.runs_as}, {median(graph.times_ms):.1f} ms{unit}"
        if graph.notes:
            detail += f", for want of better: {'; '.join(graph.notes)}"
        findings.append(Finding(f"graph {name}", not graph.notes, detail))
    return findings


def _segment_s(pipeline: Pipeline, side: int) -> float:
    """Median of a few runs."""
    frames = np.random.default_rng(0).integers(0, 255, (8, side, side, 3)).astype(np.uint8)
    captured_ms = np.arange(8, dtype=np.int64) * 250
    raw = RawSegment(0, 2000, frames, captured_ms, keyframe=0, still=False, cut=False)
    taken = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        pipeline.understand(raw)
        taken.append(time.perf_counter() - begun)
    return median(taken)


def _spool(config: Config) -> str:
    path = Path(config.spool.path)
    if not path.exists():  # looking leaves nothing behind
        if not os.access(path.parent, os.W_OK):
            raise SpoolError(f"{path.parent}: is no folder that can be written to")
        return f"{path}: not there yet, will be made"
    try:
        packets, body_bytes, gaps = look(path)
    except sqlite3.Error as error:
        fate = ": the agent will set it aside and start a new one" if is_damage(error) else ""
        raise SpoolError(f"{path}: {error}{fate}") from error
    aside = list(path.parent.glob(f"{path.name}.damaged-*"))
    detail = f"{path}: {packets} packets wait, {body_bytes} bytes, and {gaps} gap records"
    return detail + f"; {len(aside)} damaged files lie beside it" * bool(aside)


def _broker(config: Config, credentials: Path | None) -> str:
    """Connect as another client, so that a running agent is not thrown out."""
    address = Address(config.broker.host, config.broker.port, load_tls(config, credentials))
    begun = time.perf_counter()
    link = Link(address, f"{config.device.id}-doctor", None, lambda _topic, _payload: None)
    link.close()
    link.drop()
    how = "MQTT 5 connection" if address.tls is None else "MQTT 5 connection with TLS on both sides"
    return f"{address}: {how} in {(time.perf_counter() - begun) * 1e3:.0f} ms"


def _camera(camera: CameraSource) -> str:
    opened = open_camera(camera.source)
    info = opened.info
    opened.close()
    kind = "live" if is_live(camera.source) else f"file of {info.duration_s or 0:.1f} s"
    return f"{camera.source}: {info.width}x{info.height} at {info.fps:g} frames/s, {kind}"
