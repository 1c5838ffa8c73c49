"""What a matching caption sets off, and what it does not."""

from dataclasses import replace

import pytest
from sqlalchemy import delete, select

from cloud.alerts import rulebook
from cloud.alerts.rules import AlertError, Draft
from cloud.config_events import Events
from cloud.schema import AlertHitRow, JobRow, OutboxRow, PacketRow, SegmentRow, WebhookCallRow
from cloud.store import Store
from tests.cloud.alerts.lookout import HOOK, HOOKS, Lookout
from tests.cloud.sample import BOOT_WALL_MS
from wire import events
from wire.bundle import Bundle
from wire.events import AlertRaised, SegmentDescribed

ALL = Events(enabled=True, base_url="https://cameras.example")
CAR, MAN = "a red car drives to the left", "a man walks slowly to the right"


@pytest.fixture
def lookout(any_store: Store, bundle: Bundle) -> Lookout:
    return Lookout(any_store, bundle, ALL)


def test_a_matching_caption_is_a_hit_an_event_and_an_urgent_job(lookout: Lookout) -> None:
    alert = lookout.add('"red car"')
    lookout.say(MAN, CAR)
    (hit,) = lookout.hits()
    assert (hit.alert_id, hit.caption, hit.start_ms) == (alert.id, CAR, BOOT_WALL_MS + 1000)
    assert (hit.raised_ms, hit.historical) == (lookout.now_ms, False)
    (job,) = lookout.jobs()
    assert (job.segment, job.lane, job.state) == (hit.packet_id, "event", "queued")
    assert job.not_before_ms > job.asked_ms, "the next keyframe makes it better, and comes soon"
    assert lookout.kinds() == ["SegmentDescribed", "SegmentDescribed", "AlertRaised"]
    raised = lookout.events()[-1]
    assert isinstance(raised, AlertRaised)
    assert raised.data.alert.query == '"red car"'
    assert raised.data.alert.page == f"https://cameras.example/?segment={hit.packet_id}"
    assert raised.data.segment.camera == "acme/north/jetson-1/gate"


def test_what_segments_show_is_told_by_itself(lookout: Lookout) -> None:
    lookout.say(MAN, MAN)
    first, second = lookout.events()
    assert isinstance(first, SegmentDescribed)
    assert isinstance(second, SegmentDescribed)
    assert (first.data.segment.caption, second.data.segment.caption) == (MAN, MAN)
    assert first.id != second.id
    with lookout.store.read() as session:
        (topic,) = set(session.scalars(select(OutboxRow.topic)))
    assert topic == "mirage/v1/acme/north/jetson-1/gate/event"


@pytest.mark.parametrize(
    ("more", "raised"),
    [
        pytest.param({"place": "acme"}, True, id="tenant"),
        pytest.param({"place": "acme/north/jetson-1/gate"}, True, id="camera"),
        pytest.param({"place": "acme/nor"}, False, id="a site whose name only begins so"),
        pytest.param({"place": "acme/north/jetson-1/yard"}, False, id="another camera"),
        pytest.param({"active": False}, False, id="switched off"),
        # The segment begins at 14:13:20 UTC.
        pytest.param({"hours": "14:00-14:14"}, True, id="hours"),
        pytest.param({"hours": "14:14-14:00"}, False, id="over midnight, and not then"),
        pytest.param({"hours": "16:13-16:14", "zone": "Europe/Berlin"}, True, id="another time zone"),
    ],
)
def test_where_and_when_an_alert_looks(lookout: Lookout, more: dict[str, object], *, raised: bool) -> None:
    lookout.add("car", **more)
    lookout.say(CAR)
    assert lookout.found() == ([CAR] if raised else [])


def test_a_camera_is_quiet_for_a_while_and_others_are_not(lookout: Lookout) -> None:
    lookout.add("car", cooldown_s=3)
    lookout.say(CAR, CAR, CAR, CAR)  # a second each
    lookout.say(CAR, camera="yard")
    assert [hit.start_ms - BOOT_WALL_MS for hit in lookout.hits()] == [0, 3000, 0]
    assert lookout.kinds().count("AlertRaised") == 3


def test_one_caption_may_be_of_several_alerts(lookout: Lookout) -> None:
    lookout.add("car")
    lookout.add("red -boat")
    lookout.say(CAR)
    assert len(lookout.hits()) == 2
    assert len(lookout.jobs()) == 1


def test_deriving_again_raises_nothing_twice(lookout: Lookout) -> None:
    lookout.add("car", cooldown_s=0)
    packets = [lookout.device.packet(caption) for caption in (MAN, CAR, CAR)]
    lookout.send(packets[0])
    lookout.send(packets[2])  # "as before", and what was before is not known
    assert lookout.found() == []
    lookout.send(packets[1])
    assert lookout.found() == [CAR, CAR]
    before = len(lookout.events())
    with lookout.store.write() as session:
        for packet in session.scalars(select(PacketRow)):
            packet.underived = 2
    lookout.desk.derive()
    assert (lookout.found(), len(lookout.events())) == ([CAR, CAR], before)


def test_a_caption_that_is_taken_back_is_told_as_revised(lookout: Lookout) -> None:
    lookout.add("man", cooldown_s=0)
    lookout.say(MAN)
    with lookout.store.write() as session:
        for segment in session.scalars(select(SegmentRow)):
            segment.caption = "a dog"
        for packet in session.scalars(select(PacketRow)):
            packet.underived = 2
        session.execute(delete(OutboxRow))
    lookout.desk.derive()
    (event,) = lookout.events()
    assert isinstance(event, SegmentDescribed)
    assert event.data.revised
    assert lookout.found() == [MAN], "once for a packet, whatever becomes of its caption"


def test_what_is_long_past_is_marked_and_hastens_no_rendering(lookout: Lookout) -> None:
    lookout.add("car")
    lookout.now_ms = BOOT_WALL_MS + 3_600_000
    lookout.say(CAR, historical=True)
    (hit,) = lookout.hits()
    assert (hit.historical, lookout.jobs()) == (True, [])
    assert [event.data.segment.historical for event in lookout.events()] == [True, True]


def test_a_short_outage_is_no_reason_to_wait(lookout: Lookout) -> None:
    lookout.add("car")
    lookout.now_ms = BOOT_WALL_MS + 60_000
    lookout.say(CAR, historical=True)
    (job,) = lookout.jobs()
    assert (job.lane, job.not_before_ms) == ("event", lookout.now_ms)
    assert [hit.historical for hit in lookout.hits()] == [True]


def test_a_clock_that_is_wrong_on_the_device_delays_nothing(lookout: Lookout) -> None:
    lookout.add("car")
    lookout.now_ms = BOOT_WALL_MS + 86_400_000
    lookout.say(CAR)
    assert [job.lane for job in lookout.jobs()] == ["event"]


def test_other_processes_notice_what_is_changed(lookout: Lookout) -> None:
    lookout.say(CAR)
    alert = lookout.add("car", cooldown_s=0)
    lookout.say(CAR)
    assert lookout.found() == [CAR]
    with lookout.store.write() as session:
        rulebook.change(session, alert.id, replace(alert.draft, query="man"), HOOKS, 0)
    lookout.say(CAR, MAN)
    assert lookout.found() == [CAR, MAN]
    with lookout.store.write() as session:
        rulebook.remove(session, alert.id)
    lookout.say(MAN)
    assert lookout.found() == [], "with an alert, what it found is removed"


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (("segment.described",), ["SegmentDescribed"]),
        (("alert.raised",), ["AlertRaised"]),
        (("clip.rendered",), []),
    ],
)
def test_only_what_the_settings_name_is_published(
    store: Store, bundle: Bundle, kinds: tuple[str, ...], told: list[str]
) -> None:
    lookout = Lookout(store, bundle, Events(enabled=True, kinds=kinds))  # type: ignore[arg-type]
    lookout.add("car")
    lookout.say(CAR)
    assert lookout.kinds() == told


def test_alerts_work_where_nothing_is_published(store: Store, bundle: Bundle) -> None:
    lookout = Lookout(store, bundle, Events())
    lookout.add("car", webhook=HOOK)
    lookout.say(CAR)
    assert (lookout.found(), lookout.kinds(), len(lookout.jobs())) == ([CAR], [], 1)
    with store.read() as session:
        (call,) = session.scalars(select(WebhookCallRow))
    event = events.decode(call.event)
    assert isinstance(event, AlertRaised)
    assert event.data.segment.url == f"/api/v1/segments/{event.data.segment.id}"


def test_a_transaction_that_fails_tells_nothing(lookout: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    lookout.add("car")
    monkeypatch.setattr("cloud.derived._ask", fail)
    with pytest.raises(RuntimeError, match="power cut"):
        lookout.say(CAR)
    assert (lookout.found(), lookout.kinds(), lookout.jobs()) == ([], [], [])
    monkeypatch.undo()
    lookout.now_ms += 20_000  # its lease is over
    lookout.desk.derive()
    assert (lookout.found(), len(lookout.kinds()), len(lookout.jobs())) == ([CAR], 2, 1)


def fail(*_args: object, **_more: object) -> None:
    raise RuntimeError("power cut")


def test_what_goes_wrong_while_telling_keeps_no_segment_away(
    lookout: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.alerts.watch.Watch._match", fail)
    lookout.say(CAR)
    assert lookout.desk.captions() == [CAR]


def test_hits_go_with_their_packets(lookout: Lookout) -> None:
    lookout.add("car")
    lookout.say(CAR)
    lookout.jobs()
    with lookout.store.write() as session:
        for table in (JobRow, SegmentRow, PacketRow):
            session.execute(delete(table))
    with lookout.store.read() as session:
        assert session.scalars(select(AlertHitRow)).all() == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param({"name": " "}, "name", id="no name"),
        pytest.param({"name": "a\nb"}, "of a line", id="two lines"),
        pytest.param({"query": "-rain"}, "no word that a caption must have", id="only exclusions"),
        pytest.param({"query": "!!"}, "no word", id="no words"),
        pytest.param({"query": "x" * 201}, "200 characters", id="long query"),
        pytest.param({"place": "acme/north/jetson-1/gate/x"}, "place", id="place too long"),
        pytest.param({"place": "acme//x"}, "site ''", id="place with a hole"),
        pytest.param({"place": "ACME"}, "tenant 'ACME'", id="place is no id"),
        pytest.param({"place": "acme/north/jetson-1/ack"}, "reserved", id="camera that cannot be"),
        pytest.param({"hours": "22-6"}, "HH:MM-HH:MM", id="hours"),
        pytest.param({"hours": "22:00-22:00"}, "HH:MM-HH:MM", id="no time at all"),
        pytest.param({"hours": "24:00-06:00"}, "HH:MM-HH:MM", id="no hour"),
        pytest.param({"zone": "Mars/Olympus"}, "time zone", id="time zone"),
        pytest.param({"zone": "../etc/passwd"}, "time zone", id="path for a zone"),
        pytest.param({"cooldown_s": -1}, "cooldown_s", id="cooldown"),
        pytest.param({"webhook": "https://hooks.example/" + "x" * 1024}, "1024", id="long webhook"),
    ],
)
def test_an_alert_that_cannot_be_says_why(more: dict[str, object], reason: str) -> None:
    with pytest.raises(AlertError, match=reason):
        replace(Draft("Cars", "car"), **more)  # type: ignore[arg-type]


def test_names_are_taken_once_and_webhooks_are_those_of_the_settings(lookout: Lookout) -> None:
    lookout.add("car")
    with pytest.raises(AlertError, match="taken"):
        lookout.add("car")
    with pytest.raises(AlertError, match=r"alerts\.webhooks"):
        lookout.add("boat", webhook="https://169.254.169.254/")
