"""Anchors that are stored: reference pictures of places, things and people, and stand-ins.

    picture file --decode, no larger than needed, JPEG--> anchors/SHA256.jpg   what a file says besides its
                    '-- row: which cameras, from which role on                 pixels (EXIF) is not kept

They cost no uplink: they lie here, once each, whatever the number of cameras and clips that use them.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.access.roles import Caller, Role
from cloud.clock import Clock, steady_ms, wall_ms
from cloud.config_receiver import PATTERN, matches
from cloud.objects import MissingObjectError, Objects
from cloud.render.anchors import AnchorError, decode
from cloud.schema import AnchorRow
from cloud.store import Store, lock_alone

Kind = Literal["place", "thing", "people", "stand-in"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MAX_BYTES = 16 * 2**20  # of one upload
MAX_ANCHORS = 1000
LONG_SIDE_PX = 2048  # no clip needs more
EVERY = "*/*/*/*"
_QUALITY = 92
_FRESH_MS = 1000  # how long what the table says is believed
_KEPT = 32  # pictures in memory
_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
_MAX_NAME = 120
_CHANGING = 0x616E6368  # one at a time adds or removes


@dataclass(frozen=True, slots=True)
class Anchor:
    """A picture and where it is taken; `camera` is a pattern, `role` the lowest whose clips show it."""

    id: int
    sha256: str
    kind: str
    camera: str
    word: str
    role: str
    name: str
    width: int
    height: int
    size: int
    added_ms: int

    def is_of(self, camera: str, role: Role) -> bool:
        """Tell whether it is for clips that a role sees of a camera."""
        return Role[self.role.upper()] <= role and matches(self.camera, camera)

    def is_shown_to(self, caller: Caller) -> bool:
        """Tell whether it exists for a caller: not if it is elsewhere, too, or for roles above theirs."""
        return caller.sees(self.camera) and caller.may(Role[self.role.upper()])


@dataclass(frozen=True, slots=True)
class Use:
    """What a picture is to be used for: a `word` goes with a thing, and with nothing else.

    Valid by construction; else AnchorError.
    """

    kind: Kind
    camera: str = EVERY
    word: str = ""
    role: Role = Role.VIEWER

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise AnchorError(f"kind {self.kind!r}: is none of {', '.join(KINDS)}")
        if not PATTERN.fullmatch(self.camera) or len(self.camera) > 160:
            raise AnchorError(
                f"camera {self.camera!r}: give tenant/site/device/camera, each a name or a pattern as *"
            )
        if self.kind == "thing" and not (_WORD.fullmatch(self.word) and len(self.word) <= 64):
            raise AnchorError(f"word {self.word!r}: a thing needs the word of captions that speak of it")
        if self.kind != "thing" and self.word:
            raise AnchorError(f"word {self.word!r}: is for things only")


class AnchorBook:
    """Stores anchors, and finds them. Safe to share between threads; raises StoreError, ObjectsError."""

    def __init__(self, store: Store, objects: Objects, clock: Clock = wall_ms) -> None:
        self._store = store
        self._objects = objects
        self._clock = clock
        self._known: tuple[Anchor, ...] = ()
        self._known_ms: int | None = None
        self._pictures: OrderedDict[str, NDArray[np.uint8]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes, use: Use, name: str = "") -> Anchor:
        """Store a picture; one that is there for the same use stays, with the role of now.

        Raises AnchorError for what is no picture, is too large, or is one too many.
        """
        jpeg, width, height = _encoded(data, name or "picture")
        sha256 = hashlib.sha256(jpeg).hexdigest()
        which = (
            AnchorRow.sha256 == sha256, AnchorRow.kind == use.kind,
            AnchorRow.camera == use.camera, AnchorRow.word == use.word,
        )  # fmt: skip
        with self._alone() as session:
            row = session.scalar(select(AnchorRow).where(*which))
            if row is None:
                if (session.scalar(select(func.count()).select_from(AnchorRow)) or 0) >= MAX_ANCHORS:
                    raise AnchorError(f"there are {MAX_ANCHORS} anchors, the most there may be: remove some")
                row = AnchorRow(
                    sha256=sha256, kind=use.kind, camera=use.camera, word=use.word, width=width,
                    height=height, size=len(jpeg), added_ms=self._clock(),
                )  # fmt: skip
                session.add(row)
            row.role, row.name = int(use.role), _title(name)
            session.flush()
            added = _anchor(row)
            self._objects.put(picture_key(sha256), jpeg)
        self.forget()
        return added

    def remove(self, anchor_id: int) -> bool:
        """Remove one use, and the picture with its last one; False if there is none such.

        Where the object store refuses that, the use is gone and a sweep removes the picture.
        """
        with self._alone() as session:
            row = session.get(AnchorRow, anchor_id)
            if row is None:
                return False
            sha256 = row.sha256
            session.delete(row)
        self.forget()
        with self._alone() as session:  # the row is surely gone; who adds the same picture now puts it anew
            if session.scalar(select(AnchorRow.id).where(AnchorRow.sha256 == sha256).limit(1)) is None:
                self._objects.remove([picture_key(sha256)])
        return True

    @contextmanager
    def _alone(self) -> Iterator[Session]:
        """Open a transaction in which rows and pictures are in step, whoever else adds and removes."""
        with self._store.write() as session:
            stay_in_step(session)
            yield session

    def listed(self) -> tuple[Anchor, ...]:
        """List all, in the order in which they were added; as of a second ago at most."""
        with self._lock:
            now_ms = steady_ms()
            if self._known_ms is None or now_ms - self._known_ms >= _FRESH_MS:
                with self._store.read() as session:
                    rows = session.scalars(select(AnchorRow).order_by(AnchorRow.id)).all()
                    self._known = tuple(map(_anchor, rows))
                self._known_ms = now_ms
            return self._known

    def forget(self) -> None:
        """Look anew at the next question."""
        with self._lock:
            self._known_ms = None

    def jpeg(self, sha256: str) -> bytes:
        """Give a stored file, or raise AnchorError."""
        try:
            return self._objects.read(picture_key(sha256), 0, self._objects.size(picture_key(sha256)))
        except MissingObjectError as error:
            raise AnchorError(f"anchor {sha256[:12]}: its picture is not in the object store") from error

    def picture(self, sha256: str) -> NDArray[np.uint8]:
        """Give a stored picture (H, W, 3) RGB, or raise AnchorError."""
        with self._lock:
            known = self._pictures.get(sha256)
        if known is None:
            known = decode(self.jpeg(sha256), f"anchor {sha256[:12]}")
            with self._lock:
                self._pictures[sha256] = known
                while len(self._pictures) > _KEPT:
                    self._pictures.popitem(last=False)
        return known


def stay_in_step(session: Session) -> None:
    """Let nobody else add or remove a picture before this transaction is over."""
    lock_alone(session, _CHANGING)


def _encoded(data: bytes, name: str) -> tuple[bytes, int, int]:
    """Give what is kept of a picture file, and its width and height. Raises AnchorError."""
    if len(data) > MAX_BYTES:
        raise AnchorError(f"{name}: {len(data):,} bytes, limit is {MAX_BYTES:,}")
    picture = decode(data, name)
    height, width = picture.shape[:2]
    if min(height, width) < 8:
        raise AnchorError(f"{name}: {width}x{height} pixels, 8 at least each way")
    scale = LONG_SIDE_PX / max(height, width)
    if scale < 1:
        width, height = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    done, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise AnchorError(f"{name}: {width}x{height} pixels cannot be written as JPEG")
    return jpeg.tobytes(), width, height


def _title(name: str) -> str:
    return "".join(each for each in name if each.isprintable())[:_MAX_NAME]


def _anchor(row: AnchorRow) -> Anchor:
    return Anchor(
        row.id, row.sha256, row.kind, row.camera, row.word, Role(row.role).label, row.name, row.width,
        row.height, row.size, row.added_ms,
    )  # fmt: skip


def picture_key(sha256: str) -> str:
    """Name the object of a picture."""
    return f"anchors/{sha256}.jpg"
