"""Which redactions work on this device, and how long each takes."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from edge.config import Config
from edge.privacy.camera import SLOW_S
from edge.privacy.detectors import LOOK_PX, SLOTS, Slot, load_detector
from edge.privacy.model_files import DetectorError
from edge.privacy.schedule import Schedule
from edge.privacy.words import Forbidden
from edge.runtime import Runtime
from wire.bundle import Bundle
from wire.policy import binding

_RUNS = 3


def examinations(config: Config) -> dict[str, Callable[[], str]]:
    """Name what is to be looked at; each gives what it found, or raises what is wrong."""
    sender = config.sender
    found: dict[str, Callable[[], str]] = {
        f"redaction of {name}": partial(_detector, config, name)
        for name in SLOTS
        if getattr(sender, name) == "redact"
    }
    if config.sender != type(sender)() or any(camera.zones for camera in config.camera):
        found["sender"] = partial(_stated, config)
    return found


def _detector(config: Config, name: Slot) -> str:
    settings = config.settings()
    runtime = Runtime(settings.threads, settings.engine_cache)
    detector = load_detector(name, Bundle.load(Path(config.bundle.path), "edge"), runtime)
    picture = np.random.default_rng(0).integers(0, 255, (LOOK_PX, LOOK_PX * 16 // 9, 3)).astype(np.uint8)
    taken = list[float]()
    for _ in range(_RUNS):
        begun_s = time.perf_counter()
        detector.find(picture)
        taken.append(time.perf_counter() - begun_s)
    took_s = median(taken)
    if took_s > SLOW_S:
        raise DetectorError(f"a frame takes {took_s:.1f} s, more than {SLOW_S:g}: nothing would be sent")
    return f"{took_s * 1e3:.0f} ms a frame, of which there are 8 a second"


def _stated(config: Config) -> str:
    sender = config.sender
    is_open = not sender.off and Schedule(sender.hours, sender.timezone).is_open(time.time())
    parts = [
        "cameras are looked at now" if is_open else "nothing is looked at now (sender.off, or sender.hours)",
        f"{len(Forbidden.of(sender.words).phrases)} words and phrases are not said",
        f"{sum(len(camera.zones) for camera in config.camera) + len(sender.zones)} zones",
        f"layers {', '.join(sender.layers)}",
        f"{len(binding.encode(sender.receiver))} bytes of each packet bind its receiver",
    ]
    return "; ".join(parts)
