"""The rows of a spool: packets and gap records, and the shedding of the oldest.

Packets and gap records share their positions, which only ascend: what is changed keeps its place, and what is
left of a gap once a part of it is acknowledged gets a new one, so that it is offered again.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

from edge.shedding import absent, covered, gap_body, ranges_of, traits, without_detail
from edge.spool_file import checksum, insert_packet
from edge.stock import Backlog, Lost, Spooled
from wire.documents import AckWatermark
from wire.gap import Gap, GapReason

_PAGE_BYTES = 4096  # SQLite's default
_SPARSEST = 3  # SQLite joins pages of which more than two thirds are empty
_SLACK_BYTES = 64 * 1024  # of a small file: tables, and pages that have just been begun
_GAP_FIELDS = "boot, low, high, reason, camera, captured_ms"


class Shelf:
    """Counts as it goes. Whatever changes something is called in a `transaction`."""

    def __init__(self, database: sqlite3.Connection, given_out: int = 0) -> None:
        """Count what is there. Positions up to `given_out` are not given out again."""
        self._database = database
        packets = "SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(position), 0) FROM packets"
        count, body_bytes, newest = database.execute(packets).fetchone()
        records = "SELECT count(*), coalesce(max(position), 0) FROM gaps"
        gaps, newest_gap = database.execute(records).fetchone()
        self.backlog = Backlog(count, body_bytes, gaps)
        self.given_out: int = max(newest, newest_gap, given_out)
        self._stripped = 0  # up to this position no packet has detail

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit, or leave everything as it was, counts included."""
        mark = self.backlog, self._stripped
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self.backlog, self._stripped = mark
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def youngest_s(self) -> float:
        """When the youngest packet was appended."""
        query = "SELECT coalesce(max(appended_s), 0.0) FROM packets"
        return float(self._database.execute(query).fetchone()[0])

    def keep_birth(self, boot_id: bytes, birth: bytes) -> None:
        """Write a boot's birth, or write it anew."""
        row = (boot_id, birth, checksum(boot_id, birth))
        self._database.execute("INSERT OR REPLACE INTO boots VALUES (?, ?, ?)", row)

    def births(self, but: bytes) -> list[bytes]:
        """Give births of boots of which something waits, all `but` one."""
        waiting = "SELECT boot FROM packets UNION SELECT boot FROM gaps"
        query = f"SELECT birth FROM boots WHERE id != ? AND id IN ({waiting})"  # noqa: S608 (constant)
        return [birth for (birth,) in self._database.execute(query, (but,))]

    def forget_finished_boots(self, but: bytes) -> None:
        """Delete births of boots of which nothing waits, all `but` one."""
        waiting = "SELECT boot FROM packets UNION SELECT boot FROM gaps"
        self._database.execute(f"DELETE FROM boots WHERE id != ? AND id NOT IN ({waiting})", (but,))  # noqa: S608 (constant)

    def add(self, boot_id: bytes, sequence: int, camera: str, body: bytes, now_s: float) -> None:
        """Add the newest packet."""
        position = self._next_position()
        insert_packet(self._database, position, boot_id, sequence, camera, body, now_s)
        self._count(packets=1, body_bytes=len(body))

    def read(self, limit: int, after: int, now_s: float) -> list[Spooled]:
        """Give up to `limit` of what lies beyond a position; raises sqlite3.DatabaseError for damage."""
        found = list[Spooled]()
        packets = "SELECT position, boot, sequence, camera, body, appended_s, checksum FROM packets"
        for position, boot_id, sequence, camera, body, appended_s, value in self._beyond(
            packets, after, limit
        ):
            if checksum(boot_id, sequence, camera, body) != value:
                raise sqlite3.DatabaseError(f"packet at position {position} has another checksum")
            found.append(Spooled(position, boot_id, sequence, camera, body, now_s - appended_s))
        gaps = f"SELECT position, appended_s, checksum, {_GAP_FIELDS} FROM gaps"  # noqa: S608 (constant)
        for position, appended_s, value, *content in self._beyond(gaps, after, limit):
            if checksum(*content) != value:
                raise sqlite3.DatabaseError(f"gap at position {position} has another checksum")
            lost = Lost(*content)
            body = gap_body(Gap(lost.low, lost.high, lost.reason), lost.captured_ms)
            found.append(Spooled(position, lost.boot_id, lost.low, lost.camera, body, now_s - appended_s))
        return sorted(found, key=lambda item: item.position)[:limit]

    def free(self, boot_id: bytes, watermark: AckWatermark, now_s: float) -> int:
        """Delete what is acknowledged; gives how many packets and gap records that concerned."""
        freed = 0
        for low, high in covered(watermark):
            rows = self._database.execute(
                "DELETE FROM packets WHERE boot = ? AND sequence BETWEEN ? AND ? RETURNING length(body)",
                (boot_id, low, high),
            ).fetchall()
            self._count(packets=-len(rows), body_bytes=-sum(size for (size,) in rows))
            freed += len(rows)
        return freed + self._free_gaps(boot_id, watermark, now_s)

    def give_up(self, lost: Lost, now_s: float) -> None:
        """Note a range that is lost, joined to its neighbours of the same boot and reason."""
        query = f"SELECT position, appended_s, {_GAP_FIELDS} FROM gaps"  # noqa: S608 (constant)
        beside = self._database.execute(
            f"{query} WHERE boot = ? AND reason = ? AND (high = ? OR low = ?) ORDER BY low",
            (lost.boot_id, lost.reason, lost.low - 1, lost.high + 1),
        ).fetchall()
        position = min((row[0] for row in beside), default=0) or self._next_position()
        for row in beside:
            other = Lost(*row[2:])
            head = min(other, lost, key=lambda each: each.low)
            lost = replace(head, high=max(other.high, lost.high))
            now_s = min(now_s, row[1])
            self._delete_gap(row[0])
        self._insert_gap(position, lost, now_s)

    def give_up_unreadable(self, position: int, now_s: float) -> bool:
        """Give up one packet; False if it is not here any more."""
        row = self._database.execute(
            "DELETE FROM packets WHERE position = ? RETURNING boot, sequence, camera, body", (position,)
        ).fetchone()
        if row is None:
            return False
        boot_id, sequence, camera, body = row
        self._count(packets=-1, body_bytes=-len(body), dropped=1, shed_bytes=len(body))
        captured_ms = traits(body).captured_ms
        self.give_up(Lost(boot_id, sequence, sequence, GapReason.DAMAGED, camera, captured_ms), now_s)
        return True

    def shed_details(self, limit_bytes: int) -> None:
        """Take the oldest detail layers out of their packets until everything fits."""
        while self.backlog.used_bytes > limit_bytes:
            row = self._database.execute(
                "SELECT position, boot, sequence, camera, body FROM packets"
                " WHERE position > ? AND detail > 0 ORDER BY position LIMIT 1",
                (self._stripped,),
            ).fetchone()
            if row is None:
                self._stripped = self.given_out
                return
            self._stripped, boot_id, sequence, camera, body = row
            poorer = without_detail(body)
            value = checksum(boot_id, sequence, camera, poorer)
            self._database.execute(
                "UPDATE packets SET body = ?, detail = 0, checksum = ? WHERE position = ?",
                (poorer, value, self._stripped),
            )
            saved = len(body) - len(poorer)
            self._count(body_bytes=-saved, shed_details=1, shed_bytes=saved)

    def shed_scenes(self, limit_bytes: int, now_s: float) -> None:
        """Give up the oldest scenes until everything fits, also what shed detail left empty in the file."""
        most_bytes = limit_bytes + limit_bytes // 4 + _SLACK_BYTES
        while self.backlog.packets:
            used_bytes = self.backlog.used_bytes
            if used_bytes <= limit_bytes // _SPARSEST or (
                used_bytes <= limit_bytes and self._page_bytes() <= most_bytes
            ):
                return
            self._shed_oldest_scene(GapReason.SPOOL_FULL, now_s)

    def shed_old(self, before_s: float, now_s: float) -> None:
        """Give up scenes that began before a time."""
        query = "SELECT appended_s FROM packets ORDER BY position LIMIT 1"
        while self.backlog.packets and self._database.execute(query).fetchone()[0] < before_s:
            self._shed_oldest_scene(GapReason.EXPIRED, now_s)

    def _page_bytes(self) -> int:
        """Give the size of the file's pages that are in use."""
        pages, free = (
            int(self._database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count")
        )
        return (pages - free) * _PAGE_BYTES

    def _shed_oldest_scene(self, reason: GapReason, now_s: float) -> None:
        """Give up the oldest packet and what hangs on it."""
        oldest = "SELECT position, boot, camera FROM packets ORDER BY position LIMIT 1"
        position, boot_id, camera = self._database.execute(oldest).fetchone()
        following = self._database.execute(
            "SELECT position FROM packets WHERE position > ? AND boot = ? AND camera = ? AND refresh"
            " ORDER BY position LIMIT 1",
            (position, boot_id, camera),
        ).fetchone()
        rows = self._database.execute(
            "DELETE FROM packets WHERE position >= ? AND position < ? AND boot = ? AND camera = ?"
            " RETURNING sequence, body",
            (position, self.given_out + 1 if following is None else following[0], boot_id, camera),
        ).fetchall()
        bodies = dict(rows)
        size = sum(len(body) for body in bodies.values())
        self._count(packets=-len(rows), body_bytes=-size, dropped=len(rows), shed_bytes=size)
        for low, high in ranges_of(sorted(bodies)):
            captured_ms = traits(bodies[low]).captured_ms
            self.give_up(Lost(boot_id, low, high, reason, camera, captured_ms), now_s)

    def _free_gaps(self, boot_id: bytes, watermark: AckWatermark, now_s: float) -> int:
        query = f"SELECT position, {_GAP_FIELDS} FROM gaps WHERE boot = ? AND low <= ?"  # noqa: S608 (constant)
        freed = 0
        for position, *content in self._database.execute(query, (boot_id, watermark.highest)).fetchall():
            lost = Lost(*content)
            rest = absent(lost.low, lost.high, covered(watermark))
            if rest == [(lost.low, lost.high)]:
                continue
            freed += 1
            self._delete_gap(position)
            for low, high in rest:
                self._insert_gap(self._next_position(), replace(lost, low=low, high=high), now_s)
        return freed

    def _beyond(self, query: str, after: int, limit: int) -> sqlite3.Cursor:
        return self._database.execute(f"{query} WHERE position > ? ORDER BY position LIMIT ?", (after, limit))

    def _insert_gap(self, position: int, lost: Lost, now_s: float) -> None:
        content = (lost.boot_id, lost.low, lost.high, int(lost.reason), lost.camera, lost.captured_ms)
        row = (position, *content, now_s, checksum(*content))
        self._database.execute("INSERT INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._count(gaps=1)

    def _delete_gap(self, position: int) -> None:
        self._database.execute("DELETE FROM gaps WHERE position = ?", (position,))
        self._count(gaps=-1)

    def _next_position(self) -> int:
        self.given_out += 1
        return self.given_out

    def _count(
        self,
        packets: int = 0,
        body_bytes: int = 0,
        gaps: int = 0,
        dropped: int = 0,
        shed_details: int = 0,
        shed_bytes: int = 0,
    ) -> None:
        before = self.backlog
        self.backlog = replace(
            before,
            packets=before.packets + packets,
            body_bytes=before.body_bytes + body_bytes,
            gaps=before.gaps + gaps,
            dropped=before.dropped + dropped,
            shed_details=before.shed_details + shed_details,
            shed_bytes=before.shed_bytes + shed_bytes,
        )
