"""What this process holds open."""

from pathlib import Path


def open_sockets() -> int:
    """Count the sockets of this process, as Linux lists them."""
    return sum(descriptor.is_socket() for descriptor in Path("/proc/self/fd").iterdir())
