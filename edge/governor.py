"""The byte governor: which parts of a segment are sent, and how long segments are, so that a budget lasts.

    budget --> purse --level--> price of a byte --.
                 ^                                v
                 |      menu: bytes, worth --> worth - price x bytes: the best is sent --> packet
                 '------------- bytes -----------------------------------------------------'

One price holds for all cameras and all parts, so bytes go where they are worth most; a caption says most in
the fewest bytes, and is never left out. The price rises while a purse empties and falls while it fills, both
slowly; what was chosen last has the benefit of the doubt, so that nothing flaps. A purse follows each
limit, a second's and a month's. Purses plan; what may go out at a moment is for edge/allowance.py.

Segments are made longer, up to a minute, where what they save is worth more than what comes later by it, and
where a budget could not carry the least packets otherwise.

Pure: times are arguments. May be called by any thread.
"""

from dataclasses import dataclass, replace
from math import exp, log
from threading import Lock

from edge.allowance import Account, Allowance, Limits, Purpose, Standing, ahead_of, depths, month_rate
from edge.menu import BINDING, Item, Menu, Plan
from edge.worth import LENGTH

FRAME_BYTES = (
    44  # around the layers of a packet: its head, key id, counter and tag, MQTT, a receipt for an ack
)
LENGTHS_MS = (2000, 3000, 4000, 6000, 8000, 12_000, 20_000, 30_000, 60_000)
_LEAST_BYTES = FRAME_BYTES + 20  # of a packet: a caption, and a picture that is held
_LEAST_SHARE = 0.6  # of a budget that such packets may take
_MEAN = 0.1  # weight of the latest packet in their mean size
_BACKLOG_BYTES = 4096  # that wait: from here on live segments leave a share of the flow to them
_BACKLOG_SHARE = 0.25
_AIM = 0.2  # of a purse: above it bytes get cheaper, below dearer
_DRIFT = 2.0  # e-folds of the price, in the time that fills a purse, for each part of it that is short
_SWING = 3.0  # e-folds between an empty purse and a full one, at once
_PRICES = (1e-5, 1.0)  # points x seconds a byte
_FIRST_PRICE = 0.2  # points: over the bytes that flow in a second for each camera, the first guess
_DOUBT = 0.3  # of its price that another picture must bring beyond what was chosen last
_SLACK = 1.3  # times what it costs must be gained before segments change their length


@dataclass(frozen=True, slots=True)
class State:
    """What survives a restart."""

    account: Account
    prices: tuple[float, ...] = ()


class Governor:
    """Of one device. Raises BudgetError for limits that keep no device connected."""

    def __init__(
        self,
        limits: Limits,
        standing: Standing | None = None,
        state: State | None = None,
        cameras: int = 1,
    ) -> None:
        self._lock = Lock()
        self._cameras = cameras
        self._standing = standing or Standing()
        self._allowance = Allowance(limits, self._standing, state.account if state else None)
        self._purses = _purses(limits, self._standing, state.prices if state else (), cameras)
        self._chosen: dict[str, frozenset[str]] = {}
        self._length = 0  # index into LENGTHS_MS
        self._packet_bytes = float(FRAME_BYTES)  # mean

    @property
    def limits(self) -> Limits:
        return self._allowance.limits

    @property
    def month_bytes(self) -> int:
        """What was spent in this month of the calendar, as far as it is known."""
        return self._allowance.account.month_bytes

    @property
    def price(self) -> float:
        """What a byte costs at present, in points x seconds; 0 without a limit."""
        with self._lock:
            return self._price()

    def adopt(self, limits: Limits) -> None:
        """Go by these limits from now on, or raise BudgetError."""
        with self._lock:
            self._allowance.adopt(limits)
            prices = tuple(purse.price for purse in self._purses)
            self._purses = _purses(limits, self._standing, prices, self._cameras)

    def plan(self, camera: str, menu: Menu, now_s: float, waiting_bytes: int = 0) -> Plan:
        """Choose what is sent of a camera's segment. `waiting_bytes` wait in the spool."""
        with self._lock:
            for purse in self._purses:
                purse.flow(now_s, 1 - _BACKLOG_SHARE * (waiting_bytes > _BACKLOG_BYTES))
            before = self._chosen.get(camera, frozenset())
            plan = _within(_best(menu, self._price(), before), menu, self._room())
            self._chosen[camera] = frozenset(item.name for item in (*plan.parts, plan.picture) if item)
            size = FRAME_BYTES + _size(plan)
            self._packet_bytes += _MEAN * (size - self._packet_bytes)
            for purse in self._purses:
                purse.pay(size)
            return plan

    def segment_ms(self, shortest_ms: int = LENGTHS_MS[0]) -> int:
        """Say how long segments should be from now on, if nothing makes them shorter."""
        with self._lock:
            last = len(LENGTHS_MS) - 1
            while self._length < last and self._gains(self._length) > _SLACK:
                self._length += 1
            while self._length and self._gains(self._length - 1) < 1 / _SLACK:
                self._length -= 1
            rate = min((purse.rate for purse in self._purses), default=float("inf"))
            least_ms = 1000 * _LEAST_BYTES * self._cameras / (_LEAST_SHARE * rate)
            least_ms = min((each for each in LENGTHS_MS if each >= least_ms), default=LENGTHS_MS[last])
            return max(LENGTHS_MS[self._length], least_ms, shortest_ms)

    def admits(self, purpose: Purpose, size: int, now_s: float) -> bool:
        """Tell whether `size` bytes may go out now; see Allowance."""
        with self._lock:
            return self._allowance.admits(purpose, size, now_s)

    def most(self, purpose: Purpose) -> float:
        """Give the size of the largest message that is ever admitted."""
        with self._lock:
            return self._allowance.most(purpose)

    def spent(self, purpose: Purpose, size: int, now_s: float) -> None:
        """Count what went out, asked for or not. Live segments were paid for when they were planned."""
        with self._lock:
            self._allowance.spend(size, now_s)
            if purpose in (Purpose.CONNECTION, Purpose.RECORD):
                for purse in self._purses:
                    purse.pay(size)

    def hear(self, cloud_ms: int, now_s: float) -> None:
        """Take the cloud's time."""
        with self._lock:
            self._allowance.hear(cloud_ms, now_s)

    def is_due(self) -> bool:
        """Tell whether the state should be kept again; see Allowance."""
        with self._lock:
            return self._allowance.is_due()

    def keep(self, *, last: bool = False) -> State:
        """Give what to write down; tell `kept` once that is safe."""
        with self._lock:
            return State(self._allowance.keep(last=last), tuple(purse.price for purse in self._purses))

    def kept(self, *, last: bool = False) -> None:
        """Note that what `keep` gave is safe."""
        with self._lock:
            self._allowance.kept(last=last)

    def _price(self) -> float:
        return max((purse.price_now() for purse in self._purses), default=0.0)

    def _gains(self, length: int) -> float:
        """Say what the next longer segments save, over what they lose: more than 1 is a gain."""
        short, long = (LENGTHS_MS[at] / 1000 for at in (length, length + 1))
        price = max((purse.price for purse in self._purses), default=0.0)  # the slow part of it
        saved = price * self._packet_bytes * (1 / short - 1 / long)
        return saved / (LENGTH * log(long / short))

    def _room(self) -> float:
        return min((purse.level for purse in self._purses), default=float("inf")) - FRAME_BYTES


class _Purse:
    """One limit, planned with: bytes flow in at `rate`, and their price follows the level."""

    def __init__(self, rate: float, depth: float, price: float) -> None:
        self.rate = rate
        self.level = self._depth = depth
        self.price = price  # at the level that is aimed at
        self._now_s: float | None = None

    def flow(self, now_s: float, share: float) -> None:
        """Let time pass."""
        elapsed_s = 0.0 if self._now_s is None else max(now_s - self._now_s, 0.0)
        self._now_s = now_s
        short = _AIM - max(self.level, 0.0) / self._depth
        drift = _DRIFT * short * min(elapsed_s * self.rate / self._depth, 1.0)
        self.price = min(max(self.price * exp(drift), _PRICES[0]), _PRICES[1])
        self.level = min(self.level + elapsed_s * self.rate * share, self._depth)

    def pay(self, size: int) -> None:
        """Take bytes out; debts end where a full purse would have to pay them."""
        self.level = max(self.level - size, -self._depth)

    def price_now(self) -> float:
        return self.price * exp(_SWING * (_AIM - max(self.level, 0.0) / self._depth))


def _purses(
    limits: Limits, standing: Standing, prices: tuple[float, ...], cameras: int
) -> tuple[_Purse, ...]:
    found = list[tuple[float, float]]()
    second, month = (depth - ahead_of(Purpose.LIVE, standing, depth) for depth in depths(limits, standing))
    if limits.bytes_per_s is not None:
        found.append((limits.bytes_per_s - standing.bytes_per_s, second))
    if limits.bytes_per_month is not None:
        found.append((month_rate(limits.bytes_per_month) - standing.bytes_per_s, month))
    known = prices if len(prices) == len(found) else tuple(cameras * _FIRST_PRICE / rate for rate, _ in found)
    return tuple(_Purse(rate, depth, price) for (rate, depth), price in zip(found, known, strict=True))


def _best(menu: Menu, price: float, before: frozenset[str]) -> Plan:
    """Take what is worth more than it costs."""

    def gain(item: Item) -> float:
        return item.points * menu.seconds - price * item.size * (1 - _DOUBT * (item.name in before))

    picture = max(menu.pictures, key=gain, default=None)
    shown = picture is not None and picture.points > 0

    def pays(part: Item) -> bool:
        if part.name in ("caption", BINDING):
            return True
        return shown and part.points * menu.seconds > price * part.size * _doubt(part, before)

    return Plan(tuple(part for part in menu.parts if pays(part)), picture)


def _doubt(item: Item, before: frozenset[str]) -> float:
    return 1 - _DOUBT if item.name in before else 1 + _DOUBT


def _within(plan: Plan, menu: Menu, room: float) -> Plan:
    """Leave out what there is no room for: detail first, then motion, then the picture; the caption never."""
    cheaper = [item for item in menu.pictures if plan.picture and item.size < plan.picture.size]
    shown = [item for item in cheaper if item.points > 0]
    while _size(plan) > room and shown:
        largest = max(shown, key=lambda item: item.size)
        shown.remove(largest)
        plan = replace(plan, picture=largest)
    for name in ("vector", "motion"):
        if _size(plan) > room:
            plan = replace(plan, parts=tuple(part for part in plan.parts if part.name != name))
    if _size(plan) > room and cheaper:
        plan = replace(plan, picture=min(cheaper, key=lambda item: item.size))
    return plan


def _size(plan: Plan) -> int:
    return sum(part.size for part in plan.parts) + (plan.picture.size if plan.picture else 0)
