"""A visitor's page without a browser, whose camera goes between the look at a segment and at its neighbours.

Usage: python -m tests.cloud.losing_page FOLDER; ends well where the visitor is told. A process of its own:
NiceGUI's simulation leaves its modules in disorder.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import ui
from nicegui.testing import user_simulation

from cloud.access.asks import Asking, Asks
from cloud.access.roles import Caller, Role
from cloud.api import Health
from cloud.catalog import SegmentView
from cloud.objects import Objects
from cloud.page.nav import Nav
from cloud.page.sight import Sight
from cloud.page.view import View
from cloud.search import Search
from cloud.store import Store
from cloud.viewing import Viewing
from tests.cloud.test_wording import SEGMENT


class LosingSight(Sight):
    """Gives a segment whose camera is gone by then."""

    def segment(self, segment_id: int) -> SegmentView:
        assert segment_id == SEGMENT.id
        return SEGMENT


class BareNav(Nav):
    """Has a head without an account: nobody has logged in."""

    @contextmanager
    def header(self, path: str, *styles: str) -> Iterator[None]:
        assert (path, styles) == ("/", ())
        yield


async def look(store: Store, folder: Path) -> None:
    viewing = Viewing(store, Objects(str(folder / "objects")))
    sight = LosingSight(viewing, Search(store), Asking(Asks(None), Caller("wall", Role.VIEWER)))

    def page() -> None:
        view = View(BareNav(), sight, lambda: Health(ok=True, troubles={}, messages={}), "broker")
        ui.timer(0.05, lambda: view.begin(str(SEGMENT.id)), once=True)

    async with user_simulation(page) as user:
        ui.page("/")(page)
        user.javascript_rules[re.compile("getTimezoneOffset")] = lambda _: 0
        await user.open("/")
        await user.should_see(f"no camera {SEGMENT.camera!r}", retries=300)


if __name__ == "__main__":
    held = Store(f"sqlite:///{sys.argv[1]}/store.db")
    asyncio.run(look(held, Path(sys.argv[1])))
    held.close()
