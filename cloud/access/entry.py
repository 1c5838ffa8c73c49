"""Puts the door that the settings ask for before an application.

entry = Entry(config.serve, store)
entry.add_routes(app)            # login, tokens; before a page is mounted, which takes all other addresses
serve(entry.guarded(app), …)
"""

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from cloud.access.asks import Asks
from cloud.access.declare import public_paths
from cloud.access.door import Door, OpenDoor, TokenDoor
from cloud.access.guard import Guard
from cloud.access.keeper import Keeper
from cloud.access.login import login_routes
from cloud.access.nowhere import add_nowhere
from cloud.access.token_routes import token_routes
from cloud.config_serve import Serve, is_loopback
from cloud.store import Store

_ASKED = ["Authorization", "Content-Type", "If-None-Match", "If-Range", "Range"]
_TOLD = ["Content-Range", "ETag", "RateLimit", "RateLimit-Policy", "Retry-After"]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_HOUR_MS = 3_600_000

log = structlog.get_logger()


class Entry:
    """Who gets in, as the settings say."""

    def __init__(self, serve: Serve, store: Store) -> None:
        self._serve = serve
        self._store = store
        self._door: Door = OpenDoor()
        self._asks = Asks(None)
        if serve.access == "token":
            keeper = Keeper(store, round(serve.session_hours * _HOUR_MS))
            self._door = TokenDoor(serve, keeper)
            self._asks = Asks(serve.rates.renders_per_minute)
            if not is_loopback(serve.host):
                log.warning("tokens cross the network as they are: put TLS before it", host=serve.host)

    def add_routes(self, app: FastAPI) -> None:
        """Add logins, the administration of tokens, and an answer to what nothing else is at."""
        app.include_router(token_routes(self._store))
        if isinstance(self._door, TokenDoor):
            app.include_router(login_routes(self._door))
        add_nowhere(app)

    def guarded(self, app: FastAPI) -> ASGIApp:
        """Give the application as it may be served. Raises UndeclaredRouteError."""
        origins = list(self._serve.cors_origins)
        guard = Guard(app, self._door, self._asks, public_paths(app), shared=bool(origins))
        if not origins:
            return guard
        return CORSMiddleware(
            guard, origins, _METHODS, _ASKED, allow_credentials=False, expose_headers=_TOLD, max_age=600
        )
