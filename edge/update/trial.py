"""A new version runs, and is kept or undone.

    "trying" is written -> link -> engines, agent -> healthy.json of this trial, this boot, a living process
        '-- too late, started too often, or given up by systemd --> "undoing" is written -> link -> agent

The trial has a name that nobody knows before it. An old file, an old process or a copy cannot have it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge.update import wishes
from edge.update.machine import Machine
from edge.update.racks import CURRENT, Rack
from edge.update.running import manifest_of
from edge.update.settings import UpdateConfig
from edge.update.state import Work
from edge.update.wishes import Health

MAX_STARTS = 4  # of a version that was not healthy yet: the first, and after three boots or interruptions
_LOOK_S = 1.0
_KEEP_S = 15.0  # of waiting, lost at a cut

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Trial:
    """One version under trial; `save` changes the work, durably, before it goes on."""

    config: UpdateConfig
    machine: Machine
    rack: Rack
    work: Callable[[], Work]
    save: Callable[..., None]

    def begin(self) -> None:
        """Name the trial; nothing is switched yet."""
        self.save(step="trying", trial=os.urandom(8).hex(), starts=0, waited_s=0.0, launched="")

    def start(self, *, booting: bool) -> bool:
        """Let the version run, in this boot, if it does not yet; False if it had its chances.

        While `booting` the agent is started by the boot.
        """
        work, boot = self.work(), self.machine.boot_id()
        if work.launched == boot:
            return True
        if work.starts >= MAX_STARTS:
            return False
        self.save(starts=work.starts + 1)
        self.rack.point(CURRENT, work.place)
        if not booting:
            self.machine.restart_agent()
        self.save(launched=boot)
        return True

    def wait(self) -> str | None:
        """Wait until it is healthy (""), or is not to be waited for any more (why); None: interrupted."""
        limit_s = self.config.health_minutes * 60
        kept_s = waited_s = self.work().waited_s
        before_s = self.machine.now_s()
        while not self.is_healthy():
            if self.machine.has_given_up():
                return "the agent does not start: journalctl -u mirage-edge says why"
            if waited_s >= limit_s:
                return f"in {self.config.health_minutes:g} minutes nothing of it reached the cloud"
            interrupted = self.machine.wait(_LOOK_S)
            now_s = self.machine.now_s()
            waited_s += now_s - before_s
            before_s = now_s
            if interrupted or waited_s - kept_s >= _KEEP_S:
                self.save(waited_s=waited_s)
                kept_s = waited_s
            if interrupted:
                return None
        return ""

    def is_healthy(self) -> bool:
        """Tell whether a process of this very version, which still lives, has something in the cloud."""
        health = wishes.read(Path(self.config.wishes, wishes.HEALTHY), Health)
        work = self.work()
        if health is None or not work.trial or health.trial != work.trial:
            return False
        if health.boot_id != self.machine.boot_id() or self.machine.started(health.pid) != health.started:
            return False
        if self.rack.kind == "agent":
            return health.release == work.id
        manifest = manifest_of(self.rack.tree(work.place))
        said = "" if manifest is None else manifest.bundle_sha256 or ""
        return health.bundle == work.id and health.bundle_sha256 == said[:16]
