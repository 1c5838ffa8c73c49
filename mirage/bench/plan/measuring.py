"""Measures what a plan takes and no file told: about two minutes for one turn of all of it."""

import os
from collections.abc import Callable, Collection
from pathlib import Path

from msgspec import structs

from mirage.bench.ingest_load import Load
from mirage.bench.plan import broker, database, link, rendering, traffic
from mirage.bench.plan.figures import UNITS, Figure, Figures, better
from mirage.bench.render import encoded
from mirage.progress import steps_shown
from wire.bundle import Bundle

ELSEWHERE = frozenset({"gpu_s_per_clip_s"})  # given, or from a GPU's own benchmark
_DEVICES = 100
_COPIES = 6
_STEPS = 6  # of a turn

_TRAFFIC = {name for name in UNITS if name.startswith(("moving_", "still_"))}
_LINK = {"link_bytes_per_packet"}
_BROKER = {name for name in UNITS if name.startswith("broker_")}
_DATABASE = {name for name in UNITS if name.endswith(("_sqlite", "_postgresql"))}
_RENDERING = set(UNITS) - ELSEWHERE - _TRAFFIC - _LINK - _BROKER - _DATABASE


def measure(folder: Path, packets: int, turns: int, known: Collection[str]) -> Figures:
    """Measure with the bundle in `folder` and a load of `packets`, but for what is `known`.

    What other work on this machine slows down is measured in several turns, of which the best counts.
    Raises InputError, DemoError, BundleError.
    """
    missing = {name for name in UNITS if name not in known} - ELSEWHERE
    found = dict[str, Figure]()
    with steps_shown("measuring", 3 + _STEPS * turns) as done:
        if missing & _TRAFFIC:
            found |= traffic.measure(folder, _here())
        done()
        if missing & _LINK:
            found |= link.measure(_here())
        done()
        if missing & (_RENDERING | _BROKER | _DATABASE):
            found |= _best(_Cloud(folder, packets, missing), turns, done)
        done()
    return {name: figure for name, figure in found.items() if name in missing}


def _best(cloud: "_Cloud", turns: int, done: Callable[[], None]) -> Figures:
    found = dict(cloud.measure(done))
    for _ in range(turns - 1):
        again = cloud.measure(done)
        found = {name: better(name, figure, again[name]) for name, figure in found.items()}
    if turns == 1:
        return found
    return {
        name: structs.replace(figure, how=f"{figure.how}, the best of {turns} turns")
        for name, figure in found.items()
    }


class _Cloud:
    """What is measured of the cloud's parts, as far as it is missing."""

    def __init__(self, folder: Path, packets: int, missing: set[str]) -> None:
        self._missing = missing
        self._opened = encoded(folder)
        devices = min(_DEVICES, packets)
        self._load = Load(Bundle.load(folder), devices, -(-packets // devices))

    def measure(self, done: Callable[[], None]) -> Figures:
        """Take one turn; `done` is called after each of `_STEPS` steps."""
        found = dict[str, Figure]()
        if self._missing & _RENDERING:
            found |= rendering.measure(self._opened, _COPIES, _here())
        done()
        if self._missing & _BROKER:
            found |= broker.measure(self._load, _here())
        done()
        if self._missing & _DATABASE:
            found |= database.measure(self._load, self._opened, _here(), done)
        return found


def _here() -> str:
    """Say that it is measured here, and how busy this machine is: other work makes most figures worse."""
    return f"here at a load of {os.getloadavg()[0]:.1f}"
