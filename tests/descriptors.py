"""What this process holds open."""

from pathlib import Path


def open_sockets() -> int:
    """Count the sockets of this process, as Linux lists them."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            count += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:  # the one that listed the folder
            continue
    return count
