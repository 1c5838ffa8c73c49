"""What became of each captured packet: the devices' own word against the store.

captured by a device --> in the store, as it was | given up, by a gap record | still in its spool | lost
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct
from sqlalchemy import select

from cloud.schema import BootRow, PacketRow
from cloud.store import Store
from mirage.bench.chaos.checker import ranges_text
from mirage.bench.chaos.packets import digest
from mirage.fleet.settings import Told
from wire import gap
from wire.packet import Layer, Packet, PacketError

_SHOWN = 5  # examples of what is wrong


class Verdict(Struct, frozen=True):
    """Counts of packets. `faults` says where, for the first few that are lost, altered or made up."""

    captured: int
    stored: int
    given_up: int
    waiting: int
    lost: int
    altered: int
    made_up: int
    faults: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not (self.lost or self.altered or self.made_up or self.waiting)


def check(store: Store, told: Sequence[Told]) -> Verdict:
    """Compare. Raises StoreError."""
    counts, faults = Counter[str](), list[str]()
    for each in told:
        stored, given_up = _held(store, each.boot)
        counts += _judged(each, stored, given_up)
        faults += _faults(each, stored, given_up)
    return Verdict(
        captured=counts["captured"],
        stored=counts["stored"],
        given_up=counts["given_up"],
        waiting=counts["waiting"],
        lost=counts["lost"],
        altered=counts["altered"],
        made_up=counts["made_up"],
        faults=tuple(faults[:_SHOWN]),
    )


def _held(store: Store, boot: str) -> tuple[dict[int, str], set[int]]:
    """Give what the store has of a boot: digests by sequence, and sequences in gap records."""
    query = (
        select(PacketRow.sequence, PacketRow.body, PacketRow.gap)
        .join(BootRow, BootRow.id == PacketRow.boot_id)
        .where(BootRow.boot_hex == boot)
    )
    stored, given_up = dict[int, str](), set[int]()
    with store.read() as session:
        for sequence, body, is_gap in session.execute(query):
            if is_gap:
                given_up |= _range_of(body)
            else:
                stored[sequence] = digest(body)
    return stored, given_up


def _range_of(body: bytes) -> set[int]:
    try:
        lost = gap.decode(Packet.parse(body).layers[Layer.GAP])
    except (PacketError, KeyError):
        return set()
    return set(range(lost.first, lost.last + 1))


def _judged(told: Told, stored: dict[int, str], given_up: set[int]) -> Counter[str]:
    captured = set(range(len(told.digests)))
    absent = captured - stored.keys() - given_up
    lost = max(len(absent) - told.waiting, 0)  # what waits may be in the store too, unacknowledged
    return Counter(
        captured=len(captured),
        stored=len(captured & stored.keys()),
        given_up=len(captured & given_up),
        waiting=len(absent) - lost,
        lost=lost,
        altered=len(_altered(told, stored)),
        made_up=len(stored.keys() - captured),
    )


def _altered(told: Told, stored: dict[int, str]) -> list[int]:
    return [
        sequence
        for sequence, found in stored.items()
        if sequence < len(told.digests) and told.digests[sequence] != found
    ]


def _faults(told: Told, stored: dict[int, str], given_up: set[int]) -> Iterator[str]:
    captured = set(range(len(told.digests)))
    for what, sequences in (
        ("not stored", captured - stored.keys() - given_up),
        ("altered", _altered(told, stored)),
        ("made up", stored.keys() - captured),
    ):
        if sequences:
            yield f"{told.device}: {what}: {ranges_text(sequences)}"
