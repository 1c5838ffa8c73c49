"""What nobody foresaw: all of it in the log, and for whoever asked a reference and no word of the inside.

exception --> log, with its traceback and a reference --> the same reference, in a plain page or a problem
"""

import secrets

import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse, Response

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Something went wrong · Mirage</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: dark; font-family: system-ui, sans-serif; background: #0c1117; color: #9aa7b4 }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; line-height: 1.45 }
main { width: min(28rem, calc(100vw - 3rem)) }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; color: #e6edf3 }
a { color: #5eead4 } code { color: #e6edf3 }
</style></head><body><main><h1>Something went wrong</h1>
<p>It was not you. Whoever runs this finds what it was in the log, under the reference
<code>REFERENCE</code>.</p><p><a href="/">Back to the cameras</a></p></main></body></html>
"""

log = structlog.get_logger()


def new_reference() -> str:
    """Make up what something is found by in the log: short enough to be read out."""
    return secrets.token_hex(4)


def noted(request: Request, error: Exception) -> str:
    """Log what went wrong, once for a request, and give the reference to it."""
    if not hasattr(request.state, "reference"):
        request.state.reference = new_reference()
        log.error(
            "request failed", reference=request.state.reference, method=request.method,
            path=request.url.path, exc_info=error,
        )  # fmt: skip
    return str(request.state.reference)


def is_noted(state: object) -> bool:
    """Tell whether a request with this `state` has been answered so."""
    return isinstance(state, dict) and "reference" in state


def wants_page(request: Request) -> bool:
    """Tell whether a person asks, with a browser."""
    is_api = request.url.path.startswith("/api/")
    return not is_api and "text/html" in request.headers.get("accept", "")


def page(reference: str, status: int) -> Response:
    """Tell a person. It is made of nothing that may have failed."""
    policy = {"Content-Security-Policy": _POLICY}
    return HTMLResponse(_PAGE.replace("REFERENCE", reference), status, policy)
