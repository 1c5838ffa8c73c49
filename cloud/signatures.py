"""Signs calls of webhooks, by Standard Webhooks: whoever has the secret knows who calls, and that it is now.

webhook-id         32 hex digits, of the event's source and id: the same however often it is posted
webhook-timestamp  of this attempt, seconds of the Unix epoch
webhook-signature  v1,<base64 of HMAC-SHA256 of "id.timestamp.body">, for each secret, separated by spaces

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from cloud.config_webhooks import begins_with

_PREFIX = "whsec_"
_BYTES = range(24, 65)  # of a secret, as the specification asks for


class SecretError(ValueError):
    """A secret cannot be one; the message says why and does not tell it."""


class _Named(msgspec.Struct, frozen=True):
    """What tells an event from all others."""

    source: str
    id: str


class Signer:
    """Signs with each of its secrets; without any, there is no header at all."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._secrets = tuple(secrets)

    @property
    def signs(self) -> bool:
        return bool(self._secrets)

    def headers(self, event: bytes, now_ms: int) -> dict[str, str]:
        """Give the headers of a call that is made now."""
        if not self._secrets:
            return {}
        name, at_s = call_id(event), now_ms // 1000
        return {
            "webhook-id": name,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(signature(each, name, at_s, event) for each in self._secrets),
        }


class Signers:
    """Whose secrets are for which URL: those of the longest of `receivers` above it, else the usual ones."""

    def __init__(self, usual: Signer, receivers: Mapping[str, Signer]) -> None:
        self._usual = usual
        known = [(_decoded(url), signer) for url, signer in receivers.items()]
        self._receivers = sorted(
            known, key=lambda each: (len(each[0].path), len(each[0].query)), reverse=True
        )

    def of(self, url: str) -> Signer:
        """Give who signs calls to a URL."""
        wanted = _decoded(url)
        return next((own for above, own in self._receivers if begins_with(wanted, above)), self._usual)


def _decoded(url: str) -> SplitResult:
    """Give the parts of a URL that was checked, its path as most servers read it."""
    parts = urlsplit(url)
    return parts._replace(path=unquote(parts.path))


UNSIGNED = Signers(Signer(), {})


def signature(secret: bytes, name: str, at_s: int, body: bytes) -> str:
    """Sign a call as the first version of the scheme says."""
    told = hmac.digest(secret, f"{name}.{at_s}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(told).decode()}"


def call_id(event: bytes) -> str:
    """Name the calls of an event, apart from those of all others."""
    event_of = msgspec.json.decode(event, type=_Named)
    return hashlib.sha256(f"{event_of.source}\n{event_of.id}".encode()).hexdigest()[:32]


def parse_secret(text: str) -> bytes:
    """Read whsec_<base64>, or raise SecretError."""
    text = text.strip()
    try:
        found = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretError("is not whsec_ and base64 behind it") from error
    if not text.startswith(_PREFIX):
        raise SecretError("does not begin with whsec_")
    if len(found) not in _BYTES:
        raise SecretError(f"has {len(found)} bytes; 24 to 64 are good")
    return found
