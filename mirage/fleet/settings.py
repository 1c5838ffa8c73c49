"""What a process of simulated devices is told, and what it tells in the end; both as JSON files."""

from enum import Enum

from msgspec import Struct

from edge.allowance import MONTH_S, Limits
from mirage.fleet.footage import Clips
from mirage.fleet.scenario import Name
from wire.topics import DeviceTopics

BEGIN = "begin"
TENANT, CAMERA = "fleet", "cam"
PROCESS_DEVICES = (
    250  # paho waits with select(), which takes descriptors up to 1023, and holds three a client
)
PLANS = (
    Limits(),
    Limits(bytes_per_s=60.0, burst_bytes=4096),
    Limits(bytes_per_s=30.0, burst_bytes=4096),
    Limits(bytes_per_month=100_000_000),
    Limits(bytes_per_month=30_000_000),
)  # what devices may send, in turn


class Mistake(str, Enum):
    """What the devices can do wrong on purpose, so that tests see it found."""

    LOSES = "loses"  # a packet is captured, and never comes into the spool
    OVERSPENDS = "overspends"  # packets are bloated, and the budget is not asked


class Spec(Struct, frozen=True):
    """One device: where it belongs, and which of PLANS it has. `phase` is that of its site, 0 to 1."""

    site: str
    name: str
    plan: int
    phase: float

    @property
    def topics(self) -> DeviceTopics:
        return DeviceTopics(TENANT, self.site, self.name)

    @property
    def limits(self) -> Limits:
        return PLANS[self.plan]

    @property
    def bytes_per_month(self) -> int | None:
        """What the limits come to in a month; None without any."""
        limits = self.limits
        if limits.bytes_per_month is None and limits.bytes_per_s is not None:
            return round(limits.bytes_per_s * MONTH_S)
        return limits.bytes_per_month


class Settings(Struct, frozen=True):
    """Where everything is, and how long devices film once the file BEGIN is in `folder`.

    Until then they only connect, within `ramp_s`; the file holds when filming begins, in Unix time.
    """

    port: int
    folder: str
    bundle: str
    films: tuple[str, ...]
    specs: tuple[Spec, ...]
    seed: int
    scenario: Name
    film_s: float
    ramp_s: float
    drain_s: float
    has_tls: bool
    footage: Clips = ()
    mistakes: tuple[Mistake, ...] = ()


class Told(Struct, frozen=True):
    """What one device did. `digests` are those of its packets by sequence.

    `sent` are bytes of MQTT by purpose, `layers` those of packets by layer. `overrun_bytes` is by how much
    any stretch of time exceeds the budget; `ack_s` is how long each packet, once published, waited for the
    cloud's ack.
    """

    device: str
    boot: str
    digests: tuple[str, ...]
    waiting: int
    dropped: int
    sent: dict[str, int]
    layers: dict[str, int]
    sent_again: int
    overrun_bytes: float
    connections: int
    cuts: int
    ack_s: tuple[float, ...]


def sites_of(count: int) -> int:
    """Say how many sites so many devices are at: about fifty each."""
    return max(1, -(-count // 50))


def specs_of(count: int) -> tuple[Spec, ...]:
    """Name so many devices, spread over sites and plans."""
    sites = sites_of(count)
    return tuple(
        Spec(
            site=f"site-{number % sites:02}",
            name=f"cam-{number:04}",
            plan=(number // sites) % len(PLANS),
            phase=number % sites / sites,
        )
        for number in range(count)
    )
