"""A spool's file while its process is down: what is in it, and how it comes to harm."""

import random
import shutil
import sqlite3
import tempfile
from pathlib import Path

_BESIDE = ("", "-wal", "-shm")


def waiting_in(path: Path) -> frozenset[tuple[str, int]]:
    """List boots and sequences of which a spool's file speaks, in packets and gap records.

    A copy is read: opening the file itself would play its log back before it comes to harm.
    """
    if not path.exists():
        return frozenset()
    with tempfile.TemporaryDirectory(prefix="mirage-chaos-") as folder:
        copy = Path(folder) / path.name
        for suffix in _BESIDE:
            beside = path.with_name(path.name + suffix)
            if beside.exists():
                shutil.copy(beside, copy.with_name(copy.name + suffix))
        database = sqlite3.connect(copy)
        try:
            packets = database.execute("SELECT boot, sequence, sequence FROM packets").fetchall()
            gaps = database.execute("SELECT boot, low, high FROM gaps").fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # damaged before, or not begun
            return frozenset()
        finally:
            database.close()
    return frozenset(
        (boot.hex(), sequence) for boot, low, high in packets + gaps for sequence in range(low, high + 1)
    )


def overwrite(path: Path, size: int, chance: random.Random) -> bool:
    """Overwrite so many bytes somewhere in a file or in its log; False where there is no file."""
    log = path.with_name(f"{path.name}-wal")
    files = [each for each in (path, log) if each.exists() and each.stat().st_size]
    if not files:
        return False
    target = chance.choice(files)
    data = bytearray(target.read_bytes())
    at = chance.randrange(len(data))
    for offset in range(at, min(at + size, len(data))):
        data[offset] = data[offset] ^ (1 << chance.randrange(8)) if size == 1 else chance.randrange(256)
    target.write_bytes(data)
    return True
