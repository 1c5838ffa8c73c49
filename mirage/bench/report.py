"""What every benchmark gives: gates that it must reach, and whatever else it measured."""

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mirage.version import SOFTWARE

_ROOT = Path(__file__).resolve().parent.parent.parent


class Gate(msgspec.Struct, frozen=True):
    """A number that must be reached; whether more or less is better, `ok` has already judged."""

    name: str
    value: float
    unit: str
    target: float
    ok: bool

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, target: float) -> "Gate":
        """Judge a number of which more is better."""
        return cls(name, value, unit, target, value >= target)

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, target: float) -> "Gate":
        """Judge a number of which less is better."""
        return cls(name, value, unit, target, value <= target)


class Machine(msgspec.Struct, frozen=True):
    """What the numbers were measured on; `cores` are those that this process may use."""

    processor: str
    cores: int
    memory_gib: float
    accelerator: str | None

    @classmethod
    def here(cls) -> "Machine":
        """Describe this machine."""
        return cls(_processor(), _cores(), _memory_gib(), _accelerator())


class Report(msgspec.Struct, frozen=True):
    """A benchmark's outcome. `results` is free-form, but numbers carry their unit in the key."""

    bench: str
    gates: tuple[Gate, ...]
    results: Mapping[str, object]


class _Printed(msgspec.Struct, frozen=True):
    bench: str
    revision: str
    machine: Machine
    gates: tuple[Gate, ...]
    results: Mapping[str, object]


def to_json(report: Report) -> bytes:
    """Write the object that `mirage bench NAME --json` prints."""
    printed = _Printed(report.bench, revision(), Machine.here(), report.gates, report.results)
    return msgspec.json.format(msgspec.json.encode(printed), indent=2)


def print_report(report: Report, *, as_json: bool) -> None:
    """Print JSON or tables on stdout."""
    if as_json:
        print(to_json(report).decode())  # noqa: T201 -- this is the command's output
        return
    from rich.console import Console
    from rich.table import Table

    machine, console = Machine.here(), Console()
    console.print(f"[bold]{report.bench}[/bold], revision {revision()}")
    accelerator = machine.accelerator or "no accelerator"
    console.print(f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:.1f} GiB, {accelerator}")
    gates = Table("gate", "value", "target", "unit", "")
    for gate in report.gates:
        verdict = "[green]ok[/green]" if gate.ok else "[red]MISSED[/red]"
        gates.add_row(gate.name, _number(gate.value), _number(gate.target), gate.unit, verdict)
    console.print(gates)
    results = Table("result", "value")
    for name, value in _flat(report.results):
        results.add_row(name, value)
    console.print(results)


def revision() -> str:
    """Name the source: git's description of it, or the installed version."""
    git = shutil.which("git")
    if git is None or not (_ROOT / ".git").exists():
        return SOFTWARE
    command = [git, "-C", str(_ROOT), "describe", "--always", "--dirty", "--tags"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
    return result.stdout.strip() or SOFTWARE


def _flat(results: Mapping[str, object], prefix: str = "") -> list[tuple[str, str]]:
    rows = list[tuple[str, str]]()
    for name, value in results.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, _number(value) if isinstance(value, float) else str(value)))
    return rows


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _processor() -> str:
    for path, key in (("/proc/device-tree/model", ""), ("/proc/cpuinfo", "model name")):
        with contextlib.suppress(OSError):
            for line in Path(path).read_text("utf-8", errors="replace").splitlines():
                if line.startswith(key):
                    return line.partition(":")[2].strip() or line.strip(" \0")
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _accelerator() -> str | None:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return None
    command = [smi, "--query-gpu=name", "--format=csv,noheader"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
    return ", ".join(result.stdout.split("\n")).strip(", ") or None
