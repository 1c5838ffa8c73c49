"""What comes from the cloud: acks free the spool, commands go to whoever carries them out.

Nothing is believed that does not open. Such messages are counted, and not answered.
"""

import time
from collections.abc import Callable

import structlog

from edge.commands import Commands
from edge.session import Opened, Session
from edge.spool import Spool
from wire import documents, topics
from wire.documents import DocumentError
from wire.envelope import EnvelopeError
from wire.topics import DeviceTopics, TopicError

log = structlog.get_logger()


class Downlink:
    """Of one device, over all its connections.

    `heard`: an ack of this connection has come; `stored`: one named packets of this boot.
    """

    def __init__(
        self,
        own: DeviceTopics,
        spool: Spool,
        session: Session,
        commands: Commands,
        hear: Callable[[int, float], None],
    ) -> None:
        """Tell `hear` the cloud's time, and when it came (monotonic, in seconds)."""
        self._hear = hear
        self._own = own
        self._spool = spool
        self._session = session
        self._commands = commands
        self.heard = False
        self.stored = False
        self.unopened = 0  # messages
        self.acks = 0

    @property
    def filters(self) -> tuple[str, str]:
        """What to subscribe to."""
        return self._own.ack, self._own.cmd("+")

    def connect(self) -> None:
        """Begin a connection."""
        self.heard = False
        self._commands.connect()

    def receive(self, topic: str, payload: bytes) -> None:
        """Take a message, whatever it is; raises SpoolError."""
        if not payload:
            return  # a retained message was cleared
        try:
            opened = self._session.open(payload, topic)
            if topic == self._own.ack:
                self._acknowledge(opened)
                return
            parsed = topics.parse(topic)
        except (EnvelopeError, TopicError) as error:
            self.unopened += 1
            log.info("message is not opened", topic=topic, reason=str(error), unopened=self.unopened)
            return
        except DocumentError as error:
            log.warning("ack is not readable", reason=str(error))
            return
        if parsed.verb is not None and topic == self._own.cmd(parsed.verb):
            self._commands.offer(parsed.verb, opened, time.monotonic())

    def _acknowledge(self, opened: Opened) -> None:
        ack = documents.decode_ack(opened.body)
        self.acks += 1
        if opened.fresh:
            self.heard = True
            if ack.cloud_ms:
                now_s = time.monotonic()
                self._commands.hear(ack.cloud_ms, now_s)
                self._hear(ack.cloud_ms, now_s)
        self.stored = self.stored or self._spool.boot_id.hex() in ack.boots
        for boot, watermark in ack.boots.items():
            self._spool.acknowledge(bytes.fromhex(boot), watermark)
