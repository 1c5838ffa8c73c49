"""Films of clips, cut when someone first wants them and kept in memory while there is room."""

import threading
from collections import OrderedDict

from cloud.hls.film import Film, FilmError, cut, hold
from cloud.hls.pace import Clip
from cloud.objects import MissingObjectError, Objects

_ROOM = 64 * 2**20  # bytes: some 500 clips of the usual size
_KEPT_INITS = 64


class Films:
    """Films by the fingerprint of their clips; the least used go first. Safe to share between threads."""

    def __init__(self, objects: Objects, room: int = _ROOM) -> None:
        self._objects = objects
        self._room = room
        self._used = 0
        self._films: OrderedDict[str, Film] = OrderedDict()
        self._inits: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def film(self, clip: Clip) -> Film:
        """Give the film of a clip. Raises FilmError, also where its object is gone, and ObjectsError."""
        known = self._known(clip.tag)
        if known is not None:
            return known
        try:
            film = cut(self._objects.read(clip.video_key, 0, clip.size))
        except MissingObjectError as error:
            raise FilmError(str(error)) from error
        return self._keep(clip.tag, film)

    def held(self, clip: Clip) -> Film:
        """Give the piece that shows a clip's last picture. Raises FilmError, ObjectsError."""
        key = f"{clip.tag} held"
        known = self._known(key)
        if known is not None:
            return known
        return self._keep(key, hold(self.film(clip)))

    def publish(self, film: Film) -> None:
        """Keep a film's init segment for ever, where every process finds it. Raises ObjectsError."""
        with self._lock:
            if film.init_id in self._inits:
                return
        self._objects.put(_init_key(film.init_id), film.init)
        self._keep_init(film.init_id, film.init)

    def init(self, init_id: str) -> bytes:
        """Give an init segment that was published. Raises MissingObjectError, ObjectsError."""
        with self._lock:
            known = self._inits.get(init_id)
        if known is None:
            key = _init_key(init_id)
            known = self._objects.read(key, 0, self._objects.size(key))
            self._keep_init(init_id, known)
        return known

    def _known(self, key: str) -> Film | None:
        with self._lock:
            film = self._films.get(key)
            if film is not None:
                self._films.move_to_end(key)
            return film

    def _keep(self, key: str, film: Film) -> Film:
        with self._lock:
            if key not in self._films and film.size <= self._room:
                self._films[key] = film
                self._used += film.size
                while self._used > self._room:
                    self._used -= self._films.popitem(last=False)[1].size
        return film

    def _keep_init(self, init_id: str, init: bytes) -> None:
        with self._lock:
            self._inits[init_id] = init
            while len(self._inits) > _KEPT_INITS:
                self._inits.popitem(last=False)


def _init_key(init_id: str) -> str:
    return f"inits/{init_id}.mp4"
