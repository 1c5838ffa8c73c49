"""HTTP for Prometheus: GET /metrics on a port of its own, for as long as the process runs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import make_wsgi_app

from cloud.config_usage import Metrics
from cloud.serve import ServeError

ROLE_PORTS = {"ingest": 0, "derive": 1, "render": 2, "serve": 3, "broker-sync": 4}  # added to [metrics] port


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    """Logs no scrapes."""

    timeout = 30  # of a client that connects and says nothing

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        pass


def port_of(metrics: Metrics, roles: frozenset[str]) -> int | None:
    """Give the port for a process with these roles: the lowest of theirs; None if it shows nothing."""
    added = [ROLE_PORTS[role] for role in roles if role in ROLE_PORTS]  # who only enrols counts nothing
    return None if metrics.port is None or not added else metrics.port + min(added)


@contextmanager
def exposed(host: str, port: int, registry: CollectorRegistry) -> Iterator[str]:
    """Show a registry to whoever asks, and give its address. Raises ServeError where it cannot listen."""
    kind = _Server6 if ":" in host else _Server
    try:
        server = make_server(host, port, make_wsgi_app(registry), kind, _Quiet)
    except OSError as error:
        raise ServeError(f"metrics: {host}:{port}: {error.strerror or error}") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
