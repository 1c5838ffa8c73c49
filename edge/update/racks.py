"""Where versions lie, and which of them runs. A link is changed by one rename, which lasts.

agent     ROOT/slots/a, slots/b             ROOT/current, committed --> slots/a
bundle    ROOT/bundles/NAME-ID8             ROOT/bundles/current, committed --> NAME-ID8
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from edge.identity_files import sync_folder
from edge.update.wishes import Kind

CURRENT, COMMITTED = "current", "committed"
_SLOTS = ("slots/a", "slots/b")


@dataclass(frozen=True, slots=True)
class Rack:
    """The versions of one kind. A place is the name of a version's folder, as links give it."""

    kind: Kind
    home: Path

    @classmethod
    def of(cls, kind: Kind, root: Path) -> "Rack":
        return cls(kind, root if kind == "agent" else root / "bundles")

    def place(self, link: str) -> str | None:
        """Say where a link leads; None where it leads to nothing that is here."""
        try:
            found = os.readlink(self.home / link)  # noqa: PTH115 (3.10 has Path.readlink, which says no more)
        except OSError:
            return None
        there = os.path.normpath(self.home / found)
        place = os.path.relpath(there, self.home)
        return place if not place.startswith("..") and Path(there).is_dir() else None

    def tree(self, place: str) -> Path:
        return self.home / place

    def adopt(self) -> None:
        """Take it that what runs is good, where nobody has said so yet: a device as it was flashed."""
        current = self.place(CURRENT)
        if self.place(COMMITTED) is None and current is not None:
            self.point(COMMITTED, current)

    def align(self) -> bool:
        """Let run what is known to be good; True if something else did."""
        self.adopt()
        good = self.place(COMMITTED)
        if good is None or self.place(CURRENT) == good:
            return False
        self.point(CURRENT, good)
        return True

    def point(self, link: str, place: str) -> None:
        """Let a link lead to a place, durably. Raises OSError."""
        partial = self.home / f".{link}.partial"
        partial.unlink(missing_ok=True)  # of a run that was cut off
        partial.symlink_to(place)
        partial.replace(self.home / link)
        sync_folder(self.home)

    def free_place(self, name: str, release: str) -> str:
        """Say where a new version goes: never where one is that runs, or is known to be good."""
        used = self.used()
        if self.kind == "agent":
            return next(slot for slot in _SLOTS if slot not in used)
        place = f"{name}-{release[:8]}"
        return place if place not in used else f"{name}-{release}"  # two ids that begin alike

    def used(self) -> set[str | None]:
        """Give the places that must not be touched."""
        return {self.place(CURRENT), self.place(COMMITTED)}

    def clear(self, place: str) -> None:
        """Remove what lies at a place. Raises OSError; ValueError for what is in use."""
        if place in self.used():
            raise ValueError(f"{self.tree(place)}: is in use")
        tree = self.tree(place)
        if tree.is_symlink() or tree.is_file():
            tree.unlink()
        elif tree.exists():
            shutil.rmtree(tree)

    def clear_others(self) -> None:
        """Remove bundles that are of no use any more. Slots stay: one may be tried again."""
        if self.kind == "agent" or not self.home.is_dir():
            return
        for each in self.home.iterdir():
            if each.is_dir() and not each.is_symlink() and each.name not in self.used():
                shutil.rmtree(each)
