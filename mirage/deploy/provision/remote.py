"""Shell scripts on a board, over OpenSSH.

Its host key is checked as ssh is set up to, and nothing is asked: a key that is not known ends it.
"""

import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from mirage.output import printable

_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15")
_LOST = 255  # what ssh itself exits with
_PART = 1 << 20

Done = Callable[[int], None]


class RemoteError(RuntimeError):
    """A command on the board failed, or the board is not reached; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Script:
    """What runs on the board with `sh -eu`; as root where `as_root`."""

    text: str
    as_root: bool = True


@dataclass(frozen=True, slots=True)
class Host:
    """A board as ssh knows it: USER@HOST, or a name of ~/.ssh/config."""

    name: str
    port: int | None = None

    def __post_init__(self) -> None:
        if self.name.startswith("-") or not self.name:
            raise RemoteError(f"host {self.name!r} is not USER@HOST")

    def command(self, script: Script) -> list[str]:
        """Give the command that runs a script there."""
        is_root = self.name.startswith("root@") or not script.as_root
        shell = [*(() if is_root else ("sudo", "-n")), "sh", "-euc", script.text]
        port = () if self.port is None else ("-p", str(self.port))
        return ["ssh", *_OPTIONS, *port, self.name, "--", shlex.join(shell)]

    def run(self, script: Script) -> str:
        """Run a script, and give what it prints. Raises RemoteError."""
        return self._finished(script, b"")

    def feed(self, script: Script, data: bytes) -> str:
        """Run a script that reads this."""
        return self._finished(script, data)

    def stream(self, script: Script, source: IO[bytes], done: Done) -> None:
        """Run a script that reads what is left of a file. Raises RemoteError, OSError."""
        with subprocess.Popen(  # noqa: S603 (ssh, with our own scripts)
            self.command(script), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            if process.stdin is None or process.stderr is None:
                raise RemoteError("ssh has no pipes")
            try:
                for part in _parts(source):
                    process.stdin.write(part)
                    done(len(part))
                process.stdin.close()
            except BrokenPipeError:
                pass  # how it ended says why
            said = process.stderr.read()
        self._check(process.returncode, said)

    def _finished(self, script: Script, data: bytes) -> str:
        try:
            ended = subprocess.run(self.command(script), input=data, capture_output=True, check=False)  # noqa: S603
        except OSError as error:
            raise RemoteError(f"ssh: {error.strerror or error}: apt-get install openssh-client") from error
        self._check(ended.returncode, ended.stderr)
        return ended.stdout.decode(errors="replace")

    def _check(self, code: int, said: bytes) -> None:
        if code == 0:
            return
        lines = [line for line in said.decode(errors="replace").strip().splitlines() if line.strip()]
        last = lines[-1] if lines else f"exit {code}"
        raise RemoteError(f"{self.name}: {printable(last)}{self._hint(code, said)}")

    def _hint(self, code: int, said: bytes) -> str:
        if b"Host key verification failed" in said:
            return f": look at its host key, and accept it once: ssh {self.name}"
        if b"password is required" in said:
            return ": that user needs sudo without a password, or take root@"
        return ": run it again, it goes on" if code == _LOST else ""


def _parts(source: IO[bytes]) -> Iterator[bytes]:
    while part := source.read(_PART):
        yield part
