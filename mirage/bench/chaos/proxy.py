"""A TCP proxy that does what networks do: on one thread, loopback only.

    device or cloud <--> FaultProxy <--> broker

TCP hands over a stream whole or not at all. So what vanishes on a connection ends it for good: no later byte
of it passes, and only a new connection may work again.
"""

import asyncio
import contextlib
import random
import socket
import struct
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mirage.bench.chaos.schedule import Way
from mirage.loopback import LoopbackServer

MAX_CONNECTIONS = 64
_CHUNK = 4096
_STEP_S = 0.05
_HELD_S = 5.0  # how long the last bytes of a connection wait for the next one


@dataclass(slots=True)
class Weather:
    """What all connections suffer at present."""

    delay_s: float = 0.0  # each chunk waits half of it to one and a half times that long
    rate_bytes_s: float | None = None
    stalled: bool = False  # nothing passes, nothing is lost
    vanishing: frozenset[Way] = frozenset()
    refusing: bool = False
    corrupt_share: float = 0.0  # of chunks, each of which has one bit changed


@dataclass(slots=True)
class _Stream:
    """One direction of a connection."""

    way: Way
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: bool = False  # bytes have vanished
    ended: bool = False
    held: bytearray | None = None  # what is kept back for later, where it is


@dataclass(slots=True)
class _Connection:
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    up: _Stream
    down: _Stream
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)


class FaultProxy:
    """Listens on a loopback port and forwards to another. All methods may be called from any thread."""

    def __init__(self, upstream_port: int, seed: int) -> None:
        self._upstream_port = upstream_port
        self._chance = random.Random(seed)  # noqa: S311 -- replayed by its seed, guards nothing
        self._weather = Weather()
        self._counts: Counter[str] = Counter()
        self._connections: list[_Connection] = []
        self._writers: weakref.WeakSet[asyncio.StreamWriter] = weakref.WeakSet()
        self._begun = 0
        self._delivered: asyncio.Event | None = None  # new connections wait for it
        self._server = LoopbackServer("fault-proxy", self._accept, limit=_CHUNK, finish=self._close)

    @property
    def port(self) -> int:
        return self._server.port

    def start(self) -> None:
        """Listen, then return; raises OSError where that fails."""
        self._server.start()

    def stop(self) -> None:
        """Close everything and wait for the thread."""
        self._server.stop()

    @property
    def counts(self) -> Mapping[str, int]:
        """What befell connections: how many there were, were cut or refused, bytes that vanished..."""
        return dict(self._counts)

    def change(self, change: Callable[[Weather], None]) -> None:
        """Change the weather."""
        self._server.do(lambda: change(self._weather))

    def vanish(self, way: Way) -> None:
        """Let bytes disappear from now on; connections that lose any never work again."""
        lost = frozenset((Way.UP, Way.DOWN)) if way is Way.BOTH else frozenset((way,))
        self.change(lambda weather: setattr(weather, "vanishing", lost))

    def reappear(self) -> None:
        """Let bytes of new connections pass again, and of those that have lost none."""
        self.change(lambda weather: setattr(weather, "vanishing", frozenset()))

    def cut(self, *, reset: bool) -> None:
        """End all connections, with RST or with FIN, on both sides."""

        def end() -> None:
            for each in list(self._connections):
                self._counts["cut"] += 1
                self._end(each, reset=reset)

        self._server.do(end)

    def hold(self) -> None:
        """Keep back what clients send from now on."""

        def begin() -> None:
            for each in self._connections:
                if each.up.held is None and not each.up.gone:
                    each.up.held = bytearray()

        self._server.do(begin)

    def cut_and_deliver_late(self, after_s: float, *, overtaken: bool) -> None:
        """Cut the clients off; what was held goes to the broker `after_s` after a new connection has begun.

        Where it is `overtaken`, the new connection's first bytes go before; else they wait.
        """

        def begin() -> None:
            begun = self._begun
            if not overtaken and any(each.up.held is not None for each in self._connections):
                self._delivered = asyncio.Event()
            for each in list(self._connections):
                if each.up.held is None:
                    continue
                self._counts["held-bytes"] += len(each.up.held)
                self._counts["delivered-late"] += bool(each.up.held)
                _reset(each.near)
                each.tasks.append(asyncio.create_task(self._deliver_late(each, begun, after_s)))

        self._server.do(begin)

    async def _close(self) -> None:
        for each in list(self._connections):
            self._end(each, reset=True)
        for writer in self._writers:
            _reset(writer)
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begun += 1
        self._counts["connections"] += 1
        self._writers.add(writer)
        if self._weather.refusing or len(self._connections) >= MAX_CONNECTIONS:
            self._counts["refused"] += 1
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self._upstream_port, limit=_CHUNK
            )
        except OSError:
            self._counts["no-broker"] += 1
            _reset(writer)
            return
        self._writers.add(far_writer)
        if self._delivered is not None:
            await self._delivered.wait()
        up = _Stream(Way.UP, reader, far_writer)
        down = _Stream(Way.DOWN, far_reader, writer)
        connection = _Connection(writer, far_writer, up, down)
        self._connections.append(connection)
        connection.tasks += [asyncio.create_task(self._pump(connection, each)) for each in (up, down)]

    async def _pump(self, connection: _Connection, stream: _Stream) -> None:
        """Copy until the sender ends, then tell the far side; either side may vanish at any moment."""
        try:
            while data := await stream.reader.read(_CHUNK):
                await self._suffer()
                if stream.gone or stream.way in self._weather.vanishing:
                    stream.gone = True
                    self._counts["vanished-bytes"] += len(data)
                elif stream.held is not None:
                    stream.held += data
                else:
                    await self._write(stream, self._corrupted(data))
            reset = False
        except OSError:
            reset = True
        stream.ended = True
        if connection.up.held is not None:
            return  # its end comes when that is delivered
        # What ends a connection vanishes with all the rest.
        if not stream.gone or (connection.up.ended and connection.down.ended):
            self._end(connection, reset=reset)

    async def _suffer(self) -> None:
        if self._weather.delay_s:
            await asyncio.sleep(self._weather.delay_s * self._chance.uniform(0.5, 1.5))
        while self._weather.stalled:  # noqa: ASYNC110 (what it waits for is set by another thread)
            await asyncio.sleep(_STEP_S)

    async def _write(self, stream: _Stream, data: bytes) -> None:
        while data:
            rate_bytes_s = self._weather.rate_bytes_s
            size = len(data) if rate_bytes_s is None else max(int(rate_bytes_s * _STEP_S), 1)
            stream.writer.write(data[:size])
            await stream.writer.drain()
            data = data[size:]
            if rate_bytes_s is not None:
                await asyncio.sleep(_STEP_S)

    def _corrupted(self, data: bytes) -> bytes:
        if self._chance.random() >= self._weather.corrupt_share:
            return data
        self._counts["bits-changed"] += 1
        changed = bytearray(data)
        changed[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    async def _deliver_late(self, connection: _Connection, begun: int, after_s: float) -> None:
        waited_s = 0.0
        while self._begun == begun and waited_s < _HELD_S:
            await asyncio.sleep(_STEP_S)
            waited_s += _STEP_S
        await asyncio.sleep(after_s)
        held, connection.up.held = bytes(connection.up.held or b""), None
        with contextlib.suppress(OSError):
            connection.far.write(held)
            await connection.far.drain()
        self._end(connection, reset=False)

    def _end(self, connection: _Connection, *, reset: bool) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        if self._delivered is not None and not any(each.up.held is not None for each in self._connections):
            self._delivered.set()
            self._delivered = None
        for writer in (connection.near, connection.far):
            if reset:
                _reset(writer)
            else:
                writer.close()
        for task in connection.tasks:
            if task is not asyncio.current_task():
                task.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: what is on the way is lost, and the other side reads an error."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
