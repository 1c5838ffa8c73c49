"""A TCP proxy between agent and broker that counts what every byte was spent on.

agent <──> CountingProxy (its own thread, loopback only) <──> broker
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator

from mirage.demo.meter import ByteLedger, ConnectionMeter, Direction, Totals

_CHUNK = 65536


class CountingProxy:
    """Listens on a free loopback port, forwards every connection to one upstream, and keeps a ledger."""

    def __init__(self, upstream_host: str, upstream_port: int) -> None:
        self.port = 0
        self._upstream = (upstream_host, upstream_port)
        self._ledger = ByteLedger()
        self._thread = threading.Thread(target=self._run, name="mqtt-proxy", daemon=True)
        self._listening = threading.Event()
        self._failure: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def totals(self) -> Totals:
        """Everything that has passed so far, by direction and kind."""
        return self._ledger.totals()

    def start(self) -> None:
        """Listen, then return; raises OSError where that fails."""
        self._thread.start()
        self._listening.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Close all connections and wait for the thread."""
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            try:
                up_reader, up_writer = await asyncio.open_connection(*self._upstream)
            except OSError:
                return  # the client sees what it would see of an absent broker
            meter = ConnectionMeter(self._ledger)
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
