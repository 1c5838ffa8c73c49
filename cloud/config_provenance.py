"""The settings of how clips are vouched for: [provenance]."""

from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

_CREDENTIAL = "credential:"


class Provenance(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs what is stated of a clip, and whether clips carry a C2PA manifest as well.

    `key` is an Ed25519 key (`mirage cloud provenance-key new`): a file, or `credential:NAME`; without one
    nothing is signed. `c2pa_certificate` is a chain in PEM, the signer's own first; `c2pa_key` its key, P-256
    (`mirage cloud ca signer`). With `confidence` each clip is described again and compared with what was
    received, which needs the sender's half of the bundle.
    """

    key: str | None = None
    c2pa_certificate: str | None = None
    c2pa_key: str | None = None
    confidence: bool = True

    def __post_init__(self) -> None:
        if (self.c2pa_certificate is None) != (self.c2pa_key is None):
            raise ValueError("provenance.c2pa_certificate and provenance.c2pa_key go together")

    def below(self, folder: Path) -> "Provenance":
        """Give the same with its files below a folder."""
        key, certificate, c2pa_key = (
            name if name is None or name.startswith(_CREDENTIAL) else str(folder / name)
            for name in (self.key, self.c2pa_certificate, self.c2pa_key)
        )
        return replace(self, key=key, c2pa_certificate=certificate, c2pa_key=c2pa_key)
