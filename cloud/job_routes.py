"""The queue for programs that look after it.

GET  /api/v1/queue                            how deep it is by lane and state, and the last hour
GET  /api/v1/jobs?state=dead&lane=live        jobs, the last changed first; both may be repeated or left out
GET  /api/v1/jobs/ID                          one; an id is SEGMENT-TURN, or SEGMENT-TURN-LOOK
POST /api/v1/jobs/ID/retry                    another turn of one that is closed; answers with that
POST /api/v1/jobs/ID/cancel                   not any more: what runs ends within a step of its renderer
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter

from cloud.access.declare import Who, requires
from cloud.access.roles import Caller, Role
from cloud.jobs import STATES, JobError, State
from cloud.lanes import Lane
from cloud.problems import Kind, ProblemError, documented
from cloud.queue import MAX_JOBS, Entry, Overview, Queue

UNKNOWN_JOB = Kind("unknown-job", 404, "No such job", "GET /api/v1/jobs lists those there are.")
JOB_STATE = Kind("job-state", 409, "The job is not in a state for this", "Look at its `state` first.")

LaneName = Literal["live", "event", "fresh", "backfill"]
JobId = Annotated[
    str, PathParameter(pattern="^[0-9]{1,10}-[0-9]{1,10}(-[0-9a-f]{16})?$", examples=["4711-1"])
]

_ENTRY = {
    "job": {
        "id": "4711-1",
        "segment": 4711,
        "state": "dead",
        "lane": "event",
        "asked_ms": 1_790_000_000_000,
        "not_before_ms": 0,
        "attempts": 5,
        "worker": "render-host-2210-0",
        "lease_ms": None,
        "error": "temporary folder: No space left on device",
        "result_ref": None,
        "changed_ms": 1_790_000_410_000,
    },
    "camera": "acme/north/jetson-1/gate",
    "caption": "a red car drives to the left",
    "start_ms": 1_789_999_998_000,
    "age_ms": 61_000,
}
_OVERVIEW = {
    "now_ms": 1_790_000_471_000,
    "lanes": [
        {"lane": "live", "queued": 2, "running": 1, "done": 812, "dead": 0, "cancelled": 3, "late": 17},
        {"lane": "event", "queued": 0, "running": 0, "done": 44, "dead": 1, "cancelled": 0, "late": 0},
        {"lane": "fresh", "queued": 0, "running": 0, "done": 0, "dead": 0, "cancelled": 0, "late": 0},
        {"lane": "backfill", "queued": 90, "running": 0, "done": 5110, "dead": 0, "cancelled": 0, "late": 0},
    ],
    "hour": {"done": 640, "dead": 1, "late": 2, "render_ms": 310},
    "oldest_ms": 1_790_000_100_000,
    "live_late": 19,
}


def job_routes(queue: Queue) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1")

    @router.get("/queue", dependencies=[requires(Role.VIEWER)], responses={200: _example(_OVERVIEW)})
    def overview(caller: Who) -> Overview:
        return queue.overview(caller.scope)

    @router.get("/jobs", dependencies=[requires(Role.VIEWER)], responses={200: _example([_ENTRY])})
    def listed(
        caller: Who,
        state: Annotated[list[State] | None, Query()] = None,
        lane: LaneName | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_JOBS)] = 100,
    ) -> list[Entry]:
        which = None if lane is None else Lane[lane.upper()]
        return queue.listed(state or STATES, which, limit, caller.scope, caller.role)

    @router.get(
        "/jobs/{job_id}",
        dependencies=[requires(Role.VIEWER, free=("job_id",))],
        responses={200: _example(_ENTRY), **documented(UNKNOWN_JOB)},
    )
    def one(job_id: JobId, caller: Who) -> Entry:
        return _seen(queue, job_id, caller)

    @router.post(
        "/jobs/{job_id}/retry",
        dependencies=[requires(Role.OPERATOR, free=("job_id",))],
        responses={200: _example(_ENTRY), **documented(UNKNOWN_JOB, JOB_STATE)},
    )
    def retry(job_id: JobId, caller: Who) -> Entry:
        _seen(queue, job_id, caller)
        try:
            return queue.retry(job_id, caller.role)
        except JobError as error:
            raise ProblemError(JOB_STATE, str(error)) from error

    @router.post(
        "/jobs/{job_id}/cancel",
        dependencies=[requires(Role.OPERATOR, free=("job_id",))],
        responses={200: _example(_ENTRY), **documented(UNKNOWN_JOB, JOB_STATE)},
    )
    def cancel(job_id: JobId, caller: Who) -> Entry:
        _seen(queue, job_id, caller)
        try:
            return queue.cancel(job_id, caller.role)
        except JobError as error:
            raise ProblemError(JOB_STATE, str(error)) from error

    return router


def _seen(queue: Queue, job_id: str, caller: Caller) -> Entry:
    """Give a job; one that the caller does not see is as one that is not there. Raises ProblemError."""
    try:
        entry = queue.find(job_id, caller.role)
    except JobError as error:
        raise ProblemError(UNKNOWN_JOB, f"no job {job_id}") from error
    if not caller.sees(entry.camera):
        raise ProblemError(UNKNOWN_JOB, f"no job {job_id}")
    return entry


def _example(example: object) -> dict[str, object]:
    return {"content": {"application/json": {"example": example}}}
