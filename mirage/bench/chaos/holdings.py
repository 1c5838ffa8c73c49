"""What the cloud's store holds, read from beside: never through the code that is on trial."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.shedding import ranges_of
from mirage.bench.chaos.history import Claim, Range, Stored, StoredGap
from mirage.bench.chaos.packets import digest
from wire import gap
from wire.documents import AckWatermark
from wire.packet import Layer, Packet

_PATIENCE_S = 20.0
_ROWS = (
    "SELECT boots.boot_hex, packets.sequence, packets.gap, packets.body, cameras.name,"
    " CASE WHEN boots.birth IS NULL THEN NULL ELSE segments.start_ms END"
    " FROM packets JOIN boots ON boots.id = packets.boot_id JOIN cameras ON cameras.id = packets.camera_id"
    " LEFT JOIN segments ON segments.packet_id = packets.id"
)


class Holdings:
    """Answers whether what is acknowledged is stored; what it has once found it does not look for again."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._found: dict[str, set[int]] = {}

    def missing(self, boot: str, watermark: AckWatermark) -> tuple[Range, ...]:
        """Give what a watermark claims of a boot and the store does not hold at this moment."""
        holes = {each for first, last in watermark.holes for each in range(first, last + 1)}
        claimed = set(range(watermark.highest + 1)) - holes
        found = self._found.setdefault(boot, set())
        if claimed - found:
            found |= self._stored(boot)
        return tuple(ranges_of(sorted(claimed - found)))

    def _stored(self, boot: str) -> set[int]:
        stored = set[int]()
        with contextlib.suppress(sqlite3.OperationalError), reading(self._store) as database:
            query = (
                "SELECT packets.sequence, packets.gap, packets.body FROM packets"
                " JOIN boots ON boots.id = packets.boot_id WHERE boots.boot_hex = ?"
            )
            for sequence, is_gap, body in database.execute(query, (boot,)):
                first, last = _gap_range(body) if is_gap else (sequence, sequence)
                stored.update(range(first, last + 1))
        return stored


@contextmanager
def reading(store: Path) -> Iterator[sqlite3.Connection]:
    """Open a store without changing it."""
    database = sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)
    try:
        yield database
    finally:
        database.close()


def read_packets(database: sqlite3.Connection, device: str) -> tuple[list[Stored], list[StoredGap]]:
    """List packets and gap records of a device."""
    packets, gaps = list[Stored](), list[StoredGap]()
    query = f"{_ROWS} JOIN devices ON devices.id = boots.device_id WHERE devices.name = ?"
    for boot, sequence, is_gap, body, camera, start_ms in database.execute(query, (device,)):
        packet = Packet.parse(body)
        if is_gap:
            record = gap.decode(packet.layers[Layer.GAP])
            gaps.append(StoredGap(boot, record.first, record.last, record.reason))
        else:
            packets.append(Stored(boot, sequence, camera, packet.captured_ms, digest(body), start_ms))
    return packets, gaps


def read_claims(database: sqlite3.Connection, device: str) -> list[Claim]:
    """List what the store says that it holds of each boot of a device."""
    query = (
        "SELECT boots.boot_hex, highest, holes FROM boots JOIN devices ON devices.id = boots.device_id"
        " WHERE devices.name = ?"
    )
    return [
        Claim(boot, highest, tuple((first, last) for first, last in json.loads(holes)))
        for boot, highest, holes in database.execute(query, (device,))
    ]


def read_birthless(database: sqlite3.Connection, device: str) -> list[str]:
    """List the boots of a device whose birth is not known."""
    query = (
        "SELECT boots.boot_hex FROM boots JOIN devices ON devices.id = boots.device_id"
        " WHERE devices.name = ? AND boots.birth IS NULL"
    )
    return [boot for (boot,) in database.execute(query, (device,))]


def count_rows(database: sqlite3.Connection, table: str) -> int:
    """Count the rows of a table."""
    (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (constants)
    return int(count)


def _gap_range(body: bytes) -> Range:
    record = gap.decode(Packet.parse(body).layers[Layer.GAP])
    return record.first, record.last
