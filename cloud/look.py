"""What a role sees a camera as, for whoever need not know what that is (`cloud.looks` does)."""

from collections.abc import Callable
from typing import Protocol

from sqlalchemy.orm import Session

from cloud.access.roles import Role
from cloud.events.names import Names

LookOf = Callable[[Session, int], str]  # of a camera by its row


class Looks(Protocol):
    """Tells what a role sees a camera as."""

    def look(self, camera: str, role: Role, /) -> str:
        """Name it; the same name is the same clips."""


class OneLook:
    """Everyone sees the same: where a store has one kind of clips only."""

    def look(self, _camera: str, _role: Role) -> str:
        return ""


ONE_LOOK = OneLook()


def one_look(_session: Session, _camera_id: int) -> str:
    """Know one look only."""
    return ""


class ViewersLook:
    """Tells what viewers see a camera as: what is rendered, and told, before anyone asks. For one thread."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._names = Names()

    def __call__(self, session: Session, camera_id: int) -> str:
        return self._looks.look(self._names.camera(session, camera_id), Role.VIEWER)
