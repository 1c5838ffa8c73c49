"""Links of one network: which one an interface is of, what holds on it, and what it costs."""

import pytest

from wire.policy import Link, Network, PolicyError, Receiver, Sender, effective
from wire.policy.price import Price
from wire.policy.reading import parse_tables

TABLES = b"""
[network]
bytes_per_s = 500
bytes_per_month = 90_000_000
latency_ms = 4000
qos = 0

[[network.link]]
name = "ethernet"
match = "e*"
bytes_per_s = "unlimited"
bytes_per_month = "unlimited"
qos = 1

[[network.link]]
name = "lte"
match = ["wwan*", "ppp?"]
price_per_mb = "0.40 EUR"
bytes_per_s = 62.5
layers = ["caption", "motion"]
send_hours = ["22:00-06:00"]

[[network.link]]
name = "satellite"
match = "wwan9"
price_per_mb = "5 EUR"
"""


def network(more: bytes = b"") -> Network:
    return parse_tables(TABLES + more, "edge.toml").network


@pytest.mark.parametrize(
    ("interface", "link"),
    [("eth0", "ethernet"), ("wwan9", "lte"), ("ppp0", "lte"), ("ppp10", ""), ("wg0", "")],
)
def test_the_first_link_that_matches_an_interface_holds(interface: str, link: str) -> None:
    assert network().link_of(interface) == link


def test_what_a_link_does_not_state_is_as_the_network_says() -> None:
    found = network().on("lte")
    assert (found.bytes_per_s, found.bytes_per_month, found.latency_ms, found.qos) == (
        62.5,
        90_000_000,
        4000,
        0,
    )
    assert found.layers == ("caption", "motion")
    assert found.send_hours == ("22:00-06:00",)


def test_a_link_lifts_a_limit_of_the_network_only_where_it_says_so() -> None:
    ethernet, satellite = network().on("ethernet"), network().on("satellite")
    assert (ethernet.bytes_per_s, ethernet.bytes_per_month, ethernet.qos) == (None, None, 1)
    assert (satellite.bytes_per_s, satellite.bytes_per_month) == (500, 90_000_000)


@pytest.mark.parametrize("name", ["", "tin-can"])
def test_without_a_link_of_that_name_the_network_holds(name: str) -> None:
    assert network().on(name) == network()


def test_what_is_in_force_is_that_of_the_active_link() -> None:
    found = effective(Sender(), network().on("lte"), Receiver())
    assert found["bytes_per_s"] == 62.5
    assert found["layers"] == ("caption", "motion")
    assert found.decisions["layers"].by == "network"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b'[[network.link]]\nname = "lte"\nmatch = "x"', "not all different"),
        (b'[[network.link]]\nname = "x"\nmatch = "x"\nbyte_per_s = 1', "did you mean bytes_per_s"),
        (b'[[network.link]]\nname = "x"\nmatch = "x"\nprice_per_mb = "4 cents"', "as in 0.40 EUR"),
        (b'[[network.link]]\nname = "x"\nmatch = "x"\nbytes_per_s = "fast"', "bytes_per_s"),
        (b'[[network.link]]\nname = "x"\nmatch = "x"\nlayers = []', "nothing could be sent"),
        (b'[[network.link]]\nname = "x"\nmatch = []', "match"),
        (b'[[network.link]]\nname = "x"\nmatch = "x"\nsend_hours = ["25:00-26:00"]', "25:00"),
    ],
)
def test_what_no_link_can_be_is_refused_with_the_key(more: bytes, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        network(more)


def test_layers_that_a_link_and_the_sender_do_not_share_leave_nothing_to_send() -> None:
    with pytest.raises(PolicyError, match="nothing in common"):
        effective(Sender(layers=("appearance-tokens",)), network().on("lte"), Receiver())


def test_a_price_is_exact() -> None:
    price = Price.parse("0.40 EUR")
    assert price.currency == "EUR"
    assert price.nano(1_000_000) == 400_000_000
    assert price.nano(1) == 400


def test_a_link_is_made_of_what_toml_says() -> None:
    assert network().link[2] == Link("satellite", "wwan9", "5 EUR")
