"""What is kept although its time is over."""

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base


class KeepRow(Base):
    """An interval of a camera that retention leaves alone, from `from_ms` on and before `to_ms`."""

    __tablename__ = "keeps"
    __table_args__ = (Index(None, "camera_id", "from_ms"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"))
    from_ms: Mapped[int] = mapped_column(BigInteger)
    to_ms: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(default="")
    made_ms: Mapped[int] = mapped_column(BigInteger)
