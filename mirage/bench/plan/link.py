"""What TCP/IP and TLS add to a packet on its way up, captured from the wire: operators bill that too.

Two connections, one with more packets: the difference is without what a connection begins with. Each packet
is acknowledged by itself here, so it is the most: a cloud's acks are for what came in 5 s.
"""

from mirage.bench.ledger.case import Case, Outcome
from mirage.bench.ledger.run import measured as captured
from mirage.bench.plan.figures import Figures, measured

_FEW, _MANY = 40, 120
_PACE_S = 0.06  # longer than receipts are delayed, as between packets of a camera


def measure(here: str) -> Figures:
    """Send packets over TLS; nothing where the wire may not be captured. Raises DemoError."""
    few, many = captured(
        [Case(1, tls=True, cuts=0, packets=count, pace_s=_PACE_S) for count in (_FEW, _MANY)], lambda: None
    )
    if few.wire_bytes is None or many.wire_bytes is None:
        return {}
    value = (_around(many) - _around(few)) / (_MANY - _FEW)
    told = f"{_MANY} less {_FEW} packets at QoS 1 over TLS, IP upwards, receipts of acks too, {here}"
    return {"link_bytes_per_packet": measured("link_bytes_per_packet", value, told)}


def _around(outcome: Outcome) -> int:
    return (outcome.wire_bytes or 0) - outcome.proxy_bytes
