"""Servers of others that the cloud calls: what a URL of theirs may be, and how calls are signed ([webhooks]).

[webhooks] secrets = []
[[webhooks.receiver]] url, secrets
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

_CREDENTIAL = "credential:"
_MOST = 8  # that are changed one for another at once: more is a mistake

Secrets = Annotated[tuple[str, ...], Meta(max_length=_MOST)]


class WebhookReceiver(Struct, frozen=True, forbid_unknown_fields=True):
    """Who has secrets of its own: calls to `url`, and below it, are signed with these only."""

    url: str
    secrets: Annotated[tuple[str, ...], Meta(min_length=1, max_length=_MOST)]

    def __post_init__(self) -> None:
        check_url("webhooks.receiver.url", self.url)


class WebhookSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What calls of webhooks are signed with: files, or `credential:NAME`, of a secret each (whsec_…).

    Whoever has a secret can sign as we do: receivers that do not trust each other are a `receiver` each. With
    several secrets there are as many signatures: so they are changed while calls go on.
    """

    secrets: Secrets = ()
    receiver: Annotated[tuple[WebhookReceiver, ...], Meta(max_length=64)] = ()

    def below(self, folder: Path) -> "WebhookSettings":
        """Give the same with its files below a folder."""
        receivers = tuple(replace(each, secrets=_files_below(each.secrets, folder)) for each in self.receiver)
        return WebhookSettings(_files_below(self.secrets, folder), receivers)


def _files_below(names: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    return tuple(name if name.startswith(_CREDENTIAL) else str(folder / name) for name in names)


def begins_with(wanted: SplitResult, allowed: SplitResult) -> bool:
    """Compare host and port as a whole, and the path by its parts: /hooks does not begin /hooks-of-others."""
    same = (wanted.scheme, wanted.netloc.lower()) == (allowed.scheme, allowed.netloc.lower())
    whole = wanted.path == allowed.path and (wanted.query == allowed.query or not allowed.query)
    below = not allowed.query and _parts_begin(wanted.path, allowed.path)
    return same and (whole or below)


def _parts_begin(path: str, beginning: str) -> bool:
    parts = unquote(path).split("/")
    return path.startswith(f"{beginning.rstrip('/')}/") and ".." not in parts and "." not in parts


def check_url(what: str, url: str) -> SplitResult:
    """Give a URL's parts, or raise ValueError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{what} {url!r}: {error}") from error
    plain = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}')
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not plain:
        raise ValueError(f"{what} {url!r} is not http://HOST/… or https://HOST/…")
    if parts.username is not None or parts.fragment:
        raise ValueError(f"{what} {url!r}: leave out user, password and #")
    return parts
