"""`mirage bench cloud`: its parts, each measured by itself."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirage.bench.cloud import alerts, click, engines, event, live, queue, search
from mirage.bench.render import Encoding, encoding
from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.demo.source import bunny
from mirage.errors import InputError
from mirage.progress import steps_shown


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured: `only` these parts, all if there are none.

    `samples` events, clicks of each kind, and segments of the live view.
    """

    only: Sequence[str]
    jobs: int
    captions: int
    copies: int
    samples: int
    bundle: Path | None

    def encoding(self) -> Encoding:
        """Encode what devices send here."""
        return encoding(bundle_folder(self.bundle), bunny())


_MOST_SAID = 20_000  # captions that are matched; a rate needs no more

Measured = tuple[dict[str, object], Sequence[Gate]]


def run(request: Request) -> Report:
    """Measure; each part also tells how busy the machine was in the end.

    Raises InputError for a part that is not there, DemoError where one does not work.
    """
    unknown = set(request.only) - set(PARTS)
    if unknown:
        raise InputError(f"--only {', '.join(sorted(unknown))}: is none of {', '.join(PARTS)}")
    results, gates = dict[str, object](), list[Gate]()
    for name, measure in PARTS.items():
        if not request.only or name in request.only:
            found, more = measure(request)
            results[name] = found | {"load_average": os.getloadavg()[0]}
            gates += more
    return Report("cloud", tuple(gates), results)


def _queue(request: Request) -> Measured:
    with steps_shown("queue", 2 * len(queue.WORKERS)) as done:
        return queue.measure(request.jobs, done), ()


def _engines(request: Request) -> Measured:
    with steps_shown("engines", 4) as done:
        return engines.measure(request.bundle, request.copies, done), ()


def _search(request: Request) -> Measured:
    with steps_shown("search", 2) as done:
        results, gate = search.measure(request.captions, done)
        return results, (gate,)


def _alerts(request: Request) -> Measured:
    with steps_shown("alerts", len(alerts.RULES) + 2) as done:
        return alerts.measure(min(request.captions, _MOST_SAID), done)


def _event(request: Request) -> Measured:
    opened = request.encoding().opened
    with steps_shown("event", request.samples) as done:
        return event.measure(opened, request.samples, done)


def _click(request: Request) -> Measured:
    opened = request.encoding().opened
    with steps_shown("click", 4 * request.samples) as done:
        return click.measure(opened, request.samples, done)


def _hls(request: Request) -> Measured:
    made = request.encoding()
    describe_s = made.encode_s / len(made.opened.recording.packets)
    with steps_shown("hls, 2 s each", request.samples) as done:
        return live.measure(made.opened, describe_s, request.samples, done)


PARTS: Mapping[str, Callable[[Request], Measured]] = {
    "queue": _queue,
    "engines": _engines,
    "search": _search,
    "alerts": _alerts,
    "event": _event,
    "click": _click,
    "hls": _hls,
}
