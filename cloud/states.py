"""Whether devices are there, as `state` says it: in the clear, so nothing is decided by it."""

from collections import OrderedDict

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud.schema import BootRow
from wire.documents import State
from wire.topics import Topic

MAX_EARLY = 4096  # boots

_Boot = tuple[str, str, str, str]  # tenant, site, device, boot id


class States:
    """Notes states with their own boots: a will of an earlier boot then says nothing about this one.

    Anyone at the broker can name a boot, so those that are not known make no rows, and the latest few are
    remembered until the birth comes.
    """

    def __init__(self) -> None:
        self._early: OrderedDict[_Boot, str] = OrderedDict()

    def note(self, session: Session, topic: Topic, device_id: int | None, state: State) -> None:
        """Write a state down."""
        which = (BootRow.device_id == device_id, BootRow.boot_hex == state.boot_id)
        known = None if device_id is None else session.scalar(select(BootRow.id).where(*which))
        if known is not None:
            session.execute(update(BootRow).where(BootRow.id == known).values(state=state.state))
        place = (topic.tenant, topic.site, topic.device, state.boot_id)
        self._early[place] = state.state
        self._early.move_to_end(place)
        if len(self._early) > MAX_EARLY:
            self._early.popitem(last=False)

    def early(self, topic: Topic, boot_hex: str) -> str | None:
        """Give what was last heard of a boot, if that was lately."""
        return self._early.get((topic.tenant, topic.site, topic.device, boot_hex))
