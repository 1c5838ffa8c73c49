"""The ledger against a proxy that counts, and against the packets on the wire."""

import pytest

from mirage.bench.ledger.case import Case, Outcome
from mirage.bench.ledger.run import MQTT_MOST, WHOLE_MOST, measured

CASES = [
    Case(qos=0, tls=False, cuts=0, packets=30, pace_s=0.01),
    Case(qos=1, tls=False, cuts=0, packets=30, pace_s=0.01),
    Case(qos=1, tls=True, cuts=0, packets=30, pace_s=0.01),
    Case(qos=1, tls=True, cuts=1, packets=60, pace_s=0.01),
]
NAMES = [case.name for case in CASES]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return measured(CASES, lambda: None)


@pytest.mark.parametrize("at", range(3), ids=NAMES[:3])
def test_payload_and_mqtt_are_exact_where_no_connection_breaks(outcomes: list[Outcome], at: int) -> None:
    assert outcomes[at].mqtt_error == 0
    assert outcomes[at].proxy_bytes > 3000


def test_a_connection_that_breaks_costs_no_more_than_what_was_on_the_way(outcomes: list[Outcome]) -> None:
    outcome = outcomes[3]
    assert outcome.mqtt_error <= max(MQTT_MOST, 500 / outcome.proxy_bytes)


@pytest.mark.parametrize("at", range(4), ids=NAMES)
def test_with_tcp_ip_and_tls_it_is_what_was_on_the_wire(outcomes: list[Outcome], at: int) -> None:
    error = outcomes[at].whole_error
    if error is None:
        pytest.skip("packets of loopback are captured by root, or with CAP_NET_RAW")
    assert error <= WHOLE_MOST
    assert outcomes[at].by_kind["transport"] > 30 * 40  # a segment's headers for each packet, at least
