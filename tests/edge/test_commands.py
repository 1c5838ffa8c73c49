"""Commands: carried out once, in time, and always answered; what is refused changes nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.commands import QUEUED, REPLIES, Arguments, CommandError, Commands, Handler
from edge.session import Opened
from tests.edge.cloud import wait_for
from wire import documents
from wire.documents import Command, Reply, Value

CLOUD_MS = 1_790_000_000_000


class Desk:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.done: list[dict[str, Value]] = []
        self.free = threading.Event()
        self.free.set()

    def handlers(self) -> dict[str, Handler]:
        return {"ping": self._ping, "keyframe": self._refuse}

    def _ping(self, arguments: Arguments) -> dict[str, Value]:
        self.free.wait(60)
        self.done.append(dict(arguments))
        return {"number": len(self.done)}

    def _refuse(self, _arguments: Arguments) -> dict[str, Value]:
        raise CommandError("not today")


def opened(
    command_id: str,
    counter: int | None,
    late_ms: int = -60_000,
    key: int = 1,
    *,
    fresh: bool = True,
    **arguments: Value,
) -> Opened:
    body = documents.encode(Command(command_id, CLOUD_MS - late_ms, arguments))
    return Opened(body, fresh, key, counter)


@contextmanager
def working(commands: Commands) -> Iterator[None]:
    finish = threading.Event()
    thread = threading.Thread(target=commands.run, args=(finish,), name="commands")
    thread.start()
    try:
        yield
    finally:
        finish.set()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def commands(desk: Desk) -> Commands:
    made = Commands(desk.handlers())
    made.connect()
    made.hear(CLOUD_MS, 0.0)
    return made


def answers(commands: Commands, number: int) -> list[Reply]:
    found = list[Reply]()

    def complete() -> bool:
        found.extend(commands.replies())
        return len(found) >= number

    with working(commands):
        wait_for(complete)
    return found


def refusal(commands: Commands) -> str:
    (reply,) = commands.replies()
    assert not reply.ok
    return reply.detail


def test_a_command_is_carried_out_and_answered_with_its_id(desk: Desk) -> None:
    commands = Commands(desk.handlers())
    commands.hear(CLOUD_MS, 0.0)
    # In time for 31 years of what the true clock counts, which is how long this machine is up.
    commands.offer("ping", opened("c1", 0, late_ms=-(10**12), loud=True), 0.0)
    assert answers(commands, 1) == [Reply("c1", ok=True, result={"number": 1})]
    assert desk.done == [{"loud": True}]


def test_what_a_handler_refuses_is_answered_with_the_reason(commands: Commands) -> None:
    commands.offer("keyframe", opened("c1", 0, late_ms=-(10**12)), 0.0)
    assert answers(commands, 1) == [Reply("c1", ok=False, detail="not today")]


def test_a_late_command_is_refused(commands: Commands, desk: Desk) -> None:
    commands.offer("ping", opened("c1", 0, late_ms=0), 0.001)
    assert refusal(commands) == "late by 1 ms"
    assert desk.done == []


def test_a_command_that_waited_until_it_was_late_is_refused(desk: Desk) -> None:
    commands = Commands(desk.handlers())
    commands.hear(CLOUD_MS, 0.0)
    # The queue looks at the true clock, on which an hour and more has gone by since time 0.
    commands.offer("ping", opened("c1", 0, late_ms=-1), 0.0)
    (reply,) = answers(commands, 1)
    assert reply.detail.startswith("late by ")
    assert desk.done == []


def test_the_clouds_time_is_the_latest_that_any_ack_of_the_connection_says(commands: Commands) -> None:
    commands.hear(CLOUD_MS + 50_000, 10.0)  # the first ack took 40 s longer to come
    commands.hear(CLOUD_MS + 20_000, 20.0)
    commands.offer("ping", opened("c1", 0, late_ms=-50_001), 10.002)
    assert refusal(commands) == "late by 1 ms"


def test_no_command_is_obeyed_before_the_cloud_has_told_its_time(commands: Commands, desk: Desk) -> None:
    commands.connect()
    commands.offer("ping", opened("c1", 0), 0.0)
    assert refusal(commands).startswith("no time known")
    commands.hear(CLOUD_MS, 0.0)
    commands.offer("ping", opened("c1", 1, late_ms=-(10**12)), 0.0)
    assert [reply.ok for reply in answers(commands, 1)] == [True]
    assert len(desk.done) == 1


def test_the_same_frame_is_obeyed_once(commands: Commands, desk: Desk) -> None:
    frame = opened("c1", 5, late_ms=-(10**12))
    for _ in range(2):
        commands.offer("ping", frame, 0.0)
    assert [(each.id, each.ok, each.detail) for each in answers(commands, 2)] == [
        ("c1", False, "repeated"),
        ("c1", True, ""),
    ]
    assert len(desk.done) == 1


def test_a_counter_that_does_not_rise_is_a_repetition_for_each_key(commands: Commands) -> None:
    far_ms = -(10**12)
    commands.offer("ping", opened("c1", 5, far_ms), 0.0)
    commands.offer("ping", opened("c2", 4, far_ms), 0.0)
    assert refusal(commands) == "repeated"
    commands.offer("ping", opened("c3", 4, far_ms, key=2), 0.0)
    commands.offer("ping", opened("c4", 6, far_ms), 0.0)
    assert sorted(reply.id for reply in answers(commands, 3) if reply.ok) == ["c1", "c3", "c4"]


def test_an_id_is_obeyed_once_whatever_the_key(commands: Commands) -> None:
    commands.offer("ping", opened("c1", 0), 0.0)
    commands.offer("ping", opened("c1", 0, key=2), 0.0)
    assert refusal(commands) == "repeated"


def test_without_sealing_the_id_tells_a_repetition(commands: Commands) -> None:
    commands.offer("ping", opened("c1", None), 0.0)
    commands.offer("ping", opened("c1", None), 0.0)
    assert refusal(commands) == "repeated"


def test_what_was_sealed_for_an_earlier_connection_is_refused(commands: Commands) -> None:
    commands.offer("ping", opened("c1", 0, fresh=False), 0.0)
    assert refusal(commands) == "sealed for an earlier connection"


def test_an_unknown_verb_is_refused(commands: Commands) -> None:
    commands.offer("reboot", opened("c1", 0), 0.0)
    assert refusal(commands) == "verb reboot is not known to this version"


@pytest.mark.parametrize(
    ("body", "command_id"),
    [
        (b'{"id":"c1"}', "c1"),
        (b'{"id":"c1","deadline_ms":1,"arguments":{"a":[1]}}', "c1"),
        (b'{"id":"c1","deadline_ms":1,"extra":1}', "c1"),
        (b'{"id":7,"deadline_ms":1}', "unknown"),
        (b"[" * 10_000, "unknown"),
        (b"\xff", "unknown"),
        (b"", "unknown"),
    ],
)
def test_what_cannot_be_read_is_answered_as_far_as_it_names_itself(
    commands: Commands, body: bytes, command_id: str
) -> None:
    commands.offer("ping", Opened(body, counter=0), 0.0)
    (reply,) = commands.replies()
    assert (reply.id, reply.ok) == (command_id, False)


def test_more_commands_than_may_wait_are_refused_and_may_come_again(commands: Commands, desk: Desk) -> None:
    desk.free.clear()
    far_ms = -(10**12)
    for number in range(QUEUED + 1):
        commands.offer("ping", opened(f"c{number}", number, far_ms), 0.0)
    assert refusal(commands) == f"{QUEUED} commands wait already"
    desk.free.set()
    assert len(answers(commands, QUEUED)) == QUEUED
    commands.offer("ping", opened(f"c{QUEUED}", QUEUED + 1, far_ms), 0.0)
    assert [reply.ok for reply in answers(commands, 1)] == [True]


def test_whoever_repeats_a_command_does_not_make_the_device_talk(commands: Commands) -> None:
    frame, answered = opened("c1", 0), 0
    for second in range(600):
        commands.offer("ping", frame, float(second))
        answered += len(commands.replies())
    assert answered <= 16 + 10


def test_answers_that_nobody_fetches_do_not_pile_up(commands: Commands) -> None:
    for number in range(10 * REPLIES):
        commands.offer("reboot", opened(f"c{number}", number), 100.0 * number)
    assert len(commands.replies()) <= REPLIES
