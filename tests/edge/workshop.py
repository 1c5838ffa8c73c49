"""Stand-ins for TensorRT: an engine is an ONNX file that runs on the processor."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

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


def forbid(monkeypatch: pytest.MonkeyPatch, pattern: str, number: int = errno.EACCES) -> None:
    """Let files of such names be there, but not be read, as for a user without the right to."""
    opened = Path.open

    def refused(
        path: Path, mode: str = "r", buffering: int = -1, encoding: str | None = None,
        errors: str | None = None, newline: str | None = None,
    ) -> IO[Any]:  # fmt: skip
        if path.match(pattern) and "r" in mode:
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, mode, buffering, encoding, errors, newline)

    monkeypatch.setattr(Path, "open", refused)
