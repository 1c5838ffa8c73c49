"""Figures from the JSON of other commands, for instance of those run on the machine that is planned for.

    mirage bench cloud | ingest | ledger | render | plan --json  --.
    mirage encode VIDEO -o FILE.mrg --json                       --+--> figures, each naming its file

Where several files have a figure, the best one of the same machine counts, else the last one's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from mirage.bench.plan.figures import UNITS, Figure, Figures, Source, better, measured
from mirage.bench.report import Machine
from mirage.errors import InputError
from mirage.output import read_input

_SEGMENT_S = 2.0
_AROUND = 32  # bytes: tag 16, PUBLISH with alias 10, longer numbers (counter, sequence, time) 6


class _Source(Struct, frozen=True):
    width: int
    height: int
    duration_s: float


class _Ledger(Struct, frozen=True):
    """What `mirage encode --json` prints, as far as it is needed here."""

    source: _Source
    segments: int
    packet_bytes: int


class _File(Struct, frozen=True):
    """What every benchmark prints, as far as it is needed here."""

    bench: str
    revision: str
    machine: Machine
    results: msgspec.Raw


class _Rate(Struct, frozen=True):
    stored_per_s: float
    derived_per_s: float


class _Ingest(Struct, frozen=True):
    processes_1: tuple[_Rate, ...]
    commit_ms: float


class _Jobs(Struct, frozen=True):
    jobs_per_s: float


class _Queue(Struct, frozen=True):
    commit_ms_median: float
    workers_4: _Jobs


class _Queues(Struct, frozen=True):
    sqlite: _Queue
    postgresql: _Queue | str


class _Cloud(Struct, frozen=True):
    queue: _Queues | None = None


class _Preview(Struct, frozen=True):
    baseline: Mapping[str, float]


class _Clip(Struct, frozen=True):
    frames: int
    fps: float


class _Cost(Struct, frozen=True):
    clip_s: float


class _Diffusers(Struct, frozen=True):
    clip: _Clip
    baseline: _Cost


class _Case(Struct, frozen=True):
    case: str
    packets: int
    proxy_mqtt_bytes: int
    wire_ip_bytes: int | str


class _Cases(Struct, frozen=True):
    cases: tuple[_Case, ...]


class _Plan(Struct, frozen=True):
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Read:
    """What a file told; `about` says what it is: benchmark, revision, machine."""

    figures: Figures
    about: str
    machine: Machine | None = None


def together(files: Sequence[Read]) -> dict[str, Figure]:
    """Give the figures of all files: several runs on one machine are turns, of which the best counts."""
    found, machines = dict[str, Figure](), dict[str, Machine | None]()
    for file in files:
        for name, figure in file.figures.items():
            is_turn = file.machine is not None and machines.get(name) == file.machine
            found[name] = better(name, found[name], figure) if is_turn else figure
            machines[name] = file.machine
    return found


def read(path: Path) -> Read:
    """Read a benchmark's JSON, or raise InputError naming the file."""
    data = read_input(path)
    try:
        if b'"bench"' not in data:
            return _ledger(msgspec.json.decode(data, type=_Ledger), path.name)
        file = msgspec.json.decode(data, type=_File)
        reader = next((read for name, read in _READERS.items() if file.bench.startswith(name)), None)
        if reader is None:
            known = ", ".join(name.strip() for name in _READERS)
            raise InputError(f"{path}: is of `bench {file.bench}`; plans take figures of {known}")
        figures = reader(file, f"bench {file.bench}, {path.name}")
        return Read(figures, _about(path.name, file), file.machine)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{path}: is not what `mirage bench` or `mirage encode` print with --json: {error}"
        ) from error


def _ledger(found: _Ledger, name: str) -> Read:
    """Take a video that was described for a camera before which something moves all the time."""
    hours = found.source.duration_s / 3600
    if not hours:
        raise msgspec.ValidationError("source.duration_s is 0")
    size = found.packet_bytes + found.segments * _AROUND
    told = f"mirage encode, {name}"
    sizes = f"(packet_bytes + {_AROUND} x segments) / duration, {told}"
    figures = {
        "moving_packets_per_h": measured("moving_packets_per_h", found.segments / hours, told),
        "moving_bytes_per_h": Figure(size / hours, UNITS["moving_bytes_per_h"], Source.DERIVED, sizes),
    }
    source = found.source
    return Read(figures, f"{name}: mirage encode, {source.width}x{source.height}, {source.duration_s:g} s")


def _about(name: str, file: _File) -> str:
    machine = file.machine
    accelerator = f", {machine.accelerator}" if machine.accelerator else ""
    on = f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB{accelerator}"
    return f"{name}: bench {file.bench}, revision {file.revision}, {on}"


def _ingest(file: _File, how: str) -> Figures:
    found = msgspec.json.decode(file.results, type=_Ingest)
    rates = {
        "ingest_packets_per_s_sqlite": max(each.stored_per_s for each in found.processes_1),
        "derive_packets_per_s_sqlite": max(each.derived_per_s for each in found.processes_1),
        "commit_ms_sqlite": found.commit_ms,
    }
    return _all(rates, how)


def _cloud(file: _File, how: str) -> Figures:
    queue, rates = msgspec.json.decode(file.results, type=_Cloud).queue, dict[str, float]()
    for name in ("sqlite", "postgresql") if queue else ():
        each = getattr(queue, name)
        if isinstance(each, _Queue):
            rates[f"queue_jobs_per_s_{name}"] = each.workers_4.jobs_per_s
            rates[f"commit_ms_{name}"] = each.commit_ms_median
    return _all(rates, how)


def _preview(file: _File, how: str) -> Figures:
    found = msgspec.json.decode(file.results, type=_Preview)
    core_s = found.baseline["cpu_s_per_2_s_segment"] / _SEGMENT_S
    return _all({"render_core_s_per_clip_s": core_s}, f"{how}; without H.264")


def _diffusers(file: _File, how: str) -> Figures:
    found = msgspec.json.decode(file.results, type=_Diffusers)
    if file.machine.accelerator is None:
        raise msgspec.ValidationError("no accelerator was there, so it says nothing of a GPU")
    video_s = found.clip.frames / found.clip.fps
    return _all({"gpu_s_per_clip_s": found.baseline.clip_s / video_s}, how)


def _around_packets(file: _File, how: str) -> Figures:
    for each in msgspec.json.decode(file.results, type=_Cases).cases:
        if each.case == "QoS 1, TLS" and isinstance(each.wire_ip_bytes, int):
            size = (each.wire_ip_bytes - each.proxy_mqtt_bytes) / each.packets
            return _all(
                {"link_bytes_per_packet": size}, f"{how}; with a handshake for {each.packets} packets"
            )
    return {}


def _plan(file: _File, how: str) -> Figures:
    found = msgspec.json.decode(file.results, type=_Plan).figures
    strange = set(found) - set(UNITS)
    if strange:
        raise msgspec.ValidationError(f"figures {', '.join(sorted(strange))} are not known")
    return {
        name: Figure(each.value, each.unit, each.source, f"{each.how} ({how.rpartition(', ')[2]})")
        for name, each in found.items()
    }


def _all(values: Mapping[str, float], how: str) -> Figures:
    return {name: measured(name, value, how) for name, value in values.items()}


_READERS: Mapping[str, Callable[[_File, str], Figures]] = {
    "ingest": _ingest,
    "cloud": _cloud,
    "ledger": _around_packets,
    "render preview": _preview,
    "render diffusers ": _diffusers,
    "plan": _plan,
}
