"""Where a request comes from: its address, and the site whose page sent it. Pure.

client, proxy-1 --> proxy-2 --> us        X-Forwarded-For: client, proxy-1     read from its end, as far as
                                          the addresses are of proxies that are trusted
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from cloud.config_serve import Network, is_loopback

_HOPS = 16  # of X-Forwarded-For that are looked at


@dataclass(frozen=True, slots=True)
class Origin:
    """An address as it is counted: of IPv6, the network of 64 bits that a subscriber has."""

    address: str
    is_secure: bool


def origin_of(peer: str, scheme: str, headers: Mapping[str, str], proxies: Sequence[Network]) -> Origin:
    """Tell who asks: the connection's `peer`, or whom a trusted proxy names.

    Names of headers are in small letters; several of one name are joined by commas.
    """
    secure, address = scheme in ("https", "wss"), peer
    if _is_trusted(peer, proxies):
        secure = secure or headers.get("x-forwarded-proto", "").strip() == "https"
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")[-_HOPS:]):
            named = _plain(hop)
            if named is None:
                break
            address = named
            if not _is_trusted(named, proxies):
                break
    return Origin(_counted(address), secure)


def is_own(origin: str, host: str) -> bool:
    """Tell whether the site that a browser names as `origin` is the one that it asks, `host`."""
    return bool(host) and urlsplit(origin).netloc.lower() == host.lower()


def names_loopback(host: str) -> bool:
    """Tell whether a Host header names the loopback: any site's name may be made to lead there."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and is_loopback(name)


def _is_trusted(address: str, proxies: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == proxy.version and found in proxy for proxy in proxies)


def _plain(hop: str) -> str | None:
    """Read one entry: 192.0.2.7, 192.0.2.7:4711, 2001:db8::7 or [2001:db8::7]:4711."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _counted(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else str(ip_network((found, 64), strict=False))
