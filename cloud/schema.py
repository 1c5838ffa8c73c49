"""The tables of the store.

    devices -< boots -< packets - segments - clips      packets are what arrived and never change;
        |---< cameras --'              '---- jobs       segments are derived from them and can be rebuilt
        |---< keys                                      secrets of connections, by boot
        |---< commands                                  what devices were asked, and what they said
        '---- telemetry                                 the latest record

    pending      frames of devices whose birth has not been seen, to be read again when it comes
    quarantine   messages that nobody can read, kept for whoever looks for the reason
    enrolments   who may speak, known before it does; not tied to `devices`, which are those that spoke
    search       what captions say, where and when; kept by triggers on `segments` (migration 0008)

Times ending in `_ms` are milliseconds of the Unix epoch, except `captured_ms` (since boot) and
`duration_ms`. Every change here needs a migration in cloud/migrations.
"""

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, MetaData, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


_UNDERIVED, _AGAIN = text("underived IS NOT NULL"), text("underived = 2")
_LATE = text("late_ms IS NOT NULL")


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can find it on any database."""

    metadata = MetaData(naming_convention=_NAMES)


class DeviceRow(Base):
    """One device; `boot_hex` is the boot of the last birth that it sent."""

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("tenant", "site", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(32))
    boot_hex: Mapped[str | None] = mapped_column(String(16))
    seen_ms: Mapped[int] = mapped_column(BigInteger)


class BootRow(Base):
    """One start of a device: `birth` as it came (first at `born_ms`), its last state, what of it is stored.

    All sequences up to `highest` are, but those in `holes`: JSON, a list of (first, last). `changed_ms`
    is when the device last sent a packet of it. Segments were derived up to sequence `derived` at least
    once; whoever derives them has a lease until `lease_ms` (cloud/derivation.py).
    """

    __tablename__ = "boots"
    __table_args__ = (UniqueConstraint("device_id", "boot_hex"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    boot_hex: Mapped[str] = mapped_column(String(16))
    birth: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16), default="unknown")
    highest: Mapped[int] = mapped_column(BigInteger, default=-1)
    holes: Mapped[str] = mapped_column(default="[]")
    born_ms: Mapped[int | None] = mapped_column(BigInteger)
    changed_ms: Mapped[int] = mapped_column(BigInteger)
    derived: Mapped[int] = mapped_column(BigInteger, default=-1)
    lease_ms: Mapped[int] = mapped_column(BigInteger, default=0)


class CameraRow(Base):
    """One camera of a device; size and rate are those of the last birth that named it.

    `segments` and `bytes` add up its packets: counting them for every reader would take too long.
    """

    __tablename__ = "cameras"
    __table_args__ = (UniqueConstraint("device_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    name: Mapped[str] = mapped_column(String(32))
    width: Mapped[int | None]
    height: Mapped[int | None]
    fps: Mapped[float | None]
    segments: Mapped[int] = mapped_column(default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class PacketRow(Base):
    """One packet as it came, without its boot id and its backlog flag; `size` counts the whole frame.

    `underived` is null once its segment is as it should be: 1 while there is none yet, 2 while it is to be
    derived again.
    """

    __tablename__ = "packets"
    __table_args__ = (
        UniqueConstraint("boot_id", "sequence"),
        Index(None, "camera_id", "boot_id", "sequence"),
        Index(
            "ix_packets_underived",
            "underived",
            "historical",
            sqlite_where=_UNDERIVED,
            postgresql_where=_UNDERIVED,
        ),
        Index("ix_packets_again", "boot_id", "sequence", sqlite_where=_AGAIN, postgresql_where=_AGAIN),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    boot_id: Mapped[int] = mapped_column(ForeignKey("boots.id"))
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    refresh: Mapped[bool]
    historical: Mapped[bool]
    gap: Mapped[bool]
    size: Mapped[int]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_ms: Mapped[int] = mapped_column(BigInteger)
    underived: Mapped[int | None]


class SegmentRow(Base):
    """What a packet says, for lists and search: wall time, caption, bytes by layer (JSON, label to bytes).

    `fault` says why it cannot be understood yet, for instance because its device's birth is missing.
    """

    __tablename__ = "segments"
    __table_args__ = (Index(None, "camera_id", "start_ms"),)

    packet_id: Mapped[int] = mapped_column(ForeignKey("packets.id"), primary_key=True)
    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id"))
    start_ms: Mapped[int] = mapped_column(BigInteger)
    duration_ms: Mapped[int]
    still: Mapped[bool]
    caption: Mapped[str | None]
    fault: Mapped[str | None]
    layers: Mapped[str]


class ClipRow(Base):
    """A rendered segment. The same `fingerprint` is the same clip.

    `wanted` is the fingerprint of the clip that it falls short of, null for a full one. `tail_key` names what
    it left for the next clip, while that is kept. `seam` measures its border to the clip that it goes on
    from; null where it begins anew.
    """

    __tablename__ = "clips"

    packet_id: Mapped[int] = mapped_column(ForeignKey("packets.id"), primary_key=True)
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
    made_ms: Mapped[int] = mapped_column(BigInteger)


class JobRow(Base):
    """The wish to render a segment, and what became of it (`cloud.jobs`).

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


class PendingRow(Base):
    """A frame whose boot, or key, is not known yet."""

    __tablename__ = "pending"

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    topic: Mapped[str]
    frame: Mapped[bytes] = mapped_column(LargeBinary)
    received_ms: Mapped[int] = mapped_column(BigInteger)


class QuarantineRow(Base):
    """A message that could not be read, and why."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str]
    frame: Mapped[bytes] = mapped_column(LargeBinary)
    reason: Mapped[str]
    received_ms: Mapped[int] = mapped_column(BigInteger)


class KeyRow(Base):
    """The secret of one connection. `down_counter` is the next nonce of what the cloud sends under it.

    `telemetry_counter` is the highest that came under the telemetry topic.
    """

    __tablename__ = "keys"
    __table_args__ = (UniqueConstraint("device_id", "secret"), Index(None, "device_id", "key_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    boot_id: Mapped[int] = mapped_column(ForeignKey("boots.id"))
    key_id: Mapped[int]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    born_ms: Mapped[int] = mapped_column(BigInteger)
    telemetry_counter: Mapped[int] = mapped_column(BigInteger, default=-1)
    down_counter: Mapped[int] = mapped_column(BigInteger, default=0)


class TelemetryRow(Base):
    """The latest of what a device said of itself (wire/telemetry.py); `alarms` is a JSON list of numbers."""

    __tablename__ = "telemetry"

    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    uptime_s: Mapped[int] = mapped_column(BigInteger)
    spool_packets: Mapped[int] = mapped_column(BigInteger)
    spool_bytes: Mapped[int] = mapped_column(BigInteger)
    spool_age_s: Mapped[int] = mapped_column(BigInteger)
    dropped: Mapped[int] = mapped_column(BigInteger)
    shed_details: Mapped[int] = mapped_column(BigInteger)
    alarms: Mapped[str]


class CommandRow(Base):
    """What a device is asked: queued, sent, answered, refused or expired. JSON in `arguments` and `reply`."""

    __tablename__ = "commands"
    __table_args__ = (Index(None, "state", "deadline_ms"),)

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"))
    verb: Mapped[str] = mapped_column(String(32))
    arguments: Mapped[str]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    deadline_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    reply: Mapped[str | None]


class EnrolmentRow(Base):
    """A device that may speak. Its id is its user name at the broker, so no two have the same.

    `public_key` is SPKI in DER, `cameras` a JSON list of names. It is no longer heard after `revoked_ms`.
    """

    __tablename__ = "enrolments"
    __table_args__ = (UniqueConstraint("device"), UniqueConstraint("public_key"))

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(32))
    site: Mapped[str] = mapped_column(String(32))
    device: Mapped[str] = mapped_column(String(32))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    cameras: Mapped[str]
    enrolled_ms: Mapped[int] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)


class LiveRow(Base):
    """The live view of a camera: where its stream ends (cloud/hls). Who adds to it locks this row.

    Packets up to `sequence` of `boot_id` are decided. What is shown now began with number `since`; its end
    is `number` to `end_ms` (`cloud.hls.reel.Place`), and its last clip `tag` of `packet_id`. A clip was last
    added at `shown_ms`, anything at `listed_ms`. `late`, `failed` and `held` count since ever.
    """

    __tablename__ = "lives"

    camera_id: Mapped[int] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), primary_key=True)
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
