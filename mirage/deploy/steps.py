"""Commands in steps: shown, carried out, and not carried out again after an interruption.

step, done before with the same inputs  -> skipped
step, --dry-run                         -> each command is printed, nothing runs
step                                    -> each command is printed and runs; then the step is noted as done
"""

import hashlib
import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class StepError(RuntimeError):
    """A command failed; the message names it. What was done before it stays done."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `inputs` say when it must be done anew; without `once` it is done each time."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    inputs: tuple[str, ...] = ()
    once: bool = True
    folder: Path | None = None  # where the commands run

    @property
    def key(self) -> str:
        content = json.dumps([self.commands, self.inputs])
        return hashlib.sha256(content.encode()).hexdigest()[:32]


class Journal:
    """Which steps are done, in a file that is replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = self._read()

    def has(self, step: Step) -> bool:
        return step.once and self._done.get(step.name) == step.key

    def write(self, step: Step) -> None:
        """Note a step as done. What comes after a changed step is undone: it was built on the old one."""
        self._done[step.name] = step.key
        self._save()

    def forget(self, steps: Sequence[Step]) -> None:
        """Note these steps as not done."""
        for step in steps:
            self._done.pop(step.name, None)
        self._save()

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StepError(f"{self._path}: is damaged; without it, everything is done anew") from error
        return {str(name): str(key) for name, key in found.items()} if isinstance(found, dict) else {}

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(self._done, indent=1), "utf-8")
        partial.replace(self._path)


def shown(command: Sequence[str], folder: Path | None = None) -> str:
    """Write a command as a shell takes it."""
    line = shlex.join(command)
    return line if folder is None else f"(cd {shlex.quote(str(folder))} && {line})"


def carry_out(
    steps: Sequence[Step], journal: Journal | None, say: Callable[[str], None], *, dry_run: bool
) -> None:
    """Do all steps in turn, or raise StepError at the first command that fails."""
    for index, step in enumerate(steps):
        if journal is not None and journal.has(step):
            say(f"# {step.name}: done before")
            continue
        if journal is not None and not dry_run:
            journal.forget(steps[index:])
        say(f"# {step.name}")
        for command in step.commands:
            say(shown(command, step.folder))
            if not dry_run:
                _run(command, step.folder)
        if journal is not None and not dry_run:
            journal.write(step)


def _run(command: Sequence[str], folder: Path | None) -> None:
    try:
        done = subprocess.run(command, cwd=folder, check=False)  # noqa: S603 (no shell)
    except OSError as error:
        raise StepError(f"{command[0]}: {error.strerror or error}") from error
    if done.returncode:
        raise StepError(f"exit {done.returncode}: {shown(command, folder)}")
