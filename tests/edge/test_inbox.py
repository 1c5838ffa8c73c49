"""The inbox: a file waits, a live camera does not."""

import threading

import numpy as np

from edge.inbox import Captured, Inbox, Missed
from edge.segmenter import RawSegment


def captured(start_ms: int, camera: str = "door") -> Captured:
    frames = np.zeros((1, 4, 4, 3), np.uint8)
    raw = RawSegment(
        start_ms, 2000, frames, np.array([start_ms], np.int64), keyframe=0, still=False, cut=False
    )
    return Captured(camera, raw)


def starts(inbox: Inbox) -> list[int]:
    inbox.close()
    return [item.raw.start_ms for item in rest(inbox) if isinstance(item, Captured)]


def rest(inbox: Inbox) -> list[Captured | Missed]:
    found = []
    while (item := inbox.take()) is not None:
        found.append(item)
    return found


def test_a_live_camera_drops_the_oldest_segment_when_the_encoders_are_too_slow() -> None:
    inbox = Inbox(2)
    for start_ms in (0, 2000, 4000):
        inbox.put(captured(start_ms), live=True)
    assert (inbox.dropped, starts(inbox)) == (1, [2000, 4000])


def test_what_was_dropped_is_told_before_what_is_left_once_for_each_camera() -> None:
    inbox = Inbox(2)
    for start_ms in (0, 2000, 4000):
        inbox.put(captured(start_ms, "door"), live=True)
        inbox.put(captured(start_ms, "yard"), live=True)
    inbox.close()
    told = [item if isinstance(item, Missed) else item.raw.start_ms for item in rest(inbox)]
    assert told == [Missed("door", 0, 2), Missed("yard", 0, 2), 4000, 4000]


def test_what_was_dropped_is_told_at_the_end_too() -> None:
    inbox = Inbox(1)
    inbox.put(captured(0), live=True)
    inbox.put(captured(2000), live=True)
    inbox.close()
    assert len(rest(inbox)) == 2
    assert inbox.take() is None


def test_a_file_waits_until_there_is_room() -> None:
    inbox = Inbox(1)
    inbox.put(captured(0), live=False)
    waiting = threading.Thread(target=inbox.put, args=(captured(2000),), kwargs={"live": False})
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    first = inbox.take()
    waiting.join(60)
    assert isinstance(first, Captured)
    assert (inbox.dropped, first.raw.start_ms, starts(inbox)) == (0, 0, [2000])


def test_closing_lets_a_waiting_file_go() -> None:
    inbox = Inbox(1)
    inbox.put(captured(0), live=False)
    waiting = threading.Thread(target=inbox.put, args=(captured(2000),), kwargs={"live": False})
    waiting.start()
    inbox.close()
    waiting.join(60)
    assert not waiting.is_alive()
    assert starts(inbox) == [0]


def test_whoever_watches_sees_whether_something_waits() -> None:
    inbox = Inbox(1)
    assert inbox.is_empty
    inbox.put(captured(0), live=True)
    assert not inbox.is_empty
    inbox.put(captured(1), live=True)
    inbox.take()  # the note of what was missed
    assert not inbox.is_empty
    inbox.take()
    assert inbox.is_empty
