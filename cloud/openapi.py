"""The description of the interface: what FastAPI knows of the routes, and what stands before all of them.

routes --FastAPI--> parameters, answers --here--> who they are for, tokens, problems that any may answer
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from cloud.access.asks import TOO_MANY
from cloud.access.declare import Public, Requires, declared, routes_of
from cloud.access.door import CROSS_SITE, WRONG_HOST
from cloud.access.roles import Role
from cloud.problems import (
    FAILED,
    FORBIDDEN,
    INVALID,
    MEDIA_TYPE,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNKNOWN_PLACE,
    UNKNOWN_SEGMENT,
    Kind,
    documented,
)

Document = dict[str, Any]  # Any: JSON as deep as OpenAPI is

DESCRIPTION = (
    "Cameras as what they said, and clips that are reconstructed of it on demand. Errors are "
    "`application/problem+json` (RFC 9457): programs tell them apart by `type`. Times ending in `_ms` are "
    "milliseconds of the Unix epoch. What is outside the scope of a token is not there: lists leave it out, "
    "and all else of it is 404."
)
SCHEMES: Document = {
    "token": {"type": "http", "scheme": "bearer", "description": "mrg_…, of `mirage cloud tokens create`"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "mirage",
        "description": "What logging in to the page sets; over TLS it is called `__Host-mirage`.",
    },
}
PROBLEM: Document = {
    "title": "Problem",
    "description": "What is wrong with a request (RFC 9457). Kinds have fields of their own beside these.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The kind; tells what to do."},
        "title": {"type": "string", "description": "The kind, in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong this time."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "errors": {
            "type": "array",
            "description": "Of invalid requests: what is wrong with which field.",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "requires": {"type": "string", "description": "The role that is needed."},
        "render": {"type": "string", "description": "What became of the clip."},
        "violated-policies": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": True,
}
_PLACES = {"tenant", "site", "device", "camera"}


def describe(app: FastAPI) -> Callable[[], Document]:
    """Give what makes the document of `app`, for its `openapi`."""
    made, kept = app.openapi, dict[str, Document]()

    def openapi() -> Document:
        if "document" not in kept:
            kept["document"] = _completed(app, made())
        return kept["document"]

    return openapi


def _completed(app: FastAPI, document: Document) -> Document:
    components = document.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for method, path, declaration in declared(app):
        operation = document["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            _complete(operation, declaration)
    _restore(app, document)
    return document


def _restore(app: FastAPI, document: Document) -> None:
    """Put examples back as they were written: FastAPI leaves out what is null in them."""
    for path, route in routes_of(app.routes):
        written: Mapping[int | str, Document] = getattr(route, "responses", None) or {}
        for method in route.methods or ():
            described = document["paths"].get(path, {}).get(method.lower(), {}).get("responses", {})
            for status, media_type, content in _contents(written):
                if "example" in content and str(status) in described:
                    described[str(status)]["content"][media_type]["example"] = content["example"]


def _contents(responses: Mapping[int | str, Document]) -> Iterator[tuple[int | str, str, Document]]:
    for status, response in responses.items():
        for media_type, content in response.get("content", {}).items():
            yield status, media_type, content


def _complete(operation: Document, declaration: Requires | Public) -> None:
    responses = operation["responses"]
    if MEDIA_TYPE not in responses.get("422", {}).get("content", {}):
        responses.pop("422", None)
    kinds = [TOO_MANY, UNAVAILABLE, FAILED, WRONG_HOST]
    if isinstance(declaration, Requires):
        operation["security"] = [{"token": []}, {"session": []}]
        operation["x-role"] = declaration.role.label
        kinds += [UNAUTHENTICATED, CROSS_SITE]
        if declaration.role > Role.VIEWER or declaration.everywhere:
            kinds.append(FORBIDDEN)
    else:
        operation["security"] = []
    parameters = {each["name"] for each in operation.get("parameters", ())}
    if parameters or "requestBody" in operation:
        kinds.append(INVALID)
    if parameters & _PLACES:
        kinds.append(UNKNOWN_PLACE)
    if "segment_id" in parameters:
        kinds.append(UNKNOWN_SEGMENT)
    _add(responses, kinds)


def _add(responses: Document, kinds: list[Kind]) -> None:
    """Add kinds of problems to those that a route has described of the same status."""
    for status, more in documented(*kinds).items():
        known = responses.setdefault(str(status), more)
        if known is not more:
            examples = _examples(known)
            examples |= {name: each for name, each in _examples(more).items() if name not in examples}


def _examples(described: Mapping[str, Any]) -> Document:
    content = described.setdefault("content", {}) if isinstance(described, dict) else described["content"]
    problem = content.setdefault(MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})
    found: Document = problem.setdefault("examples", {})
    return found
