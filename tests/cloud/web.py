"""An application served for real."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from fastapi import FastAPI

from cloud.serve import listen, serve


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """Serve for real, on a free port of the loopback."""
    stop = threading.Event()
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=serve, args=(app, listening, stop), name="serve")
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
                yield client
        finally:
            stop.set()
            thread.join(10)
    assert not thread.is_alive()
