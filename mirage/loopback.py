"""A TCP server on this machine only, on a thread of its own: what proxies are made of."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

_ANSWER_S = 10.0

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _nothing() -> None:
    """Leave connections to whoever accepted them."""


class LoopbackServer:
    """Gives each connection to `accept`, on the loop of its thread; `finish` runs there when it stops.

    With `tls`, connections are opened by TLS. `start`, `stop` and `do` are for other threads.
    """

    def __init__(
        self,
        name: str,
        accept: Accept,
        *,
        limit: int = 65536,
        tls: ssl.SSLContext | None = None,
        finish: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self.port = 0
        self._accept = accept
        self._limit = limit
        self._tls = tls
        self._finish = finish
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Listen, then return; raises OSError where that fails."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Close everything and wait for the thread."""
        if self._thread.is_alive() and self._failure is None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    def do(self, work: Callable[[], None]) -> None:
        """Run something on the loop's thread, and wait until it has run."""
        done = Future[None]()

        def run() -> None:
            work()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(_ANSWER_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=self._limit, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        await self._finish()
