"""Private keys on disk: made once, readable by their owner only, never overwritten."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mirage.errors import InputError, OutputError
from mirage.output import make_parent, read_input, write_whole


def new_signing_key() -> EllipticCurvePrivateKey:
    """Make a key for certificates and signatures: P-256."""
    return generate_private_key(SECP256R1())


def write_key(path: Path, key: EllipticCurvePrivateKey | X25519PrivateKey | Ed25519PrivateKey) -> None:
    """Write a key into a new file. Raises InputError where there is one, OutputError."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    make_parent(path)
    refuse_existing(path)
    try:
        # Created with its mode: between a creation and a chmod anybody could open it.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def write_cloud_keys(folder: Path) -> tuple[Path, Path]:
    """Write both halves of a new key of the cloud into a folder; gives their files, the secret one first.

    Raises InputError where one of them is there already, and OutputError.
    """
    secret, public = folder / "cloud.key", folder / "cloud.pub"
    refuse_existing(secret, public)
    key = X25519PrivateKey.generate()
    write_key(secret, key)
    write_whole(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return secret, public


def write_provenance_key(path: Path) -> Path:
    """Write a new key that clips are signed with, and its public half beside it; gives the file of that.

    Raises InputError where one of them is there already, and OutputError.
    """
    public = path.with_suffix(".pub")
    refuse_existing(path, public)
    key = Ed25519PrivateKey.generate()
    write_key(path, key)
    write_whole(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def read_signing_key(path: Path) -> EllipticCurvePrivateKey:
    """Read a key of the curve P-256, or raise InputError."""
    try:
        key = load_pem_private_key(read_input(path), None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: no private key in PEM without a password") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise InputError(f"{path}: not a key of the curve P-256")
    return key


def refuse_existing(*paths: Path) -> None:
    """Raise InputError if one of these is there already."""
    for path in paths:
        if path.exists():
            raise InputError(f"{path}: is there already, and is not overwritten")
