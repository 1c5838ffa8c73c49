"""What the tests of the spool share: packets as a camera makes them, and what a spool may never say."""

from collections.abc import Iterable
from pathlib import Path

from edge.spool import Spool
from wire import gap
from wire.packet import Layer, Packet

SCENE = 5  # packets from one refresh to the next


def body_of(sequence: int, *, detail_bytes: int = 60, scene: int = SCENE) -> bytes:
    """Make a packet that can be told from every other."""
    layers: dict[int, bytes] = {Layer.CAPTION: b"c%d" % sequence, Layer.APPEARANCE_TOKENS: bytes(20)}
    if detail_bytes:
        layers[Layer.APPEARANCE_DETAIL] = bytes((sequence % 256,)) * detail_bytes
    return bytes(Packet(sequence, sequence * 2000, 2000, layers, refresh=sequence % scene == 0))


def stripped(body: bytes) -> Packet:
    """Read a packet without its detail."""
    packet = Packet.parse(body)
    rest = {layer: data for layer, data in packet.layers.items() if layer != Layer.APPEARANCE_DETAIL}
    return Packet(packet.sequence, packet.captured_ms, packet.duration_ms, rest, refresh=packet.refresh)


def waiting(spool: Spool) -> tuple[dict[tuple[bytes, int], bytes], dict[tuple[bytes, int], int]]:
    """Give what waits by boot and sequence: bodies of packets, and reasons of what is given up.

    Fails where something is there twice, where positions do not ascend, or where the counts are wrong.
    """
    packets = dict[tuple[bytes, int], bytes]()
    lost = dict[tuple[bytes, int], int]()
    gaps, position = 0, 0
    for item in spool.pending(1_000_000):
        assert item.position > position
        position = item.position
        packet = Packet.parse(item.body)
        assert packet.sequence == item.sequence
        if Layer.GAP not in packet.layers:
            assert (item.boot_id, item.sequence) not in packets
            packets[item.boot_id, item.sequence] = item.body
            continue
        gaps += 1
        record = gap.decode(packet.layers[Layer.GAP])
        assert record.first == item.sequence
        for sequence in range(record.first, record.last + 1):
            assert (item.boot_id, sequence) not in lost
            lost[item.boot_id, sequence] = record.reason
    assert not packets.keys() & lost.keys()
    backlog = spool.backlog()
    assert (backlog.packets, backlog.gaps) == (len(packets), gaps)
    assert backlog.body_bytes == sum(map(len, packets.values()))
    return packets, lost


def fill(spool: Spool, sequences: Iterable[int], camera: str = "door") -> None:
    for sequence in sequences:
        spool.append(sequence, camera, body_of(sequence))


def damaged_names(path: Path) -> list[str]:
    names = (each.name for each in path.parent.glob(f"{path.name}.damaged-*"))
    return sorted(name for name in names if not name.endswith(("-wal", "-shm")))
