"""What `mirage bench NAME --json` prints, as everyone may read it: nothing missing, nothing more."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from typer.testing import CliRunner

from mirage.bench.report import Gate, Machine
from mirage.cli import app


class Printed(Struct, frozen=True, forbid_unknown_fields=True):
    bench: str
    revision: str
    machine: Machine
    gates: tuple[Gate, ...]
    results: Mapping[str, object]

    def part(self, name: str) -> dict[str, object]:
        found = self.results[name]
        assert isinstance(found, dict)
        return found


def bench(name: str, *arguments: object) -> Printed:
    """Run a benchmark, which must not fail, and read what it prints."""
    result = CliRunner().invoke(app, ["bench", name, "--json", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout, type=Printed)
