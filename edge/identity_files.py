"""The files of a device's identity. Each is there whole or not at all, after a power cut too.

device.key    made here, P-256, 0600; never replaced, never sent
device.pem    its certificate, for everybody to read
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import Certificate, load_pem_x509_certificate
from cryptography.x509.oid import NameOID

MAX_BYTES = 65_536


class IdentityError(ValueError):
    """A file of the identity, or what was to become one, cannot be used; the message names it."""


class IdentityFiles:
    """Key and certificate in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.key_path = folder / "device.key"
        self.certificate_path = folder / "device.pem"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out meanwhile: two that make a key at once would look like two devices.

        Raises IdentityError if somebody is at it, OSError.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IdentityError(f"{self._folder}: another enrolment or renewal is under way") from error

    def key(self) -> EllipticCurvePrivateKey:
        """Read the device's key; make it first where there is none. Raises IdentityError, OSError."""
        if not self.key_path.exists():
            made = generate_private_key(SECP256R1())
            pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_durably(self.key_path, pem, 0o600)
        try:
            key = load_pem_private_key(_read(self.key_path), None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IdentityError(f"{self.key_path}: is no private key in PEM without a password") from error
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise IdentityError(f"{self.key_path}: is no key of the curve P-256")
        return key

    def certificate(self) -> Certificate | None:
        """Read the certificate, None where there is none yet. Raises IdentityError."""
        if not self.certificate_path.exists():
            return None
        try:
            return load_pem_x509_certificate(_read(self.certificate_path))
        except ValueError as error:
            raise IdentityError(f"{self.certificate_path}: is no certificate in PEM") from error

    def store(self, pem: bytes) -> None:
        """Write a certificate that was checked. Its folder is root's, so anybody else needs a way in."""
        self._folder.chmod(0o711)
        write_durably(self.certificate_path, pem, 0o644)


def request_of(key: EllipticCurvePrivateKey, name: str) -> bytes:
    """Make the request for a certificate of the device TENANT/SITE/DEVICE, in PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name.rpartition("/")[2])])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"mirage:{name}")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.add_extension(names, critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)


def check_certificate(pem: bytes, ca: Certificate, key: EllipticCurvePrivateKey, device: str) -> Certificate:
    """Read a certificate that came, or raise IdentityError: of our authority, our key, our name."""
    try:
        found = load_pem_x509_certificate(pem)
        found.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise IdentityError(f"what the cloud sent is no certificate of our authority: {error}") from error
    if found.public_key() != key.public_key():
        raise IdentityError("the certificate that the cloud sent is of another key than ours")
    names = [str(each.value) for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [device]:
        raise IdentityError(f"the certificate that the cloud sent is of {names}, not of {device!r}")
    return found


def write_durably(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole, or not at all. It has its mode from the start: nobody can open it before."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)  # of a run that was cut off
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder last: without it, a power cut may undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)
