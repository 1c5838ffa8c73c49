"""What stands before the application: lets in whoever may be, and out what a route has declared.

request --> door: who? --> routes (`requires`) --> answer --> declared? shielded --> caller
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.access.asks import Asks
from cloud.access.declare import CHALLENGE, is_framework
from cloud.access.door import Asker, Door, Pass
from cloud.access.shield import shield
from cloud.failures import is_noted
from cloud.problems import FAILED, UNAUTHENTICATED, ProblemError, response, unavailable
from cloud.store import StoreError

_ICON = re.compile(r"(/.*)?/favicon\.ico")
_REVOKED = 1008  # of WebSocket: policy violation

log = structlog.get_logger()


class Guard:
    """An application that is guarded; the request's state tells it the caller, its origin and its limits.

    Who is unknown gets what matches one of `public`. `shared` if other sites may read answers (CORS).
    """

    def __init__(
        self,
        app: ASGIApp,
        door: Door,
        asks: Asks,
        public: Sequence[re.Pattern[str]],
        *,
        shared: bool = False,
    ) -> None:
        self.app = app
        self._door = door
        self._asks = asks
        self._public = (*public, _ICON)
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        asker = _asker(scope)
        try:
            passed = await self._admit(asker)
        except ProblemError as error:
            told = response(error.kind, str(error), asker.path, error)
            unknown = error.kind is UNAUTHENTICATED and _is_navigation(asker)
            await self._refuse(scope, receive, send, _login(scope, asker) if unknown else told)
            return
        except StoreError as error:
            await self._refuse(scope, receive, send, unavailable(error, asker.path))
            return
        scope["state"] = {
            **scope.get("state", {}),
            "caller": passed.caller,
            "origin": passed.origin,
            "asks": self._asks,
            "admitted": is_framework(asker.path),
        }
        if scope["type"] == "websocket":
            await self.app(scope, _Watched(self._door, passed, receive), send)
        else:
            checked = _Checked(scope, receive, send, passed, shared=self._shared)
            try:
                await self.app(scope, receive, checked)
            except Exception:
                if not is_noted(scope["state"]):  # else it is answered, and logged already
                    raise

    async def _admit(self, asker: Asker) -> Pass:
        passed = await self._door.admit(asker)
        if passed.caller is None and not any(each.fullmatch(asker.path) for each in self._public):
            raise ProblemError(UNAUTHENTICATED, "this needs a token", headers=CHALLENGE)
        return passed

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, answer: Response) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _REVOKED})
            return
        shield(answer.headers, shared=self._shared)
        await answer(scope, receive, send)


class _Checked:
    """Sends answers of declared routes, with what every answer says."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, passed: Pass, *, shared: bool) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._passed = passed
        self._shared = shared
        self._refused = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] < 400 and not self._scope["state"]["admitted"]:
                await self._refuse()
            else:
                self._complete(message)
        if not self._refused:
            await self._send(message)

    async def _refuse(self) -> None:
        path = self._scope["path"]
        log.error("a route that does not say whom it is for is refused", path=path)
        self._refused = True
        await response(FAILED, "this address does not say whom it is for", path)(
            self._scope, self._receive, self._send
        )

    def _complete(self, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        shield(headers, shared=self._shared)
        if self._passed.readings:
            headers.setdefault(
                "RateLimit-Policy", ", ".join(each.quota.field for each in self._passed.readings)
            )
            headers.setdefault("RateLimit", ", ".join(each.field for each in self._passed.readings))


class _Watched:
    """Receives of a WebSocket as long as its caller may stay."""

    def __init__(self, door: Door, passed: Pass, receive: Receive) -> None:
        self._door = door
        self._passed = passed
        self._receive = receive

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive" and not await self._may_stay():
            return {"type": "websocket.disconnect", "code": _REVOKED}
        return message

    async def _may_stay(self) -> bool:
        try:
            return await self._door.still(self._passed)
        except StoreError:
            return True  # a database that is away for a moment logs nobody out


def _asker(scope: Scope) -> Asker:
    headers: dict[str, str] = {}
    for name, value in Headers(scope=scope).items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    peer = scope.get("client") or ("", 0)
    return Asker(scope.get("method", "GET"), scope["path"], peer[0], scope["scheme"], headers)


def _is_navigation(asker: Asker) -> bool:
    """Tell whether a browser asks for a page."""
    return asker.method == "GET" and "text/html" in asker.headers.get("accept", "")


def _login(scope: Scope, asker: Asker) -> Response:
    query = scope.get("query_string", b"").decode("ascii", "replace")
    wanted = asker.path + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
