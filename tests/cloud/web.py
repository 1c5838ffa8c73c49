"""An application served for real."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp

from cloud import problems
from cloud.access.asks import Asks
from cloud.access.door import OpenDoor
from cloud.access.guard import Guard
from cloud.serve import listen, serve

PATIENCE_S = 60.0  # with a busy machine
TRUST = ssl.create_default_context()  # for all: httpx would take 20 ms to make one for each request


def open_to_all(app: FastAPI) -> ASGIApp:
    """Guard an application as one is that is open to its machine."""
    return Guard(app, OpenDoor(), Asks(None), ())


@contextmanager
def serving(app: ASGIApp) -> Iterator[httpx.Client]:
    """Serve for real, on a free port of the loopback; open to all, unless it is guarded already."""
    if isinstance(app, FastAPI):
        if problems.ProblemError not in app.exception_handlers:
            problems.install(app, {})
        app = open_to_all(app)
    with serving_bare(app) as client:
        yield client


@contextmanager
def serving_bare(app: ASGIApp) -> Iterator[httpx.Client]:
    """Serve an application as it is."""
    stop = threading.Event()
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=serve, args=(app, listening, stop), name="serve")
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, timeout=PATIENCE_S, verify=TRUST) as client:
                yield client
        finally:
            stop.set()
            thread.join(PATIENCE_S)
    assert not thread.is_alive()
