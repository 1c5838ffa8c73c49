"""`mirage demo`: starts broker, proxy, cloud and agent, and waits until the video is back.

VIDEO -> agent (child) -> CountingProxy -> broker (child) -> cloud (child) -> clips, page
                               '-- what every byte was spent on
"""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge.camera import is_live, open_camera
from mirage.bundles import bundle_folder
from mirage.demo.broker import free_port, loopback_broker
from mirage.demo.child import Child, wait_until
from mirage.demo.client import CloudClient
from mirage.demo.constraints import Constraints, read_constraints
from mirage.demo.films import join_clips, side_by_side
from mirage.demo.loop import looped
from mirage.demo.proxy import counting_proxy
from mirage.demo.report import DemoReport, Finished, demo_report, show
from mirage.demo.setup import CAMERA_PATH, Setup
from mirage.demo.source import named
from mirage.demo.strip import write_strip
from mirage.demo.summary import read_summary
from mirage.demo.waiting import until_rendered
from mirage.errors import DemoError, InputError, OutputError
from mirage.output import write_whole
from mirage.progress import console
from wire.bundle import Bundle
from wire.spent import TRANSPORT

LOOPED_S = 60.0
_START_TIMEOUT_S = 60.0  # the first start compiles all of Python's files
RESULTS = ("reconstruction.mp4", "side-by-side.mp4", "strip.jpg", "report.json")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a demo is to be: under constraints of a file, with the clip as a camera that never ends."""

    constraints: Path | None = None
    loop: bool = False
    serve: bool = True


def main(video: str | None, out: Path, bundle: Path | None, seconds: float | None, wish: Wish) -> None:
    """Run the demo, show its tables, and keep the page open if asked for.

    Raises InputError, CameraError, OutputError, DemoError, BundleError and PolicyError.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that children are ended
    source = title = named(video)
    constraints = Constraints() if wish.constraints is None else read_constraints(wish.constraints)
    with contextlib.ExitStack() as stack:
        if wish.loop:
            source = stack.enter_context(looped(Path(source)))
            seconds = LOOPED_S if seconds is None else seconds
        running = stack.enter_context(demo_running(source, out, bundle_folder(bundle), seconds, constraints))
        show(running.report, Path(title).name)
        if constraints.bytes_per_s is not None and seconds is not None:
            _show_rate(running.report, constraints.bytes_per_s, seconds)
        for name in RESULTS:
            if (out / name).exists():
                console.print(f"{out / name}", highlight=False)
        if wish.serve:
            running.keep_open()


def _show_rate(report: DemoReport, bytes_per_s: float, seconds: float) -> None:
    sent = sum(size for kind, size in report.sent_bytes.items() if kind != TRANSPORT)
    rate, limit = 8 * sent / seconds, 8 * bytes_per_s
    console.print(f"{rate:,.0f} bit/s of MQTT went up in {seconds:g} s, limit {limit:,.0f}", highlight=False)


@dataclass(frozen=True, slots=True)
class Running:
    """A demo that has done its work and whose cloud still serves."""

    report: DemoReport
    cloud: Child
    address: str

    def keep_open(self) -> None:
        """Show the page until the user has seen enough. Raises DemoError if the cloud dies."""
        console.print(f"[bold]{self.address}/[/bold]  (Ctrl-C ends the demo)")
        webbrowser.open(f"{self.address}/")
        with contextlib.suppress(KeyboardInterrupt):
            while not self.cloud.ended():
                time.sleep(0.5)


@contextlib.contextmanager
def demo_running(
    source: str, out: Path, bundle: Path, seconds: float | None = None, constraints: Constraints | None = None
) -> Iterator[Running]:
    """Send a source through everything, write the results into `out`, and serve until the body ends."""
    _check(source, seconds)
    place = source if is_live(source) else str(Path(source).resolve())
    setup = Setup(place, bundle, _emptied(out), constraints=constraints or Constraints())
    setup.enrol()
    page_port = free_port()
    with (
        loopback_broker(setup.state) as broker_port,
        counting_proxy(broker_port) as proxy,
        _child("cloud", ["run", "--config", setup.write_cloud(broker_port, page_port)], setup) as cloud,
    ):
        client = CloudClient(page_port, CAMERA_PATH)
        console.print("starting the cloud", style="dim")
        wait_until(client.is_ready, _START_TIMEOUT_S, "the cloud's start", cloud)
        agent_options = ["run", "--json", "--config", setup.write_edge(proxy.port)]
        with _child("edge", agent_options, setup) as agent:
            segments = until_rendered(client, agent, cloud, seconds)
            summary = read_summary(agent.result)
        report = _results(
            out, setup, client, Finished(summary, segments, agent.peak_rss_bytes, proxy.totals())
        )
        yield Running(report, cloud, client.address)


@contextlib.contextmanager
def _child(name: str, arguments: Sequence[object], setup: Setup) -> Iterator[Child]:
    child = Child(name, [name, *map(str, arguments)], setup.state)
    try:
        yield child
    finally:
        child.stop()


def _check(source: str, seconds: float | None) -> None:
    """Refuse what cannot work before anything is started. Raises InputError and CameraError."""
    if is_live(source):
        if seconds is None:
            raise InputError(f"{source}: a live source has no end, so --seconds is needed")
        return
    if seconds is not None:
        raise InputError(f"{source}: --seconds is for live sources only")
    open_camera(source).close()


def _emptied(out: Path) -> Path:
    """Remove what an earlier demo left, and give the folder for what this one's parts write."""
    state = out / "state"
    try:
        for name in RESULTS:
            (out / name).unlink(missing_ok=True)
        if state.exists():
            shutil.rmtree(state)
        state.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{error.filename or out}: {error.strerror}") from error
    return state


def _results(out: Path, setup: Setup, client: CloudClient, finished: Finished) -> DemoReport:
    """Write the films and the report. Raises OutputError and DemoError."""
    failed = [segment for segment in finished.segments if segment.clip is None]
    if failed:
        raise DemoError(f"segment {failed[0].sequence}: {failed[0].error or failed[0].fault}")
    bundle = Bundle.load(setup.bundle, "cloud")
    report = demo_report(finished, bundle)
    reconstruction = out / "reconstruction.mp4"
    with tempfile.TemporaryDirectory(dir=setup.state) as folder:
        clips = [client.fetch(segment, Path(folder)) for segment in finished.segments]
        join_clips(clips, reconstruction, f"{Path(setup.source).name}, regenerated")
    if not is_live(setup.source):  # what a live camera showed is gone
        provenance = {"bundle": bundle.sha256, "right half": "AI-reconstructed"}
        side_by_side(setup.source, reconstruction, out / "side-by-side.mp4", provenance)
        write_strip(out / "side-by-side.mp4", out / "strip.jpg")
    write_whole(out / "report.json", msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return report
