"""What is saved of a damaged spool, and what is known to be lost with it.

A row that is whole goes into the new file. Of a boot that is known, every sequence up to the highest that is
known and was not saved is reported as given up. Much of that had been acknowledged and had left the spool:
a receiver that has it keeps it, and notes the rest.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge.shedding import Range, absent, ranges_of
from edge.spool_file import checksum, create, insert_packet, readable, rows
from edge.spool_replacement import replacement_of, set_aside
from wire import documents
from wire.documents import DocumentError
from wire.gap import GapReason

_LIKELY_SPAN = 4  # an index whose sequences lie further apart than that for its size is not believed

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Current:
    """The boot that runs: its last sequence, -1 if none, and the camera that it was of."""

    boot_id: bytes
    last: int = -1
    camera: str | None = None


def start_over(path: Path, current: Current) -> Path:
    """Put a new spool in a damaged one's place; gives the name under which the old one is kept.

    Raises OSError, sqlite3.Error.
    """
    replacement = replacement_of(path)
    new = create(replacement)
    try:
        old = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            old.execute("PRAGMA writable_schema = 1")  # so that a file that was cut off is read at all
            _copy(old, new)
            for boot in _boots(new) | {current.boot_id}:
                _report(old, new, boot, current)
        finally:
            old.close()
        new.execute("COMMIT")
    finally:
        new.close()
    return set_aside(path, replacement)


def _copy(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    for boot, birth in rows(old, "boots", "id, birth"):
        new.execute("INSERT OR IGNORE INTO boots VALUES (?, ?, ?)", (boot, birth, _sum(boot, birth)))
    for position, boot, sequence, camera, body in rows(
        old, "packets", "position, boot, sequence, camera, body"
    ):
        if _is_new(new, boot, sequence):
            insert_packet(
                new, int(str(position)), _bytes(boot), int(str(sequence)), str(camera), _bytes(body), 0.0
            )
    columns = "position, boot, low, high, reason, camera, captured_ms"
    for row in rows(old, "gaps", columns):
        new.execute("INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, 0.0, ?)", (*row, _sum(*row[1:])))


def _is_new(new: sqlite3.Connection, boot: object, sequence: object) -> bool:
    same = "SELECT 1 FROM packets WHERE boot = ? AND sequence = ?"
    return new.execute(same, (boot, sequence)).fetchone() is None


def _boots(new: sqlite3.Connection) -> set[bytes]:
    known = "SELECT id FROM boots UNION SELECT boot FROM packets UNION SELECT boot FROM gaps"
    return {boot for (boot,) in new.execute(known)}


def _report(old: sqlite3.Connection, new: sqlite3.Connection, boot: bytes, current: Current) -> None:
    """Note as gaps what of a boot is lost."""
    sequences = new.execute("SELECT sequence FROM packets WHERE boot = ? ORDER BY sequence", (boot,))
    noted = new.execute("SELECT low, high FROM gaps WHERE boot = ?", (boot,)).fetchall()
    present = sorted(ranges_of(sequence for (sequence,) in sequences) + noted)
    highest, camera = current.last, current.camera
    if boot != current.boot_id:
        highest = max([high for _, high in present] + _indexed(old, boot), default=-1)
        camera = _camera_of(new, boot)
    lost = absent(0, highest, present)
    if not lost:
        return
    if camera is None:
        log.error("spool: what a boot lost has no camera to be reported under", boot=boot.hex())
        return
    log.error("spool: packets are lost", boot=boot.hex(), ranges=lost[:9], camera=camera)
    _note(new, boot, camera, lost)


def _note(new: sqlite3.Connection, boot: bytes, camera: str, lost: list[Range]) -> None:
    highest = (
        "SELECT max(coalesce((SELECT max(position) FROM packets), 0), coalesce(max(position), 0)) FROM gaps"
    )
    (position,) = new.execute(highest).fetchone()
    for low, high in lost:
        position += 1
        content = (boot, low, high, int(GapReason.DAMAGED), camera, 0)
        row = (position, *content, 0.0, checksum(*content))
        new.execute("INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _indexed(old: sqlite3.Connection, boot: bytes) -> list[int]:
    """Give the sequences of a boot that the index still knows, if they look likely."""
    found = set[object]()
    for order in ("ASC", "DESC"):
        query = f"SELECT sequence FROM packets WHERE boot = ? ORDER BY sequence {order}"  # noqa: S608 (constant)
        found.update(sequence for (sequence,) in readable(old, query, boot))
    known = sorted(sequence for sequence in found if isinstance(sequence, int) and sequence >= 0)
    return known if known and known[-1] - known[0] < _LIKELY_SPAN * len(known) else []


def _camera_of(new: sqlite3.Connection, boot: bytes) -> str | None:
    for table in ("packets", "gaps"):
        found = new.execute(f"SELECT camera FROM {table} WHERE boot = ? LIMIT 1", (boot,)).fetchone()  # noqa: S608 (constants)
        if found is not None:
            return str(found[0])
    birth = new.execute("SELECT birth FROM boots WHERE id = ?", (boot,)).fetchone()
    try:
        cameras = () if birth is None else documents.decode_birth(birth[0]).cameras
    except DocumentError:
        cameras = ()
    return cameras[0].name if cameras else None


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _sum(*fields: object) -> int:
    return checksum(*(field for field in fields if isinstance(field, bytes | int | str)))
