"""Who is believed about where a request comes from."""

from ipaddress import ip_network

import pytest

from cloud.access.origin import Origin, is_own, names_loopback, origin_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        pytest.param("198.51.100.7", "203.0.113.9", "198.51.100.7", id="a stranger says so"),
        pytest.param("10.0.0.1", "203.0.113.9", "203.0.113.9", id="a proxy says so"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="a proxy says nothing"),
        pytest.param("10.0.0.1", "192.0.2.1, 203.0.113.9", "203.0.113.9", id="a client made up more"),
        pytest.param("10.0.0.1", "192.0.2.1, 203.0.113.9, 10.0.0.2", "203.0.113.9", id="two proxies"),
        pytest.param("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", id="from inside"),
        pytest.param("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", "203.0.113.9:4711", "203.0.113.9", id="with a port"),
        pytest.param("10.0.0.1", "[2001:db8:9::7]:4711", "2001:db8:9::/64", id="IPv6 with a port"),
        pytest.param("2001:db8:1::1", "2001:db8:9:0:a::7", "2001:db8:9::/64", id="IPv6 by its network"),
        pytest.param("::ffff:198.51.100.7", "", "198.51.100.7", id="IPv4 within IPv6"),
        pytest.param("", "203.0.113.9", "", id="a socket without an address"),
    ],
)
def test_an_address_is_forwarded_by_who_is_trusted(peer: str, forwarded: str, address: str) -> None:
    headers = {"x-forwarded-for": forwarded}
    assert origin_of(peer, "http", headers, PROXIES) == Origin(address, is_secure=False)


def test_a_long_list_of_proxies_is_not_followed_for_ever() -> None:
    headers = {"x-forwarded-for": ", ".join(["203.0.113.9"] + ["10.0.0.2"] * 1000)}
    assert origin_of("10.0.0.1", "http", headers, PROXIES).address == "10.0.0.2"


def test_whether_it_came_over_tls_is_believed_of_proxies_only() -> None:
    headers = {"x-forwarded-proto": "https"}
    assert origin_of("10.0.0.1", "http", headers, PROXIES).is_secure
    assert not origin_of("198.51.100.7", "http", headers, PROXIES).is_secure
    assert origin_of("198.51.100.7", "https", {}, ()).is_secure
    assert origin_of("198.51.100.7", "wss", {}, ()).is_secure


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://mirage.example", "mirage.example", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("https://Mirage.example", "mirage.EXAMPLE", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", False),
        ("https://evil.example", "mirage.example", False),
        ("https://mirage.example.evil.example", "mirage.example", False),
        ("null", "mirage.example", False),
        ("", "", False),
    ],
)
def test_a_site_is_ours_if_it_is_the_host_that_is_asked(origin: str, host: str, *, own: bool) -> None:
    assert is_own(origin, host) == own


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:8080", True),
        ("localhost", True),
        ("[::1]:8080", True),
        ("127.1.2.3", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:8080", False),
        ("localhost.evil.example", False),
        ("192.168.0.2:8080", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_name_that_was_made_to_lead_here_is_none_of_the_loopback(host: str, *, loopback: bool) -> None:
    assert names_loopback(host) == loopback
