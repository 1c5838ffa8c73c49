"""`mirage cloud command`: ask a device for something, and wait for its answer."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from cloud import commands
from cloud.clock import wall_ms
from cloud.config import load
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line
from wire.documents import Reply, Value

_POLL_S = 0.2
GRACE_MS = 2_000  # for the reply of a device that was asked in its last moment


class UnansweredError(RuntimeError):
    """The device did not do what it was asked; the message says what is known."""


def command(config: Path, device: str, verb: str, pairs: Sequence[str], timeout_s: float) -> None:
    """Ask, wait, and print what the device says as JSON.

    Raises InputError, CommandError for what cannot be asked, UnansweredError for what was not done.
    """
    arguments = dict(_argument(pair) for pair in pairs)
    store = Store(load(config).store.url)
    try:
        with store.write() as session:
            command_id = commands.ask(session, device, verb, arguments, wall_ms(), round(timeout_s * 1000))
        reply = _awaited(store, command_id, timeout_s)
    finally:
        store.close()
    if not reply.ok:
        raise UnansweredError(f"{device} refuses {verb}: {reply.detail or 'without a reason'}")
    print_line(as_json(reply))


def _awaited(store: Store, command_id: str, timeout_s: float) -> Reply:
    end_s = time.monotonic() + timeout_s + GRACE_MS / 1000
    while True:
        with store.read() as session:
            state, reply = commands.state_of(session, command_id)
        if reply is not None:
            return reply
        if time.monotonic() > end_s:
            raise UnansweredError(f"no answer within {timeout_s:g} s: {_REASONS.get(state, state)}")
        time.sleep(_POLL_S)


_REASONS = {
    "queued": "no ingest took it to the broker, or the device has no key yet",
    "sent": "it was sent, and not answered",
    "expired": "it was not answered in time, or could not be sent",
}


def _argument(pair: str) -> tuple[str, Value]:
    """Read KEY=VALUE; a value that is a JSON number, true, false or null is that, else text."""
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise InputError(f"{pair}: expected KEY=VALUE")
    try:
        value = json.loads(text)
    except ValueError:
        return key, text
    return key, value if isinstance(value, (bool, int, float)) or value is None else text
