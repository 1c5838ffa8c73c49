"""What answers tell browsers to keep each other from."""

from starlette.datastructures import MutableHeaders

# NiceGUI has scripts and styles in its page without a nonce, and evaluates what the server sends; what it
# loads and where it connects to are ours alone.
_PAGE = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_DATA = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers would not say whence a form is sent
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def shield(headers: MutableHeaders, *, shared: bool) -> None:
    """Add what an answer does not say itself; `shared` if other sites may read it (CORS)."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if not shared:
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", _PAGE if is_page else _DATA)
    headers.setdefault("Cache-Control", "private, no-store")
