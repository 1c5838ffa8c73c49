"""The ledger: each byte that was sent, once, by camera, layer and kind (wire/spent.py), and its file.

    books --add--> Ledger --minute-->  telemetry, a minute each
                     |  '---totals-->  statements, /metrics
                     '--> FILE (JSON, replaced whole) before a minute is told

Totals go on over restarts, so whoever adds up minutes sees by them what was lost on the way. The file is not
forced onto the disk: a crash of the machine forgets up to a minute, as if it had not been sent.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

import msgspec
import structlog
from msgspec import Struct

from wire.spent import CAMERA_SLOTS, KINDS, OWN_SLOTS, Spent

Key = tuple[str | None, str, str]  # camera (None: the device itself), layer, kind
Fitting = Callable[[dict[Key, int]], dict[Key, int]]  # picks what is told

log = structlog.get_logger()


class _Entry(Struct, frozen=True, array_like=True):
    camera: str | None
    layer: str
    kind: str
    bytes: int


class Ledger:
    """May be called by any thread. A file that cannot be read counts as none: the ledger begins anew."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = Lock()
        self._totals = {} if path is None else _read(path)
        self._told = dict(self._totals)
        self._begun = dict(self._totals)

    def add(self, camera: str | None, layer: str, kind: str, size: int) -> None:
        """Count bytes that were sent."""
        if size:
            with self._lock:
                key = (camera, layer, kind)
                self._totals[key] = self._totals.get(key, 0) + size

    def totals(self) -> dict[Key, int]:
        """Give what was sent since the ledger began."""
        with self._lock:
            return dict(self._totals)

    def run_totals(self) -> dict[str, int]:
        """Give what was sent since this process began, by kind."""
        with self._lock:
            more = _less(self._totals, self._begun)
        found = dict.fromkeys(KINDS, 0)
        for (_, _, kind), size in more.items():
            found[kind] += size
        return found

    def minute(self, is_ripe: Callable[[str], bool], fitting: Fitting = dict) -> dict[Key, int]:
        """Give what was sent and not given yet, but for cameras that are not ripe; it is kept by then.

        Of that, only what is `fitting` is given: the rest stays for the next minute.
        """
        with self._lock:
            found = fitting(
                {
                    key: size
                    for key, size in _less(self._totals, self._told).items()
                    if key[0] is None or is_ripe(key[0])
                }
            )
            self._told |= {key: self._totals[key] for key in found}
        self.close()
        return found

    def told(self) -> dict[Key, int]:
        """Give what the minutes add up to, those before this process included."""
        with self._lock:
            return dict(self._told)

    def close(self) -> None:
        """Write the totals down."""
        if self._path is None:
            return
        beside = self._path.with_name(self._path.name + ".new")
        with self._lock:
            entries = [_Entry(*key, size) for key, size in self._totals.items()]
        try:
            beside.write_bytes(msgspec.json.encode(entries))
            beside.replace(self._path)
        except OSError as error:
            log.warning("ledger is not kept", path=str(self._path), reason=error.strerror or str(error))


def spent(sizes: Mapping[Key, int], place: Callable[[str], int | None]) -> tuple[Spent, ...]:
    """Write sizes as telemetry does; cameras without a place are left out."""
    rows: dict[int | None, dict[tuple[str, str], int]] = {}
    for (camera, layer, kind), size in sizes.items():
        number = None if camera is None else place(camera)
        if camera is None or number is not None:
            row = rows.setdefault(number, {})
            row[layer, kind] = row.get((layer, kind), 0) + size
    order = sorted(rows, key=lambda number: -1 if number is None else number)
    return tuple(Spent(number, _slots(number, rows[number])) for number in order)


def _slots(number: int | None, row: Mapping[tuple[str, str], int]) -> tuple[int, ...]:
    return tuple(row.get(slot, 0) for slot in (OWN_SLOTS if number is None else CAMERA_SLOTS))


def _less(totals: Mapping[Key, int], before: Mapping[Key, int]) -> dict[Key, int]:
    more = {key: size - before.get(key, 0) for key, size in totals.items()}
    return {key: size for key, size in more.items() if size}


def _read(path: Path) -> dict[Key, int]:
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("ledger cannot be read, begins anew", path=str(path), reason=str(error))
        return {}
    return {
        (each.camera, each.layer, each.kind): each.bytes
        for each in entries
        if each.bytes > 0 and (each.layer, each.kind) in (OWN_SLOTS if each.camera is None else CAMERA_SLOTS)
    }
