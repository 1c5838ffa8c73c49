"""`mirage bench demo`: Big Buck Bunny through the whole system, against the numbers it must reach."""

import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from mirage.bench.report import Gate, Report
from mirage.bundles import bundle_folder
from mirage.demo.report import DemoReport
from mirage.demo.run import demo_running
from mirage.demo.source import bunny
from mirage.errors import DemoError

MEGABYTE = 1_000_000
_ROOT = Path(__file__).resolve().parent.parent.parent


def run(out: Path, *, install_size: bool) -> Report:
    """Run the demo and hold it against its targets. Raises what the demo raises."""
    with demo_running(str(bunny()), out, bundle_folder(None)) as running:
        report = running.report
    gates = [
        Gate.at_least("ratio", report.ratio, "raw bytes per packet byte", 200_000),
        Gate.at_least("ratio_on_wire", report.ratio_on_wire, "raw bytes per MQTT byte, sealed", 100_000),
        Gate.at_least("moving_segments", report.segments - report.still_segments, "segments", 1),
        Gate.at_least("realtime_factor", report.realtime_factor, "s of video per s", 3),
        Gate.at_most("agent_memory", report.agent_peak_rss_bytes / MEGABYTE, "MB resident", 500),
        Gate.at_most("render_s_per_segment", report.render_s_per_segment, "s", 4),
    ]
    if install_size:
        gates.append(
            Gate.at_most("install_size", _install_bytes() / MEGABYTE, "MB, extras edge and cpu", 400)
        )
    return Report("demo", tuple(gates), _results(report))


def _results(report: DemoReport) -> dict[str, object]:
    return {
        "source": msgspec.structs.asdict(report.source),
        "segments": report.segments,
        "packet_bytes": report.packet_bytes,
        "layers": report.layers,
        "mqtt_bytes": report.mqtt_bytes,
        "birth_bytes": report.birth_bytes,
        "mqtt": {f"{cost.direction} {cost.kind}": cost.bytes for cost in report.mqtt},
        "encode_s": report.encode_s,
        "render_s": report.render_s,
        "frames": report.frames,
    }


def _install_bytes() -> int:
    """Install `.[edge,cpu]` into a fresh venv and add up what its site-packages then hold more."""
    with tempfile.TemporaryDirectory(prefix="mirage-size-") as folder:
        venv = Path(folder) / "venv"
        _call([sys.executable, "-m", "venv", str(venv)])
        before = _bytes_in(venv)
        _call([str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{_ROOT}[edge,cpu]"])
        return _bytes_in(venv) - before


def _call(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- ours
    if result.returncode:
        raise DemoError(f"{' '.join(command)}: {result.stderr.strip()[-300:]}")


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
