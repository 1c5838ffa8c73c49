"""How many clips each caller may ask for."""

from typing import Annotated

from fastapi import Depends, Request

from cloud.access.declare import caller_of
from cloud.access.rates import Meter, Quota, Reading
from cloud.access.roles import Caller
from cloud.clock import Clock, steady_ms
from cloud.problems import Kind, ProblemError

LIVE_S = 2.0  # a live view asks for a clip so often, whatever its player fetches

# As draft-ietf-httpapi-ratelimit-headers-11 registers it.
TOO_MANY = Kind(
    "https://iana.org/assignments/http-problem-types#quota-exceeded", 429, "Too many requests",
    "Ask again after as many seconds as Retry-After says.", {"violated-policies": ["requests"]},
)  # fmt: skip


class Asks:
    """Counts clips that are asked for and have to be made; `Asks(None)` counts none."""

    def __init__(self, per_minute: float | None, clock: Clock = steady_ms) -> None:
        self._clock = clock
        self._meter = self._turns = None
        if per_minute is not None:
            self._meter = Meter(Quota("renders", per_minute / 60, max(1, per_minute)))
            self._turns = Meter(Quota("live", 1 / LIVE_S, 1))

    def charge(self, caller: Caller, count: int) -> None:
        """Count so many, or raise ProblemError. More than is left may be asked for at once, and is owed."""
        if self._meter is not None:
            reading = self._meter.take(caller.token_id or caller.name, self._clock(), count)
            if not reading.passed:
                raise too_many(reading, f"{caller.name!r} asks for more clips than {self._meter.quota.words}")

    def charge_live(self, caller: Caller, camera: str) -> None:
        """Count a live view that is looked at, or raise ProblemError."""
        turn = f"{caller.token_id or caller.name} {camera}"
        if self._turns is not None and self._turns.take(turn, self._clock()).passed:
            self.charge(caller, 1)


def too_many(reading: Reading, detail: str) -> ProblemError:
    """Make the error of a quota that is used up."""
    again_s = max(1, reading.reset_s)
    headers = {
        "Retry-After": str(again_s),
        "RateLimit-Policy": reading.quota.field,
        "RateLimit": reading.field,
    }
    fields = {"violated-policies": [reading.quota.name]}
    return ProblemError(TOO_MANY, f"{detail}; again in {again_s} s", headers=headers, **fields)


class Asking:
    """A caller, and what is left of the clips that it may ask for."""

    def __init__(self, asks: Asks, caller: Caller) -> None:
        self.caller = caller
        self._asks = asks

    def charge(self, count: int) -> None:
        """Count clips, or raise ProblemError."""
        self._asks.charge(self.caller, count)

    def charge_live(self, camera: str) -> None:
        """Count a live view, or raise ProblemError."""
        self._asks.charge_live(self.caller, camera)


def asking_of(request: Request) -> Asking:
    """Give what counts for whoever sends a request, or raise ProblemError."""
    caller, asks = caller_of(request), request.scope["state"]["asks"]
    assert isinstance(asks, Asks)  # noqa: S101 -- what the guard puts there
    return Asking(asks, caller)


Asked = Annotated[Asking, Depends(asking_of)]
