"""Servers of others that the cloud calls: what a URL of theirs may be, and how calls are signed ([webhooks]).

[webhooks] secrets = []
[[webhooks.receiver]] url, secrets
"""

import re
import string
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

_CREDENTIAL = "credential:"
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_NEVER_ESCAPED = frozenset(f"{string.ascii_letters}{string.digits}-._~")  # RFC 3986, 2.3: the same without
_SEPARATORS = frozenset("/\\")  # to many servers, escaped ones are what they stand for
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
    """Compare host and port as a whole, and the path by its parts: /hooks does not begin /hooks-of-others.

    Both are as `check_url` gave them, so that no other spelling leads to the same place.
    """
    same = (wanted.scheme, wanted.netloc.lower()) == (allowed.scheme, allowed.netloc.lower())
    path, beginning = wanted.path or "/", allowed.path or "/"
    whole = path == beginning and (wanted.query == allowed.query or not allowed.query)
    below = not allowed.query and path.startswith(f"{beginning.rstrip('/')}/")
    return same and (whole or below)


def check_url(what: str, url: str) -> SplitResult:
    """Give a URL's parts, or raise ValueError. That names the host only: the rest may be a secret.

    Paths that a server may take for another one, as /a//b and /%61/b, are refused.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message has a piece of the URL
        raise ValueError(f"{what}: its host or its port cannot be one") from None
    plain = url.isascii() and url.isprintable() and not set(url) & set(' "<>\\^`{|}')
    where = f"{what} at {parts.hostname}" if plain and parts.hostname else what
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not plain:
        raise ValueError(f"{where} is not http://HOST/… or https://HOST/…")
    if parts.username is not None or parts.fragment:
        raise ValueError(f"{where}: leave out user, password and #")
    if not _is_plain(parts.path):
        raise ValueError(f"{where}: write its path without //, ., .., and %XX for / or what needs none")
    return parts


def _is_plain(path: str) -> bool:
    """Tell whether this is the only way to write a path."""
    escaped = {unquote(each) for each in _ESCAPE.findall(path)}
    dots = {".", ".."} & {part.partition(";")[0] for part in path.split("/")}
    return "//" not in path and not dots and not escaped & (_NEVER_ESCAPED | _SEPARATORS)
