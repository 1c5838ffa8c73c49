"""What a device says of itself: in order, once, within its budget, and so that nothing is lost in the end."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.allowance import Limits, Purpose
from edge.books import Books
from edge.budget import Budget
from edge.commands import Commands
from edge.ledger import Key, Ledger, spent
from edge.message import Message
from edge.session import PlainSession
from edge.spool import Spool
from edge.telling import CAMERA_BYTES, RECORD_BYTES, SEAL_BYTES, Said, Teller, fitted, packed, statements
from edge.watch import Figures, InForce, Watch
from wire import telemetry
from wire.envelope import PlainEnvelope
from wire.spent import CAMERA_SLOTS, OTHERS, OWN_SLOTS, Codec, Sample, Spent
from wire.telemetry import Telemetry, policy_id

TOPIC = "mirage/v1/acme/plant/edge-1/telemetry"
PLACES = {"door": 0}
POLICY = {"planes": 8, "bytes_per_s": 62.5}
IN_FORCE = InForce(POLICY, Limits(62.5), 900, 1, (Sample(0, Codec.H264, 3, 12_000, 90_000, 800, 23, 3),))


class Wire:
    """A connection that loses what is said at QoS 0 while `losing`, and knows what has arrived."""

    def __init__(self) -> None:
        self.published = self.confirmed = 0
        self.losing = False
        self.arrived: list[Telemetry] = []
        self.sizes: list[int] = []

    def publish(self, message: Message) -> int:
        self.sizes.append(len(message.payload))
        if not self.losing:
            self.arrived += telemetry.parse(PlainEnvelope().unwrap(message.payload, message.topic))
        return self.size_of(message)

    def size_of(self, message: Message) -> int:
        return len(message.payload) + 9

    def takes(self, message: Message) -> bool:
        return len(message.payload) < 4000

    def packet(self) -> None:
        """Let a packet go, and its receipt come."""
        self.published += 1
        self.confirmed += not self.losing


class Purse(Budget):
    """A budget that has room while it is `open`."""

    def __init__(self) -> None:
        super().__init__(Limits())
        self.open = True

    def admits(self, purpose: Purpose, size: int, now_s: float) -> bool:
        return self.open and super().admits(purpose, size, now_s)


class Device:
    """A teller that lives by the minute."""

    def __init__(self, spool: Spool, figures: Figures | None = None) -> None:
        self.ledger = Ledger()
        self.budget = Purse()
        self.books = Books(self.budget, self.ledger)
        watch = Watch(spool, lambda: 0, lambda: False, figures)
        self.wire = Wire()
        said = Said(Commands({}), watch, self.books)
        self.teller = Teller(TOPIC, PlainSession(), said, lambda camera: PLACES.get(camera, OTHERS))
        self.now_s = 0.0
        self.teller.connect(0.0)

    def live(self, minutes: int = 1, size: int = 100, *, up: bool = True) -> None:
        for _ in range(minutes):
            self.ledger.add("door", "caption", "payload", size)
            self.teller.look(self.now_s)
            if up:
                self.teller.tell(self.wire, self.now_s)
                self.wire.packet()
            self.now_s += 60.0

    def reconnect(self) -> None:
        before, self.wire = self.wire, Wire()
        self.wire.arrived = before.arrived
        self.teller.connect(self.now_s)

    @property
    def minutes(self) -> list[Telemetry]:
        """Give the minutes that arrived, each once."""
        found = list[Telemetry]()
        for each in self.wire.arrived:
            if each.span_s and (not found or each.uptime_s > found[-1].uptime_s):
                found.append(each)
        return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool.db")
    yield spool
    spool.close()


def captions(minute: Telemetry) -> int:
    return sum(size for each in minute.spent for layer, _, size in each.items() if layer == "caption")


def added_up(arrived: list[Telemetry]) -> dict[tuple[int | None, str, str], int]:
    """Add up as a receiver does: minutes once, and what statements say is missing."""
    known: dict[tuple[int | None, str, str], int] = {}
    last_s = -1
    for record in arrived:
        rows = {
            (each.camera, layer, kind): size for each in record.spent for layer, kind, size in each.items()
        }
        if record.is_statement:
            known |= {slot: max(size, known.get(slot, 0)) for slot, size in rows.items()}
        elif record.span_s and record.uptime_s > last_s:
            last_s = record.uptime_s
            for slot, size in rows.items():
                known[slot] = known.get(slot, 0) + size
    return known


def test_each_minute_is_told_with_its_bytes(spool: Spool) -> None:
    device = Device(spool)
    for size in (5, 0, 7):
        device.live(size=size)
    assert [(each.uptime_s, each.span_s, captions(each)) for each in device.minutes] == [
        (0, 1, 5), (60, 60, 0), (120, 60, 7),
    ]  # fmt: skip
    telemetry_bytes = sum(size for _, kind, size in device.minutes[1].spent[0].items() if kind == "payload")
    assert telemetry_bytes == device.wire.sizes[0] + device.wire.sizes[1]  # the first minute, a statement


def test_minutes_of_an_outage_are_told_afterwards_as_they_were(spool: Spool) -> None:
    device = Device(spool)
    device.live(2)
    device.live(30, size=3, up=False)
    device.reconnect()
    device.live(size=50)
    told = device.minutes
    assert [each.uptime_s for each in told] == [60 * minute for minute in range(33)]
    assert [captions(each) for each in told] == [100] * 2 + [3] * 30 + [50]


def test_what_is_lost_with_a_connection_is_told_again(spool: Spool) -> None:
    device = Device(spool)
    device.live(3)
    device.wire.losing = True  # half open: nobody knows yet
    device.live(2, size=9)
    device.reconnect()
    device.live()
    assert [each.uptime_s for each in device.minutes] == [60 * minute for minute in range(6)]
    assert [captions(each) for each in device.minutes] == [100, 100, 100, 9, 9, 100]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["up", "lost", "cloud away", "down", "reconnect"]), st.integers(0, 9000)),
        max_size=60,
    )
)
def test_whatever_is_lost_the_total_is_exact_in_the_end(steps: list[tuple[str, int]]) -> None:
    spool = Spool(Path(":memory:"))
    device = Device(spool)
    for what, size in steps:
        if what == "reconnect":
            device.reconnect()
            continue
        device.wire.losing = what == "lost"
        arrived = list(device.wire.arrived)
        device.live(size=size, up=what != "down")
        if what == "cloud away":  # the broker acknowledges, and nobody listens
            device.wire.arrived = arrived
    device.reconnect()
    device.live(70)
    known = added_up(device.wire.arrived)
    told = {
        (None if camera is None else 0, layer, kind): size
        for (camera, layer, kind), size in device.ledger.told().items()
    }
    assert known[0, "caption", "payload"] == told[0, "caption", "payload"]
    own = [slot for slot in told if slot[0] is None]
    assert {slot: known[slot] for slot in own} == {slot: told[slot] for slot in own}
    spool.close()


def test_a_statement_comes_at_once_by_the_hour_and_after_a_connection_has_lasted(spool: Spool) -> None:
    device = Device(spool)

    def stated() -> list[int]:
        return sorted({each.uptime_s // 60 for each in device.wire.arrived if each.is_statement})

    device.live(70)
    assert stated() == [0, 10]
    device.live(1)
    assert stated() == [0, 10, 70]
    device.reconnect()
    device.live(12)
    assert stated() == [0, 10, 70, 81]


def test_what_a_budget_has_no_room_for_is_told_later(spool: Spool) -> None:
    device = Device(spool)
    device.budget.open = False
    device.live(3, size=8)
    assert device.wire.sizes == []
    device.budget.open = True
    device.live(size=9)
    assert [captions(each) for each in device.minutes] == [8, 8, 8, 9]
    assert len(device.wire.sizes) < 6  # the four minutes went together


def test_what_is_in_force_is_said_at_once_by_the_hour_and_when_it_changes(spool: Spool) -> None:
    now = [IN_FORCE]
    device = Device(spool, figures=Figures(in_force=lambda: now[0]))

    def remarks() -> list[Telemetry]:
        return [each for each in device.wire.arrived if not each.span_s and not each.is_statement]

    device.live(60)
    policy, sample = remarks()
    assert (policy.policy, policy.bits_per_s, policy.month_bytes) == (policy_id(POLICY), 500, 900)
    assert sample.samples == IN_FORCE.samples
    now[0] = InForce({**POLICY, "planes": 6}, Limits(), 950, 1)
    device.live()
    assert [each.policy for each in remarks()[2:]] == [policy_id({**POLICY, "planes": 6})]
    device.live(60)
    assert len(remarks()) == 4


def test_first_samples_do_not_wait_for_the_hour_nor_is_each_told_at_once(spool: Spool) -> None:
    now = [replace(IN_FORCE, samples=())]
    device = Device(spool, figures=Figures(in_force=lambda: now[0]))

    def told() -> list[int]:
        return [sample.windows for each in device.wire.arrived for sample in each.samples]

    device.live(2)
    assert told() == []
    for windows in range(1, 9):
        now[0] = replace(IN_FORCE, samples=(replace(IN_FORCE.samples[0], windows=windows),))
        device.live()
    assert told() == [1, 2, 4, 8]


def test_a_totals_of_a_month_go_in_pieces_of_60_bytes() -> None:
    own = Spent(None, (3_000_000, 9_000_000, 400_000_000, 60_000, 8_000, 90))
    camera = Spent(0, tuple(90_000_000 + at for at in range(12)))
    pieces = list(statements(2_678_400, (own, camera, Spent(OTHERS, (5,) * 12))))
    assert all(len(bytes(piece)) + SEAL_BYTES <= 60 for piece in pieces)
    assert all(piece.is_statement and not piece.span_s for piece in pieces)
    for row in (own, camera):
        told = [each.bytes for piece in pieces for each in piece.spent if each.camera == row.camera]
        assert tuple(map(sum, zip(*told, strict=True))) == row.bytes
    assert OTHERS not in {each.camera for piece in pieces for each in piece.spent}


BUSY = Telemetry(
    2_678_000, 400, 640_000, 7_000, encode_ms=180, encode_most_ms=900, temperature_c=91, power_dw=112
)


def slots_of(camera: str | None, slots: tuple[tuple[str, str], ...], sizes: list[int]) -> dict[Key, int]:
    return {(camera, *slot): size for slot, size in zip(slots, sizes, strict=False) if size}


def test_a_minute_that_is_too_large_leaves_out_figures_that_can_wait() -> None:
    camera = Spent(0, (900, 480, 420, 4_200, 3_000, 360, 6_500, 0, 0, 0, 0, 0))
    minute = replace(BUSY, spent=(Spent(None, (60, 260, 0, 0, 0, 0)), camera))
    assert len(bytes(minute)) > RECORD_BYTES
    kept = fitted(minute)
    assert kept.spent == minute.spent
    assert (kept.power_dw, kept.temperature_c, kept.encode_most_ms) == (None, 91, 900)
    assert len(bytes(kept)) <= RECORD_BYTES


def test_sizes_that_have_no_room_wait_the_smallest_first() -> None:
    sizes = slots_of("door", CAMERA_SLOTS, [900, 480, 420, 4_200, 3_000, 360, 6_500, 200])
    sizes |= slots_of(None, OWN_SLOTS, [600, 260, 9_000, 500, 40, 80])
    minute, told = packed(BUSY, sizes, PLACES.get)
    assert len(bytes(minute)) <= RECORD_BYTES
    waiting = {key: size for key, size in sizes.items() if key not in told}
    assert waiting
    assert max(waiting.values()) <= min(told.values())
    assert minute.spent == spent(told, PLACES.get)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 64),
    st.lists(st.integers(0, 2**34), min_size=6, max_size=6),
    st.lists(st.lists(st.integers(0, 2**34), min_size=12, max_size=12), max_size=64),
    st.tuples(*[st.integers(0, 2**31)] * 6),
)
def test_a_minute_never_takes_more_than_it_may(
    alarms: int, own: list[int], cameras: list[list[int]], figures: tuple[int, ...]
) -> None:
    waiting, shed, *rest = figures
    minute = replace(
        BUSY, spool_packets=waiting, spool_bytes=rest[0], spool_age_s=rest[1], dropped=rest[2],
        shed_details=shed, span_s=rest[3] % 7200 + 1, alarms=frozenset({alarms % 5}),
    )  # fmt: skip
    sizes = slots_of(None, OWN_SLOTS, own)
    for at, row in enumerate(cameras):
        sizes |= slots_of(f"camera-{at}", CAMERA_SLOTS, row)
    written, told = packed(minute, sizes, lambda camera: int(camera.removeprefix("camera-")))
    named = sum(each.camera is not None for each in written.spent)
    assert len(bytes(written)) <= RECORD_BYTES + CAMERA_BYTES * max(named - 1, 0)
    assert told.items() <= sizes.items()


def test_what_waited_is_told_in_a_later_minute(spool: Spool) -> None:
    device = Device(spool)
    for minute in range(40):
        for at, (layer, kind) in enumerate(CAMERA_SLOTS):
            device.ledger.add("door", layer, kind, 70_000 + 900 * ((at + minute) % 12))
        device.live()
    assert max(device.wire.sizes) <= 60
    sums = {slot: sum(row.bytes[at] for each in device.minutes for row in each.spent if row.camera == 0)
            for at, slot in enumerate(CAMERA_SLOTS)}  # fmt: skip
    for slot, size in sums.items():
        assert device.ledger.told()[("door", *slot)] == size
        assert size > 0.8 * device.ledger.totals()[("door", *slot)], "nothing starves"


def test_the_last_minute_leaves_no_bytes_behind(spool: Spool) -> None:
    device = Device(spool)
    for layer, kind in CAMERA_SLOTS:
        device.ledger.add("door", layer, kind, 2**40)
    device.teller.conclude(device.wire, 0.0)
    door = {key: size for key, size in device.ledger.totals().items() if key[0] == "door"}
    assert device.ledger.told() == door
