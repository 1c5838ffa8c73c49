"""Which events have come already: each comes at least once, and may come again."""

from collections import OrderedDict

from wire.events import Event

REMEMBERED = 4096  # events


class Seen:
    """Remembers the latest by `source` and `id`, which together name an event for ever."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._names: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_new(self, event: Event) -> bool:
        """Tell whether an event comes for the first time, and remember it."""
        name = (event.source, event.id)
        known = name in self._names
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > self._most:
            self._names.popitem(last=False)
        return not known

    def forget(self, event: Event) -> None:
        """Take an event for new when it comes again: it was not dealt with."""
        self._names.pop((event.source, event.id), None)
