"""What a second of video costs the shipped renderer, on this processor: packets to objects, one worker.

Heavy renderers need a GPU: their figure comes from `mirage bench render --backend diffusers` there.
"""

import tempfile
import time
from pathlib import Path

from cloud.config_render import Render
from cloud.store import Store
from mirage.bench.cloud.engines import at_work, await_jobs
from mirage.bench.cloud.stock import fill_with_recording
from mirage.bench.plan.figures import Figures, measured
from mirage.recordings import Opened


def measure(opened: Opened, copies: int, here: str) -> Figures:
    """Render a recording `copies` times by one worker with one thread. Raises DemoError."""
    with tempfile.TemporaryDirectory(prefix="mirage-plan-") as folder:
        store = Store(f"sqlite:///{folder}/store.db")
        objects = Path(folder) / "objects"
        wanted = fill_with_recording(store, opened, copies)
        with at_work(store, objects, opened, Render()):
            first = await_jobs(store, 1)
            busy_s = time.process_time()
            await_jobs(store, wanted)
            busy_s = time.process_time() - busy_s
        store.close()
        files = [path for path in objects.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
    video_s = copies * sum(packet.duration_ms for packet in opened.recording.packets) / 1000
    share = (wanted - first) / wanted
    told = f"{wanted} clips of {opened.bundle.manifest.name}, one worker, one thread, {here}"
    return {
        "render_core_s_per_clip_s": measured("render_core_s_per_clip_s", busy_s / (video_s * share), told),
        "objects_per_clip": measured("objects_per_clip", len(files) / wanted, told),
        "clip_bytes_per_s": measured("clip_bytes_per_s", size / video_s, f"video and poster: {told}"),
    }
