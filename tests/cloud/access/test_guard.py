"""What stands before an application, over HTTP: who gets in, how often, what answers tell browsers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import httpx
import pytest
import structlog
from fastapi import FastAPI, Query
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ASGIScope

from cloud import problems
from cloud.access import tokens
from cloud.access.asks import Asked
from cloud.access.declare import Locator, UndeclaredRouteError, Who, declared, locate, public, requires
from cloud.access.entry import Entry
from cloud.access.roles import Role, Scope
from cloud.access.tokens import Wanted
from cloud.clock import wall_ms
from cloud.config_serve import Rates, Serve
from cloud.problems import UNKNOWN_SEGMENT
from cloud.store import Store
from tests.cloud.web import serving

PLACES = {"1": "acme/north/jetson-1/gate", "2": "umbra/south/jetson-9/gate"}
PROXIED = Serve(access="token", trusted_proxies=("127.0.0.1",))


def application() -> FastAPI:
    """Make one with a route of each kind."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app, {})
    locate(app, "segment_id", Locator(PLACES.get, UNKNOWN_SEGMENT))

    @app.get("/open", dependencies=[public()])
    def for_all() -> JSONResponse:
        return JSONResponse("open")

    @app.get("/mine", dependencies=[requires(Role.VIEWER)])
    def mine(caller: Who, camera: Annotated[str | None, Query()] = None) -> JSONResponse:
        return JSONResponse([caller.name, caller.role.label, caller.scope.path, camera])

    @app.get("/segments/{segment_id}", dependencies=[requires(Role.VIEWER)])
    def segment(segment_id: str) -> JSONResponse:
        return JSONResponse(PLACES[segment_id])

    @app.post("/change", dependencies=[requires(Role.OPERATOR)])
    def change() -> JSONResponse:
        return JSONResponse("changed")

    @app.get("/all", dependencies=[requires(Role.VIEWER, everywhere=True)])
    def whole() -> JSONResponse:
        return JSONResponse("all")

    @app.post("/ask", dependencies=[requires(Role.VIEWER)])
    def ask(asked: Asked, count: int = 1) -> JSONResponse:
        asked.charge(count)
        return JSONResponse("asked")

    return app


@contextmanager
def running(store: Store, serve: Serve) -> Iterator[httpx.Client]:
    app, entry = application(), Entry(serve, store)
    entry.add_routes(app)
    with serving(entry.guarded(app)) as client:
        yield client


def bearer(store: Store, role: Role = Role.VIEWER, scope: str | None = None) -> dict[str, str]:
    """Make a token; give the header that it is sent in."""
    name = f"{role.label} of {scope}"
    with store.write() as session:
        made = tokens.create(session, Wanted(name, role, Scope.parse(scope)), wall_ms())
    return {"Authorization": f"Bearer {made.secret}"}


def type_of(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return str(answer.json()["type"]).rpartition("/")[2]


def test_open_access_makes_everyone_on_the_machine_its_owner(store: Store) -> None:
    with running(store, Serve()) as http:
        assert http.get("/mine").json() == ["owner", "admin", None, None]
        assert http.post("/change").status_code == 200
        assert http.get("/login").status_code == 404, "there is nobody to log in"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "192.0.2.1"])
def test_open_access_is_for_the_loopbacks_own_names(store: Store, host: str) -> None:
    with running(store, Serve()) as http:
        answer = http.get("/mine", headers={"Host": host})
        assert (answer.status_code, type_of(answer)) == (421, "wrong-host")
        assert host in answer.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_open_access_is_not_for_pages_of_other_sites(store: Store, method: str) -> None:
    with running(store, Serve()) as http:
        path = "/mine" if method == "GET" else "/change"
        answer = http.request(method, path, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, type_of(answer)) == (403, "cross-site")
        own = http.request(method, path, headers={"Origin": str(http.base_url).rstrip("/")})
        assert own.status_code == 200


def test_a_token_gets_what_its_role_and_its_scope_allow(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        viewer, acme = bearer(store), bearer(store, Role.ADMIN, "acme")
        assert http.get("/open").json() == "open"
        assert type_of(http.get("/mine")) == "unauthenticated"
        assert http.get("/mine", headers=viewer).json() == ["viewer of None", "viewer", None, None]
        refused = http.post("/change", headers=viewer)
        assert (refused.status_code, type_of(refused), refused.json()["requires"]) == (
            403,
            "forbidden",
            "operator",
        )
        assert http.post("/change", headers=acme).status_code == 200
        assert http.get("/all", headers=viewer).status_code == 200
        assert http.get("/all", headers=acme).json()["requires"] == "everywhere"
        assert http.get("/segments/1", headers=acme).json() == PLACES["1"]
        hidden, missing = http.get("/segments/2", headers=acme), http.get("/segments/3", headers=acme)
        assert (type_of(hidden), hidden.json()["detail"]) == ("unknown-segment", "no segment 2")
        assert (type_of(missing), missing.json()["detail"]) == ("unknown-segment", "no segment 3")
        assert http.get("/mine?camera=acme/north/x/y", headers=acme).status_code == 200
        assert http.get("/mine?camera=umbra/x/y/z", headers=acme).status_code == 404
        twice = http.get("/mine?camera=acme/north/x/y&camera=umbra/x/y/z", headers=acme)
        assert twice.status_code == 404, "all that is named has to be inside"


@pytest.mark.parametrize("sent", ["Bearer", "Bearer mrg_0_x", "Basic bWlyYWdl", "mrg_"])
def test_what_is_no_token_is_told_so(store: Store, sent: str) -> None:
    with running(store, Serve(access="token")) as http:
        answer = http.get("/mine", headers={"Authorization": sent})
        assert (answer.status_code, type_of(answer)) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="mirage"'


def test_a_token_that_is_wrong_is_not_let_pass_where_all_may(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        assert http.get("/open", headers={"Authorization": "Bearer mrg_x"}).status_code == 401


def test_who_asks_too_often_is_told_when_to_come_again(store: Store) -> None:
    serve = Serve(access="token", rates=Rates(requests_per_s=0.001, burst=3))
    with running(store, serve) as http:
        one, other = bearer(store), bearer(store, Role.ADMIN)
        first = http.get("/mine", headers=one)
        assert first.headers["RateLimit-Policy"] == '"requests";q=3;w=3000'
        assert first.headers["RateLimit"].startswith('"requests";r=2;t=')
        assert [http.get("/mine", headers=one).status_code for _ in range(3)] == [200, 200, 429]
        refused = http.get("/mine", headers=one)
        assert type_of(refused) == "http-problem-types#quota-exceeded"
        assert refused.json()["violated-policies"] == ["requests"]
        assert 900 <= int(refused.headers["Retry-After"]) <= 1000
        assert refused.headers["RateLimit"] == f'"requests";r=0;t={refused.headers["Retry-After"]}'
        assert "asks too often; again in " in refused.json()["detail"]
        assert http.get("/mine", headers=other).status_code == 200, "another token has its own"


def test_an_address_has_a_rate_whatever_its_tokens(store: Store) -> None:
    rates = Rates(address_requests_per_s=0.001, address_burst=2)
    serve = Serve(access="token", rates=rates, trusted_proxies=("127.0.0.1",))
    with running(store, serve) as http:

        def status(address: str) -> int:
            return http.get("/open", headers={"X-Forwarded-For": address}).status_code

        assert [status("203.0.113.9") for _ in range(3)] == [200, 200, 429]
        assert status("203.0.113.10") == 200
        assert [status("2001:db8::1"), status("2001:db8::2"), status("2001:db8::3")] == [200, 200, 429]


def test_an_address_that_nobody_trusted_names_is_not_believed(store: Store) -> None:
    serve = Serve(access="token", rates=Rates(address_requests_per_s=0.001, address_burst=2))
    with running(store, serve) as http:
        answers = [http.get("/open", headers={"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_guessing_is_refused_for_a_while_but_not_who_has_a_token(store: Store) -> None:
    serve = Serve(access="token", rates=Rates(failures_per_minute=3))
    with running(store, serve) as http:
        known = bearer(store)
        assert http.get("/mine", headers=known).status_code == 200
        guesses = [http.get("/mine", headers={"Authorization": f"Bearer mrg_{n}"}) for n in range(5)]
        assert [guess.status_code for guess in guesses] == [401, 401, 401, 429, 429]
        assert "has tried too many tokens that are not valid" in guesses[-1].json()["detail"]
        assert http.get("/mine", headers=known).status_code == 200, "who has just been here is remembered"


def test_clips_are_asked_for_at_a_rate_of_their_own(store: Store) -> None:
    serve = Serve(access="token", rates=Rates(renders_per_minute=2))
    with running(store, serve) as http:
        viewer = bearer(store)
        assert http.post("/ask?count=2", headers=viewer).status_code == 200
        refused = http.post("/ask", headers=viewer)
        assert (refused.status_code, refused.json()["violated-policies"]) == (429, ["renders"])
        assert "more clips than 2 a minute; again in " in refused.json()["detail"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 30
        assert http.get("/mine", headers=viewer).status_code == 200, "looking is not asking"


def test_a_browser_logs_in_with_a_cookie_that_scripts_and_other_sites_do_not_get(store: Store) -> None:
    with running(store, PROXIED) as http:
        secret = bearer(store, Role.OPERATOR)["Authorization"].removeprefix("Bearer ")
        plain = http.post("/login", data={"token": secret, "next": "/jobs?state=dead"})
        assert (plain.status_code, plain.headers["location"]) == (303, "/jobs?state=dead")
        cookie = plain.headers["set-cookie"]
        assert cookie.startswith("mirage=")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        secure = http.post("/login", data={"token": secret}, headers={"X-Forwarded-Proto": "https"})
        cookie = secure.headers["set-cookie"]
        assert cookie.startswith("__Host-mirage=")
        assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/a\nb"]
)
def test_a_login_leads_nowhere_else(store: Store, target: str) -> None:
    with running(store, Serve(access="token")) as http:
        secret = bearer(store)["Authorization"].removeprefix("Bearer ")
        answer = http.post("/login", data={"token": secret, "next": target})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        http.cookies.clear()
        form = http.get("/login", params={"next": target})
        assert "evil" not in form.text.replace('value="/"', "")


def test_a_cookie_changes_nothing_unless_our_own_page_sends_it(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        secret = bearer(store, Role.OPERATOR)["Authorization"].removeprefix("Bearer ")
        http.post("/login", data={"token": secret})
        assert http.get("/mine").json()[0] == "operator of None"
        own = {"Origin": str(http.base_url).rstrip("/")}
        assert http.post("/change", headers=own).status_code == 200
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            answer = http.post("/change", headers=headers)
            assert (answer.status_code, type_of(answer)) == (403, "cross-site")
        assert http.get("/mine", headers={"Origin": "https://evil.example"}).status_code == 403
        assert http.post("/logout", headers=own).headers["location"] == "/login"
        assert http.get("/mine").status_code == 401


def test_nobody_is_logged_in_by_another_site(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        secret = bearer(store)["Authorization"].removeprefix("Bearer ")
        answer = http.post("/login", data={"token": secret}, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, type_of(answer)) == (403, "cross-site")
        assert "set-cookie" not in answer.headers


def test_a_browser_that_is_not_logged_in_is_shown_the_login(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        answer = http.get("/mine?camera=a%2Fb", headers={"Accept": "text/html,*/*"})
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/login?next=%2Fmine%3Fcamera%3Da%252Fb",
        )
        form = http.get("/login")
        assert form.status_code == 200
        assert "script" not in form.headers["content-security-policy"]
        assert "default-src 'none'" in form.headers["content-security-policy"]


def test_no_other_site_may_read_unless_it_is_named(store: Store) -> None:
    origin = {"Origin": "https://map.example"}
    asks = {
        **origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    with running(store, Serve(access="token")) as http:
        for answer in (
            http.options("/mine", headers=asks),
            http.get("/mine", headers=origin | bearer(store)),
        ):
            assert not any(name.startswith("access-control") for name in answer.headers)
    with running(store, Serve(access="token", cors_origins=("https://map.example",))) as http:
        preflight = http.options("/mine", headers=asks)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://map.example"
        assert "access-control-allow-credentials" not in preflight.headers
        answer = http.get("/mine", headers=origin | bearer(store, Role.OPERATOR))
        assert answer.headers["access-control-allow-origin"] == "https://map.example"
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        unknown = http.get("/mine", headers=origin)
        assert (unknown.status_code, unknown.headers["access-control-allow-origin"]) == (
            401,
            "https://map.example",
        )
        other = http.options("/mine", headers={**asks, "Origin": "https://map.example.evil.example"})
        assert other.status_code == 400
        assert "access-control-allow-origin" not in other.headers


def test_every_answer_tells_browsers_what_to_keep_apart(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        for answer in (http.get("/open"), http.get("/mine"), http.get("/login"), http.get("/nowhere")):
            headers = answer.headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] == "private, no-store"
            assert "server" not in headers


def test_an_unknown_address_and_a_wrong_method_are_told_apart(store: Store) -> None:
    with running(store, Serve()) as http:
        nothing = http.get("/api/v1/nothing")
        assert (nothing.status_code, type_of(nothing)) == (404, "not-found")
        wrong = http.put("/api/v1/tokens")
        assert (wrong.status_code, type_of(wrong), wrong.headers["allow"]) == (
            405,
            "wrong-method",
            "GET, POST",
        )


def test_tokens_are_made_by_administrators_within_their_scope(store: Store) -> None:
    with running(store, Serve(access="token")) as http:
        acme = bearer(store, Role.ADMIN, "acme")
        wish = {"name": "wall", "role": "viewer", "scope": "acme/north", "expires_days": 90}
        made = http.post("/api/v1/tokens", json=wish, headers=acme)
        assert made.status_code == 201
        new = {"Authorization": f"Bearer {made.json()['secret']}"}
        assert http.get("/mine", headers=new).json() == ["wall", "viewer", "acme/north", None]
        assert type_of(http.post("/api/v1/tokens", json=wish, headers=acme)) == "token-refused"
        for scope, kind in ((None, "forbidden"), ("umbra", "forbidden"), ("a/b/c", "invalid-request")):
            answer = http.post("/api/v1/tokens", json={**wish, "name": "x", "scope": scope}, headers=acme)
            assert type_of(answer) == kind
        listed = http.get("/api/v1/tokens", headers=acme)
        assert {each["name"] for each in listed.json()} == {"wall", "admin of acme"}
        assert made.json()["secret"] not in listed.text
        token_id = made.json()["token"]["id"]
        assert http.delete(f"/api/v1/tokens/{token_id}", headers=acme).json()["state"] == "revoked"
        assert type_of(http.delete("/api/v1/tokens/000000000000", headers=acme)) == "unknown-token"


@pytest.mark.parametrize(("host", "warnings"), [("127.0.0.1", 0), ("0.0.0.0", 1)])  # noqa: S104 -- not bound
def test_a_host_that_others_reach_is_warned_about(store: Store, host: str, warnings: int) -> None:
    with structlog.testing.capture_logs() as logs:
        Entry(Serve(host=host, access="token"), store)
    assert sum("put TLS before it" in each["event"] for each in logs) == warnings


def test_a_route_that_does_not_say_whom_it_is_for_is_never_served(store: Store) -> None:
    app = application()

    @app.get("/forgotten")
    def forgotten() -> JSONResponse:
        return JSONResponse("secret")

    with pytest.raises(UndeclaredRouteError, match=r"/forgotten: needs one `requires\(Role"):
        Entry(Serve(), store).guarded(app)
    with serving(app) as http:  # which does not look at the start
        answer = http.get("/forgotten")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_a_route_has_to_say_where_what_it_names_is() -> None:
    app = application()

    @app.get("/keeps/{keep_id}", dependencies=[requires(Role.VIEWER)])
    def keep(keep_id: str) -> JSONResponse:
        return JSONResponse(keep_id)

    with pytest.raises(
        UndeclaredRouteError, match=r"where is \['keep_id'\]\? `locate` it, or name it `free`"
    ):
        list(declared(app))


def test_an_application_that_nothing_guards_answers_nobody() -> None:
    with serving(_bare(application())) as http:
        assert http.get("/mine").status_code == 401
        assert http.get("/open").status_code == 200


def _bare(app: FastAPI) -> ASGIApp:
    async def bare(scope: ASGIScope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return bare
