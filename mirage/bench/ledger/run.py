"""`mirage bench ledger`: what the ledger says was sent, against what was."""

import contextlib
import io
import ssl
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

from edge.tls import Tls
from mirage import authority
from mirage.bench.ledger.case import TOPICS, Case, Outcome, Trust, measure
from mirage.bench.report import Gate, Report
from mirage.demo.broker import loopback_broker
from mirage.progress import steps_shown

MQTT_MOST, WHOLE_MOST = 0.01, 0.05  # shares
_CUTS = 2
_DAYS = 2


def run(packets: int, pace_s: float) -> Report:
    """Measure all cases. Raises DemoError where the broker does not come up."""
    cases = [
        Case(qos, tls, cuts, packets, pace_s) for qos, tls, cuts in product((0, 1), (False, True), (0, _CUTS))
    ]
    with steps_shown("ledger", len(cases)) as done:
        outcomes = measured(cases, done)
    gates = [gate for outcome in outcomes for gate in _gates(outcome)]
    return Report("ledger", tuple(gates), {"cases": [_result(each) for each in outcomes]})


def measured(cases: list[Case], done: Callable[[], None]) -> list[Outcome]:
    """Measure each case by itself, all with one broker."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trust = _trust(folder)
        found = list[Outcome]()
        with loopback_broker(folder) as port:
            for case in cases:
                found.append(measure(case, port, trust))
                done()
        return found


def _gates(outcome: Outcome) -> list[Gate]:
    name = outcome.case.name
    gates = [Gate.at_most(f"payload and MQTT, {name}", outcome.mqtt_error, "share", MQTT_MOST)]
    if outcome.whole_error is not None:
        gates.append(Gate.at_most(f"with TCP/IP and TLS, {name}", outcome.whole_error, "share", WHOLE_MOST))
    return gates


def _result(outcome: Outcome) -> dict[str, object]:
    captured = outcome.wire_bytes is not None
    return {
        "case": outcome.case.name,
        "packets": outcome.case.packets,
        "ledger_bytes": dict(sorted(outcome.by_kind.items())),
        "proxy_mqtt_bytes": outcome.proxy_bytes,
        "wire_ip_bytes": outcome.wire_bytes if captured else "not captured: needs root or CAP_NET_RAW",
        "wire_segments": outcome.wire_packets,
    }


def _trust(folder: Path) -> Trust:
    """Make an authority, and a certificate for each side."""
    with contextlib.redirect_stdout(io.StringIO()):
        authority.new(folder / "pki", "bench", _DAYS + 1)  # it must outlive what it signs
        authority.issue_server(folder / "pki", folder / "server", ["localhost"], _DAYS)
        device = f"{TOPICS.tenant}/{TOPICS.site}/{TOPICS.device}"
        authority.issue_device(folder / "pki", folder / "device", device, None, _DAYS)
    ca = str(folder / "pki" / "ca.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem", folder / "server.key")
    server.load_verify_locations(ca)
    server.verify_mode = ssl.CERT_REQUIRED
    return Trust(Tls(ca, str(folder / "device.pem"), str(folder / "device.key")), server)
