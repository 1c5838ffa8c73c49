"""The middle of the agent: segments out of the inbox, packets into the spool.

Captured   described, composed as the budget affords, numbered, spooled
Missed     numbered all the same, and given up: so it is listed, and not just missing
"""

import time
from collections.abc import Iterator, Mapping
from itertools import islice

import structlog

from edge import outfit
from edge.budget import Budget
from edge.composer import Composer
from edge.inbox import Inbox, Missed
from edge.pipeline import Pipeline, sends
from edge.privacy.guard import Guard
from edge.spool import Spool
from edge.summary import Tally
from edge.times import EncodeTimes
from wire.gap import GapReason

log = structlog.get_logger()


class Describer:
    """For one thread. `taken` counts what came out of the inbox: whoever looks sees that it gets on."""

    def __init__(
        self, pipeline: Pipeline, composers: Mapping[str, Composer], sequences: Iterator[int], guard: Guard,
        budget: Budget, spool: Spool, tally: Tally, times: EncodeTimes,
    ) -> None:  # fmt: skip
        self._pipeline = pipeline
        self._composers = composers
        self._sequences = sequences
        self._guard = guard
        self._budget = budget
        self._spool = spool
        self._tally = tally
        self._times = times
        self.taken = 0

    def run(self, inbox: Inbox) -> None:
        """Describe what comes until the inbox is closed and empty. Raises SpoolError."""
        started_s = time.perf_counter()
        while (item := inbox.take()) is not None:
            self.taken += 1
            composer = self._composers[item.camera]
            if isinstance(item, Missed):
                self._give_up(item)
                composer.refresh()  # "as before" would be said of a segment that nobody has
                continue
            if not sends(self._guard.sender, item.raw):
                continue
            composer.govern(outfit.chooser(self._budget, self._spool, item.camera))
            described = self._pipeline.describe(item.raw, composer)
            self._times.add(described.timings.total_ms / 1e3)
            body = bytes(described.packet)
            self._spool.append(described.packet.sequence, item.camera, body)
            report = self._tally.add(item.camera, described, body)
            self._tally.took(time.perf_counter() - started_s)
            log.info("segment", camera=item.camera, caption=report.caption, bytes=report.packet_bytes)

    def _give_up(self, missed: Missed) -> None:
        """Give numbers to segments that found no room."""
        numbers = list(islice(self._sequences, missed.count))
        withheld = missed.reason == GapReason.REFUSED
        event = "a camera was not redacted" if withheld else "too slow for a camera"
        log.warning(event, camera=missed.camera, segments=missed.count)
        self._spool.give_up(numbers[0], numbers[-1], missed.camera, missed.start_ms, missed.reason)
