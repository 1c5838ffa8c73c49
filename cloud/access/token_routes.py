"""Tokens, for administrators; one whose token has a scope has those of that scope only.

GET    /api/v1/tokens        all, without their secrets
POST   /api/v1/tokens        makes one: its secret is in this answer and nowhere else
DELETE /api/v1/tokens/ID     revokes it
"""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field

from cloud.access import tokens
from cloud.access.declare import Who, requires
from cloud.access.roles import EVERYWHERE, Caller, Role, Scope, ScopeError
from cloud.access.tokens import MAX_NAME, NewToken, TokenError, TokenView, Wanted
from cloud.clock import Clock, wall_ms
from cloud.problems import FORBIDDEN, INVALID, Kind, ProblemError, documented
from cloud.store import Store

UNKNOWN_TOKEN = Kind("unknown-token", 404, "No such token", "GET /api/v1/tokens lists those there are.")
NAME_TAKEN = Kind("token-refused", 409, "No such token can be made", "`detail` says why.")

_DAY_MS = 86_400_000
_TOKEN = {
    "id": "4f0c9a12be77",
    "name": "wall",
    "role": "viewer",
    "scope": "acme/north",
    "state": "valid",
    "created_ms": 1_790_000_000_000,
    "expires_ms": 1_797_776_000_000,
    "used_ms": None,
    "revoked_ms": None,
}
_NEW = {"token": _TOKEN, "secret": "mrg_4f0c9a12be77_…"}


class TokenWish(BaseModel):
    """A token to make."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["wall"])]
    role: Annotated[Literal["viewer", "operator", "admin"], Field(examples=["viewer"])]
    scope: Annotated[str | None, Field(examples=["acme/north"], description="TENANT or TENANT/SITE")] = None
    expires_days: Annotated[float | None, Field(gt=0, le=36_600, examples=[90])] = None


def token_routes(store: Store, clock: Clock = wall_ms) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/api/v1/tokens")

    @router.get("", dependencies=[requires(Role.ADMIN)], responses=_example(200, [_TOKEN]))
    def listed(caller: Who) -> list[TokenView]:
        with store.read() as session:
            return tokens.listed(session, caller.scope, clock())

    @router.post(
        "",
        status_code=201,
        dependencies=[requires(Role.ADMIN)],
        responses=_example(201, _NEW) | documented(FORBIDDEN, NAME_TAKEN, INVALID),
    )
    def create(wish: TokenWish, caller: Who) -> NewToken:
        now_ms = clock()
        expires_ms = None if wish.expires_days is None else now_ms + round(wish.expires_days * _DAY_MS)
        wanted = Wanted(wish.name, Role[wish.role.upper()], _scope(wish.scope, caller), expires_ms)
        try:
            with store.write() as session:
                return tokens.create(session, wanted, now_ms)
        except TokenError as error:
            raise ProblemError(NAME_TAKEN, str(error)) from error

    @router.delete(
        "/{token_id}",
        dependencies=[requires(Role.ADMIN, free=("token_id",))],
        responses=_example(200, _TOKEN) | documented(UNKNOWN_TOKEN),
    )
    def revoke(token_id: Annotated[str, PathParameter(max_length=16)], caller: Who) -> TokenView:
        try:
            with store.write() as session:
                return tokens.revoke(session, token_id, caller.scope, clock())
        except TokenError as error:
            raise ProblemError(UNKNOWN_TOKEN, str(error)) from error

    return router


def _scope(path: str | None, caller: Caller) -> Scope:
    try:
        scope = EVERYWHERE if path is None else Scope.parse(path)
    except ScopeError as error:
        raise ProblemError(
            INVALID, str(error), errors=[{"field": "body.scope", "message": str(error)}]
        ) from error
    if not caller.scope.is_everything and (scope.path is None or not caller.sees(scope.path)):
        told = f"{caller.name!r} makes tokens of {caller.scope.path} only"
        raise ProblemError(FORBIDDEN, told, requires=Role.ADMIN.label)
    return scope


def _example(status: int, value: object) -> dict[int | str, dict[str, object]]:
    return {status: {"content": {"application/json": {"example": value}}}}
