"""Makes the notary that the settings ask for, and lets its key be known."""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import structlog

from cloud.clock import wall_ms
from cloud.config import Config, ConfigError
from cloud.private_key import read_private
from cloud.provenance.content import ContentError, ContentSigner
from cloud.provenance.notary import Notary
from cloud.provenance.register import note
from cloud.provenance.signing import Signatory, SigningKeyError, key_id
from cloud.render.mp4 import Mp4Writer
from cloud.store import Store

log = structlog.get_logger()


def notary_of(config: Config, credentials: str | None) -> Notary:
    """Read the keys that [provenance] names. Raises ConfigError."""
    settings = config.provenance
    signatory = None if settings.key is None else _signatory(settings.key, credentials)
    if settings.c2pa_certificate is None or settings.c2pa_key is None:
        return Notary(signatory)
    _, key = read_private(settings.c2pa_key, credentials, "provenance.c2pa_key")
    try:
        certificate = Path(settings.c2pa_certificate).read_bytes()
    except OSError as error:
        told = f"{settings.c2pa_certificate}: {error.strerror}"
        raise ConfigError(f"provenance.c2pa_certificate: {told}") from error
    content = ContentSigner(certificate, key)
    _try(content, settings.c2pa_certificate)
    return Notary(signatory, content)


def announce(notary: Notary, store: Store) -> None:
    """Put the public half into the register, before anything is signed with it. Raises StoreError."""
    if notary.signatory is None:
        log.warning("provenance.key is not set: what is stated of clips is not signed")
        return
    with store.write() as session:
        note(session, notary.signatory.public, wall_ms())
    log.info("clips are signed", key=key_id(notary.signatory.public))


def _try(content: ContentSigner, certificate: str) -> None:
    """Sign a black film: what will not do is found now, and not with each clip. Raises ConfigError."""
    with tempfile.TemporaryDirectory(prefix="mirage-c2pa-") as folder:
        film = Path(folder) / "black.mp4"
        with Mp4Writer(film, 16, 16, Fraction(1), "black", {}) as writer:
            writer.write(np.zeros((1, 16, 16, 3), np.uint8))
        try:
            content.sign(film, "black", {})
        except ContentError as error:
            raise ConfigError(f"provenance.c2pa_certificate: {certificate}: {error}") from error


def _signatory(name: str, credentials: str | None) -> Signatory:
    path, data = read_private(name, credentials, "provenance.key")
    try:
        return Signatory.read(data)
    except SigningKeyError as error:
        raise ConfigError(f"provenance.key: {path}: {error}") from error
