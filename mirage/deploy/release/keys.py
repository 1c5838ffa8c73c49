"""The key that signs a fleet's releases: for a machine without a network; devices know its public half."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mirage.errors import InputError
from mirage.output import read_input, write_whole
from mirage.secret_file import refuse_existing, write_key

_OTHERS = 0o077


def new_key(prefix: Path) -> tuple[Path, Path]:
    """Write PREFIX.key (0600) and PREFIX.pub; raises InputError where one is there already, OutputError."""
    secret, public = prefix.with_name(f"{prefix.name}.key"), prefix.with_name(f"{prefix.name}.pub")
    refuse_existing(secret, public)
    key = Ed25519PrivateKey.generate()
    write_key(secret, key)
    write_whole(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return secret, public


def read_key(path: Path, public: Ed25519PublicKey) -> Ed25519PrivateKey:
    """Read the secret half of `public`, which nobody else may be able to read. Raises InputError."""
    data = read_input(path)
    if path.stat().st_mode & _OTHERS:
        raise InputError(f"{path}: others may read it: chmod 600 {path}")
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{path}: not an Ed25519 key")
    if key.public_key().public_bytes_raw() != public.public_bytes_raw():
        raise InputError(f"{path}: is not the other half of what release.key of the fleet file names")
    return key
