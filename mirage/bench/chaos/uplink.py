"""The device's uplink for a run: the agent's own, with times that pass in a run of a minute."""

from edge import spool as spool_module
from edge.address import Address
from edge.allowance import Limits
from edge.budget import Budget
from edge.commands import Commands
from edge.spool import Spool
from edge.uplink import Parts, Uplink
from edge.watch import Watch
from mirage.bench.chaos.sealing import session_of
from mirage.bench.chaos.settings import KEEPALIVE_S, RESEND_S, TOPICS, Settings
from wire.documents import Birth

_CONNECT_S = 5.0
_ANSWER_S = 8.0
_DISK_RETRY_S = 5.0


def make_uplink(settings: Settings, spool: Spool, birth: Birth) -> Uplink:
    """Put an uplink together."""
    spool_module.RETRY_S = _DISK_RETRY_S
    address = Address(
        "127.0.0.1", settings.port, keepalive_s=KEEPALIVE_S, connect_s=_CONNECT_S, answer_s=_ANSWER_S
    )
    parts = Parts(
        session_of(settings, spool.boot_id),
        Budget(Limits()),
        Commands({}),
        Watch(spool, lambda: 0, lambda: False),
        resend_s=RESEND_S,
    )
    return Uplink(address, TOPICS, spool, birth, parts)
