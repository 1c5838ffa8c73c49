"""Reads the secrets that calls of webhooks are signed with, as [webhooks] names them."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import structlog

from cloud.config import Config, ConfigError
from cloud.config_webhooks import begins_with
from cloud.private_key import read_private
from cloud.signatures import SecretError, Signer, Signers, parse_secret

log = structlog.get_logger()


def signers_of(config: Config, credentials: str | None) -> Signers:
    """Read the secrets that [webhooks] names, and log once whose calls are not signed. Raises ConfigError."""
    settings = config.webhooks
    # Only hosts are told: what stands in paths may be a secret.
    called = [url for url in (*config.alerts.webhooks, config.usage.webhook) if url]
    for receiver in settings.receiver:
        if not any(_touch(receiver.url, url) for url in called):
            told = "neither below nor above any of alerts.webhooks and usage.webhook: nobody calls it"
            raise ConfigError(f"webhooks.receiver at {urlsplit(receiver.url).netloc}: {told}")
    receivers = {
        each.url: _signer(each.secrets, credentials, "webhooks.receiver") for each in settings.receiver
    }
    signers = Signers(_signer(settings.secrets, credentials, "webhooks.secrets"), receivers)
    unsigned = sorted({urlsplit(url).netloc for url in called if not signers.of(url).signs})
    if unsigned:
        log.warning("no secret in [webhooks]: calls are not signed", receivers=unsigned)
    return signers


def _touch(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return begins_with(first, second) or begins_with(second, first)


def _signer(names: Sequence[str], credentials: str | None, setting: str) -> Signer:
    return Signer([_secret(name, credentials, setting) for name in names])


def _secret(name: str, credentials: str | None, setting: str) -> bytes:
    path, data = read_private(name, credentials, setting)
    try:
        return parse_secret(data.decode("ascii", "replace"))
    except SecretError as error:
        raise ConfigError(f"{setting}: {path}: {error}") from error
