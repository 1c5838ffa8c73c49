"""`mirage cloud provenance-key …`: the keys that clips are signed with."""

from pathlib import Path

from rich.table import Table

from cloud.config import load
from cloud.provenance import register
from cloud.provenance.signing import from_pem, key_id
from cloud.store import Store
from mirage.output import as_json, print_line, print_tables, read_input, time_text, write_whole
from mirage.secret_file import write_provenance_key


def new(output: Path) -> None:
    """Make a key, and its public half beside it. Raises InputError where one of them is there."""
    public = write_provenance_key(output)
    (key,) = from_pem(read_input(public))
    print_line(f"{output}: key {key_id(key)}, which stays secret; {public} is for everyone")


def show(config: Path, output: Path | None, *, json: bool) -> None:
    """List the public keys that were ever used; write all of them into one PEM file if asked for."""
    store = Store(load(config).store.url)
    try:
        with store.read() as session:
            keys = register.known(session)
    finally:
        store.close()
    if output is not None:
        write_whole(output, "".join(each.pem for each in keys).encode())
    if json:
        print_line(as_json({"keys": keys}))
        return
    table = Table("key", "in use since", "last begun with", "")
    for each in keys:
        now = "current" if each.current else ""
        table.add_row(each.key, time_text(each.since_ms), time_text(each.used_ms), now)
    print_tables(table if keys else "No clip was signed yet.")
