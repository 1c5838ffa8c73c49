"""What is at no address of the interface is told so in its words, and not as a page that is not there."""

from fastapi import FastAPI, Request
from starlette.routing import compile_path

from cloud.access.declare import declared, requires
from cloud.access.roles import Role
from cloud.problems import NOT_FOUND, Kind, ProblemError

_EVERYTHING = "/api/{rest:path}"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

WRONG_METHOD = Kind("wrong-method", 405, "Not done this way", "Allow names the methods of this address.")


def add_nowhere(app: FastAPI) -> None:
    """Answer what no route that was added before is at."""

    @app.api_route(
        _EVERYTHING,
        methods=_METHODS,
        include_in_schema=False,
        dependencies=[requires(Role.VIEWER, free=("rest",))],
    )
    def nowhere(request: Request) -> None:
        path = request.url.path
        allowed = {
            method
            for method, pattern, _ in declared(app)
            if pattern != _EVERYTHING and compile_path(pattern)[0].match(path)
        }
        if allowed:
            headers = {"Allow": ", ".join(sorted(allowed))}
            raise ProblemError(WRONG_METHOD, f"{request.method} is not for {path}", headers=headers)
        raise ProblemError(NOT_FOUND, f"nothing is at {path}")
