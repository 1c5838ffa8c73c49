"""`mirage cloud compare`: whether the renderers of a cloud heed what they are told, on what it has stored."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from cloud.bundles import Bundles, LoadRenderer
from cloud.confidence.obedience import OBEYS, Verdict, compare
from cloud.confidence.reader import Reader
from cloud.confidence.sampling import sample
from cloud.config import load
from cloud.render.load import load_renderer
from cloud.store import Store
from mirage.errors import InputError
from mirage.output import as_json, print_line, print_tables
from mirage.progress import steps_shown
from wire.bundle import Bundle

_SEED = 0


def main(config: Path, count: int, *, json: bool, with_renderer: LoadRenderer = load_renderer) -> bool:
    """Render up to `count` shots of each bundle twice; False if a renderer ignores what it is told.

    Raises InputError where nothing could be compared, BundleError, RenderError, StoreError.
    """
    settings = load(config)
    loaded = [Bundle.load(Path(path), "cloud") for path in settings.bundle.paths]
    bundles = Bundles(loaded, with_renderer, settings.render.threads)
    store = Store(settings.store.url)
    try:
        with store.read() as session:
            shots = sample(session, bundles, settings.receiver, count)
    finally:
        store.close()
    verdicts = []
    with steps_shown("comparing", sum(map(len, shots.values()))) as done:
        for short, each in shots.items():
            reader = Reader(bundles.bundle(short), settings.render.threads)
            verdicts.append(compare(bundles.renderer(short), reader, each, _SEED, done))
    if all(verdict.obeys is None for verdict in verdicts):
        raise InputError(
            f"{config}: nothing to compare: at least two scenes with an appearance code are needed"
        )
    _report(verdicts, json=json)
    return all(verdict.obeys is not False for verdict in verdicts)


def _report(verdicts: Sequence[Verdict], *, json: bool) -> None:
    if json:
        print_line(as_json({"obeys_from": OBEYS, "verdicts": [_told(each) for each in verdicts]}))
        return
    for verdict in verdicts:
        table = Table("shot", "told what was said of", "obedience")
        for each in verdict.compared:
            table.add_row(each.shot, each.other, f"{each.obedience:.2f}")
        word = {True: "obeys", False: "IGNORES WHAT IT IS TOLD", None: "nothing to compare"}[verdict.obeys]
        middle = "" if verdict.obedience is None else f", median {verdict.obedience:.2f} (from {OBEYS} on)"
        print_tables(f"{verdict.renderer}: {word}{middle}", table)


def _told(verdict: Verdict) -> dict[str, object]:
    return {
        "renderer": verdict.renderer,
        "obeys": verdict.obeys,
        "obedience": verdict.obedience,
        "compared": verdict.compared,
    }
