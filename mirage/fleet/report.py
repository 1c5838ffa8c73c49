"""What a simulation found out: one JSON object, or a table for people."""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from rich.table import Table

from mirage.bench.report import Machine
from mirage.fleet.checker import Verdict
from mirage.fleet.settings import Told
from mirage.output import as_json, print_line, print_tables

_PERCENT = (50, 95, 99)


class Spread(Struct, frozen=True):
    """How a time is spread, in seconds; all are 0 where nothing was measured."""

    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float

    @classmethod
    def of(cls, times_s: Sequence[float]) -> "Spread":
        """Sum up times."""
        if len(times_s) < 2:
            only = times_s[0] if times_s else 0.0
            return cls(len(times_s), only, only, only, only)
        cuts = statistics.quantiles(times_s, n=100, method="inclusive")
        half, most, nearly_all = (cuts[percent - 1] for percent in _PERCENT)
        return cls(len(times_s), half, most, nearly_all, max(times_s))


class Load(Struct, frozen=True):
    """What one process took, while devices filmed: processor time as a share of one core, peak memory."""

    cpu_share: float
    peak_rss_bytes: int


class PageLook(Struct, frozen=True):
    """What a visitor of the fleet page waited for, in a real browser, while devices filmed."""

    browser: str
    rows: int
    interactive_s: float
    sort_s: float
    filter_s: float


class Report(Struct, frozen=True):
    """The outcome. `mqtt_bytes` is what devices sent, by purpose; `layers` is a part of its live packets.

    `on_board_s` is how long it took from the start of the devices, with keys of their own and nothing in the
    store, until the cloud knew all of them to be there.
    """

    machine: Machine
    broker: str
    scenario: str
    seed: int
    devices: int
    seconds: float
    on_board_s: float
    packets: Verdict
    sent_again: int
    overruns: int
    overrun_bytes: float
    connections: int
    cuts: int
    mqtt_bytes: Mapping[str, int]
    layers: Mapping[str, int]
    ack: Spread
    load: Mapping[str, Load]
    data: Spread
    page: PageLook | None
    page_missing: str

    @property
    def ok(self) -> bool:
        return self.packets.ok and not self.overruns


def added(told: Sequence[Told]) -> tuple[Counter[str], Counter[str]]:
    """Add up bytes by purpose, and by layer."""
    sent, layers = Counter[str](), Counter[str]()
    for each in told:
        sent.update(each.sent)
        layers.update(each.layers)
    return sent, layers


def print_report(report: Report, *, as_object: bool) -> None:
    """Print for a program or for a person."""
    if as_object:
        print_line(as_json(report))
        return
    print_tables(*_tables(report))


def _tables(report: Report) -> Iterator[Table | str]:
    found = report.packets
    yield f"{report.devices} devices, {report.seconds:g} s, {report.scenario}, {report.broker}"
    yield f"on board after {report.on_board_s:.1f} s"
    table = Table("packets", "count", show_edge=False)
    for name in ("captured", "stored", "given_up", "waiting", "lost", "altered", "made_up"):
        table.add_row(name.replace("_", " "), f"{getattr(found, name):,}")
    table.add_row("sent again", f"{report.sent_again:,}")
    table.add_row("budgets overrun", f"{report.overruns:,}")
    yield table
    yield _bytes_table("bytes of MQTT, sent", report.mqtt_bytes)
    yield _bytes_table("bytes of packets, by layer", report.layers)
    yield _times_table(report)
    yield _load_table(report.load)
    yield from found.faults


def _bytes_table(title: str, sizes: Mapping[str, int]) -> Table:
    table = Table(title, "bytes", "share", show_edge=False)
    whole = max(sum(sizes.values()), 1)
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{size:,}", f"{size / whole:.1%}")
    return table


def _times_table(report: Report) -> Table:
    table = Table("seconds", "half", "95 %", "99 %", "most", show_edge=False)
    for name, spread in (("from publication to ack", report.ack), ("fleet data by HTTP", report.data)):
        times = (spread.p50_s, spread.p95_s, spread.p99_s, spread.max_s)
        table.add_row(name, *(f"{each:.3f}" for each in times))
    page = report.page
    if page is None:
        table.add_row(f"page: not measured: {report.page_missing}", "", "", "", "")
    else:
        for name, value in (
            (f"page with {page.rows} rows, until it answers", page.interactive_s),
            ("page, sorted", page.sort_s),
            ("page, filtered", page.filter_s),
        ):
            table.add_row(name, f"{value:.3f}", "", "", "")
    return table


def _load_table(load: Mapping[str, Load]) -> Table:
    table = Table("process", "of a core", "peak memory", show_edge=False)
    for name, each in load.items():
        table.add_row(name, f"{each.cpu_share:.1%}", f"{each.peak_rss_bytes / 1e6:.0f} MB")
    return table
