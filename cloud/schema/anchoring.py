"""Pictures of how the receiver wants things to look, that were stored."""

from sqlalchemy import BigInteger, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class AnchorRow(Base):
    """One use of a picture, whose object the SHA-256 of its content names.

    `kind` is place, thing, people or stand-in; `camera` a pattern (`cloud.config_receiver.matches`); `word`
    that of a thing, else empty. Taken for clips of roles from `role` up.
    """

    __tablename__ = "anchors"
    __table_args__ = (Index(None, "sha256", "kind", "camera", "word", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    camera: Mapped[str] = mapped_column(String(160))
    word: Mapped[str] = mapped_column(String(64), default="")
    role: Mapped[int] = mapped_column(SmallInteger, default=1)
    name: Mapped[str] = mapped_column(String(120), default="")
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    added_ms: Mapped[int] = mapped_column(BigInteger)
