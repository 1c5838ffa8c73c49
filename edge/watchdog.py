"""What systemd is told: that the agent is up, that it still works, that it ends.

    cameras, uplink --Signs--> starving() --nothing--> WATCHDOG=1 over $NOTIFY_SOCKET
                                          '--a name--> STATUS=..., no more food: systemd restarts the agent

A part works while it gets somewhere or tries anew. A camera that is unplugged, a broker that is away or a
network that is down are no reason to start again: attempts count. A decoder, a connection or a thread that
hangs makes neither progress nor attempts, and that a restart cures.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

FRAME_LIMIT_S = 90.0  # longer than OpenCV's time-outs (30 s) and the pause between attempts (15 s)
ACK_LIMIT_S = 600.0  # a loaded cloud may be late by minutes: the spool keeps what waits
_FEED_SHARE = 0.25  # of the watchdog's time: some lost wake-ups must not matter


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be seen of the agent at one moment; ages in seconds.

    `frame_age_s`: by live camera, since its newest frame or attempt to open it. `ack_age_s`: since the newest
    receipt of the cloud or attempt to connect, whichever is later; it counts while packets are `waiting`.
    """

    frame_age_s: Mapping[str, float]
    ack_age_s: float
    waiting: int


def starving(signs: Signs) -> str | None:
    """Name what does not get on any more; None while everything does."""
    for camera, age_s in sorted(signs.frame_age_s.items()):
        if age_s > FRAME_LIMIT_S:
            return f"camera {camera}: no frame and no attempt for {age_s:.0f} s"
    if signs.waiting and signs.ack_age_s > ACK_LIMIT_S:
        return f"{signs.waiting} packets wait, no receipt and no attempt for {signs.ack_age_s:.0f} s"
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

    def look(self, signs: Signs, now_s: float) -> str | None:
        """Feed the watchdog if it is time and everything works; give what does not, once it is new."""
        if not self._period_s or (self._fed_s is not None and now_s - self._fed_s < self._period_s):
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
