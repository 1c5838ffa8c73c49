"""What processes use of the machine, as Linux counts it in /proc."""

import os
from pathlib import Path

from msgspec import Struct


class Used(Struct, frozen=True):
    """Processor time, the kernel's for it included, and the most memory so far, of one process."""

    cpu_s: float
    peak_rss_bytes: int

    @classmethod
    def by(cls, pid: int) -> "Used":
        """Look at a process that runs. Raises OSError."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        peaks = [int(line.split()[1]) for line in status if line.startswith("VmHWM:")]
        return cls(cpu_s, 1024 * max(peaks, default=0))
