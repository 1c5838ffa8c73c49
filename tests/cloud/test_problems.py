"""Errors as programs get them: one form, and a kind to tell them apart by."""

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from structlog.testing import capture_logs

from cloud import problems
from cloud.access.declare import public
from cloud.problems import UNAVAILABLE, UNKNOWN_SEGMENT, Kind, ProblemError, documented, known
from cloud.store import StoreError
from tests.cloud.web import serving


def application() -> FastAPI:
    """Make one that fails in each way."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app, {StoreError: UNAVAILABLE})

    @app.get("/problem", dependencies=[public()])
    def problem() -> None:
        raise ProblemError(UNKNOWN_SEGMENT, "no segment 99", headers={"X-Told": "so"}, render="none")

    @app.get("/store", dependencies=[public()])
    def store() -> None:
        raise StoreError("store sqlite:////s.db: disk full")

    @app.get("/bug", dependencies=[public()])
    def bug() -> None:
        raise ZeroDivisionError("a secret")

    @app.get("/teapot", dependencies=[public()])
    def teapot() -> None:
        raise HTTPException(418, "I'm a teapot")

    @app.get("/number", dependencies=[public()])
    def number(value: int, other: int) -> JSONResponse:
        return JSONResponse(value + other)

    return app


def asked(path: str) -> httpx.Response:
    with serving(application()) as http:
        answer = http.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["instance"]) == (
        answer.status_code,
        path.partition("?")[0],
    )
    return answer


def test_a_problem_says_its_kind_and_what_belongs_to_it() -> None:
    answer = asked("/problem")
    assert answer.json() == {
        "type": "/api/v1/problems/unknown-segment",
        "title": "No such segment",
        "status": 404,
        "detail": "no segment 99",
        "instance": "/problem",
        "render": "none",
    }
    assert answer.headers["x-told"] == "so"


def test_an_exception_is_of_the_kind_that_was_named_for_it() -> None:
    assert asked("/store").json()["type"] == UNAVAILABLE.type


def test_what_does_not_work_inside_is_told_to_the_log_only() -> None:
    with capture_logs() as logs:
        body = asked("/store").json()
    assert "s.db" not in str(body)
    assert body["reference"] in body["detail"]
    (entry,) = [log for log in logs if log.get("reference") == body["reference"]]
    assert (entry["path"], entry["error"]) == ("/store", "store sqlite:////s.db: disk full")


def test_what_nobody_foresaw_is_a_problem_too() -> None:
    with capture_logs() as logs:
        body = asked("/bug").json()
    assert (body["type"], body["status"]) == ("/api/v1/problems/failed", 500)
    assert "secret" not in str(body)
    (entry,) = [log for log in logs if log.get("reference") == body["reference"]]
    assert isinstance(entry["exc_info"], ZeroDivisionError)


def test_each_field_that_was_not_understood_is_named() -> None:
    body = asked("/number?value=x").json()
    assert [each["field"] for each in body["errors"]] == ["query.value", "query.other"]
    assert body["detail"].startswith("query.value: Input should be a valid integer")


def test_what_the_framework_refuses_looks_the_same() -> None:
    assert asked("/nowhere").json()["type"] == "/api/v1/problems/not-found"
    body = asked("/teapot").json()
    assert (body["type"], body["title"]) == ("about:blank", "I'm a teapot")


def test_a_name_is_that_of_one_kind() -> None:
    again = Kind("unknown-segment", 404, UNKNOWN_SEGMENT.title, UNKNOWN_SEGMENT.advice)
    assert known()["unknown-segment"] == again
    with pytest.raises(ValueError, match="two kinds of problems are called 'unknown-segment'"):
        Kind("unknown-segment", 410, "Gone", "It is.")


def test_kinds_of_one_status_are_described_together() -> None:
    other = Kind("one-more-of-404", 404, "Nothing else", "Look elsewhere.", {"where": "there"})
    described = documented(UNKNOWN_SEGMENT, other, UNAVAILABLE)
    assert set(described) == {404, 503}
    assert described[404]["description"] == "No such segment; Nothing else"
