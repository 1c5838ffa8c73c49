"""`mirage cloud anchors`: added, listed and removed in store and object store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from cloud.access.roles import Role
from cloud.anchor_book import Anchor, AnchorBook, Use
from cloud.config import load
from cloud.objects import Objects
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables, read_input, time_text


def add(config: Path, picture: Path, use: tuple[str, str, str, str], *, json: bool) -> None:
    """Store a picture for a use: kind, camera, word, role. Raises AnchorError, InputError."""
    kind, camera, word, role = use
    wanted = Use(kind, camera, word, Role[role.upper()])  # type: ignore[arg-type]  # checked there
    data = read_input(picture)
    with _book(config) as book:
        added = book.add(data, wanted, picture.name)
    size = f"{added.width}x{added.height}, {added.size:,} bytes"
    print_line(as_json(added) if json else f"anchor {added.id}: {added.kind} of {added.camera}, {size}")


def show(config: Path, *, json: bool) -> None:
    """List all."""
    with _book(config) as book:
        found = book.listed()
    if json:
        print_line(as_json({"anchors": found}))
        return
    print_tables(_table(found) if found else "No anchors are stored.")


def remove(config: Path, anchor_id: int, *, json: bool) -> None:
    """Remove one. Raises InputError."""
    with _book(config) as book:
        if not book.remove(anchor_id):
            raise InputError(
                f"there is no anchor {anchor_id}: `mirage cloud anchors list` has those there are"
            )
    print_line(as_json({"removed": anchor_id}) if json else f"anchor {anchor_id}: removed")


@contextmanager
def _book(config: Path) -> Iterator[AnchorBook]:
    settings = load(config)
    store = Store(settings.store.url)
    try:
        yield AnchorBook(store, Objects(settings.store.objects))
    finally:
        store.close()


def _table(anchors: tuple[Anchor, ...]) -> Table:
    table = Table("id", "kind", "camera", "word", "from role", "picture", "size", "added", "SHA-256")
    for each in anchors:
        table.add_row(
            str(each.id), each.kind, each.camera, each.word or "-", each.role, each.name or "-",
            f"{each.width}x{each.height}, {each.size:,} B", time_text(each.added_ms), each.sha256[:12],
        )  # fmt: skip
    return table
