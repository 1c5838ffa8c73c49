"""HTTP: one listening socket, served by uvicorn until it is told to stop."""

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

_FAREWELL_S = 1  # pages hold a connection open for ever; they come back by themselves


class ServeError(RuntimeError):
    """The address cannot be listened on; the message names it."""


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket before anything else is started, or raise ServeError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ServeError(f"{host}:{port}: {error.strerror or error}") from error


def serve(app: ASGIApp, listening: socket.socket, stop: threading.Event) -> None:
    """Serve until `stop`. The socket stays open: who opened it closes it."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is believed about addresses, the settings say (cloud/access/guard.py)
            timeout_graceful_shutdown=_FAREWELL_S,
        )
    )

    def watch() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=watch, name="serve-stop", daemon=True).start()
    server.run(sockets=[listening.dup()])
