"""Webhooks: posted as events are, tried again within bounds, never led elsewhere."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select, update

from cloud import posting, tallies
from cloud.alerts import rulebook, watch
from cloud.alerts.rules import Draft
from cloud.alerts.webhooks import DROPPED, MAX_ATTEMPTS, SENT, SLOW_MS, UNREACHED_MS, Webhooks
from cloud.config_events import Alerts, Events
from cloud.schema import AlertRow, WebhookCallRow
from cloud.store import Store
from tests.cloud.alerts.lookout import Lookout
from tests.cloud.hook import Hook, listening
from wire import events
from wire.bundle import Bundle
from wire.events import AlertRaised


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as running:
        yield running


class Post:
    """An alert with a webhook, and who posts for it; the clock moves by hand."""

    def __init__(self, store: Store, bundle: Bundle, hook: Hook) -> None:
        self.store = store
        self.lookout = Lookout(store, bundle, Events())
        self.allowed = Alerts((hook.url,))
        with store.write() as session:
            draft = Draft("Cars", "car", cooldown_s=0, webhook=f"{hook.url}/cars?to=me")
            self.alert = rulebook.add(session, draft, self.allowed, 0)
        self.hooks = self.sender(self.allowed)

    def sender(self, settings: Alerts) -> Webhooks:
        return Webhooks(self.store, settings, lambda _session: self.lookout.now_ms)

    def calls(self) -> list[WebhookCallRow]:
        with self.store.read() as session:
            return list(session.scalars(select(WebhookCallRow).order_by(WebhookCallRow.id)))

    def error(self) -> str | None:
        with self.store.read() as session:
            return session.scalar(select(AlertRow.webhook_error))

    def count(self, name: str) -> int:
        with self.store.read() as session:
            return tallies.count(session, name)


@pytest.fixture
def post(any_store: Store, bundle: Bundle, hook: Hook) -> Post:
    return Post(any_store, bundle, hook)


def test_the_event_of_an_alert_is_posted_once(post: Post, hook: Hook) -> None:
    post.lookout.say("a red car")
    assert post.hooks.work()
    assert not post.hooks.work()
    ((path, headers, body),) = hook.posts
    assert (path, headers["content-type"]) == ("/hooks/cars?to=me", f"{events.CONTENT_TYPE}; charset=utf-8")
    event = events.decode(body)
    assert isinstance(event, AlertRaised)
    assert event.data.alert.name == "Cars"
    assert (post.calls(), post.error(), post.count(SENT)) == ([], None, 1)


@pytest.mark.parametrize("answer", [302, 307, 404, 500])
def test_what_is_not_taken_is_tried_again_later_and_led_nowhere(post: Post, hook: Hook, answer: int) -> None:
    hook.answer = answer
    post.lookout.say("a red car")
    assert post.hooks.work()
    assert not post.hooks.work(), "not at once"
    assert post.error() == f"127.0.0.1: answered {answer}"
    assert [path for path, _, _ in hook.posts] == ["/hooks/cars?to=me"]
    hook.answer = 200
    post.lookout.now_ms += 10_000
    assert post.hooks.work()
    assert (len(hook.posts), post.calls(), post.error()) == (2, [], None)


def test_what_nobody_ever_takes_is_given_up_and_counted(post: Post, hook: Hook) -> None:
    hook.answer = 503
    post.lookout.say("a red car")
    for _ in range(MAX_ATTEMPTS + 1):
        post.hooks.work()
        post.lookout.now_ms += 3_600_000
    assert len(hook.posts) == MAX_ATTEMPTS
    assert (post.calls(), post.count(DROPPED), post.error()) == ([], 1, "127.0.0.1: answered 503")


def test_a_server_that_is_silent_is_left(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.05)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        url = f"http://127.0.0.1:{silent.server_address[1]}/hooks"
        with post.store.write() as session:
            session.execute(update(AlertRow).values(webhook=url))
        post.lookout.say("a red car")
        assert post.sender(Alerts((url,))).work()
    assert post.error() == "127.0.0.1: timed out"


def test_a_server_that_is_away_holds_up_no_other(post: Post, hook: Hook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}/hooks"
    allowed = Alerts((hook.url, away))
    with post.store.write() as session:
        for name in ("Trucks", "Vans"):
            rulebook.add(session, Draft(name, name[:-1], cooldown_s=0, webhook=f"{away}/{name}"), allowed, 0)
    post.lookout.say("a truck", "a truck and a van", "a red car")
    hooks = post.sender(allowed)
    assert hooks.work()
    assert [call.attempts for call in post.calls()] == [1, 0, 0, 0], "nobody is there"
    assert hooks.work()
    assert [path for path, _, _ in hook.posts] == ["/hooks/cars?to=me"]
    assert not hooks.work(), "what else waits for it rests"
    assert [call.attempts for call in post.calls()] == [1, 0, 0]
    post.lookout.now_ms += UNREACHED_MS
    assert hooks.work()


@pytest.mark.parametrize("answer", [204, 500])
def test_a_server_that_answers_slowly_holds_up_no_other_by_more_than_a_call(
    post: Post, hook: Hook, answer: int
) -> None:
    with listening() as slow:
        allowed = Alerts((hook.url, slow.url))
        with post.store.write() as session:
            draft = Draft("Vans", "van", cooldown_s=0, webhook=f"{slow.url}/vans")
            rulebook.add(session, draft, allowed, 0)
        post.lookout.say("a van", "another van", "a red car")
        took_ms = SLOW_MS + 1

        def take_long() -> None:
            post.lookout.now_ms += took_ms

        slow.answer, slow.before = answer, take_long
        hooks = post.sender(allowed)
        assert hooks.work()
        assert hooks.work()
        assert (len(slow.posts), len(hook.posts)) == (1, 1), "the second van's rests"
        assert not hooks.work()
        post.lookout.now_ms += took_ms
        assert hooks.work()
        assert len(slow.posts) == 2


def test_a_server_that_answers_at_once_goes_on(post: Post, hook: Hook) -> None:
    def take_a_while() -> None:
        post.lookout.now_ms += SLOW_MS

    hook.before = take_a_while
    post.lookout.say("a red car", "another car")
    assert post.hooks.work()
    assert post.hooks.work()
    assert len(hook.posts) == 2


@pytest.mark.parametrize(
    ("url", "rests"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.0.0.1:1?to=me", True),
        ("HTTP://127.0.0.1:1/vans", True),
        ("http://127.0.0.1:10/vans", False),
        ("http://127.0.0.1:1.example/vans", False),
    ],
)
def test_only_what_waits_for_a_server_that_is_away_rests(post: Post, url: str, *, rests: bool) -> None:
    post.lookout.say("a red car")
    with post.store.write() as session:
        session.execute(update(AlertRow).values(webhook="http://127.0.0.1:1/hooks"))  # nobody is there
        van = rulebook.add(session, Draft("Vans", "van", cooldown_s=0), post.allowed, 0)
        session.execute(update(AlertRow).where(AlertRow.id == van.id).values(webhook=url))
    post.lookout.say("a van")
    assert post.sender(Alerts(("http://127.0.0.1:1",))).work()
    (waits,) = [call for call in post.calls() if call.alert_id == van.id]
    assert (waits.due_ms == post.lookout.now_ms + UNREACHED_MS) is rests


def test_a_webhook_that_settings_allow_no_more_is_not_called(post: Post, hook: Hook) -> None:
    post.lookout.say("a red car")
    assert post.sender(Alerts()).work()
    assert hook.posts == []
    assert post.error() == "is not below any of alerts.webhooks in the cloud's settings"


def test_two_processes_do_not_post_the_same(post: Post, hook: Hook) -> None:
    post.lookout.say("a red car", "another car", "one more car")
    others = [post.sender(post.allowed) for _ in range(3)]
    threads = [threading.Thread(target=each.work) for each in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while post.hooks.work():
        pass
    assert len({body for _, _, body in hook.posts}) == len(hook.posts) == 3


def test_a_process_that_dies_while_it_posts_has_another_post_it(post: Post, hook: Hook) -> None:
    post.lookout.say("a red car")
    with post.store.write() as session:  # as a claim leaves it
        session.execute(update(WebhookCallRow).values(due_ms=post.lookout.now_ms + 60_000, attempts=1))
    assert not post.hooks.work()
    post.lookout.now_ms += 60_000
    assert post.hooks.work()
    assert len(hook.posts) == 1


def test_a_webhook_that_is_far_behind_gets_no_more(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MAX_CALLS", 2)
    post.lookout.say("a car", "a car", "a car")
    assert (len(post.calls()), post.count(DROPPED), len(post.lookout.hits())) == (2, 1, 3)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.example/mirage", True),
        ("https://hooks.example/mirage/cars?to=me", True),
        ("https://HOOKS.example/mirage/cars", True),
        ("https://hooks.example/mirage-of-others", False),
        ("https://hooks.example/mirage/../admin", False),
        ("https://hooks.example/mirage/%2e%2e/admin", False),
        ("https://hooks.example/mirage/x%20y/%C3%A9%3f", True),
        ("https://hooks.example/mirage/x?to=//%62/..", True),
        ("https://hooks.example/mirage//x", False),
        ("https://hooks.example/mirage/x//", False),
        ("https://hooks.example/mirage/%62/x", False),
        ("https://hooks.example/mirage/x%2D", False),
        ("https://hooks.example/mirage/b%2fx", False),
        ("https://hooks.example/mirage/b%5Cx", False),
        ("https://hooks.example/mirage/./x", False),
        ("https://hooks.example/mirage/..;a/x", False),
        ("https://hooks.example/", False),
        ("http://hooks.example/mirage/x", False),
        ("https://hooks.example:8443/mirage/x", False),
        ("https://hooks.example.evil.example/mirage/x", False),
        ("https://hooks.example@evil.example/mirage/x", False),
        ("https://user@hooks.example/mirage/x", False),
        ("https://hooks.example/mirage/x\r\nHost: evil.example", False),
        ("https://hooks.example/mirage/ x", False),
        ("file:///etc/passwd", False),
        ("//hooks.example/mirage/x", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_only_what_lies_below_a_url_of_the_settings_is_allowed(url: str, *, allowed: bool) -> None:
    assert Alerts(("https://hooks.example/mirage",)).allows(url) is allowed


@pytest.mark.parametrize(
    "url", ["hooks.example", "ftp://hooks.example", "https://", "https://a b/", "https://a:0"]
)
def test_settings_that_name_no_url_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"alerts\.webhooks"):
        Alerts((url,))
