"""What an update asks of the machine: time that no clock sets back, systemd, and what it is."""

import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Protocol

import structlog

AGENT, ENGINES = "mirage-edge.service", "mirage-engines.service"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TEGRA = Path("/etc/nv_tegra_release")
_JETPACKS = {"# R36": "jetpack6", "# R38": "jetpack7", "# R39": "jetpack7"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TIMEOUT_S = 60.0
_ENGINES_S = 2 * 3600.0  # as mirage-engines.service has it

log = structlog.get_logger()


class Machine(Protocol):
    """All that is not files of the updater. Times are in seconds."""

    def now_s(self) -> float:
        """Give a time that only goes on."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait; True where the updater is to end."""
        ...

    def boot_id(self) -> str:
        """Name this boot of the kernel."""
        ...

    def started(self, pid: int) -> int | None:
        """Say when a process was started, in the kernel's ticks; None where there is none."""
        ...

    def platform(self) -> str:
        """Name the platform, as releases do."""
        ...

    def python(self) -> str:
        """Give the version of Python that agents run on."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """Say how much room there is."""
        ...

    def restart_agent(self) -> None:
        """Build engines that are missing, then begin to start the agent anew."""
        ...

    def has_given_up(self) -> bool:
        """Tell whether systemd starts the agent no more."""
        ...


class Device:
    """The machine that this runs on."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def now_s(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds)

    def boot_id(self) -> str:
        return boot_id()

    def started(self, pid: int) -> int | None:
        return started(pid)

    def platform(self) -> str:
        return platform_of(_TEGRA, platform.machine())

    def python(self) -> str:
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    def free_bytes(self, folder: Path) -> int:
        return shutil.disk_usage(folder).free

    def restart_agent(self) -> None:
        self._call("restart", ENGINES, timeout_s=_ENGINES_S)
        self._call("reset-failed", AGENT)  # or the failures of before would count
        self._call("--no-block", "restart", AGENT)

    def has_given_up(self) -> bool:
        return self._call("is-failed", "--quiet", AGENT) == 0

    def _call(self, *arguments: str, timeout_s: float = _TIMEOUT_S) -> int:
        command: Sequence[str] = ["systemctl", *arguments]
        try:
            done = subprocess.run(  # noqa: S603 (names of units, all of them ours)
                command, capture_output=True, text=True, check=False, timeout=timeout_s
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("systemd was not reached", command=" ".join(command), reason=str(error))
            return -1
        if done.returncode and "is-failed" not in arguments:
            log.info("systemd says no", command=" ".join(command), reason=done.stderr.strip())
        return done.returncode


def boot_id() -> str:
    """Name this boot of the kernel."""
    return _BOOT_ID.read_text("ascii").strip()


def started(pid: int) -> int | None:
    """Say when a process was started: field 22 of /proc/PID/stat, behind a name that may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


def platform_of(tegra: Path, machine: str) -> str:
    """Name the platform: by NVIDIA's file where it is there, else by the processor."""
    try:
        head = tegra.read_text("utf-8", "replace")
    except OSError:
        return _ARCHITECTURES.get(machine, machine)
    return next((name for begin, name in _JETPACKS.items() if head.startswith(begin)), "jetson")
