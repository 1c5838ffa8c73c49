"""Where the broker listens, and how long is waited for it."""

from dataclasses import dataclass

from edge.tls import Tls

KEEPALIVE_S = 120  # a ping costs about 100 bytes with its TCP; most mobile networks forget a mapping later
CONNECT_S = 20.0  # TCP, TLS with two certificates, and CONNACK, over a link of 1 kB/s
ANSWER_S = 30.0  # a satellite's round trip is 1 s, a full window takes 10 s at 1 kB/s


@dataclass(frozen=True, slots=True)
class Address:
    """How the broker is reached: over TLS if there is any; times are of one connection."""

    host: str
    port: int
    tls: Tls | None = None
    keepalive_s: int = KEEPALIVE_S
    connect_s: float = CONNECT_S
    answer_s: float = ANSWER_S

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
