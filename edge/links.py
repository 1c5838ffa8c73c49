"""Which link carries the uplink: the kernel chooses an interface, and [[network.link]] says what holds on it.

    before a connection   where would one go?        the budget of that link is asked
    once it is there      what carries it?           that link holds: account, layers, segments, QoS
    while it lasts        would one go elsewhere?    it is given up for the other link, once that is sure

Without links nothing is asked, and [network] holds.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edge import route
from wire.documents import LinkInfo, Value
from wire.packet import Packet, PacketError, layer_label
from wire.policy import Network
from wire.policy.tables import LAYERS

PROOF_S = 60.0  # between two packets at QoS 1 where the others are not
LOOK_S = 5.0  # between two looks at the way to the broker
SURE_S = 15.0  # another way must last so long: a new connection costs a kilobyte or more

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ends:
    """Numeric addresses of a connection: this side's, the broker's."""

    local: str
    peer: str

    @classmethod
    def of(cls, connection: socket.socket) -> "Ends | None":
        """Give those of a socket; None where it is closed."""
        try:
            return cls(str(connection.getsockname()[0]), str(connection.getpeername()[0]))
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Kernel:
    """Whom to ask. `carrier` takes a peer, and this side's address where there is one."""

    carrier: Callable[[str, str], str | None] = route.interface_to
    addresses: Callable[[str, int], list[str]] = route.addresses_of


class Links:
    """`active`, `interface` and `network` may be read by any thread; all else is for that of the uplink.

    `adopt` is called with what holds from now on.
    """

    def __init__(
        self,
        network: Network | None = None,
        adopt: Callable[[Network], None] = lambda _: None,
        kernel: Kernel | None = None,
        look_s: float = LOOK_S,
        sure_s: float = SURE_S,
    ) -> None:
        self._look_s = look_s
        self._sure_s = sure_s
        self._whole = network or Network()
        self._adopt = adopt
        self._kernel = kernel or Kernel()
        self._looked_s = 0.0
        self._elsewhere_s: float | None = None
        self._proof_s = -PROOF_S  # when a packet went at QoS 1
        self.active = ""  # "": none of the links, so [network]
        self.interface = ""
        self.network = self._whole

    @property
    def any(self) -> bool:
        """Whether there are links to choose from."""
        return bool(self._whole.link)

    @property
    def place(self) -> int | None:
        """Give the place in the birth of the active link."""
        names = [each.name for each in self._whole.link]
        return names.index(self.active) if self.active in names else None

    def told(self) -> dict[str, Value]:
        """Say which link is active, where there are several."""
        return {"link": self.active} if self.any else {}

    def ahead(self, host: str, port: int) -> str:
        """Name the link that a connection would take; where nobody knows, the active one."""
        found = self._way(host, port) if self.any else None
        if found is None:
            return self.active
        self.interface = found
        return self._whole.link_of(found)

    def carrying(self, ends: Ends | None) -> str:
        """Name the link that carries a connection; where nobody knows, the active one."""
        if not self.any or ends is None:
            return self.active
        found = self._kernel.carrier(ends.peer, ends.local) or self._kernel.carrier(ends.peer, "")
        if found is None:
            log.warning("the kernel does not say by which interface", broker=ends.peer, link=self.active)
            return self.active
        self.interface = found
        return self._whole.link_of(found)

    def follow(self, name: str) -> None:
        """Go by this link from now on."""
        self._elsewhere_s = None
        if name == self.active:
            return
        self.active, self.network = name, self._whole.on(name)
        log.info("link", name=name or "as [network] says", interface=self.interface)
        self._adopt(self.network)

    def leaves(self, host: str, port: int, now_s: float) -> bool:
        """Tell whether a connection would have gone by another link for long enough."""
        if not self.any or now_s - self._looked_s < self._look_s:
            return False
        self._looked_s = now_s
        found = self._way(host, port)
        if found is None or self._whole.link_of(found) == self.active:
            self._elsewhere_s = None
            return False
        if self._elsewhere_s is None:
            self._elsewhere_s = now_s
        return now_s - self._elsewhere_s >= self._sure_s

    def qos(self, now_s: float) -> int:
        """Say at which QoS the next packet goes."""
        if self.network.qos or now_s - self._proof_s >= PROOF_S:
            self._proof_s = now_s
            return 1
        return 0

    def holds_back(self, body: bytes) -> bool:
        """Tell whether a packet has layers that do not go by the active link."""
        allowed = self.network.layers
        if allowed == LAYERS:
            return False
        try:
            layers = Packet.parse(body).layers
        except PacketError:  # it is given up where it is sent
            return False
        return any((label := layer_label(layer)) in LAYERS and label not in allowed for layer in layers)

    def _way(self, host: str, port: int) -> str | None:
        for address in self._kernel.addresses(host, port):
            found = self._kernel.carrier(address, "")
            if found is not None:
                return found
        return None


def infos(network: Network) -> tuple[LinkInfo, ...]:
    """Say what the birth says of links."""
    return tuple(LinkInfo(each.name, each.price_per_mb) for each in network.link)
