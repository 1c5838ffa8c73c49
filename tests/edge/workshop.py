"""Stand-ins for TensorRT: an engine is an ONNX file that runs on the processor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.gpu import Host
from edge.profile import Plan

HOST = Host(tensorrt="10.3.0", gpu="Orin", compute_capability="8.7", l4t="36.4.0")


@dataclass
class StandIn:
    """Builds nothing: the engine is the graph itself, or what `make` makes of it. Remembers its orders."""

    make: Callable[[Path], bytes] = Path.read_bytes
    provider: str = "CPUExecutionProvider"
    asked: list[tuple[Path, Plan]] = field(default_factory=list)
    _engine: bytes = b""

    def build(self, model: Path, plan: Plan) -> bytes:
        self.asked.append((model, plan))
        self._engine = self.make(model)
        return self._engine

    def wrap(self, model: Path, engine: str, host: Host) -> bytes:
        del model, engine, host
        return self._engine
