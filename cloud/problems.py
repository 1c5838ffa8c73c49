"""What can be wrong with a request, and how all of the interface says so: RFC 9457, application/problem+json.

    {"type": "/api/v1/problems/unknown-segment", "title": "No such segment", "status": 404,
     "detail": "no segment 99", "instance": "/api/v1/segments/99"}

A kind is what programs tell apart: `type` is its address, where it is explained. Fields beyond these five
belong to the kind. Routes raise ProblemError, or an exception that `install` was told the kind of. What is
our own trouble (5xx) is in the log only, under the reference that the answer has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from cloud import failures

MEDIA_TYPE = "application/problem+json"
PATH = "/api/v1/problems"


BLANK = "about:blank"  # where the status says it all
_KNOWN: dict[str, "Kind"] = {}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem. `advice` tells what to do about it; `fields` are an example of its own ones.

    A name is that of one kind: it is how programs tell them apart.
    """

    name: str
    status: int
    title: str
    advice: str
    fields: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name != BLANK and _KNOWN.setdefault(self.label, self) != self:
            raise ValueError(f"two kinds of problems are called {self.name!r}")

    @property
    def type(self) -> str:
        return self.name if ":" in self.name else f"{PATH}/{self.name}"

    @property
    def label(self) -> str:
        """Give the name without where it is registered."""
        return self.name.rpartition("#")[2]


class ProblemError(Exception):
    """A request that cannot be answered as it was meant; `fields` are the kind's own."""

    def __init__(
        self, kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, **fields: object
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.headers = dict(headers or {})
        self.fields = fields


UNAUTHENTICATED = Kind(
    "unauthenticated", 401, "Not logged in",
    "Send 'Authorization: Bearer mrg_…' with a token that is neither expired nor revoked; "
    "`mirage cloud tokens create` makes one.",
)  # fmt: skip
FORBIDDEN = Kind(
    "forbidden", 403, "Not allowed", "Use a token of the role that is named.", {"requires": "operator"}
)
NOT_FOUND = Kind("not-found", 404, "No such address", "Look into /api/v1/openapi.json for those there are.")
UNKNOWN_PLACE = Kind("unknown-place", 404, "No such place", "Look into /api/v1/cameras for those there are.")
UNKNOWN_SEGMENT = Kind("unknown-segment", 404, "No such segment", "It never was, or is no longer kept.")
INVALID = Kind(
    "invalid-request", 422, "Request not understood", "Correct the fields that `errors` names.",
    {"errors": [{"field": "query.limit", "message": "Input should be greater than or equal to 1"}]},
)  # fmt: skip
UNAVAILABLE = Kind(
    "unavailable", 503, "Not available now", "Try again later; /healthz tells operators what is wrong.",
    {"reference": "3f0c9a5e"},
)  # fmt: skip
FAILED = Kind(
    "failed", 500, "Our mistake", "Look for the reference in the log of the process that serves.",
    {"reference": "3f0c9a5e"},
)  # fmt: skip
OTHER = Kind(BLANK, 400, "Refused", "The status says it all.")


def known() -> Mapping[str, Kind]:
    """Give all kinds that modules which are loaded have defined, by label."""
    return _KNOWN


def body(kind: Kind, detail: str, instance: str, fields: Mapping[str, object]) -> dict[str, object]:
    """Lay out a problem; `instance` is the path that was asked for."""
    known = {"type": kind.type, "title": kind.title, "status": kind.status}
    return {**known, "detail": detail, "instance": instance, **fields}


def response(kind: Kind, detail: str, instance: str, error: ProblemError | None = None) -> Response:
    """Make the answer; `error` brings headers and fields."""
    fields, headers = ({}, {}) if error is None else (error.fields, error.headers)
    return JSONResponse(body(kind, detail, instance, fields), kind.status, headers, MEDIA_TYPE)


def documented(*kinds: Kind) -> dict[int | str, dict[str, object]]:
    """Describe kinds of problems for `responses` of a route, by status."""
    found: dict[int | str, dict[str, object]] = {}
    for status in sorted({kind.status for kind in kinds}):
        these = [kind for kind in kinds if kind.status == status]
        examples = {kind.label: {"summary": kind.advice, "value": example(kind)} for kind in these}
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
        found[status] = {"description": "; ".join(kind.title for kind in these), "content": content}
    return found


def example(kind: Kind) -> dict[str, object]:
    """Make up a problem of a kind."""
    return body(kind, kind.advice, "/api/v1/…", kind.fields)


def install(app: FastAPI, kinds: Mapping[type[Exception], Kind]) -> None:
    """Answer as this module says: ProblemErrors, what frameworks refuse, and exceptions of these `kinds`."""

    def of_kind(request: Request, error: Exception) -> Response:
        kind = next(kind for known, kind in kinds.items() if isinstance(error, known))
        if kind.status >= FAILED.status:
            return unavailable(error, request.url.path, kind)
        return response(kind, str(error), request.url.path)

    app.add_exception_handler(ProblemError, answer)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, failed)
    for known in kinds:
        app.add_exception_handler(known, of_kind)


def answer(request: Request, error: Exception) -> Response:
    """Answer a ProblemError."""
    assert isinstance(error, ProblemError)  # noqa: S101 -- what it is registered for
    return response(error.kind, str(error), request.url.path, error)


def failed(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw: to a browser that asks for a page with a page."""
    reference = failures.noted(request, error)
    if failures.wants_page(request):
        return failures.page(reference, FAILED.status)
    return _referring(FAILED, "something went wrong", reference, request.url.path)


def unavailable(error: Exception, path: str, kind: Kind = UNAVAILABLE) -> Response:
    """Answer what cannot be done at present: why, is in the log only."""
    reference = failures.new_reference()
    log.warning("not available", reference=reference, path=path, error=str(error))
    return _referring(kind, "this cannot be done at present", reference, path)


def _referring(kind: Kind, detail: str, reference: str, path: str) -> Response:
    told = f"{detail}; the log says why, under the reference {reference}"
    return response(kind, told, path, ProblemError(kind, told, reference=reference))


def _refused(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: an address that is not there, a method that is not for it."""
    assert isinstance(error, HTTPException)  # noqa: S101 -- what it is registered for
    path = request.url.path
    if error.status_code == NOT_FOUND.status:
        return response(NOT_FOUND, f"nothing is at {path}", path)
    kind = Kind(OTHER.name, error.status_code, error.detail, OTHER.advice)
    return response(kind, error.detail, path, ProblemError(kind, error.detail, headers=error.headers))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- what it is registered for
    errors = [{"field": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    path = request.url.path
    return response(INVALID, detail, path, ProblemError(INVALID, detail, errors=errors))
