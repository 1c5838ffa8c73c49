"""Publishes the outbox: one process at a time, in order, until the broker has acknowledged each event.

    outbox --take--> published --PUBACK--> sent
              '-- no PUBACK, or the process dies in between: published again, under the same id

Several ingest processes may run: whoever has the duty publishes, and another has it soon after that one is
gone, or cut off. All of them drop what has waited for too long.
"""

import os
import socket
from collections.abc import Iterable
from typing import Protocol

import structlog
from sqlalchemy.orm import Session

from cloud import duties
from cloud.clock import steady_ms
from cloud.config_events import Events
from cloud.events import outbox
from cloud.leases import SessionClock, database_ms
from cloud.store import Store, StoreError
from wire.events import CONTENT_TYPE

AT_ONCE = 256  # events, unacknowledged
LEASE_MS = 15_000
DUTY = "events"
LOOK_MS = 50  # how soon an event is noticed; looking costs one indexed query
ANSWER_MS = 30_000  # how long the broker may take to acknowledge
_TRIM_MS = 10_000
_PAUSE_MS = 5_000  # after the broker refused
_REST_MS = 1_000  # after the store failed
_CONTENT = f"{CONTENT_TYPE}; charset=utf-8"

log = structlog.get_logger()


class Line(Protocol):
    """The connection that events go out on (`cloud.subscription`)."""

    @property
    def trouble(self) -> str | None:
        """Why nothing can be published at present; None when all is well."""

    def send(self, messages: Iterable[tuple[str, bytes]], content_type: str) -> list[int]:
        """Publish with QoS 1, and give the numbers of the answers."""

    def answers(self) -> dict[int, str | None]:
        """Give what was answered since the last time: numbers, and why the broker refused, if it did."""


class Publisher:
    """For the thread of its connection; `trouble` may be read by any. `client` is its name at the broker."""

    def __init__(
        self, store: Store, client: str, settings: Events, clock: SessionClock = database_ms
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._name = f"{client} {socket.gethostname()[:64]}-{os.getpid()}"
        self._flying = dict[int, int]()  # rows by the number of their answer
        self._acknowledged = set[int]()  # rows
        self._refusal: str | None = None
        self._flown_ms = self._look_ms = self._rest_ms = self._mine_ms = 0
        self._trim_ms = steady_ms()

    @property
    def trouble(self) -> str | None:
        """What the broker has against events; None when all is well."""
        return self._refusal

    def work(self, line: Line) -> None:
        """Take in what was answered, and publish what waits; returns soon."""
        self._take_answers(line)
        if steady_ms() < self._rest_ms:
            return
        try:
            if not self._flying:
                self._settle()
            self._trim()
            self._publish(line)
        except StoreError as error:
            log.warning("cannot read or write events, trying again", error=str(error))
            self._rest_ms = steady_ms() + _REST_MS

    def close(self) -> None:
        """Let another process publish at once. What is not acknowledged is published again, by whoever."""
        self._flying.clear()
        try:
            self._settle()
            if self._mine_ms:
                with self._store.write() as session:
                    duties.release(session, DUTY, self._name)
        except StoreError as error:
            log.warning("events that were published are published again", error=str(error))

    def _take_answers(self, line: Line) -> None:
        for number, refusal in line.answers().items():
            row = self._flying.pop(number, None)
            if row is not None and refusal is None:
                self._acknowledged.add(row)
                self._refusal = None
            elif row is not None:
                self._refuse(str(refusal))
        if line.trouble is not None:
            self._flown_ms = steady_ms()  # the connection sends what flies again, once it is there
        elif self._flying and steady_ms() > self._flown_ms + ANSWER_MS:
            log.warning("broker does not acknowledge events, publishing them again", events=len(self._flying))
            self._flying.clear()

    def _refuse(self, reason: str) -> None:
        """Try again later: what the broker does not take now, it may take once its settings are mended."""
        if self._refusal is None:
            log.error("broker refuses events", reason=reason)
        self._refusal = f"broker refuses events: {reason}"
        self._look_ms = steady_ms() + _PAUSE_MS

    def _settle(self) -> None:
        """Forget what was acknowledged."""
        if self._acknowledged:
            with self._store.write() as session:
                outbox.sent(session, self._acknowledged)
                self._hold(session)
            self._acknowledged = set()

    def _trim(self) -> None:
        if steady_ms() < self._trim_ms:
            return
        self._trim_ms = steady_ms() + _TRIM_MS
        keep_ms = round(self._settings.keep_hours * 3_600_000)
        with self._store.read() as session:
            if not outbox.is_beyond(session, self._clock(session), keep_ms, self._settings.keep_most):
                return
        with self._store.write() as session:
            dropped = outbox.trim(session, self._clock(session), keep_ms, self._settings.keep_most)
        log.warning("events dropped that the broker did not take", events=dropped)

    def _publish(self, line: Line) -> None:
        now_ms = steady_ms()
        if line.trouble is not None or self._flying or now_ms < self._look_ms:
            return
        with self._store.read() as session:
            letters = outbox.take(session, AT_ONCE)
        if not letters:
            self._look_ms = now_ms + LOOK_MS
        elif now_ms < self._mine_ms or self._takes_over():
            numbers = line.send(((letter.topic, letter.event) for letter in letters), _CONTENT)
            self._flying = {number: letter.id for number, letter in zip(numbers, letters, strict=False)}
            self._flown_ms = now_ms
        else:
            self._look_ms = now_ms + LEASE_MS // 3

    def _takes_over(self) -> bool:
        with self._store.write() as session:
            return self._hold(session)

    def _hold(self, session: Session) -> bool:
        """Keep the duty, and remember for how long it is safely this process's."""
        held = duties.hold(session, DUTY, self._name, self._clock(session), LEASE_MS)
        self._mine_ms = steady_ms() + LEASE_MS * 2 // 3 if held else 0
        return held
