"""Who may do what, and where. Pure.

viewer      looks, and asks for clips
operator    also cancels, changes alerts, sends commands
admin       also makes and revokes tokens

A scope is the whole fleet, a tenant, or a site: to whoever has it, nothing else exists. Places are paths:
tenant, tenant/site, tenant/site/device, tenant/site/device/camera.
"""

from dataclasses import dataclass
from enum import IntEnum

from wire import topics
from wire.topics import TopicError


class ScopeError(ValueError):
    """No scope is written so; the message shows what was given."""


class Role(IntEnum):
    """What a caller may do; each may do what those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of the fleet: `names` are none for all of it, a tenant, or a tenant and a site."""

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, path: str | None) -> "Scope":
        """Read TENANT or TENANT/SITE; None is the whole fleet. Raises ScopeError."""
        if path is None:
            return cls()
        names = tuple(path.split("/"))
        if len(names) > 2:
            raise ScopeError(f"scope {path!r}: give TENANT or TENANT/SITE")
        try:
            for kind, name in zip(("tenant", "site"), names, strict=False):
                topics.check_id(kind, name)
        except TopicError as error:
            raise ScopeError(f"scope {path!r}: {error}") from error
        return cls(names)

    @property
    def path(self) -> str | None:
        return "/".join(self.names) or None

    @property
    def is_everything(self) -> bool:
        return not self.names

    def covers(self, place: str) -> bool:
        """Tell whether all of a place is inside."""
        return tuple(place.split("/"))[: len(self.names)] == self.names

    def meets(self, place: str) -> bool:
        """Tell whether a part of a place is inside: a tenant of which only a site is, for instance."""
        return all(mine == theirs for mine, theirs in zip(self.names, place.split("/"), strict=False))


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `token_id` is None where access is open, and everyone on the machine is the owner."""

    name: str
    role: Role
    scope: Scope = EVERYWHERE
    token_id: str | None = None

    def may(self, role: Role) -> bool:
        """Tell whether what is for `role` is for this caller."""
        return self.role >= role

    def sees(self, place: str) -> bool:
        """Tell whether a place exists for this caller."""
        return self.scope.covers(place)


OWNER = Caller("owner", Role.ADMIN)  # of a machine whose loopback is open
