"""A TCP proxy between agent and broker that counts what every byte was spent on.

agent <──> CountingProxy (its own thread, loopback only) <──> broker
"""

import asyncio
import contextlib
import ssl
import weakref
from collections.abc import AsyncIterator, Iterator

from mirage.demo.meter import ByteLedger, ConnectionMeter, Direction, Totals
from mirage.loopback import LoopbackServer

_CHUNK = 65536


class CountingProxy:
    """Listens on a free loopback port, forwards every connection to one upstream, and keeps a ledger.

    With `tls` it is the end of TLS: what it counts and forwards is what is inside.
    """

    def __init__(self, upstream_host: str, upstream_port: int, tls: ssl.SSLContext | None = None) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._ledger = ByteLedger()
        self._server = LoopbackServer("mqtt-proxy", self._forward, tls=tls)
        self._writers: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()

    @property
    def port(self) -> int:
        return self._server.port

    def totals(self) -> Totals:
        """Everything that has passed so far, by direction and kind."""
        return self._ledger.totals()

    def start(self) -> None:
        """Listen, then return; raises OSError where that fails."""
        self._server.start()

    def stop(self) -> None:
        """Close all connections and wait for the thread."""
        self._server.stop()

    def cut(self) -> None:
        """End all connections at once."""

        def end() -> None:
            for writer in list(self._writers):
                writer.transport.abort()

        self._server.do(end)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            try:
                up_reader, up_writer = await asyncio.open_connection(*self._upstream)
            except OSError:
                return  # the client sees what it would see of an absent broker
            meter = ConnectionMeter(self._ledger)
            self._writers.update((writer, up_writer))
            async with _closing(up_writer):
                await asyncio.gather(
                    _pump(reader, up_writer, meter, Direction.UP),
                    _pump(up_reader, writer, meter, Direction.DOWN),
                )
            meter.close()


@contextlib.contextmanager
def counting_proxy(upstream_port: int) -> Iterator[CountingProxy]:
    """Run a proxy in front of a loopback port."""
    proxy = CountingProxy("127.0.0.1", upstream_port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, meter: ConnectionMeter, direction: Direction
) -> None:
    """Copy until the sender ends, then tell the far side; either side may vanish at any moment."""
    try:
        while data := await reader.read(_CHUNK):
            meter.feed(direction, data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()
