"""A port that is free stays so until somebody listens on it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.demo.broker import free_port

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_connection_gets_a_port_that_is_given() -> None:
    if not RANGE.exists():
        pytest.skip(f"there is no {RANGE}")
    first, last = map(int, RANGE.read_text("ascii").split())
    assert not {free_port() for _ in range(50)} & set(range(first, last + 1))


def test_no_port_is_given_twice_in_a_row_to_whichever_process() -> None:
    """Whoever was given one listens a moment later."""
    script = "from mirage.demo.broker import free_port; print(*(free_port() for _ in range(60)))"
    ours = {free_port() for _ in range(60)}
    theirs = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    with socket.socket(type=socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", next(iter(ours))))
    assert len(ours) == 60
    assert not ours & set(map(int, theirs.split()))


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        assert taken.getsockname()[1] not in {free_port() for _ in range(200)}
