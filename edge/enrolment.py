"""Enrolment and renewal of a device. What was done is not done again, wherever the power was cut.

    key is made -> request -> claim is used -> certificate is checked, stored -> claim is removed
        '-- cut here: the next run goes on with the same key, and the cloud gives that key the same answer

With a TPM there is no claim: each attempt asks for one that this TPM alone can read.

Renewal: at two thirds of the certificate's life, signed for with the key; one that is over will do.
"""

import base64
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.x509 import Certificate, load_pem_x509_certificate

from edge import tpm
from edge.backoff import Backoff
from edge.enrolment_client import Client, Granted, UnreachableError
from edge.enrolment_config import EnrolmentConfig, EnrolmentConfigError
from edge.identity_files import IdentityError, IdentityFiles, check_certificate, request_of, sync_folder
from edge.tpm import TpmError
from wire import renewal

MAX_CLAIM = 512
LIMIT_S = 900.0  # between two attempts, at most
_OTHERS = 0o077

log = structlog.get_logger()

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device has now, until when, and whether it is new."""

    certificate: Path
    until: datetime
    is_new: bool


class Enroller:
    """Gets and renews the certificate of one device."""

    def __init__(
        self, config: EnrolmentConfig, backoff: Backoff | None = None, now: Now | None = None
    ) -> None:
        """Read the authority. Raises EnrolmentConfigError."""
        self._config = config
        self._ca_pem, self._ca = _authority(Path(config.ca))
        self._client = Client(config.base, self._ca_pem, self._ca)
        self._files = IdentityFiles(Path(config.identity))
        self._backoff = backoff or Backoff(2.0, LIMIT_S)
        self._now = now or (lambda: datetime.now(timezone.utc))

    def enrol(self, stop: threading.Event) -> Outcome | None:
        """Get a certificate, trying until there is one; None if it was stopped.

        Raises RefusedError, IdentityError, EnrolmentConfigError, OSError.
        """
        with self._files.alone():
            key = self._files.key()
            present = self._present(key)
            is_new = present is None
            if present is None:
                present = self._redeem(key, stop)
            if present is None:
                return None
            self._forget_claim()
            return self._outcome(present, is_new=is_new)

    def renew(self, stop: threading.Event, *, at_once: bool = False) -> Outcome | None:
        """Get the next certificate if it is time, or `at_once`; None if it was stopped.

        Raises RefusedError, IdentityError, OSError.
        """
        if not self._files.key_path.exists() or not self._files.certificate_path.exists():
            raise IdentityError(f"{self._config.identity}: not enrolled yet: mirage edge enrol")
        with self._files.alone():
            return self._renew(stop, at_once=at_once)

    def _renew(self, stop: threading.Event, *, at_once: bool) -> Outcome | None:
        key, present = self._files.key(), self._files.certificate()
        assert present is not None  # noqa: S101 -- `renew` has looked
        if not at_once and not is_due(present, self._now()):
            return self._outcome(present, is_new=False)
        granted = self._patiently(lambda: self._renewed(key), stop)
        if granted is None:
            return None
        before = present.serial_number
        stored = self._keep(granted, key)
        return self._outcome(stored, is_new=stored.serial_number != before)

    def _redeem(self, key: EllipticCurvePrivateKey, stop: threading.Event) -> Certificate | None:
        log.info("enrols", name=self._config.name, url=self._config.url, key=str(self._files.key_path))
        request = request_of(key, self._config.name)
        if self._config.claim is None:
            granted = self._patiently(lambda: self._enrolled(self._claim_of_tpm(request), request), stop)
        else:
            claim = _claim(Path(self._config.claim))
            granted = self._patiently(lambda: self._enrolled(claim, request), stop)
        return None if granted is None else self._keep(granted, key)

    def _enrolled(self, claim: str, request: bytes) -> Granted:
        return self._client.enrol(claim, request, self._now())

    def _claim_of_tpm(self, request: bytes) -> str:
        try:
            with tpm.opened(self._config.tpm or tpm.DEVICE) as chip:
                invitation = self._client.invite(request, chip.ek, chip.attestation(), self._now())
                credential = invitation.credential
                secret = chip.activate(credential.id_object, credential.encrypted_secret)
        except TpmError as error:  # busy, locked, not yet there: as with the cloud, later it may answer
            raise UnreachableError(str(error)) from error
        return f"{invitation.ticket}_{base64.urlsafe_b64encode(secret).decode().rstrip('=')}"

    def _renewed(self, key: EllipticCurvePrivateKey) -> Granted:
        name = self._config.name
        challenge = self._client.challenge(name, self._now())
        signature = renewal.sign(key, name, challenge.nonce)
        return self._client.renew(name, challenge.nonce, signature, self._now())

    def _patiently(self, ask: Callable[[], Granted], stop: threading.Event) -> Granted | None:
        while not stop.is_set():
            granted = self._once(ask, stop)
            if granted is not None:
                return granted
        return None

    def _once(self, ask: Callable[[], Granted], stop: threading.Event) -> Granted | None:
        try:
            return ask()
        except UnreachableError as error:
            delay_s = max(self._backoff.next_delay_s(), error.wait_s)
            log.warning("no certificate yet", reason=str(error), next_try_s=round(delay_s, 1))
            stop.wait(delay_s)
            return None

    def _present(self, key: EllipticCurvePrivateKey) -> Certificate | None:
        """Give the certificate that there is, if it is ours; one that is over does not outdo a new claim."""
        found = self._files.certificate()
        if found is None:
            return None
        claim = self._config.claim
        if found.not_valid_after_utc < self._now() and claim is not None and Path(claim).exists():
            return None
        pem = self._files.certificate_path.read_bytes()
        try:
            return check_certificate(pem, self._ca, key, self._config.device)
        except IdentityError as error:
            log.warning("the certificate that is there is not ours, another is asked for", reason=str(error))
            return None

    def _keep(self, granted: Granted, key: EllipticCurvePrivateKey) -> Certificate:
        pem = granted.certificate.encode()
        found = check_certificate(pem, self._ca, key, self._config.device)
        if granted.ca.strip() != self._ca_pem.strip():
            log.warning("the cloud names another authority; that of the seed stays", file=self._config.ca)
        self._files.store(pem)
        return found

    def _forget_claim(self) -> None:
        path = None if self._config.claim is None else Path(self._config.claim)
        if path is not None and path.exists():
            path.unlink()
            sync_folder(path.parent)

    def _outcome(self, certificate: Certificate, *, is_new: bool) -> Outcome:
        return Outcome(self._files.certificate_path, certificate.not_valid_after_utc, is_new)


def is_due(certificate: Certificate, now: datetime) -> bool:
    """Tell whether it is time to renew: two thirds are over, or the clock is too wrong to tell."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now < begins or now >= begins + (ends - begins) * 2 / 3


def _authority(path: Path) -> "tuple[str, Certificate]":
    try:
        pem = path.read_bytes()
        return pem.decode("ascii"), load_pem_x509_certificate(pem)
    except OSError as error:
        raise EnrolmentConfigError(f"enrolment.ca: {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise EnrolmentConfigError(f"enrolment.ca: {path}: is no certificate in PEM") from error


def _claim(path: Path) -> str:
    try:
        if path.stat().st_mode & _OTHERS:
            raise EnrolmentConfigError(f"enrolment.claim: {path}: others may read it: chmod 600 {path}")
        text = path.read_bytes()[:MAX_CLAIM].decode("ascii").strip()
    except OSError as error:
        raise EnrolmentConfigError(f"enrolment.claim: {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise EnrolmentConfigError(f"enrolment.claim: {path}: is no claim") from error
    if not text:
        raise EnrolmentConfigError(f"enrolment.claim: {path}: is empty")
    return text
