"""Which redactions work on this device, and how long each takes."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from msgspec import structs

from edge import outfit
from edge.config import Config
from edge.kept import WAY_BACK, Keeper, Kept
from edge.privacy.camera import SLOW_S
from edge.privacy.detectors import LOOK_PX, SLOTS, Slot, load_detector
from edge.privacy.model_files import DetectorError
from edge.privacy.schedule import Schedule
from edge.privacy.words import Forbidden
from edge.runtime import Runtime
from edge.upshot import CANNOT, Own, Upshot, sender_of, upshot
from wire.bundle import Bundle, BundleError
from wire.policy import PolicyError, Sender, binding

_RUNS = 3
_WHY_NOT = "sender.off, sender.hours, or what the cloud has set"


def examinations(config: Config) -> dict[str, Callable[[], str]]:
    """Name what is to be looked at; each gives what it found, or raises what is wrong."""
    keeper = outfit.keeper_of(config)
    try:
        sender = sender_of(config.sender, keeper.kept)
    except PolicyError:  # which _set says, too
        sender = config.sender
    found: dict[str, Callable[[], str]] = {
        f"redaction of {name}": partial(_detector, config, name)
        for name in SLOTS
        if getattr(sender, name) == "redact"
    }
    if sender != Sender() or any(camera.zones for camera in config.camera):
        found["sender"] = partial(_stated, config, keeper)
    if keeper.trouble is not None or keeper.kept != Kept():
        found["set by the cloud"] = partial(_set, config, keeper)
    return found


def _holding(config: Config, keeper: Keeper) -> Upshot:
    """Say what the agent would do, or raise PolicyError, with what to do, where it would look at nothing."""
    if keeper.trouble is not None:
        raise PolicyError(f"{keeper.trouble}: nothing is looked at; {WAY_BACK}")
    bundle = Bundle.load(Path(config.bundle.path), "edge")
    try:
        return upshot(Own.of(config), bundle, keeper.kept)
    except CANNOT as error:
        raise PolicyError(
            f"{keeper.path}: what the cloud has set cannot be done: {error}; nothing is looked at; {WAY_BACK}"
        ) from error


def _set(config: Config, keeper: Keeper) -> str:
    """Say what holds of what the cloud has set, which the settings do not show."""
    holds = {tuple(name.partition(" ")): value for name, value in _holding(config, keeper).holds.items()}
    said = [f"{key}={value}{space}{on}" for (key, space, on), value in holds.items()]
    return f"{keeper.path}: {', '.join(said)}; to change that, {WAY_BACK}"


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


def _stated(config: Config, keeper: Keeper) -> str:
    try:
        sender = config.sender if keeper.kept == Kept() else _holding(config, keeper).sender
    except (BundleError, PolicyError):  # which another examination says
        sender = structs.replace(config.sender, off=True)
    is_open = not sender.off and Schedule(sender.hours, sender.timezone).is_open(time.time())
    parts = [
        "cameras are looked at now" if is_open else f"nothing is looked at now ({_WHY_NOT})",
        f"{len(Forbidden.of(sender.words).phrases)} words and phrases are not said",
        f"{sum(len(camera.zones) for camera in config.camera) + len(sender.zones)} zones",
        f"layers {', '.join(sender.layers)}",
        f"{len(binding.encode(sender.receiver))} bytes of each packet bind its receiver",
    ]
    return "; ".join(parts)
