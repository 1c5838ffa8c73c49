"""The governor: no overrun, bytes where they are worth most, a caption always, and no flapping."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.allowance import Limits, Purpose, Standing
from edge.composer import Composer
from edge.governor import FRAME_BYTES, LENGTHS_MS, Governor
from edge.menu import Item, Menu, Plan
from tests.edge.speech import CODEC, TOKENS
from wire.motion import CameraMotion, Motion
from wire.packet import Layer, Packet
from wire.segment import Segment

CONNECTION, RECORD, RECEIPT = 1400, 60, 4
STANDING = Standing(CONNECTION)


def item(name: str, size: int, points: float) -> Item:
    """Make a part of `size` bytes; the layer's head takes two of them."""
    return Item(name, {1: b"x" * (size - 2)} if size else {}, points)


def menu(seconds: float = 2.0, novelty: float = 0.1, size: int = 60) -> Menu:
    caption, motion = item("caption", 14, 1.0), item("motion", 12, 0.2)
    pictures = (
        item("hold", 6, 0.3),
        item("renew", size, 0.3 + novelty),
        item("planes 8", 2 * size, 0.33 + novelty),
        item("planes 24", 5 * size, 0.36 + novelty),
    )
    return Menu(seconds, (caption, motion), pictures)


def names(plan: Plan) -> list[str]:
    return [part.name for part in plan.parts] + ([plan.picture.name] if plan.picture else [])


def sizes(plan: Plan) -> int:
    return sum(part.size for part in plan.parts) + (plan.picture.size if plan.picture else 0)


def settled(governor: Governor, offered: Menu, plans: int = 400, start_s: float = 0.0) -> list[Plan]:
    """Plan the same scene again and again; give the second half."""
    made = [governor.plan("cam", offered, start_s + offered.seconds * n) for n in range(plans)]
    return made[plans // 2 :]


def test_without_a_budget_the_best_picture_is_sent() -> None:
    governor = Governor(Limits())
    assert names(governor.plan("cam", menu(), 0.0)) == ["caption", "motion", "planes 24"]
    assert governor.price == 0


def test_a_large_budget_changes_nothing() -> None:
    made = settled(Governor(Limits(10_000.0), STANDING), menu())
    assert {tuple(names(plan)) for plan in made} == {("caption", "motion", "planes 24")}


@pytest.mark.parametrize("rate", [60, 80, 120, 200])
def test_a_small_budget_is_used_and_kept(rate: float) -> None:
    made = settled(Governor(Limits(rate, 4096), STANDING), menu())
    used = sum(FRAME_BYTES + sizes(plan) for plan in made) / (rate * 2 * len(made))
    assert 0.75 < used <= 1.02


def test_the_caption_is_kept_when_nothing_else_is() -> None:
    made = settled(Governor(Limits(20.0, 4096), STANDING), menu())
    assert {tuple(names(plan)) for plan in made} == {("caption", "hold")}
    assert all("caption" in names(plan) for plan in made)


def test_detail_goes_before_the_picture_and_the_picture_before_the_caption() -> None:
    order = ["planes 24", "planes 8", "renew", "hold"]
    richest = [
        max(
            (names(plan)[-1] for plan in settled(Governor(Limits(rate, 4096), STANDING), menu())),
            key=order.index,
        )
        for rate in (1000.0, 130.0, 80.0, 30.0)
    ]
    assert [order.index(name) for name in richest] == sorted(order.index(name) for name in richest)
    assert len(set(richest)) > 2


def test_of_two_cameras_the_one_where_something_happens_gets_the_bytes() -> None:
    governor = Governor(Limits(80.0, 4096), STANDING)
    spent = {"quiet": 0, "busy": 0}
    for step in range(400):
        for camera, novelty in (("quiet", 0.002), ("busy", 0.2)):
            plan = governor.plan(camera, menu(novelty=novelty), 2.0 * step)
            spent[camera] += plan.picture.size - 6 if plan.picture else 0
    assert spent["busy"] > 2 * spent["quiet"]


@pytest.mark.parametrize("rate", [50, 75, 90, 110, 150, 300])
def test_a_steady_scene_under_a_steady_budget_does_not_flap(rate: float) -> None:
    made = [names(plan) for plan in settled(Governor(Limits(rate, 16384), STANDING), menu(), 1600)]
    changes = sum(before != after for before, after in pairwise(made))
    assert changes / len(made) < 0.1


def test_live_segments_leave_a_share_to_what_waits() -> None:
    def used(waiting_bytes: int) -> int:
        governor = Governor(Limits(100.0, 4096), STANDING)
        return sum(sizes(governor.plan("cam", menu(), 2.0 * n, waiting_bytes)) for n in range(600))

    assert used(100_000) < 0.8 * used(0)


def test_connections_and_records_are_paid_from_the_same_purse() -> None:
    def used(connections: int) -> int:
        governor, total = Governor(Limits(100.0, 4096), STANDING), 0
        for n in range(600):
            total += sizes(governor.plan("cam", menu(), 2.0 * n))
            if n % 20 < connections:
                governor.spent(Purpose.CONNECTION, CONNECTION, 2.0 * n)
        return total

    assert used(1) < 0.8 * used(0)


@pytest.mark.parametrize(
    ("rate", "cameras", "expected_ms"), [(1250, 1, 2000), (62.5, 1, 2000), (62.5, 4, 8000), (4, 1, 30_000)]
)
def test_segments_are_longer_where_the_least_packets_would_take_too_much(
    rate: float, cameras: int, expected_ms: int
) -> None:
    governor = Governor(Limits(rate, 4096), STANDING, cameras=cameras)
    assert governor.segment_ms() == expected_ms
    assert governor.segment_ms() == expected_ms
    assert expected_ms in LENGTHS_MS


def test_segments_are_longer_while_bytes_are_dear() -> None:
    governor = Governor(Limits(62.5, 4096), STANDING)
    lengths = []
    for n in range(600):
        governor.plan("cam", menu(novelty=0.5, size=300), 2.0 * n)
        lengths.append(governor.segment_ms())
    assert lengths[-1] > 2000
    changes = sum(before != after for before, after in pairwise(lengths[300:]))
    assert changes < 15
    for n in range(600):
        governor.plan("cam", menu(size=10), 1200 + 2.0 * n)
    assert governor.segment_ms() == 2000


def test_segments_are_never_shorter_than_settings_say() -> None:
    assert Governor(Limits()).segment_ms() == 2000
    assert Governor(Limits()).segment_ms(shortest_ms=5000) == 5000


def test_a_policy_changes_budgets_live() -> None:
    governor = Governor(Limits(10_000.0), STANDING)
    rich = sum(map(sizes, settled(governor, menu())))
    governor.adopt(Limits(60.0, 4096))
    assert sum(map(sizes, settled(governor, menu(), start_s=1e4))) < rich / 3
    governor.adopt(Limits())
    assert names(governor.plan("cam", menu(), 1e5))[-1] == "planes 24"


def test_a_restart_goes_on_with_prices_and_account() -> None:
    limits = Limits(60.0, 4096, 100_000_000)
    governor = Governor(limits, STANDING)
    governor.keep()
    governor.kept()
    settled(governor, menu())
    state = governor.keep(last=True)
    assert Governor(limits, STANDING, state).keep(last=True) == state


def test_a_month_is_paced() -> None:
    """A first day may take the share of two, and each other day its own."""
    governor = Governor(Limits(None, 16384, 24_000_000), STANDING)
    share = 24_000_000 / 31
    for day, most in ((0, 2.0), (1, 1.2), (2, 1.2), (3, 1.1)):
        plans = [governor.plan("cam", menu(20.0), 86400.0 * day + 20.0 * n) for n in range(4320)]
        assert 0.8 * share < sum(FRAME_BYTES + sizes(plan) for plan in plans) < most * share


SCENE = Segment(0, 2000, "a red car drives to the left", Motion(CameraMotion(0.25)), TOKENS[0], 500,
                still=False, cut=False)  # fmt: skip


def test_whatever_is_chosen_later_packets_can_be_read() -> None:
    """A receiver that gets every packet reads every packet, and knows what the composer thinks it knows."""
    random = np.random.default_rng(5)

    def anything(offered: Menu) -> Plan:
        parts = tuple(part for part in offered.parts if random.random() < 0.5)
        return Plan(parts, offered.pictures[random.integers(len(offered.pictures))])

    composer, held = Composer(CODEC, 12, choose=anything), None
    for n in range(60):
        still = bool(random.random() < 0.3)
        segment = replace(
            SCENE,
            start_ms=2000 * n,
            tokens=TOKENS[random.integers(len(TOKENS))],
            still=still,
            cut=bool(random.random() < 0.1),
            motion=None if still else SCENE.motion,
        )
        packet = Packet.parse(bytes(composer.compose(segment)))
        held = CODEC.resolve(packet, held)


def test_to_hold_a_picture_costs_little_and_what_is_held_stays() -> None:
    """Later packets change what was shown first, as if nothing had been left out."""
    picks = iter([-1, 0, 0, -2])
    composer = Composer(CODEC, 8, choose=lambda offered: Plan((), offered.pictures[next(picks)]))
    held, shown = None, []
    for n, tokens in enumerate([TOKENS[0], TOKENS[1], TOKENS[2], TOKENS[0]]):
        packet = composer.compose(replace(SCENE, start_ms=2000 * n, tokens=tokens))
        held = CODEC.resolve(packet, held)
        shown.append((len(packet.layers[Layer.APPEARANCE_TOKENS]), held.tokens))
    first = shown[0][1]
    assert first is not None
    for size, tokens in shown[1:]:
        assert size < 8
        assert tokens is not None
        assert np.array_equal(tokens, first)


@dataclass
class Line:
    """An uplink that loses, resends and reconnects; every byte that it sends up is in `sent`."""

    governor: Governor
    now_s: float = 0.0
    waiting: list[int] = field(default_factory=list)
    unacknowledged: list[int] = field(default_factory=list)
    sent: list[tuple[float, int]] = field(default_factory=list)
    connected: bool = False

    def offer(self, purpose: Purpose, size: int, unasked: int = 0) -> bool:
        if not self.governor.admits(purpose, size + unasked, self.now_s):
            return False
        self.governor.spent(purpose, size + unasked, self.now_s)
        self.sent.append((self.now_s, size + unasked))
        return True

    def connect(self) -> None:
        self.connected = self.connected or self.offer(Purpose.CONNECTION, CONNECTION)

    def lose(self) -> None:
        self.connected = False
        self.waiting = self.unacknowledged + self.waiting
        self.unacknowledged = []

    def pump(self) -> None:
        while self.connected and self.waiting and self.offer(Purpose.LIVE, self.waiting[0], RECEIPT):
            self.unacknowledged.append(self.waiting.pop(0))

    def overrun(self, rate: float, burst: float) -> float:
        """Say how far any stretch of time exceeds burst and rate."""
        most = balance = last_s = 0.0
        for at_s, size in self.sent:
            balance = max(balance - (at_s - last_s) * rate, 0.0) + size
            last_s, most = at_s, max(most, balance)
        return most - burst


STEPS = st.lists(
    st.tuples(
        st.floats(0.1, 60.0),  # seconds
        st.sampled_from(["fine", "fine", "fine", "lost", "resend", "record", "acknowledged"]),
        st.floats(0, 1),  # novelty
        st.integers(10, 400),  # bytes of a picture
        st.integers(1, 4),  # cameras
    ),
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(rate=st.floats(5, 1500), burst=st.integers(1024, 20_000), steps=STEPS)
def test_no_stretch_of_time_exceeds_the_budget(
    rate: float, burst: int, steps: list[tuple[float, str, float, int, int]]
) -> None:
    """Frames, tags, receipts, records, births and resends included, through losses of the link."""
    line = Line(Governor(Limits(rate, burst), STANDING))
    for seconds, event, novelty, size, cameras in steps:
        line.now_s += seconds
        line.connect()
        for camera in range(cameras):
            plan = line.governor.plan(
                f"cam{camera}", menu(seconds, novelty, size), line.now_s, sum(line.waiting)
            )
            line.waiting.append(FRAME_BYTES + sizes(plan))
        line.pump()
        if event == "lost":
            line.lose()
        elif event == "resend":
            line.waiting = line.unacknowledged + line.waiting
            line.unacknowledged = []
        elif event == "record":
            line.offer(Purpose.RECORD, RECORD)
        elif event == "acknowledged":
            line.unacknowledged = []
    assert line.overrun(rate, max(burst, CONNECTION + 64)) <= 1e-6
