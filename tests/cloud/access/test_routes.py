"""Every route that the cloud serves, whoever wrote it: who gets in, what is hidden, how errors look.

The routes are those of the interface's own description, so a new one is tested here without being named. What
its path calls by a name that is not in `NAMES` must be added there.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import httpx
import jsonschema
import numpy as np
import pytest
from openapi_spec_validator import validate

from cloud.access import tokens
from cloud.access.roles import Role, Scope
from cloud.access.tokens import Wanted
from cloud.clock import wall_ms
from cloud.store import Store
from tests.bundles import CAPTIONS
from tests.cloud.peer import connected
from tests.cloud.sample import Device
from tests.cloud.site import Site, running_site
from tests.cloud.waiting import until
from tests.cloud.web import TRUST
from wire.bundle import Bundle
from wire.topics import DeviceTopics

THEIRS = "umbra/south/jetson-9/gate"
TRACES = ("umbra", "jetson-9", CAPTIONS[1])  # whoever sees one of them has seen another tenant's
PUBLIC = {
    "/healthz", "/api/v1/problems", "/api/v1/problems/{name}", "/api/v1/provenance-keys",
    "/api/v1/provenance-keys.pem",
}  # fmt: skip
SLOW = "/live.m3u8"  # waits for a picture
MADE_UP = {"init_id": "0" * 16, "tag": "0" * 16, "piece": "0"}  # which no part of a stream is called
QUERY = {
    "camera": THEIRS, "tenant": "umbra", "site": "umbra/south", "device": "umbra/south/jetson-9",
    "place": "umbra", "q": "man", "from_ms": "0", "to_ms": "1", "past_ms": "1",
}  # fmt: skip
BODIES: Mapping[str, Mapping[str, object]] = {
    "/api/v1/alerts": {"name": "theirs", "query": "man", "place": "umbra"},
    "/api/v1/alerts/trial": {"name": "theirs", "query": "man", "place": "umbra"},
    "/api/v1/alerts/{alert_id}": {"place": "umbra"},
    "/api/v1/cameras/{tenant}/{site}/{device}/{camera}/keeps": {"from_ms": 0, "to_ms": 10, "note": ""},
    "/api/v1/budgets": {"place": "umbra", "bytes_per_month": 1_000_000},
    "/api/v1/tokens": {"name": "theirs", "role": "viewer", "scope": "umbra"},
}


@dataclass(frozen=True)
class Operation:
    """A method of a path, and how it is described."""

    method: str
    path: str
    described: Mapping[str, Any]

    @property
    def role(self) -> Role:
        return Role[self.described["x-role"].upper()]

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        return list(self.described.get("parameters", ()))

    def named(self, kind: str) -> set[str]:
        return {each["name"] for each in self.parameters if each["in"] == kind}

    @property
    def places(self) -> set[str]:
        """Name the parameters that choose something of somewhere."""
        wanted = {each["name"] for each in self.parameters if each["in"] == "query" and each["required"]}
        return self.named("path") | (wanted & {"camera", "place"})


@dataclass
class Fleet:
    """A cloud with two tenants, its description, and what the path names that belongs to one of them."""

    address: str
    document: Mapping[str, Any]
    secrets: Mapping[str, str]
    names: dict[str, str] = field(default_factory=dict)

    @property
    def operations(self) -> list[Operation]:
        return [
            Operation(method.upper(), path, described)
            for path, methods in self.document["paths"].items()
            for method, described in methods.items()
        ]

    def ask(self, operation: Operation, caller: str | None, *, places: bool = False) -> httpx.Response:
        """Ask for what is umbra's; with `places`, naming it in the query wherever that is possible."""
        missing = operation.named("path") - self.names.keys()
        assert not missing, f"{operation.path}: tell this test what of umbra's {missing} is"
        path = re.sub(r"{(\w+)}", lambda match: self.names[match[1]], operation.path)
        query = {
            each["name"]: QUERY[each["name"]]
            for each in operation.parameters
            if each["in"] == "query" and (each["required"] or (places and each["name"] in QUERY))
        }
        headers = {} if caller is None else {"Authorization": f"Bearer {self.secrets[caller]}"}
        content = BODIES[operation.path] if "requestBody" in operation.described else None
        return httpx.request(
            operation.method,
            self.address + path,
            params=query,
            headers=headers,
            json=content,
            timeout=60,
            verify=TRUST,
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Iterator[Site]:
    rates = "requests_per_s = 1e5\nburst = 100000\naddress_requests_per_s = 1e5\naddress_burst = 100000\n"
    folder = tmp_path_factory.mktemp("site")
    with running_site(folder, bundle, serve='access = "token"', more=f"[serve.rates]\n{rates}") as running:
        yield running


@pytest.fixture(scope="module")
def fleet(site: Site, bundle: Bundle) -> Fleet:
    """Fill both tenants, umbra with one of everything."""
    _film(site, bundle)
    secrets = _secrets(site.settings.parent)
    headers = {"Authorization": f"Bearer {secrets['admin']}"}
    admin = httpx.Client(base_url=site.address, headers=headers, timeout=60, verify=TRUST)
    with admin:
        until(lambda: len(admin.get("/api/v1/cameras").json()) == 2)
        until(lambda: len(admin.get("/api/v1/segments", params={"camera": THEIRS}).json()) == 1)
        (segment,) = admin.get("/api/v1/segments", params={"camera": THEIRS}).json()
        assert admin.post(f"/api/v1/segments/{segment['id']}/render").status_code == 202
        until(lambda: admin.get(f"/api/v1/clips/{segment['id']}.mp4").status_code == 200)
        made = Fleet(site.address, admin.get("/api/v1/openapi.json").json(), secrets)
        tenant, site_name, device, camera = THEIRS.split("/")
        made.names |= {"tenant": tenant, "site": site_name, "device": device, "camera": camera, **MADE_UP}
        made.names |= {"segment_id": str(segment["id"]), "name": "not-found"}
        made.names["job_id"] = admin.get("/api/v1/jobs").json()[0]["job"]["id"]
        _, picture = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))
        anchor = admin.post("/api/v1/anchors", params={"camera": THEIRS}, content=picture.tobytes())
        assert anchor.status_code == 201, anchor.text
        made.names["anchor_id"] = str(anchor.json()["id"])
        for path, name in (
            ("/api/v1/alerts", "alert_id"),
            (f"/api/v1/cameras/{THEIRS}/keeps", "keep_id"),
            ("/api/v1/tokens", "token_id"),
        ):
            template = path.replace(THEIRS, "{tenant}/{site}/{device}/{camera}")
            answer = admin.post(path, json=BODIES[template])
            assert answer.status_code == 201, answer.text
            found = answer.json()
            made.names[name] = str(found["token"]["id"] if name == "token_id" else found["id"])
        assert admin.put("/api/v1/budgets", json=BODIES["/api/v1/budgets"]).status_code == 200
    return made


def _film(site: Site, bundle: Bundle) -> None:
    acme, umbra = Device(bundle), Device(bundle, name="jetson-9", boot=9)
    umbra.topics = DeviceTopics("umbra", "south", "jetson-9")
    with connected(site.broker.port, "devices") as peer:
        for device, caption in ((acme, CAPTIONS[0]), (umbra, CAPTIONS[1])):
            born_ms = time.time_ns() // 1_000_000 - 600_000
            peer.publish(device.topics.birth, device.birth(born_ms), retain=True)
            peer.publish(device.topics.sem("gate"), device.frame(device.packet(caption)))


def _secrets(folder: Path) -> dict[str, str]:
    wanted = {
        "viewer": Wanted("viewer", Role.VIEWER),
        "operator": Wanted("operator", Role.OPERATOR),
        "admin": Wanted("admin", Role.ADMIN),
        "acme": Wanted("acme", Role.ADMIN, Scope.parse("acme")),
        "acme/north": Wanted("acme/north", Role.ADMIN, Scope.parse("acme/north")),
    }
    store = Store(f"sqlite:///{folder}/store.db")
    with store.write() as session:
        made = {name: tokens.create(session, each, wall_ms()).secret for name, each in wanted.items()}
    store.close()
    return made


def assert_is_problem(fleet: Fleet, operation: Operation, answer: httpx.Response) -> None:
    """Compare an error with what is described of it."""
    told = f"{operation.method} {operation.path}: {answer.status_code} {answer.text[:200]}"
    assert answer.headers["content-type"] == "application/problem+json", told
    body = answer.json()
    schema = {"$ref": "#/components/schemas/Problem", "components": fleet.document["components"]}
    jsonschema.validate(body, schema)
    assert body["status"] == answer.status_code, told
    described = operation.described["responses"].get(str(answer.status_code))
    assert described is not None, f"not described: {told}"
    examples = described["content"]["application/problem+json"]["examples"].values()
    assert body["type"] in {each["value"]["type"] for each in examples}, told


def test_without_a_token_only_what_is_public_answers(fleet: Fleet) -> None:
    assert {each.path for each in fleet.operations if "x-role" not in each.described} == PUBLIC
    for operation in fleet.operations:
        answer = fleet.ask(operation, None)
        if operation.path in PUBLIC:
            assert answer.status_code == 200, operation.path
        else:
            assert answer.status_code == 401, operation.path
            assert answer.headers["www-authenticate"] == 'Bearer realm="mirage"'
            assert_is_problem(fleet, operation, answer)


def test_health_tells_strangers_no_more_than_whether_all_is_well(fleet: Fleet) -> None:
    assert httpx.get(f"{fleet.address}/healthz", timeout=60, verify=TRUST).json() == {"ok": True}
    for caller, knows in (("viewer", False), ("acme", False), ("operator", True)):
        headers = {"Authorization": f"Bearer {fleet.secrets[caller]}"}
        told = httpx.get(f"{fleet.address}/healthz", headers=headers, timeout=60, verify=TRUST).json()
        assert ("messages" in told) == knows, caller


@pytest.mark.parametrize("caller", ["viewer", "operator"])
def test_what_is_for_another_role_is_refused(fleet: Fleet, caller: str) -> None:
    beyond = [
        each for each in fleet.operations if each.path not in PUBLIC and each.role > Role[caller.upper()]
    ]
    assert beyond
    for operation in beyond:
        answer = fleet.ask(operation, caller)
        assert (operation.path, answer.status_code) == (operation.path, 403)
        assert answer.json()["requires"] == operation.role.label
        assert_is_problem(fleet, operation, answer)


@pytest.mark.parametrize("caller", ["acme", "acme/north"])
def test_another_tenant_is_not_there(fleet: Fleet, caller: str) -> None:
    for operation in fleet.operations:
        if operation.path in PUBLIC:
            continue
        for places in (False, True):
            answer = fleet.ask(operation, caller, places=places)
            told = f"{operation.method} {operation.path}: {answer.status_code} {answer.text[:300]}"
            assert answer.status_code < 500, told
            if operation.places:
                assert answer.status_code in (403, 404), told
            elif "requestBody" in operation.described:
                assert answer.status_code in (403, 404, 409, 422), told
            elif answer.status_code < 400:
                assert not any(trace in answer.text for trace in TRACES), told
            if answer.status_code >= 400:
                assert_is_problem(fleet, operation, answer)


def test_what_is_hidden_and_what_is_not_there_look_the_same(fleet: Fleet) -> None:
    headers = {"Authorization": f"Bearer {fleet.secrets['acme']}"}

    def told(path: str) -> tuple[int, str]:
        answer = httpx.get(fleet.address + path, headers=headers, timeout=60, verify=TRUST)
        numbers = f"{fleet.names['segment_id']}|999999"
        return answer.status_code, re.sub(numbers, "N", answer.text.replace("nobody", "umbra"))

    hidden = fleet.names["segment_id"]
    for path in (
        "/api/v1/segments/N",
        "/api/v1/clips/N.mp4",
        "/api/v1/segments/N/thumb.jpg",
        "/api/v1/jobs/N-1",
    ):
        assert told(path.replace("N", hidden)) == told(path.replace("N", "999999")), path
    theirs = "/api/v1/cameras/umbra/south/jetson-9/gate/live.json"
    assert told(theirs) == told(theirs.replace("umbra", "nobody"))
    listed = f"/api/v1/segments?camera={THEIRS}"
    assert told(listed) == told(listed.replace("umbra", "nobody"))


def test_the_whole_fleet_is_there_for_who_may_see_it(fleet: Fleet) -> None:
    """So that the tests above have not hidden what would not have been there anyway."""
    last = {"DELETE": 1}
    for operation in sorted(fleet.operations, key=lambda each: (last.get(each.method, 0), each.path)):
        if operation.path.endswith(SLOW) or operation.named("path") & MADE_UP.keys():
            continue
        if "job_id" in operation.named("path"):  # another turn whenever the clip is asked for again
            fleet.names["job_id"] = newest_job(fleet)
        if operation.path.endswith("/thumb.jpg"):
            await_thumb(fleet, operation)
        answer = fleet.ask(operation, "admin")
        told = f"{operation.method} {operation.path}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code not in (401, 403), told
        assert answer.status_code != 404 or operation.path.endswith("clips.m3u8"), told
        if answer.status_code >= 400:
            assert_is_problem(fleet, operation, answer)
        else:
            assert str(answer.status_code) in operation.described["responses"], told


def await_thumb(fleet: Fleet, operation: Operation) -> None:
    """Wait for the clip, which has been asked for again, and from which the picture comes."""
    until(lambda: fleet.ask(operation, "admin").status_code == 200)


def newest_job(fleet: Fleet) -> str:
    headers = {"Authorization": f"Bearer {fleet.secrets['admin']}"}
    listed = httpx.get(f"{fleet.address}/api/v1/jobs", headers=headers, timeout=60, verify=TRUST).json()
    jobs = [each["job"] for each in listed]
    return next(str(job["id"]) for job in jobs if str(job["segment"]) == fleet.names["segment_id"])


def test_the_description_is_valid_and_complete(fleet: Fleet) -> None:
    validate(dict(fleet.document))
    for operation in fleet.operations:
        name = f"{operation.method} {operation.path}"
        if operation.path not in PUBLIC:
            assert operation.described["security"] == [{"token": []}, {"session": []}], name
        for status, described in operation.described["responses"].items():
            for media_type, content in described.get("content", {}).items():
                if "json" in media_type:
                    assert_examples_fit(fleet, f"{name} {status}", content)


def assert_examples_fit(fleet: Fleet, name: str, content: Mapping[str, Any]) -> None:
    examples = [content["example"]] if "example" in content else []
    examples += [each["value"] for each in content.get("examples", {}).values()]
    assert examples, f"{name}: has no example"
    schema = {**content.get("schema", {}), "components": fleet.document["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    wrong = [
        f"{each.json_path} {each.message}" for example in examples for each in validator.iter_errors(example)
    ]
    assert wrong == [], name


def test_what_a_problem_is_called_explains_it(fleet: Fleet) -> None:
    kinds = {
        example["value"]["type"]
        for operation in fleet.operations
        for described in operation.described["responses"].values()
        for example in described.get("content", {})
        .get("application/problem+json", {})
        .get("examples", {})
        .values()
    }
    assert len(kinds) > 10
    for kind in kinds:
        if kind.startswith("/"):
            explained = httpx.get(fleet.address + kind, timeout=60, verify=TRUST)
            assert (kind, explained.status_code) == (kind, 200)
            assert explained.json()["advice"]


def test_pages_are_for_who_is_logged_in(fleet: Fleet) -> None:
    for path in ("/", "/alerts", "/jobs", "/fleet"):
        answer = httpx.get(fleet.address + path, headers={"Accept": "text/html"}, timeout=60, verify=TRUST)
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            f"/login?next={path.replace('/', '%2F')}",
        )
