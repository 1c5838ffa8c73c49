"""A port that is free stays so until somebody listens on it."""

import socket
from pathlib import Path

import pytest

from mirage.demo.broker import free_port

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_connection_gets_a_port_that_is_given() -> None:
    if not RANGE.exists():
        pytest.skip(f"there is no {RANGE}")
    first, last = map(int, RANGE.read_text("ascii").split())
    assert not {free_port() for _ in range(50)} & set(range(first, last + 1))


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        assert taken.getsockname()[1] not in {free_port() for _ in range(200)}
