"""The spool against a model of it: whatever happens, a packet waits, is given up, or is acknowledged."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from structlog.testing import capture_logs

from edge.spool import Spool
from tests.edge.spooling import body_of, stripped, waiting
from wire.documents import AckWatermark
from wire.gap import GapReason
from wire.packet import Packet

MAX_BYTES, MAX_AGE_S = 3000, 1000.0
CAMERAS = ("door", "yard")


class SpoolMachine(RuleBasedStateMachine):
    """Appends, acknowledges, ages and reopens; `appended` and `acknowledged` are the model."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.now_s = 0.0
        self.appended = dict[tuple[bytes, int], bytes]()
        self.acknowledged = set[tuple[bytes, int]]()
        self.was_lost = set[tuple[bytes, int]]()
        self.was_poor = set[tuple[bytes, int]]()
        self.boots = list[bytes]()
        self.open()

    def open(self) -> None:
        self.spool = Spool(Path(self.folder.name, "spool.db"), MAX_BYTES, MAX_AGE_S, lambda: self.now_s)
        self.boots.append(self.spool.boot_id)
        self.next = 0

    def teardown(self) -> None:
        self.spool.close()
        self.folder.cleanup()

    @rule(count=st.integers(1, 12), detail_bytes=st.sampled_from([0, 60, 200]), scene=st.integers(1, 6))
    def append(self, count: int, detail_bytes: int, scene: int) -> None:
        with capture_logs():
            for _ in range(count):
                body = body_of(self.next, detail_bytes=detail_bytes, scene=scene)
                self.spool.append(self.next, CAMERAS[self.next % 2], body)
                self.appended[self.spool.boot_id, self.next] = body
                self.next += 1
        newest = (self.spool.boot_id, self.next - 1)
        assert newest in waiting(self.spool)[0], "the newest packet is never given up"
        assert self.spool.backlog().used_bytes <= MAX_BYTES

    @rule(boot=st.integers(0, 5), highest=st.integers(0, 60), holes=st.sets(st.integers(0, 60), max_size=8))
    def acknowledge(self, boot: int, highest: int, holes: set[int]) -> None:
        boot_id = self.boots[boot % len(self.boots)]
        gone = sorted(hole for hole in holes if hole < highest)
        watermark = AckWatermark(highest, tuple((hole, hole) for hole in gone))
        self.spool.acknowledge(boot_id, watermark)
        self.acknowledged |= {key for key in self.appended if key[0] == boot_id and watermark.covers(key[1])}

    @rule(by_s=st.sampled_from([10.0, 400.0]))
    def wait(self, by_s: float) -> None:
        self.now_s += by_s

    @rule(killed=st.booleans(), clock_s=st.sampled_from([0.0, 1e9]))
    def reopen(self, *, killed: bool, clock_s: float) -> None:
        before = waiting(self.spool)
        left = self.spool
        if not killed:
            left.close()
        self.now_s = clock_s  # another boot's clock begins anywhere
        self.open()
        left.close()
        assert waiting(self.spool) == before

    @invariant()
    def everything_is_accounted_for(self) -> None:
        packets, lost = waiting(self.spool)
        assert packets.keys() | lost.keys() == self.appended.keys() - self.acknowledged
        for key, body in packets.items():
            poor = body != self.appended[key]
            assert not poor or Packet.parse(body) == stripped(self.appended[key])
            assert poor or key not in self.was_poor, "detail does not come back"
            self.was_poor |= {key} if poor else set()
        assert not self.was_lost & packets.keys(), "what is given up does not come back"
        assert set(lost.values()) <= {GapReason.SPOOL_FULL, GapReason.EXPIRED}
        self.was_lost |= lost.keys()


SpoolMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
test_the_spool_does_what_its_model_does = SpoolMachine.TestCase
