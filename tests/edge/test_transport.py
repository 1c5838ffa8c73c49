"""TCP/IP and TLS: what the kernel tells, and what is estimated where it does not."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge.transport import (
    attempt_bytes,
    carried_by,
    certificate_bytes,
    connection_bytes,
    handshake_bytes,
    header_bytes,
    message_bytes,
)
from tests.pki import Pki
from wire.topics import DeviceTopics


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        with near, far:
            yield near, far


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the kernel's counters are Linux's")
def test_the_kernel_tells_segments_and_bytes(pair: tuple[socket.socket, socket.socket]) -> None:
    near, far = pair
    before = carried_by(near)
    near.sendall(bytes(100))
    assert far.recv(200) == bytes(100)
    after = carried_by(near)
    assert before is not None
    assert after is not None
    assert (before.stream_bytes, after.stream_bytes) == (0, 100)
    assert after.segments == before.segments + 1
    assert after.ip_bytes - before.ip_bytes == 100 + header_bytes()


def test_a_closed_connection_tells_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    near, _ = pair
    near.close()
    assert carried_by(near) is None


def test_a_message_takes_a_segment_and_a_receipt_for_its_answer_takes_another() -> None:
    assert header_bytes() == 20 + 20 + 12
    assert header_bytes(socket.AF_INET6) == 40 + 20 + 12
    assert message_bytes(100, tls=False, answered=False) == 52
    assert message_bytes(100, tls=False, answered=True) == 104
    assert message_bytes(100, tls=True, answered=False) == 52 + 22
    assert message_bytes(3000, tls=False, answered=False) == 3 * 52


def test_a_handshake_grows_with_the_certificates_that_are_shown() -> None:
    assert handshake_bytes(1000) - handshake_bytes(0) >= 1000
    assert connection_bytes(None) < connection_bytes(0) < connection_bytes(1000)


@pytest.mark.parametrize(("waited_s", "segments"), [(0.0, 1), (0.9, 1), (1.0, 2), (3.0, 3), (20.0, 5)])
def test_a_connection_that_does_not_come_about_costs_what_asked_for_it(
    waited_s: float, segments: int
) -> None:
    assert attempt_bytes(waited_s) == segments * 60


def test_certificates_are_counted_as_they_are_sent(tmp_path: Path) -> None:
    pem = Pki(tmp_path).device(DeviceTopics("acme", "plant", "edge-1")).certificate
    der = x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(Encoding.DER)
    assert certificate_bytes(pem) == len(der)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(pem.read_bytes() * 2)
    assert certificate_bytes(chain) == 2 * len(der)


@pytest.mark.parametrize(
    "text",
    ["", "-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----"],
)
def test_what_is_no_certificate_counts_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "device.pem"
    path.write_text(text)
    assert certificate_bytes(path) == 0
    assert certificate_bytes(tmp_path / "absent.pem") == 0
