"""How devices get their certificates, and what speaks against one of them being the only one of its name."""

from sqlalchemy import BigInteger, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class ClaimRow(Base):
    """The right to enrol one device once; of its secret only the SHA-256 is kept.

    `cameras` is a JSON list of names. It was used at `used_ms` for the key whose SPKI has the SHA-256
    `used_by`, which may ask again if the answer was lost. Where `ek_sha256` is given, the claim is for the
    TPM whose endorsement key's SPKI has this SHA-256, and nobody has the secret.
    """

    __tablename__ = "claims"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(32))
    device: Mapped[str] = mapped_column(String(32), index=True)
    cameras: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    expires_ms: Mapped[int] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)
    used_ms: Mapped[int | None] = mapped_column(BigInteger)
    used_by: Mapped[bytes | None] = mapped_column(LargeBinary)
    ek_sha256: Mapped[bytes | None] = mapped_column(LargeBinary)


class CertificateRow(Base):
    """A device's certificate that is known here: `pem`, by its serial number in hex.

    `key_sha256` is that of the SPKI of its key. Rows go when the certificate is over long since.
    """

    __tablename__ = "certificates"

    serial: Mapped[str] = mapped_column(String(40), primary_key=True)
    device: Mapped[str] = mapped_column(String(32), index=True)
    key_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    begins_ms: Mapped[int] = mapped_column(BigInteger)
    ends_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    issued_ms: Mapped[int] = mapped_column(BigInteger)
    pem: Mapped[bytes] = mapped_column(LargeBinary)


class SpentNonceRow(Base):
    """A nonce that a renewal was asked for with; until it is over, it is good for no other."""

    __tablename__ = "spent_nonces"

    nonce: Mapped[str] = mapped_column(String(160), primary_key=True)
    expires_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class IdentityAlarmRow(Base):
    """A sign that two devices have one identity, of a `kind`; raised `times` times, until it is settled."""

    __tablename__ = "identity_alarms"
    __table_args__ = (UniqueConstraint("device", "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(32))
    device: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str]
    first_ms: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[int]
