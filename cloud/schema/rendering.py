"""Clips, the jobs that make them, and the live views that list them."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.schema.base import Base

_LATE = text("late_ms IS NOT NULL")


class ClipRow(Base):
    """A segment rendered under a `look` (`cloud.looks`). The same `fingerprint` is the same clip.

    `wanted` is the fingerprint of the clip that it falls short of, null for a full one. `tail_key` names what
    it left for the next clip, while that is kept. `seam` measures its border to the clip that it goes on
    from; null where it begins anew. `document` is what is stated of it, with the hash of its film, signed if
    there is a key; `confidence` the score in it, null where that is not known.
    """

    __tablename__ = "clips"
    __table_args__ = (Index(None, "made_ms", "packet_id"),)

    packet_id: Mapped[int] = mapped_column(ForeignKey("packets.id"), primary_key=True)
    look: Mapped[str] = mapped_column(String(16), primary_key=True, default="", server_default="")
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    wanted: Mapped[str | None] = mapped_column(String(64))
    video_key: Mapped[str]
    poster_key: Mapped[str]
    tail_key: Mapped[str | None] = mapped_column(index=True)
    size: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    frames: Mapped[int]
    render_ms: Mapped[int]
    provenance: Mapped[str]
    seam: Mapped[float | None]
    document: Mapped[str | None]
    confidence: Mapped[float | None]
    made_ms: Mapped[int] = mapped_column(BigInteger)


class JobRow(Base):
    """The wish to render a segment under a `look`, and what became of it (`cloud.jobs`).

    `turn` counts the wishes. Whoever renders it holds a lease until `lease_ms`, and with it the `fence`,
    which only grows: what an older one wants to publish is refused. `worker` is who that is, or was.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "state", "lane", "asked_ms", "packet_id"),
        Index(None, "state", "asked_ms"),
        Index(None, "state", "changed_ms"),
        Index(None, "state", "late_ms", sqlite_where=_LATE, postgresql_where=_LATE),
    )

    packet_id: Mapped[int] = mapped_column(ForeignKey("packets.id"), primary_key=True)
    look: Mapped[str] = mapped_column(String(16), primary_key=True, default="", server_default="")
    turn: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(16))
    lane: Mapped[int]
    asked_ms: Mapped[int] = mapped_column(BigInteger)
    not_before_ms: Mapped[int] = mapped_column(BigInteger)
    late_ms: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(128))
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    lease_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    result_ref: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None]
    changed_ms: Mapped[int] = mapped_column(BigInteger)


class LiveRow(Base):
    """The live view of a camera under a `look`: where its stream ends (cloud/hls). Who adds to it locks it.

    Packets up to `sequence` of `boot_id` are decided. What is shown now began with number `since`; its end
    is `number` to `end_ms` (`cloud.hls.reel.Place`), and its last clip `tag` of `packet_id`. A clip was last
    added at `shown_ms`, anything at `listed_ms`. `late`, `failed` and `held` count since ever.
    """

    __tablename__ = "lives"

    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), primary_key=True)
    look: Mapped[str] = mapped_column(String(16), primary_key=True, default="", server_default="")
    boot_id: Mapped[int] = mapped_column(default=-1)
    sequence: Mapped[int] = mapped_column(BigInteger, default=-1)
    since: Mapped[int] = mapped_column(BigInteger, default=0)
    number: Mapped[int] = mapped_column(BigInteger, default=0)
    era: Mapped[int] = mapped_column(BigInteger, default=0)
    init_id: Mapped[str] = mapped_column(String(16), default="")
    timescale: Mapped[int] = mapped_column(default=1)
    ticks: Mapped[int] = mapped_column(BigInteger, default=0)
    end_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    packet_id: Mapped[int | None]
    tag: Mapped[str] = mapped_column(String(64), default="")
    still: Mapped[bool] = mapped_column(default=False)
    shown_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    listed_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    late: Mapped[int] = mapped_column(BigInteger, default=0)
    failed: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)


class LiveFragmentRow(Base):
    """An entry of a live playlist, as it was and stays (`cloud.hls.reel.Fragment`).

    Its packet came at `stored_ms`, and may be gone before the entry is. It was listed at `listed_ms`.
    """

    __tablename__ = "live_fragments"

    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), primary_key=True)
    look: Mapped[str] = mapped_column(String(16), primary_key=True, default="", server_default="")
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    packet_id: Mapped[int]
    tag: Mapped[str] = mapped_column(String(64))
    piece: Mapped[int]
    init_id: Mapped[str] = mapped_column(String(16))
    timescale: Mapped[int]
    base_ticks: Mapped[int] = mapped_column(BigInteger)
    ticks: Mapped[int] = mapped_column(BigInteger)
    start_ms: Mapped[int] = mapped_column(BigInteger)
    era: Mapped[int] = mapped_column(BigInteger)
    stored_ms: Mapped[int] = mapped_column(BigInteger)
    listed_ms: Mapped[int] = mapped_column(BigInteger)
