"""A store that was filled over many days, and a pruner over it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from cloud import jobs
from cloud.config import Retention
from cloud.message import Message, Outcome, Receipt
from cloud.objects import Objects
from cloud.retention.forecast import forecast
from cloud.retention.pruner import Pruner
from cloud.retention.tally import Tallies
from cloud.schema import CameraRow, JobRow, PacketRow, SegmentRow
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.desk import NOW_MS, Desk
from tests.cloud.sample import CAMERA, Device, MeanRenderer
from tests.cloud.studio import FOLDERS, Studio
from wire.bundle import Bundle
from wire.documents import CameraInfo
from wire.packet import Packet

DAY_MS = 86_400_000
YARD = CameraInfo(name="yard", width=640, height=480, fps=10.0)


@dataclass
class Archive:
    """Packets of one device with two cameras. `now_ms` is the time of all."""

    store: Store
    place: Path | str
    bundle: Bundle
    now_ms: int = NOW_MS
    device: Device = field(init=False)

    def __post_init__(self) -> None:
        self.device = Device(self.bundle, cameras=(CAMERA, YARD))
        self.desk = Desk(self.store, [self.bundle])
        self.objects = Objects(str(self.place))
        self.studio = Studio(self.store, self.place, self.bundle, MeanRenderer())
        self.desk.birth(self.device)

    def receive(self, packet: Packet, camera: str = "gate") -> Receipt:
        """Store a packet now."""
        topic = self.device.topics.sem(camera)
        (receipt,) = self.desk.inbox.accept([Message(topic, self.device.frame(packet, camera), self.now_ms)])
        self.desk.derive()
        return receipt

    def record(self, groups: int, size: int = 3, camera: str = "gate") -> list[Packet]:
        """Store groups of packets, each a refresh and what says "as before"; give what was stored."""
        made = list[Packet]()
        for _ in range(groups):
            for number in range(size):
                packet = self.device.packet(CAPTIONS[0], camera=camera, refresh=number == 0)
                assert self.receive(packet, camera).outcome is Outcome.STORED
                made.append(packet)
        return made

    def pruner(self, **limits: float) -> Pruner:
        return Pruner(self.store, self.objects, limits_of(**limits), lambda: self.now_ms)

    def prune(self, **limits: float) -> Tallies:
        return self.pruner(**limits).prune(self.now_ms)

    def forecast(self, **limits: float) -> Tallies:
        return forecast(self.store, self.objects, limits_of(**limits), self.now_ms)

    def sequences(self, camera: str = "gate") -> list[int]:
        """Give what is stored of a camera."""
        query = select(PacketRow.sequence).join(CameraRow, CameraRow.id == PacketRow.camera_id)
        with self.store.read() as session:
            named = query.where(CameraRow.name == camera, PacketRow.gap.is_(False))
            return list(session.scalars(named.order_by(PacketRow.sequence)))

    def captions(self) -> list[str | None]:
        return self.desk.captions()

    def derive_again(self) -> None:
        """Have everything derived anew, as after a birth."""
        with self.store.write() as session:
            for row in session.scalars(select(PacketRow).where(PacketRow.gap.is_(False))):
                row.underived = 2
        self.desk.derive()

    def render(self, *sequences: int) -> None:
        """Have segments rendered, one after the other, each made a second later."""
        for sequence in sequences:
            with self.store.write() as session:
                jobs.enqueue(session, self.packet_id(sequence), self.studio.now_ms)
            assert self.studio.worker.work()
            self.studio.now_ms += 1000

    def packet_id(self, sequence: int) -> int:
        with self.store.read() as session:
            return session.scalars(select(PacketRow.id).where(PacketRow.sequence == sequence)).one()

    def counted(self, camera: str = "gate") -> tuple[int, int]:
        """Give what a camera counts: segments, bytes."""
        with self.store.read() as session:
            row = session.scalars(select(CameraRow).where(CameraRow.name == camera)).one()
            return row.segments, row.bytes

    def measured(self, camera: str = "gate") -> tuple[int, int]:
        """Count what is there of a camera: segments, bytes of all packets."""
        with self.store.read() as session:
            camera_id = session.scalars(select(CameraRow.id).where(CameraRow.name == camera)).one()
            of_camera = select(func.count(), func.sum(PacketRow.size)).where(PacketRow.camera_id == camera_id)
            count = session.scalar(
                select(func.count()).select_from(SegmentRow).where(SegmentRow.camera_id == camera_id)
            )
            return count or 0, int(session.execute(of_camera).one()[1] or 0)

    def jobs(self) -> Sequence[int]:
        with self.store.read() as session:
            return session.scalars(select(JobRow.packet_id).order_by(JobRow.packet_id)).all()

    def unfinished(self) -> bool:
        """Tell whether there is a job that waits or is being done."""
        query = select(JobRow.packet_id).where(JobRow.state.in_(("queued", "running")))
        with self.store.read() as session:
            return session.scalar(query.limit(1)) is not None

    def files(self) -> list[str]:
        """Name the kinds of objects that are there."""
        return self.studio.kinds()

    def last_written_ms(self) -> int:
        """Give the time by the clock that objects are dated by; S3 tells whole seconds."""
        pages = (page for folder in (*FOLDERS, "anchors") for page in self.objects.listed(folder))
        return max(each.modified_ms for page in pages for each in page) + 1_000


def limits_of(**limits: float) -> Retention:
    whole = {"packets_bytes_per_camera", "clips_bytes_per_camera", "quarantine_bytes"}
    return Retention(**{key: int(each) if key in whole else each for key, each in limits.items()})  # type: ignore[arg-type]
