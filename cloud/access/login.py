"""Logging in and out of the page: a token is shown once, and a cookie that scripts cannot read stands for it.

GET  /login       a form
POST /login       token, next --> Set-Cookie; HttpOnly, SameSite=Strict, over TLS also Secure
POST /logout      the cookie is worth nothing any more, here and in every process
"""

import base64
import hashlib
from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.access.declare import MaybeWho, public
from cloud.access.door import TokenDoor, cookie_name, credential_of
from cloud.access.origin import Origin
from cloud.problems import ProblemError

_STYLE = """
:root { color-scheme: dark; font-family: system-ui, sans-serif; background: #0c1117; color: #e6edf3 }
body { margin: 0; min-height: 100vh; display: grid; place-items: center }
main { width: min(24rem, calc(100vw - 3rem)) }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; color: #5eead4 }
p { margin: 0 0 1.25rem; color: #9aa7b4; line-height: 1.45 }
label { display: block; margin-bottom: .4rem }
input { box-sizing: border-box; width: 100%; font: inherit; padding: .65rem; border-radius: .5rem;
  border: 1px solid #3d4a58; background: #161d26; color: inherit }
button { margin-top: 1rem; width: 100%; font: inherit; font-weight: 600; padding: .7rem; border: 0;
  border-radius: .5rem; background: #5eead4; color: #06231f; cursor: pointer }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid #5eead4; outline-offset: 2px }
[role=alert] { padding: .65rem .8rem; border-radius: .5rem; background: #4a1d1f; color: #ffd7d5 }
a { color: #5eead4 } code { color: #e6edf3 }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mirage · Log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><main><h1>Mirage</h1><p>Paste your token. Whoever runs this makes one with
<code>mirage cloud tokens create</code>.</p>{message}
<form method="post" action="/login"><input type="hidden" name="next" value="{next}">
<label for="token">Token</label>
<input id="token" name="token" type="password" required autofocus autocomplete="current-password"
 placeholder="mrg_…" maxlength="200" spellcheck="false">
<button type="submit">Log in</button></form>
<p><br>You came by a link and are logged in? <a href="{next}">Go on</a>.</p></main></body></html>
"""


def login_routes(door: TokenDoor) -> APIRouter:
    """Make the routes."""
    router = APIRouter(dependencies=[public()], include_in_schema=False)

    @router.get("/login")
    def form(caller: MaybeWho, wanted: Annotated[str, Query(alias="next")] = "/") -> Response:
        if caller is not None:
            return RedirectResponse(_own(wanted), 303)
        return _page(_own(wanted))

    @router.post("/login")
    def log_in(
        request: Request,
        token: Annotated[str, Form(max_length=200)] = "",
        wanted: Annotated[str, Form(alias="next", max_length=2000)] = "/",
    ) -> Response:
        origin, target = _origin(request), _own(wanted)
        try:
            door.check_failures(origin)
        except ProblemError as error:
            return _page(target, f"Not now: {error}.", 429, {"Retry-After": error.headers["Retry-After"]})
        cookie = door.keeper.log_in(token.strip())
        if cookie is None:
            door.count_failure(origin)
            return _page(target, "This token is not valid: it is mistyped, expired or revoked.", 401)
        answer = RedirectResponse(target, 303)
        answer.set_cookie(
            cookie_name(origin), cookie, path="/", secure=origin.is_secure, httponly=True, samesite="strict"
        )
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        origin = _origin(request)
        credential = credential_of(request.headers, origin)
        if credential is not None and credential.is_cookie:
            door.keeper.log_out(credential.text)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(
            cookie_name(origin), path="/", secure=origin.is_secure, httponly=True, samesite="strict"
        )
        return answer

    return router


def _own(target: str) -> str:
    """Give a path of ours to go on to; whatever else is named becomes the start."""
    plain = target.isprintable() and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"


def _origin(request: Request) -> Origin:
    origin = request.scope["state"]["origin"]
    assert isinstance(origin, Origin)  # noqa: S101 -- what the guard puts there
    return origin


def _page(
    target: str, message: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    told = f'<p role="alert">{escape(message)}</p>' if message else ""
    content = _FORM.format(style=_STYLE, message=told, next=escape(target))
    return HTMLResponse(content, status, {"Content-Security-Policy": _POLICY, **(headers or {})})
