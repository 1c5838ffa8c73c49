"""Settings of API and page: where they listen, who gets in, and how often; `cloud.config` has the rest."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

Network = IPv4Network | IPv6Network
Rate = Annotated[float, Meta(gt=0, le=1e6)]
Burst = Annotated[int, Meta(ge=1, le=1_000_000)]


class Rates(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a token, and an address whatever its tokens, may ask: over time, and at once after a pause.

    `renders_per_minute` counts clips that are asked for and not made yet, and each live view two seconds.
    Logins count where they failed.
    """

    requests_per_s: Rate = 50.0
    burst: Burst = 500
    renders_per_minute: Rate = 240.0
    address_requests_per_s: Rate = 200.0
    address_burst: Burst = 2000
    failures_per_minute: Rate = 10.0


class Serve(Struct, frozen=True, forbid_unknown_fields=True):
    """Where API and page listen, and who gets in.

    With access "open" everyone does, so it is for a loopback address only; with "token", whoever has a token
    of `mirage cloud tokens create`. A browser stays logged in for `session_hours`. `trusted_proxies` are
    addresses or networks whose X-Forwarded-For and -Proto are believed. `cors_origins` are the sites, as
    https://map.example, whose scripts may use the API, with tokens of their own.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8080
    access: Literal["open", "token"] = "open"
    session_hours: Annotated[float, Meta(gt=0, le=24 * 366)] = 12.0
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    rates: Rates = Rates()

    def __post_init__(self) -> None:
        if self.access == "open" and not is_loopback(self.host):
            raise ValueError(
                f'serve.host {self.host!r} can be reached by others: set serve.access = "token" and make '
                'tokens with `mirage cloud tokens create`, or serve.host = "127.0.0.1"'
            )
        for name in self.trusted_proxies:
            _network(name)
        for origin in self.cors_origins:
            _check_origin(origin)

    @property
    def proxies(self) -> tuple[Network, ...]:
        return tuple(_network(name) for name in self.trusted_proxies)


def is_loopback(host: str) -> bool:
    """Tell whether a host, named or numbered, is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _network(name: str) -> Network:
    try:
        return ip_network(name)
    except ValueError as error:
        raise ValueError(f"serve.trusted_proxies: {error}") from error


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    exact = f"{parts.scheme}://{parts.netloc}" == origin and parts.scheme in ("http", "https")
    if not exact or not parts.netloc or set(parts.netloc) & {"*", "@"} or origin != origin.lower():
        raise ValueError(
            f"serve.cors_origins: {origin!r} is not one exact origin, such as https://map.example"
        )
