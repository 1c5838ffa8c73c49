"""`mirage cloud broker-sync`: the broker's lists, kept as the register is.

register --look--> access list, list of revocations --written whole--> SIGHUP
"""

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from cloud.authority import Authority
from cloud.clock import wall_ms
from cloud.config import Config, load
from cloud.config_enrolment import EnrolmentSettings
from cloud.identity.broker_lists import Lists, crl_of, is_current, lists_of
from cloud.identity.office import listed_serials, read_authority, settings_of
from cloud.metrics.exposition import exposed, port_of
from cloud.metrics.revocations import RevocationsCollector
from cloud.store import Store, StoreError
from mirage.enrolment import Roles
from mirage.errors import InputError, OutputError
from mirage.output import print_line, read_input, write_whole

Reload = Callable[[], None]
_COMMAND_S = 60

log = structlog.get_logger()


class ReloadError(RuntimeError):
    """The broker could not be told; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the lists go, and who is in them beside the devices."""

    acl: Path
    crl: Path
    roles: Roles


class Sync:
    """Writes what has changed, and has the broker read it: at the first look in any case."""

    def __init__(self, config: Config, store: Store, wanted: Wanted, reload: Reload) -> None:
        """Read the authority's files. Raises ConfigError."""
        self._settings: EnrolmentSettings = settings_of(config)
        self._authority: Authority = read_authority(self._settings, os.environ.get("CREDENTIALS_DIRECTORY"))
        self._store = store
        self._wanted = wanted
        self._reload = reload
        self._owed = True  # written and not read by the broker, as far as we know

    def look(self, now_ms: int) -> bool:
        """Tell whether anything had changed. Raises StoreError, OutputError, ReloadError, ConfigError."""
        with self._store.read() as session:
            more = listed_serials(self._settings, self._authority)
            lists = lists_of(session, self._wanted.roles.grants, more, now_ms)
        changed = self._write_revoked(lists, now_ms)
        if _content(self._wanted.acl) != lists.acl:
            write_whole(self._wanted.acl, lists.acl)
            changed = True
        self._owed = self._owed or changed
        if self._owed:
            self._reload()
            self._owed = False
        return changed

    def _write_revoked(self, lists: Lists, now_ms: int) -> bool:
        before = _content(self._wanted.crl)
        if is_current(before, self._authority, lists.revoked, now_ms):
            return False
        self._owed = True
        made = crl_of(self._authority, lists.revoked, now_ms, self._settings.crl_days, before)
        write_whole(self._wanted.crl, made)
        log.info("revocations written", count=len(lists.revoked), path=str(self._wanted.crl))
        return True


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the register is looked into, and at which port Prometheus reads how old the lists are.

    Without `every_s` it is looked into once; without `metrics_port` the settings say.
    """

    every_s: float | None
    metrics_port: int | None = None


def keep(config: Path, wanted: Wanted, reload: Reload, pace: Pace, stop: threading.Event) -> None:
    """Look every so often until `stop`. What fails after the first look is tried again."""
    settings = load(config)
    with ExitStack() as stack:
        store = Store(settings.store.url)
        stack.callback(store.close)
        sync = Sync(settings, store, wanted, reload)
        sync.look(wall_ms())  # what cannot work is said now
        port = pace.metrics_port or port_of(settings.metrics, frozenset({"broker-sync"}))
        if pace.every_s is not None and port is not None:
            registry = CollectorRegistry()
            registry.register(RevocationsCollector(wanted.crl))
            stack.enter_context(exposed(settings.metrics.host, port, registry))
        while pace.every_s is not None and not stop.wait(pace.every_s):
            _try(sync)


def _try(sync: Sync) -> None:
    try:
        sync.look(wall_ms())
    except (StoreError, OutputError, ReloadError, ValueError) as error:
        log.warning("the broker's lists are not as they should be", reason=str(error))


def write_crl(config: Path, output: Path) -> None:
    """Write the list of revocations once."""
    settings = load(config)
    enrolment = settings_of(settings)
    authority = read_authority(enrolment, os.environ.get("CREDENTIALS_DIRECTORY"))
    store, now_ms = Store(settings.store.url), wall_ms()
    try:
        with store.read() as session:
            lists = lists_of(session, (), listed_serials(enrolment, authority), now_ms)
    finally:
        store.close()
    write_whole(output, crl_of(authority, lists.revoked, now_ms, enrolment.crl_days, _content(output)))
    days = f"{enrolment.crl_days:g}"
    print_line(f"{output}: {len(lists.revoked)} revoked, good for {days} days; the broker reads it at SIGHUP")


def reloader(pid_file: Path | None, command: str | None) -> Reload:
    """Say how the broker is told. Raises InputError unless it is said in exactly one way."""
    if (pid_file is None) == (command is None):
        raise InputError("give either --reload-pid or --reload-command: the broker must be told")
    if pid_file is not None:
        return lambda: _hang_up(pid_file)
    words = shlex.split(command or "")
    if not words:
        raise InputError("--reload-command is empty")
    return lambda: _run(words)


def _hang_up(pid_file: Path) -> None:
    try:
        os.kill(_pid(pid_file), signal.SIGHUP)
    except (OSError, InputError) as error:
        raise ReloadError(f"{pid_file}: the broker gets no SIGHUP: {error}") from error


def _pid(pid_file: Path) -> int:
    text = read_input(pid_file).strip()
    if not text.isdigit() or int(text) < 2:
        raise ReloadError(f"{pid_file}: {text[:20]!r} is no process number")
    return int(text)


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_COMMAND_S)  # noqa: S603 -- the operator's own command
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReloadError(f"{words[0]}: {error}") from error
    if done.returncode:
        raise ReloadError(f"{words[0]}: exit {done.returncode}: {done.stderr.strip()[-200:]}")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error
