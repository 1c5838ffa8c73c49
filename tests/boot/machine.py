"""A virtual machine that boots an image: UEFI, a disk, a network behind which the host is 10.0.2.2.

Its serial console goes to a file. `cut` is a power cut: nothing in it hears of it. With a folder `tpm` it has
a TPM (swtpm), whose seeds are kept there.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HOST = "10.0.2.2"
_FIRMWARE = (
    (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd")),
    (Path("/usr/share/OVMF/OVMF_CODE.fd"), Path("/usr/share/OVMF/OVMF_VARS.fd")),
)


def accelerator() -> str:
    """Say what runs it: `kvm` where the processor helps. KVM without that is slower than QEMU alone."""
    has_help = any(Path("/sys/module", name).exists() for name in ("kvm_amd", "kvm_intel"))
    return "kvm" if has_help and Path("/dev/kvm").exists() else "tcg"


def missing() -> list[str]:
    """Say what must be installed."""
    found = [] if shutil.which("qemu-system-x86_64") else ["qemu-system-x86"]
    return found + ([] if any(code.exists() for code, _ in _FIRMWARE) else ["ovmf"])


@dataclass
class Machine:
    """One machine with the disk image `disk` (raw); its console is in `log`."""

    disk: Path
    log: Path
    serial: str
    mac: str
    memory_mib: int = 2048
    tpm: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _chip: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _sockets: Path | None = field(default=None, init=False)

    def start(self) -> None:
        """Switch it on."""
        code, variables = next(pair for pair in _FIRMWARE if pair[0].exists())
        own = self.disk.with_suffix(".vars")
        if not own.exists():
            shutil.copyfile(variables, own)
        command = [
            "qemu-system-x86_64", "-machine", f"q35,accel={accelerator()}",
            "-cpu", "host,-arch-capabilities" if accelerator() == "kvm" else "max",
            "-smp", "2", "-m", str(self.memory_mib),
            "-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}",
            "-drive", f"if=pflash,format=raw,unit=1,file={own}",
            "-drive", f"if=virtio,format=raw,file={self.disk},cache=writeback",
            "-netdev", "user,id=net", "-device", f"virtio-net-pci,netdev=net,mac={self.mac}",
            "-smbios", f"type=1,serial={self.serial}", "-device", "virtio-rng-pci",
            "-action", "watchdog=none",  # a slow machine is no hanging one
            "-display", "none", "-monitor", "none", "-serial", "stdio",
        ]  # fmt: skip
        if self.tpm is not None:
            command += self._start_chip(self.tpm)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def cut(self) -> None:
        """Take the power away."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._chip is not None:
            self._chip.kill()
            self._chip.wait()
            self._chip = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets)
            self._sockets = None

    def _start_chip(self, state: Path) -> list[str]:
        """Start the TPM, and say to QEMU where it is."""
        self._sockets = Path(tempfile.mkdtemp(prefix="tpm-"))  # a socket's path has 108 bytes
        control = self._sockets / "control"
        self._chip = subprocess.Popen(
            [
                "swtpm",
                "socket",
                "--tpm2",
                "--tpmstate",
                f"dir={state}",
                "--ctrl",
                f"type=unixio,path={control}",
            ]
        )
        while not control.exists():
            assert self._chip.poll() is None, "swtpm did not start"
            time.sleep(0.05)
        chip = ["-chardev", f"socket,id=chip,path={control}", "-tpmdev", "emulator,id=tpm,chardev=chip"]
        return [*chip, "-device", "tpm-tis,tpmdev=tpm"]

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None
