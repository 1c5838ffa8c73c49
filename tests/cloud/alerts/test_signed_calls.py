"""Signed calls, verified by the example of docs/events.md, as somebody would run it who copied it."""

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import cast

import pytest

from cloud.alerts import rulebook
from cloud.alerts.rules import Draft
from cloud.alerts.webhooks import Webhooks
from cloud.config_events import Alerts, Events
from cloud.config_usage import UsageSettings
from cloud.signatures import Signer, Signers, parse_secret
from cloud.store import Store
from cloud.usage.budgets import Budgets
from cloud.usage.sums import Amount, Gathering
from cloud.usage.telling import PAUSES_MS, Caller, Telling
from cloud.usage.warden import Warden
from tests.cloud.alerts.lookout import Lookout
from tests.cloud.hook import Hook, Posted, listening
from tests.cloud.test_signatures import SECRET, secret_of
from tests.conftest import ROOT
from wire.bundle import Bundle

Verifier = Callable[[Mapping[str, str], bytes, list[str], float], bool]
OLD = secret_of(32)


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as running:
        yield running


@pytest.fixture(scope="module")
def is_ours() -> Verifier:
    """Copy the receiver's function out of the page."""
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    found = re.search(r"^    import base64.*?(?=^\S)", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    names: dict[str, object] = {}
    exec(textwrap.dedent(found[0]), names)  # noqa: S102 -- our own page
    return cast("Verifier", names["is_ours"])


def signers(*secrets: str) -> Signers:
    return Signers(Signer([parse_secret(each) for each in secrets]), {})


def verified(is_ours: Verifier, posted: Posted, now_ms: int, *secrets: str) -> bool:
    return is_ours(posted.headers, posted.body, list(secrets), now_ms / 1000)


def raised(store: Store, bundle: Bundle, hook: Hook) -> Lookout:
    """Have one call wait."""
    lookout = Lookout(store, bundle, Events())
    with store.write() as session:
        rulebook.add(session, Draft("Cars", "car", webhook=hook.url), Alerts((hook.url,)), 0)
    lookout.say("a red car")
    return lookout


def test_a_receiver_with_the_secret_knows_who_calls(
    store: Store, bundle: Bundle, hook: Hook, is_ours: Verifier
) -> None:
    lookout = raised(store, bundle, hook)
    hooks = Webhooks(store, Alerts((hook.url,)), lambda _: lookout.now_ms, signers(SECRET))
    assert hooks.work()
    (posted,) = hook.posts
    assert verified(is_ours, posted, lookout.now_ms, SECRET)
    assert not verified(is_ours, posted, lookout.now_ms, OLD)
    assert not verified(is_ours, posted._replace(body=posted.body + b" "), lookout.now_ms, SECRET)
    assert not verified(is_ours, posted, lookout.now_ms + 301_000, SECRET), "a call that was kept"
    assert not verified(is_ours, posted._replace(headers={}), lookout.now_ms, SECRET)
    forged = {**posted.headers, "webhook-signature": "v1,é v2,x nothing"}
    assert not verified(is_ours, posted._replace(headers=forged), lookout.now_ms, SECRET)


def test_each_attempt_has_the_same_id_and_its_own_time(
    store: Store, bundle: Bundle, hook: Hook, is_ours: Verifier
) -> None:
    hook.answer = 500
    lookout = raised(store, bundle, hook)
    hooks = Webhooks(store, Alerts((hook.url,)), lambda _: lookout.now_ms, signers(SECRET))
    times = list[int]()
    for pause_ms in (10_000, 60_000, 360_000):
        assert hooks.work()
        assert verified(is_ours, hook.posts[-1], lookout.now_ms, SECRET)
        times.append(lookout.now_ms // 1000)
        lookout.now_ms += pause_ms
    assert len({posted.headers["webhook-id"] for posted in hook.posts}) == 1
    assert [int(posted.headers["webhook-timestamp"]) for posted in hook.posts] == times


def test_while_secrets_are_changed_who_has_either_knows_who_calls(
    store: Store, bundle: Bundle, hook: Hook, is_ours: Verifier
) -> None:
    lookout = raised(store, bundle, hook)
    hooks = Webhooks(store, Alerts((hook.url,)), lambda _: lookout.now_ms, signers(SECRET, OLD))
    assert hooks.work()
    for known in ([SECRET], [OLD], [OLD, SECRET]):
        assert verified(is_ours, hook.posts[0], lookout.now_ms, *known)


def test_without_a_secret_calls_are_as_they_were(store: Store, bundle: Bundle, hook: Hook) -> None:
    lookout = raised(store, bundle, hook)
    assert Webhooks(store, Alerts((hook.url,)), lambda _: lookout.now_ms).work()
    assert not [name for name in hook.posts[0].headers if name.startswith("webhook-")]


def test_what_is_told_of_traffic_is_signed_too(store: Store, hook: Hook, is_ours: Verifier) -> None:
    now_ms = 1_790_000_000_000
    settings = UsageSettings(webhook=hook.url)
    Budgets(store, settings, lambda: now_ms).set("", 10)
    with store.write() as session:
        gathering = Gathering()
        gathering.add("acme/north/jetson-1", now_ms, Amount({"gate": [7]}))
        gathering.write(session)
    Warden(store, settings, Telling(settings, events=False)).work(now_ms)
    hook.answer = 500
    later_ms = now_ms + PAUSES_MS[0]
    for at_ms in (now_ms, later_ms):
        assert Caller(store, settings, signers(SECRET), lambda at_ms=at_ms: at_ms).work(at_ms) == 1  # type: ignore[misc]
    first, second = hook.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert verified(is_ours, first, now_ms, SECRET)
    assert verified(is_ours, second, later_ms, SECRET)
