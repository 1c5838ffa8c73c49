"""How routes say who they are for: without that, nobody gets them.

    @router.delete("/api/v1/rules/{rule_id}", dependencies=[requires(Role.OPERATOR)])
    def remove(rule_id: int, caller: Who) -> None: ...

`requires` also hides what is outside the caller's scope, as if it were not there: it knows the place of what
`{tenant}/{site}/…` and `?camera=` name, and of ids what `locate` was told. Lists are the route's to filter:
by `caller.sees(place)`, or `within(caller.scope)` in a query.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request, params
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Mount, compile_path

from cloud.access.roles import Caller, Role
from cloud.problems import FORBIDDEN, UNAUTHENTICATED, UNKNOWN_PLACE, Kind, ProblemError

_LEVELS = ("tenant", "site", "device", "camera")
_NAMES = re.compile(r"{(\w+)")
_FRAMEWORK = re.compile(r"/_nicegui(_ws)?/.*|(/.*)?/favicon\.ico")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="mirage"'}


@dataclass(frozen=True, slots=True)
class Locator:
    """Finds the place of what a path names: `look` gives it, None where there is nothing.

    What is hidden and what is missing are the same `kind` of problem. `shows` says of what has a sender
    whether that lets a role look; without it, all may who see the place.
    """

    look: Callable[[str], str | None]
    kind: Kind
    shows: Callable[[str, Role], bool] | None = None


class UndeclaredRouteError(RuntimeError):
    """A route does not say who it is for, or where what it names is; the message names it."""


def maybe_caller(request: Request) -> Caller | None:
    """Tell who asks, None if nobody knows."""
    caller = request.scope.get("state", {}).get("caller")
    return caller if isinstance(caller, Caller) else None


def caller_of(request: Request) -> Caller:
    """Tell who asks, or raise ProblemError."""
    caller = maybe_caller(request)
    if caller is None:
        raise ProblemError(UNAUTHENTICATED, "this needs a token", headers=CHALLENGE)
    return caller


Who = Annotated[Caller, Depends(caller_of)]
MaybeWho = Annotated[Caller | None, Depends(maybe_caller)]  # of routes that are public


class Requires:
    """Lets callers of a role pass, to what is in their scope.

    `everywhere`: only those with the whole fleet. `free` names parts of the path that are of no place.
    """

    def __init__(self, role: Role, *, everywhere: bool, free: tuple[str, ...]) -> None:
        self.role = role
        self.everywhere = everywhere
        self.free = free

    async def __call__(self, request: Request) -> None:
        """Raise ProblemError of whoever may not pass."""
        caller = caller_of(request)
        if not caller.may(self.role):
            told = f"this is for {self.role.label}s and {caller.name!r} is {_an(caller.role)}"
            raise ProblemError(FORBIDDEN, told, requires=self.role.label)
        if self.everywhere and not caller.scope.is_everything:
            told = f"this is for tokens of the whole fleet, and {caller.name!r} sees {caller.scope.path}"
            raise ProblemError(FORBIDDEN, told, requires="everywhere")
        if not caller.scope.is_everything:
            await self._look(request, caller)
        await self._ask_senders(request, caller)
        _admit(request)

    async def _look(self, request: Request, caller: Caller) -> None:
        named = request.path_params
        levels = [level for level in _LEVELS if level in named]
        if levels:
            place = "/".join(named[level] for level in levels)
            if not caller.scope.meets(place):
                raise ProblemError(UNKNOWN_PLACE, f"no {levels[-1]} {place!r}")
        for level in _LEVELS:
            for place in request.query_params.getlist(level):
                if not caller.scope.meets(place):
                    raise ProblemError(UNKNOWN_PLACE, f"no {level} {place!r}")
        for name, locator in _locators(request.app).items():
            if name in named:
                found = await run_in_threadpool(locator.look, str(named[name]))
                if found is None or not caller.sees(found):
                    raise ProblemError(locator.kind, f"no {name.removesuffix('_id')} {named[name]}")

    async def _ask_senders(self, request: Request, caller: Caller) -> None:
        """Hide what its sender hides from the caller's role."""
        for name, locator in _locators(request.app).items():
            if name in request.path_params and locator.shows is not None:
                named = str(request.path_params[name])
                if not await run_in_threadpool(locator.shows, named, caller.role):
                    raise ProblemError(locator.kind, f"no {name.removesuffix('_id')} {named}")


class Public:
    """Lets everyone pass."""

    async def __call__(self, request: Request) -> None:
        _admit(request)


def requires(role: Role, *, everywhere: bool = False, free: tuple[str, ...] = ()) -> params.Depends:
    """Declare who a route is for: one of its `dependencies`."""
    return params.Depends(Requires(role, everywhere=everywhere, free=free))


def public() -> params.Depends:
    """Declare that a route is for everyone, also without a token."""
    return params.Depends(Public())


def locate(app: FastAPI, name: str, locator: Locator) -> None:
    """Tell `app` how the place of what paths call {name} is found."""
    _locators(app)[name] = locator


def is_framework(path: str) -> bool:
    """Tell whether a path is of what pages are made of: scripts, their socket, icons."""
    return _FRAMEWORK.fullmatch(path) is not None


def declared(app: FastAPI) -> Iterator[tuple[str, str, Requires | Public]]:
    """Give method, path and declaration of each route, mounted ones too. Raises UndeclaredRouteError."""
    known = {*_LEVELS, *_locators(app)}
    for path, route in routes_of(app.routes):
        if is_framework(path):
            continue
        dependant = getattr(route, "dependant", None)
        calls = [each.call for each in dependant.dependencies] if isinstance(dependant, Dependant) else []
        found = [call for call in calls if isinstance(call, Requires | Public)]
        if len(found) != 1:
            raise UndeclaredRouteError(
                f"{path}: needs one `requires(Role.…)` or `public()`, has {len(found)}"
            )
        unknown = _unplaced(path, found[0], known)
        if unknown:
            raise UndeclaredRouteError(f"{path}: where is {sorted(unknown)}? `locate` it, or name it `free`")
        for method in sorted(route.methods or ()):
            yield method, path, found[0]


def _unplaced(path: str, declaration: Requires | Public, known: set[str]) -> set[str]:
    """Give what a path names of which nobody can tell where it is; what is public is nobody's."""
    names = set(_NAMES.findall(path))
    if isinstance(declaration, Public) or "tenant" in names:
        return set()
    return names - known - set(declaration.free)


def routes_of(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, RouteContext]]:
    """Give paths and routes, also of what is mounted or included."""
    for route in iter_route_contexts(routes):
        path = prefix + (route.path or "")
        if isinstance(route.original_route, Mount) and not is_framework(f"{path}/"):
            yield from routes_of(route.original_route.routes, path)
        elif not isinstance(route.original_route, Mount):
            yield path, route


def public_paths(app: FastAPI) -> list[re.Pattern[str]]:
    """Give what the paths of public routes match. Raises UndeclaredRouteError."""
    paths = {path for _, path, declaration in declared(app) if isinstance(declaration, Public)}
    return [compile_path(path)[0] for path in sorted(paths)]


def _locators(app: FastAPI) -> dict[str, Locator]:
    state = app.state
    if not hasattr(state, "locators"):
        state.locators = {}
    found: dict[str, Locator] = state.locators
    return found


def _admit(request: Request) -> None:
    request.scope.setdefault("state", {})["admitted"] = True


def _an(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role.label}"
