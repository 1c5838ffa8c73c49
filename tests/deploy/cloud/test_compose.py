"""compose.yaml: by the specification's schema, against the repository, the settings and the command line.

No engine runs it here; test_bootstrap.py runs what its services run, without containers.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cloud.metrics.exposition import ROLE_PORTS
from tests.deploy.cloud.commands import NoCommandError, config_of, is_command, understood
from tests.deploy.cloud.compose import CLOUD, NAMES, ROOT, compose, mounts, services
from tests.prometheus import promtool

SCHEMA = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text("utf-8"))
OURS = sorted(name for name, service in services().items() if "build" in service)
ALL = sorted(services())
ROLES = ["derive", "ingest-1", "ingest-2", "render", "serve"]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_files_are_as_the_specification_has_them(name: str) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(compose(name))


def test_a_key_that_the_specification_does_not_know_is_found() -> None:
    wrong = compose()
    wrong["services"]["serve"]["restarts"] = "always"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(wrong)


@pytest.mark.parametrize("variable", NAMES)
def test_what_must_be_said_is_asked_for(variable: str) -> None:
    text = (CLOUD / "compose.yaml").read_text("utf-8")
    assert f"${{{variable}:?" in text
    assert re.search(rf"^{variable}=", (CLOUD / "env.example").read_text("utf-8"), re.MULTILINE)


def test_every_variable_is_explained() -> None:
    text = (CLOUD / "compose.yaml").read_text("utf-8")
    explained = (CLOUD / "env.example").read_text("utf-8")
    assert [name for name in set(re.findall(r"\$\{(\w+)", text)) if f"{name}=" not in explained] == []


@pytest.mark.parametrize("name", ALL)
def test_a_service_is_confined(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "mem_limit", "pids_limit"} <= set(service)
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert "privileged" not in service
    assert service.get("user", "10001:10001") not in ("root", "0", "0:0")
    assert not any("docker.sock" in mount.source for mount in mounts(service))


@pytest.mark.parametrize("name", ALL)
def test_a_service_comes_back_unless_it_is_done_once(name: str) -> None:
    once = {"bootstrap", "broker-lists"}
    assert services()[name]["restart"] == ("no" if name in once else "unless-stopped")


def test_images_of_others_are_pinned() -> None:
    for name, service in services().items():
        assert re.search(r":v?\d+\.\d+(\.\d+)?[\w.-]*$", service["image"]), name


@pytest.mark.parametrize("name", ALL)
def test_what_is_mounted_exists(name: str) -> None:
    volumes = compose()["volumes"]
    for mount in mounts(services()[name]):
        if mount.is_file:
            assert (CLOUD / mount.source).exists(), mount
            assert mount.read_only, mount
        else:
            assert mount.source in volumes, mount


def test_only_broker_and_proxy_can_be_reached_from_elsewhere() -> None:
    published = {
        name: service["ports"]
        for name, service in services().items()
        if "ports" in service and "profiles" not in service
    }
    assert published == {
        "mosquitto": ["8883:8883"],
        "caddy": ["80:8080", "443:8443"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_the_database_and_the_pages_are_in_networks_that_lead_nowhere() -> None:
    networks = compose()["networks"]
    for name in ("postgres", "serve", "prometheus", *ROLES):
        assert all(networks[network]["internal"] for network in services()[name]["networks"]), name


def test_only_who_certifies_sees_the_authority() -> None:
    seen = {
        name for name, service in services().items() if any(m.source == "authority" for m in mounts(service))
    }
    assert seen == {"bootstrap", "broker-lists", "broker-sync", "registrar"}
    seen = {
        name for name, service in services().items() if any(m.source == "secrets" for m in mounts(service))
    }
    assert seen == {"bootstrap"}
    assert services()["bootstrap"]["network_mode"] == "none"


@pytest.mark.parametrize("name", ALL)
def test_what_a_service_waits_for_can_come_true(name: str) -> None:
    known = services()
    for other, wanted in known[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "test" in known[other]["healthcheck"], other
        if wanted["condition"] == "service_completed_successfully":
            assert known[other]["restart"] == "no", other
        assert name not in _ancestors(known, other), f"{name} and {other} wait for each other"


def _ancestors(known: Mapping[str, Any], name: str) -> set[str]:
    found = set(known[name].get("depends_on", {}))
    return found.union(*(_ancestors(known, other) for other in found))


@pytest.mark.parametrize("name", [name for name in OURS if name != "bootstrap"])
def test_what_a_service_runs_is_a_command_of_ours(name: str, tmp_path: Path) -> None:
    service = services()[name]
    found = understood(service["command"], tmp_path / "cloud.toml")
    assert found.startswith("cloud "), found
    config = config_of(service["command"])
    folder = str(Path(config or "/").parent)
    assert folder in [mount.target for mount in mounts(service)], "its settings are mounted"


def test_the_readme_names_commands_services_and_files_that_there_are() -> None:
    text = (CLOUD / "README.md").read_text("utf-8")
    for group, command in re.findall(r"mirage cloud ([a-z-]+)(?: ([a-z]+))?", text):
        assert is_command(group) or is_command(group, command), f"mirage cloud {group} {command}"
    known = services()
    for name in re.findall(r"docker compose (?:exec|run)(?: -T| --rm| --no-deps)* ([a-z][a-z-]+)", text):
        assert name in known, name
    for name in re.findall(r"deploy/cloud/[\w./-]*\w", text):
        assert name == "deploy/cloud/.env" or (ROOT / name).exists(), name


def test_a_command_that_there_is_not_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(NoCommandError):
        understood(["mirage", "cloud", "ingestt"], tmp_path)
    with pytest.raises(Exception, match="No such option"):
        understood(["mirage", "cloud", "ingest", "--no-such"], tmp_path)


@pytest.mark.parametrize("name", ROLES)
def test_the_health_of_a_role_is_that_of_its_metrics(name: str) -> None:
    port = 9464 + ROLE_PORTS[name.partition("-")[0]]
    (url,) = services()[name]["healthcheck"]["test"][2:]
    assert url in (f"http://127.0.0.1:{port}/metrics", "http://127.0.0.1:8080/healthz")


@pytest.mark.parametrize("name", [*ROLES, "broker-sync"])
def test_metrics_are_asked_where_they_are_shown(name: str) -> None:
    role = name if name in ROLE_PORTS else name.partition("-")[0]
    port = 9464 + ROLE_PORTS[role]
    scraped = yaml.safe_load((CLOUD / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    ports = {host: found["port"] for found in scraped[0]["dns_sd_configs"] for host in found["names"]}
    assert ports[name] == port
    assert "metrics" in services()[name]["networks"]


def test_the_lists_know_each_ingest() -> None:
    for name in ("broker-lists", "broker-sync"):
        command = services()[name]["command"]
        assert [word for word in command if word.startswith("--cloud=")] == [
            f"--cloud={ingest}" for ingest in ROLES if ingest.startswith("ingest")
        ]
    count = int(services()["bootstrap"]["environment"]["MIRAGE_INGESTS"])
    assert count == sum(role.startswith("ingest") for role in ROLES)


def test_only_the_proxys_network_is_believed_about_addresses() -> None:
    (config,) = compose()["networks"]["inner"]["ipam"]["config"]
    assert services()["bootstrap"]["environment"]["PROXIES"] == config["subnet"]
    inside = {name for name, service in services().items() if "inner" in service.get("networks", [])}
    assert inside == {"caddy", "serve"}


def test_prometheus_takes_what_is_mounted(tmp_path: Path) -> None:
    for mount in mounts(services()["prometheus"]):
        if mount.is_file:
            shutil.copy(CLOUD / mount.source, tmp_path / Path(mount.target).name)
    said = promtool("check", "config", "--lint-fatal", "prometheus.yml", folder=tmp_path)
    assert "SUCCESS: 1 rule files found" in said


def test_grafana_finds_datasource_and_dashboards() -> None:
    mounted = {mount.target: CLOUD / mount.source for mount in mounts(services()["grafana"]) if mount.is_file}
    prefix = "/etc/grafana/provisioning"
    (source,) = yaml.safe_load(mounted[f"{prefix}/datasources/mirage.yml"].read_text("utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load(mounted[f"{prefix}/dashboards/mirage.yml"].read_text("utf-8"))["providers"]
    boards = list(mounted[provider["options"]["path"]].glob("*.json"))
    assert len(boards) == 3
    for board in boards:
        variables = json.loads(board.read_text("utf-8"))["templating"]["list"]
        assert any(
            each["type"] == source["type"] or each.get("query") == source["type"] for each in variables
        )


def test_the_proxy_leads_to_where_the_page_is() -> None:
    text = (CLOUD / "Caddyfile").read_text("utf-8")
    assert "reverse_proxy serve:8080" in text
    inside = {port.split(":")[1] for port in services()["caddy"]["ports"]}
    assert inside == set(re.findall(r"https?_port (\d+)", text))


@pytest.mark.parametrize("line", ["", "tls internal"])
def test_caddy_takes_its_settings(line: str, tmp_path: Path) -> None:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("caddy is not installed: apt-get install caddy")
    environment = {**NAMES, "MIRAGE_TLS_LINE": line, "XDG_DATA_HOME": str(tmp_path)}
    command = [program, "validate", "--adapter", "caddyfile", "--config", str(CLOUD / "Caddyfile")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["bootstrap", "kubernetes/secrets"])
def test_scripts_are_clean(script: str) -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not installed: apt-get install shellcheck")
    done = subprocess.run([program, str(CLOUD / script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
