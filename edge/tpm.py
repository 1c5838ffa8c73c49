"""What a TPM does for enrolment, by tpm2-tools: it names itself, and reads what only it can read.

    createek    the endorsement key, the same each time: P-256, or RSA 2048 where the TPM has no P-256
    createak    an attestation key below it, for this once
    activatecredential        what was made for those two keys -> the secret in it

Nothing of it stays in the TPM. `tcti` says where that is: "device:/dev/tpmrm0".
"""

import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

DEVICE = "device:/dev/tpmrm0"
_TIMEOUT_S = 120  # discrete TPMs take seconds to make a key
_MAGIC, _VERSION = 0xBADCC0DE, 1  # of the file that tpm2_activatecredential reads
_P256 = "TPM2_ECC_NIST_P256"


class TpmError(RuntimeError):
    """There is no TPM, no tool for it, or it says no; the message says which."""


class Tpm:
    """A TPM with both keys loaded. `ek` is the DER of the endorsement key's SPKI, `ak` a TPM2B_PUBLIC."""

    def __init__(self, tcti: str, folder: Path) -> None:
        """Make the endorsement key. Raises TpmError."""
        self._tcti = tcti
        self._folder = folder
        self._clear()
        kind = "ecc" if _P256 in self._run("getcap", "ecc-curves") else "rsa"
        self._run("createek", "-c", "ek.ctx", "-G", kind, "-u", "ek.pub")
        self._clear()
        self._run("readpublic", "-c", "ek.ctx", "-f", "der", "-o", "ek.der")
        self._clear()
        self.ek = (folder / "ek.der").read_bytes()

    def attestation(self) -> bytes:
        """Make an attestation key; gives its public area. Raises TpmError."""
        self._run("createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa",
                  "-u", "ak.pub")  # fmt: skip
        self._clear()
        return (self._folder / "ak.pub").read_bytes()

    def activate(self, id_object: bytes, encrypted_secret: bytes) -> bytes:
        """Read the secret of a credential that was made for both keys. Raises TpmError."""
        file = struct.pack(">II", _MAGIC, _VERSION) + id_object + encrypted_secret
        (self._folder / "credential").write_bytes(file)
        self._run("startauthsession", "--policy-session", "-S", "session")
        try:
            self._run("policysecret", "-S", "session", "-c", "endorsement")
            self._run("activatecredential", "-c", "ak.ctx", "-C", "ek.ctx", "-i", "credential",
                      "-o", "secret", "-P", "session:session")  # fmt: skip
        finally:
            self._run("flushcontext", "session")
            self._clear()
        return (self._folder / "secret").read_bytes()

    def _clear(self) -> None:
        """Unload what the last tool left: a TPM holds three objects, where no resource manager swaps them."""
        self._run("flushcontext", "-t")

    def _run(self, verb: str, *arguments: str) -> str:
        name = f"tpm2_{verb}"
        program = shutil.which(name)
        if program is None:
            raise TpmError(f"{name} is not installed: apt-get install tpm2-tools")
        try:
            done = subprocess.run(  # noqa: S603 -- tpm2-tools, with our own arguments
                [program, "-T", self._tcti, *arguments],
                cwd=self._folder, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise TpmError(f"{name}: no answer from {self._tcti} within {_TIMEOUT_S} s") from error
        if done.returncode:
            raise TpmError(f"{name}: {self._tcti}: {_reason(done.stderr)}")
        return done.stdout


@contextmanager
def opened(tcti: str) -> Iterator[Tpm]:
    """Give a TPM; its files, which are no secrets but for the one that was read, are gone afterwards."""
    with TemporaryDirectory(prefix="mirage-tpm-") as folder:
        yield Tpm(tcti, Path(folder))


def fingerprint(ek: bytes) -> str:
    """Name a TPM by the SHA-256 of its endorsement key's SPKI, in hexadecimal digits."""
    return sha256(ek).hexdigest()


def _reason(stderr: str) -> str:
    """Give the line that says what is wrong: tools begin with it, and then say that they failed."""
    lines = [line.removeprefix("ERROR:").strip() for line in stderr.splitlines() if line.startswith("ERROR")]
    return "; ".join(lines[:2]) or "it failed without a word"
