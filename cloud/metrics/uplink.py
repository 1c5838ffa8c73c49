"""`mirage_uplink_bytes_total`: what devices say they sent since ever, as the sums have it.

Without per_device, of each site: device and camera are "". With it, of each device and camera, of the first
`most_devices` by name; what the others sent is that of device "other" of their site, so that sums stay right.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.config_usage import Metrics
from cloud.schema import UsagePlaceRow, UsageRow
from cloud.usage import parts
from cloud.usage.periods import Grain
from cloud.usage.query import NANO
from cloud.usage.sums import DEVICE_DEPTH

SITE_DEPTH = 2
OTHERS = "other"

_PLACE = ["tenant", "site", "device"]
_VIDEO = {"h264": "H.264", "h265": "H.265", "raw": "uncompressed video"}

Labels = tuple[str, ...]


def uplink(session: Session, settings: Metrics) -> Iterator[Metric]:
    """Give what was sent, what of it was received, and what video would have taken."""
    sent: dict[Labels, int] = {}
    received: dict[Labels, int] = {}
    video: dict[Labels, int] = {}
    instead: dict[Labels, int] = {}
    by_link: dict[Labels, int] = {}
    costs: dict[Labels, int] = {}
    named = 0
    for path, row in _rows(session, DEVICE_DEPTH if settings.per_device else SITE_DEPTH):
        place = _labels(path)
        if settings.per_device:
            named += 1
            if named > settings.most_devices:
                place = (*place[:2], OTHERS)
        known = named <= settings.most_devices
        for camera, (layer, kind), size in parts.slots(parts.decode(row["parts"])):
            label = parts.LABELS.get(camera, camera) if settings.per_device and known else ""
            _add(sent, (*place, label, layer, kind), size)
        for sent_by in parts.links(parts.decode(row["parts"])):
            name = parts.LABELS.get(sent_by.name, sent_by.name)
            _add(by_link, (*place, name), sent_by.bytes)
            if sent_by.currency:
                _add(costs, (*place, name, sent_by.currency), sent_by.nano)
        _add(received, place, row["received"])
        for name in _VIDEO:
            _add(video, (*place, name), row[name])
            _add(instead, (*place, name), row[f"{name}_of"])
    yield _family(
        "mirage_uplink_bytes", "Bytes that devices sent, by layer of content and kind.",
        [*_PLACE, "camera", "layer", "kind"], sent,
    )  # fmt: skip
    yield _family(
        "mirage_link_bytes", "Bytes of that by link, as far as it is named.", [*_PLACE, "link"], by_link
    )
    yield _family(
        "mirage_link_cost", "What these bytes cost, in the currency of the link's price.",
        [*_PLACE, "link", "currency"], {labels: nano / NANO for labels, nano in costs.items()},
    )  # fmt: skip
    yield _family("mirage_received_bytes", "Bytes of packets that the cloud received.", _PLACE, received)
    yield _family(
        "mirage_video_bytes", "Bytes that video would have taken instead, by estimate.", [*_PLACE, "codec"],
        video,
    )  # fmt: skip
    yield _family(
        "mirage_video_compared_bytes", "Bytes that were sent while the estimate was known.",
        [*_PLACE, "codec"], instead,
    )  # fmt: skip


def _rows(session: Session, level: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    columns = [UsageRow.received, UsageRow.parts]
    columns += [getattr(UsageRow, f"{name}{of}") for name in _VIDEO for of in ("", "_of")]
    query = (
        select(UsagePlaceRow.path, *columns)
        .join(UsageRow, UsageRow.place_id == UsagePlaceRow.id)
        .where(UsagePlaceRow.depth == level, UsageRow.grain == Grain.EVER.value)
        .order_by(UsagePlaceRow.path)
    )
    for row in session.execute(query).mappings():
        yield row["path"], dict(row)


def _labels(path: str) -> Labels:
    tenant, site, device = [*path.split("/"), ""][:3]
    return tenant, site, device


def _add(sums: dict[Labels, int], labels: Labels, size: int) -> None:
    sums[labels] = sums.get(labels, 0) + int(size)


def _family(name: str, text: str, labels: list[str], sums: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, size in sums.items():
        family.add_metric(values, size)
    return family
