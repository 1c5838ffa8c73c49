"""What a device answered to set-policy is compared with what it says that it does."""

from dataclasses import replace

import pytest
from sqlalchemy import insert

from cloud import telemetry
from cloud.config_usage import UsageSettings
from cloud.fleet import Fleet
from cloud.in_force import NOT_IN_FORCE
from cloud.registry import table_of
from cloud.schema import CommandRow
from cloud.store import Store
from tests.cloud.desk import NOW_MS
from tests.cloud.sealed import SealedDesk, SealedDevice
from wire import documents
from wire.bundle import Bundle
from wire.documents import Reply, Value
from wire.telemetry import Telemetry, policy_id

ASKED: dict[str, Value] = {"bytes_per_s": 62.0, "planes": 8, "vector": False, "bytes_per_month": None}
OWN: dict[str, Value] = {**ASKED, "bytes_per_s": None}
MINUTE_MS = 60_000


class Fixture:
    """A device that was asked, answered, and goes on."""

    def __init__(self, store: Store, bundle: Bundle) -> None:
        self.desk, self.device = SealedDesk(store, bundle), SealedDevice(bundle)
        self.desk.enrol(self.device)
        self.desk.birth(self.device)
        self.uptime_s = 60

    def answers(self, result: dict[str, Value], created_ms: int, state: str = "answered") -> None:
        reply = documents.encode(Reply(f"c{created_ms}", ok=state == "answered", result=result)).decode()
        row = {
            "id": f"c{created_ms}", "device_id": 1, "verb": "set-policy", "arguments": "{}", "state": state,
            "created_ms": created_ms, "deadline_ms": created_ms + MINUTE_MS, "reply": reply,
        }  # fmt: skip
        with self.desk.store.write() as session:
            session.execute(insert(table_of(CommandRow)), [row])

    def does(self, policy: dict[str, Value]) -> None:
        self.uptime_s += 60
        minute = Telemetry(self.uptime_s)
        remark = replace(minute, span_s=0, policy=policy_id(policy))
        for each in (minute, remark):
            self.desk.deliver(self.device.topics.telemetry, self.device.telemetry(each))

    def holds(self) -> bool | None:
        (view,) = telemetry.devices(self.desk.store)
        assert view.telemetry is not None
        (device,) = Fleet(self.desk.store, UsageSettings(), lambda: NOW_MS).look()
        assert (NOT_IN_FORCE in device.alarms) == (view.telemetry.policy_holds is False)
        return view.telemetry.policy_holds


@pytest.fixture
def asked(any_store: Store, bundle: Bundle) -> Fixture:
    return Fixture(any_store, bundle)


def test_what_nobody_asked_for_is_not_judged(asked: Fixture) -> None:
    asked.does(OWN)
    assert asked.holds() is None


def test_a_policy_holds_until_a_restart_goes_back(asked: Fixture) -> None:
    asked.answers(ASKED, NOW_MS - MINUTE_MS)
    asked.does(ASKED)
    assert asked.holds() is True
    asked.does(OWN)
    assert asked.holds() is False


def test_the_last_answer_counts_and_no_refusal(asked: Fixture) -> None:
    asked.answers(ASKED, NOW_MS - 3 * MINUTE_MS)
    asked.answers(OWN, NOW_MS - 2 * MINUTE_MS)
    asked.answers(ASKED, NOW_MS - MINUTE_MS, state="refused")
    asked.does(OWN)
    assert asked.holds() is True


def test_what_was_said_before_the_question_says_nothing(asked: Fixture) -> None:
    asked.does(OWN)
    asked.answers(ASKED, NOW_MS + MINUTE_MS)
    assert asked.holds() is None


def test_on_another_link_nobody_knows_whether_a_policy_holds(asked: Fixture) -> None:
    asked.answers({**ASKED, "link": "lte"}, NOW_MS - MINUTE_MS)
    asked.does(OWN)
    assert asked.holds() is None
