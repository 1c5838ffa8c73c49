"""The inbox: a file waits, a live camera does not."""

import threading

import numpy as np

from edge.inbox import Captured, Inbox
from edge.segmenter import RawSegment


def captured(start_ms: int) -> Captured:
    frames = np.zeros((1, 4, 4, 3), np.uint8)
    raw = RawSegment(
        start_ms, 2000, frames, np.array([start_ms], np.int64), keyframe=0, still=False, cut=False
    )
    return Captured("door", raw)


def starts(inbox: Inbox) -> list[int]:
    inbox.close()
    found = []
    while (item := inbox.take()) is not None:
        found.append(item.raw.start_ms)
    return found


def test_a_live_camera_drops_the_oldest_segment_when_the_encoders_are_too_slow() -> None:
    inbox = Inbox(2)
    for start_ms in (0, 2000, 4000):
        inbox.put(captured(start_ms), live=True)
    assert (inbox.dropped, starts(inbox)) == (1, [2000, 4000])


def test_a_file_waits_until_there_is_room() -> None:
    inbox = Inbox(1)
    inbox.put(captured(0), live=False)
    waiting = threading.Thread(target=inbox.put, args=(captured(2000),), kwargs={"live": False})
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    first = inbox.take()
    waiting.join(5)
    assert first is not None
    assert (inbox.dropped, first.raw.start_ms, starts(inbox)) == (0, 0, [2000])


def test_closing_lets_a_waiting_file_go() -> None:
    inbox = Inbox(1)
    inbox.put(captured(0), live=False)
    waiting = threading.Thread(target=inbox.put, args=(captured(2000),), kwargs={"live": False})
    waiting.start()
    inbox.close()
    waiting.join(5)
    assert not waiting.is_alive()
    assert starts(inbox) == [0]
