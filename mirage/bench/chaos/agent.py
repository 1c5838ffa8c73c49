"""The whole agent, `mirage edge run`, on a real clip: in some runs only, because it costs a core.

    clip --> agent --the device's FaultProxy--> broker

It loses its power whenever the device does, and then begins the clip again as another boot.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from mirage.bench.chaos.checker import Violation, ranges_text
from mirage.bench.chaos.history import Stored, StoredGap
from mirage.bench.chaos.settings import AGENT, AGENT_CAMERA

_CONFIG = """\
[device]
tenant = "{tenant}"
site = "{site}"
id = "{id}"
key = "agent.key"

[broker]
host = "127.0.0.1"
port = {port}
envelope = "{envelope}"
keepalive_s = 5

[bundle]
path = {bundle}

[spool]
path = "agent/spool.db"

[[camera]]
name = "{camera}"
source = {clip}
"""
_LOGGED = "event='segment'"


def write_config(
    folder: Path, port: int, envelope: Literal["none", "sealed"], bundle: Path, clip: Path
) -> Path:
    """Write the agent's settings, whose keys lie beside them."""
    path = folder / "agent.toml"
    path.write_text(
        _CONFIG.format(
            tenant=AGENT.tenant,
            site=AGENT.site,
            id=AGENT.device,
            port=port,
            envelope=envelope,
            bundle=json.dumps(str(bundle)),
            camera=AGENT_CAMERA,
            clip=json.dumps(str(clip)),
        )
    )
    return path


def logged_segments(log: str) -> int:
    """Count what the agent says it has appended to its spool."""
    return log.count(_LOGGED)


def judge(
    packets: Iterable[Stored], gaps: Iterable[StoredGap], logged: int, kills: int
) -> Iterator[Violation]:
    """Hold the store to what the agent's log says, which knows numbers only, and those a little late."""
    boots = dict[str, list[int]]()
    for each in packets:
        boots.setdefault(each.boot, []).append(each.sequence)
    for gap in gaps:
        boots.setdefault(gap.boot, []).extend(range(gap.first, gap.last + 1))
    for boot, sequences in boots.items():
        if sorted(sequences) != list(range(len(sequences))):
            yield Violation("agent", f"boot {boot}: {ranges_text(sequences)} are not each there once")
    stored = sum(map(len, boots.values()))
    if not logged <= stored <= logged + kills:
        yield Violation("agent", f"{stored} are stored of {logged} that its log knows, with {kills} kills")
