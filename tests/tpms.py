"""TPMs in software: swtpm on a socket, each with seeds of its own.

with software_tpm() as tcti: ...

One with a `state` of its own folder is the same TPM each time, as a board's is.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_PATIENCE_S = 60


@contextmanager
def software_tpm(state: Path | None = None) -> Iterator[str]:
    """Give the TCTI of a TPM, a new one without a state; skips the test where a program is not installed."""
    for program, package in (("swtpm", "swtpm"), ("tpm2_createek", "tpm2-tools")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
    kept = TemporaryDirectory(prefix="tpm-state-") if state is None else nullcontext(str(state))
    with TemporaryDirectory(prefix="tpm-") as folder, kept as kept_in:  # a socket's path has 108 bytes
        socket = Path(folder, "sock")
        command = [
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={kept_in}",
            "--flags", "not-need-init,startup-clear",
            "--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl",
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait(process, socket)
            yield f"swtpm:path={socket}"
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def tpm2(tcti: str, folder: Path, verb: str, *arguments: str) -> str:
    """Run one of tpm2-tools in a folder; it fails the test where that fails."""
    command = [f"tpm2_{verb}", "-T", tcti, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _wait(process: subprocess.Popen[bytes], socket: Path) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not socket.exists():
        assert process.poll() is None, "swtpm did not start"
        assert time.monotonic() < until, "swtpm does not answer"
        time.sleep(0.05)
