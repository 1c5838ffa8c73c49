"""What its sender keeps from third parties: no event, no webhook call; inside it is known."""

from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from cloud.access.roles import Role
from cloud.alerts import rulebook
from cloud.alerts.hits import page
from cloud.alerts.rules import Draft
from cloud.catalog import Catalog
from cloud.config import Broker, BundlePaths, Config, StorePlace
from cloud.config_events import Alerts, Events
from cloud.config_render import Render
from cloud.schema import AlertHitRow, Base, ClipRow, OutboxRow, WebhookCallRow
from cloud.store import Store
from tests.cloud.alerts.lookout import HOOK, Lookout
from tests.cloud.demanding import UNKNOWN, bound_by
from tests.cloud.events.listener import listening
from tests.cloud.events.test_rendered import Press
from tests.cloud.events.test_told import running
from tests.cloud.peer import connected
from tests.cloud.sample import Device
from tests.cloud.waiting import until
from tests.mosquitto import PLAIN, mosquitto
from wire.bundle import Bundle
from wire.events import SegmentDescribed
from wire.policy import Demands

EVERYTHING = Events(enabled=True)


def count(store: Store, table: type[Base]) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def told(lookout: Lookout, demands: Demands) -> None:
    """Have the camera say something that an alert with a webhook looks for."""
    lookout.add("car", webhook=HOOK)
    lookout.send(bound_by(lookout.device.packet("a red car"), demands))


def test_nothing_of_it_is_put_for_third_parties(any_store: Store, bundle: Bundle) -> None:
    lookout = Lookout(any_store, bundle, EVERYTHING)
    told(lookout, Demands(publish=False))
    assert [count(any_store, table) for table in (OutboxRow, WebhookCallRow)] == [0, 0]


def test_who_looks_inside_knows_of_it(any_store: Store, bundle: Bundle) -> None:
    lookout = Lookout(any_store, bundle, EVERYTHING)
    told(lookout, Demands(publish=False, viewers="operator"))
    assert lookout.found() == ["a red car"]
    assert [job.segment for job in lookout.jobs()] == [1]
    catalog = Catalog(any_store)
    assert page(any_store, catalog, None, 10, role=Role.VIEWER).results == []
    assert len(page(any_store, catalog, None, 10, role=Role.OPERATOR).results) == 1


def test_what_may_be_published_is(any_store: Store, bundle: Bundle) -> None:
    lookout = Lookout(any_store, bundle, EVERYTHING)
    told(lookout, Demands(largest_px=64))
    assert lookout.kinds() == ["SegmentDescribed", "AlertRaised"]
    assert count(any_store, WebhookCallRow) == 1


def test_what_hangs_on_it_is_not_published_either(store: Store, bundle: Bundle) -> None:
    lookout = Lookout(store, bundle, EVERYTHING)
    lookout.send(bound_by(lookout.device.packet("a red car"), Demands(publish=False)))
    lookout.send(lookout.device.packet("a red car stops"))
    lookout.send(lookout.device.packet("a boat", refresh=True))
    assert [event.data.segment.caption for event in lookout.events()] == ["a boat"]


def test_a_clip_of_it_is_made_and_nobody_is_told(store: Store, bundle: Bundle, tmp_path: Path) -> None:
    press = Press(store, bundle, tmp_path / "objects")
    press.lookout.send(bound_by(press.lookout.device.packet("a red car"), Demands(publish=False)))
    press.ask(1)
    assert press.worker.work()
    assert count(store, ClipRow) == 1
    assert press.lookout.events() == []


def test_what_binds_by_what_is_not_known_raises_nothing(store: Store, bundle: Bundle) -> None:
    lookout = Lookout(store, bundle, EVERYTHING)
    lookout.add("car")
    lookout.send(bound_by(lookout.device.packet("a red car"), UNKNOWN))
    assert (lookout.found(), lookout.events()) == ([], [])


def test_a_broker_hears_nothing_of_it(tmp_path: Path, bundle: Bundle) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with closing(Store(url)) as store, mosquitto(tmp_path, PLAIN) as broker:
        with store.write() as session:
            rulebook.add(session, Draft("Cars", '"red car"'), Alerts(), 0)
        config = Config(
            broker=Broker("127.0.0.1", broker.port, envelope="none"),
            bundle=BundlePaths((str(bundle.root),)),
            store=StorePlace(url, str(tmp_path / "objects")),
            render=Render(long_side_px=64),
            events=EVERYTHING,
        )
        device = Device(bundle)
        private = bound_by(device.packet("a red car drives"), Demands(publish=False))
        with listening(broker.port) as third, running(config), connected(broker.port, "device") as peer:
            peer.publish(device.topics.birth, device.birth(), retain=True)
            until(lambda: bool(Catalog(store).cameras()))
            for packet in (private, device.packet("a man walks", refresh=True)):
                peer.publish(device.topics.sem("gate"), device.frame(packet))
            until(lambda: count(store, ClipRow) == 1)  # that of the alert
            until(lambda: len(third.heard) == 1 and count(store, OutboxRow) == 0)
            (event,) = third.heard
            assert isinstance(event, SegmentDescribed)
            assert event.data.segment.caption == "a man walks"
        assert count(store, AlertHitRow) == 1
