"""A PostgreSQL of one's own, in a temporary folder, reached through a socket in it; for tests and benchmarks.

initdb refuses root, so root starts it as another user: `postgres` where there is one, else `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")  # Debian keeps the programs out of the PATH, by version
_UP_S = 30.0
_PORT = 5432  # only part of the socket's name


class PostgresError(RuntimeError):
    """PostgreSQL does not do what it is told; the message is its own."""


class NoPostgresError(PostgresError):
    """PostgreSQL, or its driver, is not installed; the message says how it would be."""


class Postgres:
    """One server. `start` after `kill` is a restart after a crash; its log is in `log`."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """Make a cluster in `folder`; one that is not `durable` is quicker, for tests."""
        self._programs = programs()
        self._folder = folder
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "log"
        self._user = _give_away(folder)
        self._call("initdb", "-D", str(folder / "data"), "-U", "mirage", "-A", "trust", "-N", "-E", "UTF8")

    def url(self, database: str) -> str:
        """Say where a database is."""
        return f"postgresql+psycopg://mirage@/{database}?host={self._folder}&port={_PORT}"

    def start(self) -> None:
        """Start, and return when it answers."""
        options = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "port": _PORT}
        if not self._durable:
            options |= dict.fromkeys(("fsync", "full_page_writes"), "off")  # it may die, the machine not
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._folder / "data"), *settings)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 -- ours
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + _UP_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise PostgresError(
                    f"PostgreSQL does not start: {self.log.read_text(errors='replace')[-500:]}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order, whoever is connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would: it recovers when it is started again."""
        self._end(signal.SIGQUIT)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Do something as its owner."""
        self._call(
            "psql", "-h", str(self._folder), "-p", str(_PORT), "-U", "mirage", "-qc", statement, database
        )

    def _answers(self) -> bool:
        arguments = ("-h", str(self._folder), "-p", str(_PORT), "-q")
        return subprocess.run(self._command("pg_isready", *arguments), check=False).returncode == 0  # noqa: S603

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, number)  # setpriv has become the server
            process.wait(_UP_S)

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 -- ours
            self._command(program, *arguments), capture_output=True, text=True, check=False, cwd=self._folder
        )
        if done.returncode:
            raise PostgresError(f"{program}: {done.stderr.strip()[-500:]}")

    def _command(self, program: str, *arguments: str) -> Sequence[str]:
        ours = [str(self._programs / program), *arguments]
        if self._user is None:
            return ours
        user, group = str(self._user.pw_uid), str(self._user.pw_gid)
        return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *ours]


@contextmanager
def postgres(*, durable: bool) -> Iterator[Postgres]:
    """Run a server in a temporary folder; raises PostgresError."""
    # Not below a folder that only root may enter, as pytest's are; and the socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="mirage-pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        server = Postgres(Path(name), durable=durable)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def programs() -> Path:
    """Find the folder of initdb and postgres, or raise NoPostgresError."""
    try:
        import psycopg  # noqa: F401 -- is it there?
    except ImportError as error:
        raise NoPostgresError("psycopg is not installed: pip install 'mirage-video[postgres]'") from error
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    if found is None:
        raise NoPostgresError("PostgreSQL is not installed: apt-get install postgresql")
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        raise NoPostgresError("setpriv is not installed, and initdb refuses root: apt-get install util-linux")
    return Path(found).resolve().parent


def _give_away(folder: Path) -> pwd.struct_passwd | None:
    """Let another user have `folder`, if this one is root; give that user."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = known.get("postgres") or known["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user
