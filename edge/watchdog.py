"""What systemd is told: that the agent is up, that it still works, that it ends.

    cameras, describe, uplink --Signs--> starving() --nothing--> WATCHDOG=1 over $NOTIFY_SOCKET
                                                    '--a part--> STATUS=..., no more food: systemd restarts

A part works while it gets somewhere or tries anew. A camera that is unplugged, a broker that is away or a
network that is down are no reason to start again: attempts count. A decoder, an encoder or a connection that
hangs makes neither progress nor attempts, and that a restart cures. So it may a session in which the broker
takes packets and no receipt comes back; a cloud that is away costs a restart an hour, and no packet.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

STILL_LIMIT_S = 90.0  # longer than time-outs of OpenCV and the link, and pauses between attempts (30 s)
ACK_LIMIT_S = 3600.0
_FEED_SHARE = 0.25  # of the watchdog's time: some lost wake-ups must not matter


class Pulses:
    """When counters last moved, as whoever looks at them sees it. For one thread; times are monotonic."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, float]] = {}

    def age_s(self, part: str, count: object, now_s: float) -> float:
        """Say for how long `count` has been what it is."""
        before = self._seen.get(part)
        if before is None or before[0] != count:
            self._seen[part] = (count, now_s)
            return 0.0
        return now_s - before[1]


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be seen of the agent at one moment; ages in seconds.

    `still_s`: by part, since its newest progress or attempt. `ack_age_s`: since the newest receipt of the
    cloud or attempt to connect, whichever is later; it counts while packets are `waiting`.
    """

    still_s: Mapping[str, float]
    ack_age_s: float
    waiting: int


def starving(signs: Signs) -> str | None:
    """Name what does not get on any more; None while everything does."""
    for part, age_s in sorted(signs.still_s.items()):
        if age_s > STILL_LIMIT_S:
            return f"{part}: no progress and no attempt for {age_s:.0f} s"
    if signs.waiting and signs.ack_age_s > ACK_LIMIT_S:
        return f"receipts: none for {signs.ack_age_s:.0f} s, {signs.waiting} packets wait"
    return None


class Manager:
    """The service manager behind a datagram socket; without an address there is none, and nothing is sent."""

    def __init__(self, address: str | None, watchdog_us: int = 0) -> None:
        self._address = address
        self._period_s = watchdog_us / 1e6 * _FEED_SHARE if address else 0.0
        self._fed_s: float | None = None
        self._trouble: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], pid: int) -> "Manager":
        """Read what systemd says to its services; the watchdog is for the process that it names, if any."""
        address = environment.get("NOTIFY_SOCKET") or None
        meant = environment.get("WATCHDOG_PID") in {None, "", str(pid)}
        period = environment.get("WATCHDOG_USEC", "")
        return cls(address, int(period) if meant and period.isdigit() else 0)

    def ready(self) -> None:
        """Say that the agent is up."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Say that the agent ends."""
        self._send("STOPPING=1")

    def is_due(self, now_s: float) -> bool:
        """Tell whether it is time to `look`: several times in the time of the watchdog, if there is one."""
        return self._period_s > 0 and (self._fed_s is None or now_s - self._fed_s >= self._period_s)

    def look(self, signs: Signs, now_s: float) -> str | None:
        """Feed the watchdog if it is time and everything works; give what does not, once it is new."""
        if not self.is_due(now_s):
            return None
        self._fed_s = now_s
        trouble = starving(signs)
        if trouble is None:
            self._send("WATCHDOG=1" if self._trouble is None else "WATCHDOG=1\nSTATUS=works")
        elif trouble.split(":")[0] != (self._trouble or "").split(":")[0]:
            self._send(f"STATUS={trouble}")
        new = trouble if self._trouble is None else None
        self._trouble = trouble
        return new

    def _send(self, message: str) -> None:
        """Tell systemd; what it does not hear of harms nobody but by a restart, so nothing is raised."""
        if self._address is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(address)
                sender.send(message.encode(), socket.MSG_DONTWAIT)
            except OSError:
                return
