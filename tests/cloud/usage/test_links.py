"""Bytes by link: what devices say by which they sent, what that costs, and where it is shown."""

from collections.abc import Sequence

import pytest
from msgspec import structs
from prometheus_client import generate_latest

from cloud import telemetry
from cloud.config_usage import Metrics, UsageSettings
from cloud.fleet import Fleet
from cloud.store import Store
from cloud.usage import parts
from cloud.usage.parts import OfLink
from cloud.usage.periods import Grain
from cloud.usage.query import LinkTotal, Usage
from cloud.usage.rollup import SETTLED_MS, Rollup
from mirage.fleet.wording import table_of
from tests.cloud.metrics.test_metrics import registry_of
from tests.cloud.sealed import SealedDesk, SealedDevice
from tests.cloud.usage.reporting import BOOT_MS, HOUR_MS, Reporter, camera, own, statement, sums
from wire import documents, signature
from wire.bundle import Bundle
from wire.documents import LinkInfo
from wire.spent import Spent
from wire.telemetry import Telemetry

EUR = UsageSettings(price_per_mb=0.1)
LINKS = (LinkInfo("ethernet"), LinkInfo("lte", "0.40 EUR"), LinkInfo("satellite", "5 USD"))
DEVICE = "acme/north/jetson-1"


class LinkedDevice(SealedDevice):
    """A device whose birth names links."""

    def birth(self, boot_wall_ms: int = BOOT_MS) -> bytes:
        birth = structs.replace(documents.decode_birth(self.unsigned(boot_wall_ms)), links=LINKS)
        return signature.sign(documents.encode(birth), self.key, self.topics.birth)


@pytest.fixture
def edge(store: Store, bundle: Bundle) -> Reporter:
    made = Reporter(SealedDesk(store, bundle), LinkedDevice(bundle))
    made.begin()
    return made


def by(link: int | None, uptime_s: int, *spent: Spent) -> Telemetry:
    return Telemetry(uptime_s, spent=spent, link=link)


def counted(edge: Reporter, settings: UsageSettings, *records: Telemetry) -> Usage:
    edge.say(*records)
    at_ms = BOOT_MS + HOUR_MS + SETTLED_MS
    Rollup(edge.desk.store, lambda: at_ms, settings.currency).work()
    return Usage(edge.desk.store, settings)


def links_of(usage: Usage, place: str = DEVICE) -> Sequence[LinkTotal]:
    return usage.totals(place, BOOT_MS, BOOT_MS + HOUR_MS).links


def test_bytes_and_costs_are_told_by_link_for_a_device_and_all_above_it(edge: Reporter) -> None:
    usage = counted(
        edge, EUR, by(0, 60, own(1000)), by(1, 120, own(500), camera(0, 1500)), by(2, 180, own(100)),
        by(None, 240, own(10)),
    )  # fmt: skip
    expected = (
        LinkTotal("ethernet", 1000, None, None), LinkTotal("lte", 2000, 0.0008, "EUR"),
        LinkTotal("satellite", 100, 0.0005, "USD"),
    )  # fmt: skip
    for place in (DEVICE, "acme/north", "acme", ""):
        assert links_of(usage, place) == expected, place
    totals = usage.totals(DEVICE, BOOT_MS, BOOT_MS + HOUR_MS)
    assert totals.bytes == 3110
    assert totals.cameras == {"gate": 1500}
    assert totals.cost == pytest.approx(0.0008 + 1010 * 0.1e-6)  # the others at [usage] price_per_mb


def test_without_a_price_of_the_cloud_only_links_that_have_one_cost(edge: Reporter) -> None:
    usage = counted(edge, UsageSettings(), by(0, 60, own(1000)), by(1, 120, own(500)))
    assert usage.totals(DEVICE, BOOT_MS, BOOT_MS + HOUR_MS).cost == 0.0002
    (top,) = usage.top("", BOOT_MS, BOOT_MS + HOUR_MS, 5)
    assert (top.bytes, top.cost) == (1500, 0.0002)


def test_what_a_statement_adds_is_of_no_link(edge: Reporter) -> None:
    edge.say(by(1, 60, own(1000)))
    edge.say(statement(61, own(1000)))
    usage = counted(edge, EUR, statement(3000, own(1600)))
    found = sums(edge.desk.store, DEVICE, Grain.EVER)[0]
    assert parts.total(found) == 1600
    assert list(parts.links(found)) == [OfLink("lte", "EUR", 1000, 400_000)]
    assert usage.totals(DEVICE, BOOT_MS, BOOT_MS + 3 * HOUR_MS).bytes == 1600


def test_a_link_that_the_birth_does_not_have_is_none(edge: Reporter) -> None:
    assert links_of(counted(edge, EUR, by(9, 60, own(1000)))) == ()


def test_names_beyond_so_many_are_counted_as_one() -> None:
    many = {f"@link-{number:03}": [1] for number in range(parts.MOST_LINKS + 5)}
    bounded = parts.bounded({"": [7], **many})
    assert len(bounded) == 1 + parts.MOST_LINKS + 1
    assert bounded["@~"] == [5]
    assert parts.total(bounded) == 7


def test_the_active_link_of_a_device_is_shown_with_its_cost(edge: Reporter) -> None:
    counted(edge, UsageSettings(), by(0, 60, own(10_000)), by(1, 120, own(500_000)))
    (view,) = telemetry.devices(edge.desk.store)
    assert view.telemetry is not None
    assert view.telemetry.link == "lte"
    (device,) = Fleet(edge.desk.store, UsageSettings(), lambda: BOOT_MS + HOUR_MS).look()
    assert (device.link, device.cost) == ("lte", 0.2)
    columns = {str(column.header): list(column.cells) for column in table_of([device], BOOT_MS).columns}
    assert (columns["link"], columns["cost"]) == (["lte"], ["0.20"])
    edge.say(by(None, 180, own(1)))
    (view,) = telemetry.devices(edge.desk.store)
    assert view.telemetry is not None
    assert view.telemetry.link == ""


def test_prometheus_reads_bytes_and_costs_by_link(edge: Reporter) -> None:
    counted(edge, UsageSettings(), by(1, 60, own(1_000_000)))
    registry = registry_of(edge.desk.store, Metrics(per_device=True))
    text = generate_latest(registry).decode()
    place = 'device="jetson-1",link="lte",site="north",tenant="acme"'
    assert f"mirage_link_bytes_total{{{place}}} 1e+06" in text
    assert 'mirage_link_cost_total{currency="EUR",' + place + "} 0.4" in text
