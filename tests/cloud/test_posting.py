"""What is posted to others takes no longer than it may, whatever they answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cloud import posting
from cloud.posting import UnreachableError, WebhookError, post
from tests.cloud.hook import listening

HEAD = b"HTTP/1.1 204 No Content\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server of one answer to `{}`; give its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            connected, _ = server.accept()
            with connected:
                said = b""
                # What is left unread makes a reset of the end, which may overtake the answer.
                while not said.endswith(b"\r\n\r\n{}") and (more := connected.recv(4096)):
                    said += more
                answer(connected)

        thread = threading.Thread(target=work, name="answering")
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def test_an_answer_that_drips_is_not_awaited_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.2)
    left = threading.Event()

    def drip(connected: socket.socket) -> None:
        connected.sendall(HEAD + b"X-Slow: ")
        try:
            for _ in range(200):
                connected.sendall(b"y")
                left.wait(0.01)
            connected.sendall(b"\r\n\r\n")
        except OSError:  # who posts has gone
            pass

    with answering(drip) as url:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1: timed out"):
            post(url, b"{}", {})
        left.set()


def test_what_an_answer_goes_on_with_is_not_read() -> None:
    def pour(connected: socket.socket) -> None:
        connected.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 99999999999\r\n\r\n")

    with answering(pour) as url:
        post(url, b"{}", {})


@pytest.mark.parametrize("told", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_who_does_not_speak_http_is_as_good_as_away(told: bytes) -> None:
    nonsense = answering(lambda connected: connected.sendall(told))
    with nonsense as url, pytest.raises(UnreachableError, match=r"^127\.0\.0\.1: .+"):
        post(url, b"{}", {})


def test_who_refuses_is_there() -> None:
    with listening() as hook:
        hook.answer = 302
        with pytest.raises(WebhookError, match="answered 302") as refused:
            post(hook.url, b"{}", {})
    assert not isinstance(refused.value, UnreachableError)
