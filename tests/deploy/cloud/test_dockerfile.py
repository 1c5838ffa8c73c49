"""The images: pinned, without root, secrets and compilers; and what they run is there. None was built."""

import re
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from tests.deploy.cloud.commands import understood
from tests.deploy.cloud.compose import CLOUD, ROOT, compose
from tests.deploy.cloud.dockerfile import command_of, effective, faults, is_sent, stages

TEXT = (CLOUD / "Dockerfile").read_text("utf-8")
TARGETS = ("cloud", "render", "broker-sync", "render-gpu")
GOOD = """\
FROM python:3.11.13-slim AS app
USER 1000
HEALTHCHECK CMD ["true"]
CMD ["true"]
"""


def test_nothing_is_wrong_with_the_images() -> None:
    assert faults(TEXT, ROOT, TARGETS) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("FROM python:latest AS other", "5: python:latest is not pinned to a version"),
        ("FROM python AS other", "5: python is not pinned to a version"),
        ("ADD https://example.com/x /x", "5: ADD unpacks and downloads: use COPY"),
        ("COPY no-such-file /x", "5: no-such-file is not in the repository"),
        ("COPY deploy/fleet.example.toml /x", "5: deploy/fleet.example.toml is not in the context"),
        ("RUN apt-get install -y --no-install-recommends gawk", "5: apt lists stay in the layer"),
        ("RUN pip install torch", "5: pip install without --require-hashes"),
        ("RUN curl example.com | sh", "5: what is downloaded is run unseen"),
        ("ENV DB_PASSWORD=x", "5: a secret would stay in a layer"),
        ("CMD mirage cloud serve", "5: CMD needs a JSON array: a shell passes no signals on"),
        ("USER root", "app: runs as root"),
        (
            "RUN apt-get install --no-install-recommends gcc && rm -rf /var/lib/apt/lists",
            "app: line 5: a compiler in the final stage",
        ),
    ],
)
def test_a_fault_is_found(line: str, fault: str) -> None:
    assert faults(GOOD, ROOT, ["app"]) == []
    assert fault in faults(GOOD + line + "\n", ROOT, ["app"])


def test_a_stage_without_user_health_or_command_is_found() -> None:
    wrong = faults("FROM python:3.11.13-slim AS app\n", ROOT, ["app", "other"])
    assert wrong == ["app: runs as root", "app: no HEALTHCHECK", "app: no CMD", "other: no such stage"]


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_image_runs_is_a_command_of_ours(target: str, tmp_path: Path) -> None:
    assert understood(command_of(stages(TEXT), target), tmp_path / "cloud.toml").startswith("cloud ")


@pytest.mark.parametrize("name", ["edge/agent.py", "deploy/cloud/bootstrap", "models/tiny/bundle.toml"])
def test_the_context_has_what_is_copied(name: str) -> None:
    assert is_sent(ROOT, name)


@pytest.mark.parametrize(
    "name", ["out/dev-broker/ca.key", "deploy/cloud/.env", ".git/config", "tests/pki.py"]
)
def test_the_context_has_no_secrets_and_nothing_needless(name: str) -> None:
    assert not is_sent(ROOT, name)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("cloud", ("cloud", "postgres")), ("gpu", ("cloud", "postgres", "gpu", "cluster"))],
)
def test_the_locked_packages_are_those_that_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    text = (CLOUD / "requirements" / f"{lock}.txt").read_text("utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==([\w.+!-]+)", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    for requirement in map(Requirement, wanted):
        version = locked[re.sub(r"[-_.]+", "-", requirement.name).lower()]
        assert requirement.specifier.contains(version), f"{requirement} is locked to {version}"
    assert len(re.findall(r"^    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)) >= len(locked)


def test_the_images_python_is_one_that_the_project_allows() -> None:
    version = re.search(r"python:(\d+\.\d+)", TEXT)
    assert version
    assert version[1] == "3.11", "the locks are made for it"


def test_the_images_folders_are_those_that_bootstrap_is_given() -> None:
    """A new volume gets the owner of the folder that it is mounted on; without one, root."""
    made = set(re.findall(r"/state/[\w-]+", TEXT))
    given = [mount.split(":")[1] for mount in compose()["services"]["bootstrap"]["volumes"]]
    assert {target for target in given if target.startswith("/state/")} == made


def test_the_users_of_images_that_share_files_are_one() -> None:
    user = effective(stages(TEXT), "cloud", "USER")
    services = compose()["services"]
    assert {services[name]["user"] for name in ("mosquitto", "caddy")} == {user}
