"""The same over OpenSSH itself, on the loopback: what scripts look like once two shells have read them."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirage.demo.broker import free_port
from mirage.deploy.fleet import load
from mirage.deploy.provision import command
from mirage.deploy.provision.remote import Host, RemoteError, Script
from mirage.deploy.provision.scripts import Scripts
from tests.deploy.provision.bench import PYTHON, Bench, make, no_bar

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
SSH = shutil.which("ssh")
pytestmark = [
    pytest.mark.skipif(SSHD is None or SSH is None, reason="apt-get install openssh-server"),
    pytest.mark.skipif(PYTHON != "3.11", reason="the release of these tests is for Python 3.11"),
]


def keys(folder: Path) -> None:
    for name in ("host", "user"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(made, check=True)
    (folder / "authorized").write_bytes((folder / "user.pub").read_bytes())


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Run a server for whoever runs the tests; its programs are the bench's."""
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    keys(folder)
    number = free_port()
    path = f"{tmp_path}/bench/bin:{os.environ['PATH']}"
    (folder / "config").write_text(
        f"Port {number}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
        f'SetEnv "PATH={path}" "BOARD={tmp_path}/bench"\n'
    )
    Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
    log = (folder / "log").open("w")
    server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield number
    finally:
        server.terminate()
        server.wait(30)
        log.close()


@pytest.fixture
def bench(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Give a bench whose ssh is the real one, with a configuration of its own."""
    (tmp_path / "bench").mkdir()
    made = make(tmp_path / "bench", tiny, monkeypatch)
    folder = tmp_path / "ssh"
    (made.folder / "bin/ssh").write_text(f'#!/bin/sh\nexec {SSH} -F {folder}/client "$@"\n')
    (made.folder / "bin/ssh").chmod(0o755)
    return made


def client(folder: Path, port: int, *, known: bool) -> None:
    known_hosts = folder / "known"
    host = (folder / "host.pub").read_text().split()
    known_hosts.write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n" if known else "")
    (folder / "client").write_text(
        f"UserKnownHostsFile {known_hosts}\nGlobalKnownHostsFile /dev/null\nIdentityFile {folder}/user\n"
        "IdentitiesOnly yes\n"
    )


def test_a_board_is_brought_up_over_openssh(bench: Bench, port: int, tmp_path: Path) -> None:
    client(tmp_path / "ssh", port, known=True)
    fleet = load(bench.file)
    host = Host(f"{getpass.getuser()}@127.0.0.1", port)
    said = host.run(Script("""printf '%s' "it's $((1 + 1)) \\\\ "; cat""", as_root=False))
    assert said == "it's 2 \\ "
    job = command.prepare(fleet, bench.file.parent, fleet.find("north-yard"), host, Scripts(str(bench.root)))
    command.provision(job, bench.said.append, no_bar)
    assert (bench.root / "opt/mirage/current/bin/mirage").is_file()
    assert (bench.root / "etc/mirage/claim").stat().st_mode & 0o777 == 0o600
    assert any(line.startswith("systemctl enable --now") for line in bench.done())


@pytest.mark.usefixtures("bench")
def test_a_host_key_that_nobody_has_looked_at_ends_it(port: int, tmp_path: Path) -> None:
    client(tmp_path / "ssh", port, known=False)
    with pytest.raises(RemoteError, match="look at its host key, and accept it once"):
        Host(f"{getpass.getuser()}@127.0.0.1", port).run(Script("true"))
