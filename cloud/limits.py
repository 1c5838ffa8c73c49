"""How much one device may send: token buckets of messages, bytes and births. Pure; times are arguments.

What is beyond is dropped before it is opened. A device keeps packets until they are acknowledged, so they
come again; of its births the newest is held back, because it brings a key and comes only once. One that
passed already costs what a packet does: devices say it again to be sure.
"""

from collections import OrderedDict, deque
from math import ceil

from cloud.config import Limits
from cloud.message import Message

MAX_DEVICES = 16_384  # remembered; whoever sent longest ago is forgotten, and has its burst again
_BIRTH_COST_MS = 1_000  # a new birth in so long, over time
_BIRTH_BURST = 60  # a device that was long offline explains many boots at once
_MAX_HELD = 1024  # births, of up to 64 KiB
_PASSED = 64  # births of a device, remembered by their hash
_MAX_TOPIC = 160  # characters; ours have at most 32 in each of their levels


class Bucket:
    """Fills with `rate_per_s` up to `size`; what is taken must be in it."""

    __slots__ = ("_at_ms", "_level", "_rate", "_size")

    def __init__(self, rate_per_s: float, size: float, now_ms: int) -> None:
        self._rate = rate_per_s / 1000
        self._size = size
        self._level = size
        self._at_ms = now_ms

    def holds(self, amount: float, now_ms: int) -> bool:
        """Tell whether so much can be taken now."""
        if now_ms > self._at_ms:
            self._level = min(self._size, self._level + (now_ms - self._at_ms) * self._rate)
        self._at_ms = now_ms  # also backwards: a clock that was set back must not stop it for long
        return self._level >= amount

    def take(self, amount: float) -> None:
        self._level -= amount

    @property
    def level(self) -> float:
        return self._level

    def wait_ms(self, amount: float) -> int:
        """Tell how long it takes until so much can be taken, if nothing is before."""
        return max(0, ceil((amount - self._level) / self._rate))


class _Device:
    __slots__ = ("births", "held", "messages", "passed", "size")

    def __init__(self, limits: Limits, now_ms: int) -> None:
        self.messages = Bucket(limits.device_packets_per_s, limits.device_burst, now_ms)
        self.size = Bucket(limits.device_bytes_per_s, limits.device_burst_bytes, now_ms)
        self.births = Bucket(1000 / _BIRTH_COST_MS, _BIRTH_BURST, now_ms)
        self.held: Message | None = None
        self.passed = deque[int](maxlen=_PASSED)

    def takes_birth(self, message: Message, now_ms: int) -> bool:
        """Count a birth if it passes. A new one replaces what was held back, a repeated one does not."""
        known = hash(message.payload)
        if known in self.passed:
            return True
        if not self.births.holds(1, now_ms):
            return False
        self.births.take(1)
        self.passed.append(known)
        self.held = None
        return True


class Gate:
    """Admits messages of each device at its rate. Whoever's topic is not understood shares one rate."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._holding: set[str] = set()

    def admits(self, message: Message) -> bool:
        """Tell whether a message is within its device's rate, and count it if it is."""
        name, now_ms = _device_of(message.topic), message.received_ms
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = _Device(self._limits, now_ms)
            if len(self._devices) > MAX_DEVICES:
                self._holding.discard(self._devices.popitem(last=False)[0])
        else:
            self._devices.move_to_end(name)
        size = len(message.payload)
        within = device.messages.holds(1, now_ms) and device.size.holds(size, now_ms)
        if message.topic.endswith("/birth") and not (within and device.takes_birth(message, now_ms)):
            if name in self._holding or len(self._holding) < _MAX_HELD:
                device.held = message
                self._holding.add(name)
            return False
        if not within:
            return False
        device.messages.take(1)
        device.size.take(size)
        return True

    def released(self, now_ms: int) -> list[Message]:
        """Give births that were held back and may pass now."""
        passing = list[Message]()
        for name in list(self._holding):
            device = self._devices[name]
            message = device.held
            if message is None or device.takes_birth(message, now_ms):
                self._holding.discard(name)
                device.held = None
                if message is not None:
                    passing.append(message)
        return passing


def _device_of(topic: str) -> str:
    """Give tenant/site/device; what follows makes no difference."""
    parts = topic.split("/", 5) if len(topic) <= _MAX_TOPIC else ()
    return "/".join(parts[2:5]) if len(parts) == 6 else ""
