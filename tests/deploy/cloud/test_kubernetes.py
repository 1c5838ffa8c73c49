"""Files for a cluster: by Kubernetes' own schemas, by Ray's own reading, and against images and command line.

No cluster runs them here. Of custom resources (Ray's, KEDA's) there is no schema in a package: Ray's fields
are written down below, and what they embed is checked as what it is.
"""

import base64
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay import autoscaling_config

from cloud.config import Broker as BrokerSettings
from cloud.config import BundlePaths, Config, load
from cloud.metrics.collected import StoreCollector
from cloud.store import Store
from cloud.usage.budgets import Budgets
from tests.deploy.cloud.commands import config_of, understood
from tests.deploy.cloud.compose import CLOUD, ROOT, services
from tests.deploy.cloud.services import bootstrap
from tests.prometheus import promtool

VERSION = "1.34"
Document = dict[str, Any]
# KubeRay 1.4, ray.io/v1: docs/reference/api.md of ray-project/kuberay
RAY_CLUSTER = {
    "rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs",
    "suspend", "managedBy", "headServiceAnnotations", "gcsFaultToleranceOptions",
}  # fmt: skip
RAY_AUTOSCALER = {
    "resources", "image", "imagePullPolicy", "securityContext", "idleTimeoutSeconds", "upscalingMode",
    "version", "env", "envFrom", "volumeMounts",
}  # fmt: skip
RAY_HEAD = {"template", "headService", "enableIngress", "rayStartParams", "serviceType"}
RAY_WORKER = {
    "groupName", "replicas", "minReplicas", "maxReplicas", "idleTimeoutSeconds", "rayStartParams", "template",
    "scaleStrategy", "numOfHosts", "suspend",
}  # fmt: skip


def documents(name: str) -> list[Document]:
    text = (CLOUD / name).read_text("utf-8")
    return list(yaml.safe_load_all(text))


OURS = [*documents("kubernetes/mirage.yaml"), *documents("kuberay.yaml")]
CORE = [each for each in OURS if not each["apiVersion"].startswith("ray.io")]
(RAY,) = [each for each in OURS if each["kind"] == "RayCluster"]
(SCALED,) = documents("kubernetes/keda.yaml")
EMQX: Document = yaml.safe_load((CLOUD / "kubernetes" / "emqx-values.yaml").read_text("utf-8"))


def groups() -> list[Document]:
    return [RAY["spec"]["headGroupSpec"], *RAY["spec"]["workerGroupSpecs"]]


def pods() -> Iterator[Document]:
    """Give the templates of all pods."""
    yield from (group["template"] for group in groups())
    yield from (each["spec"]["template"] for each in CORE if "template" in each.get("spec", {}))


def containers() -> list[Document]:
    return [
        container
        for pod in pods()
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"])
    ]


@pytest.mark.parametrize("document", CORE, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_knows_every_field(document: Document) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    wrong = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "label": {}}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_the_ray_clusters_fields_are_those_of_its_resource() -> None:
    spec = RAY["spec"]
    assert set(spec) <= RAY_CLUSTER
    assert set(spec["autoscalerOptions"]) <= RAY_AUTOSCALER
    assert set(spec["headGroupSpec"]) <= RAY_HEAD
    for group in spec["workerGroupSpecs"]:
        assert set(group) <= RAY_WORKER
    for group in groups():
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("group", groups(), ids=lambda each: each.get("groupName", "head"))
def test_the_ray_clusters_pods_are_pods(group: Document) -> None:
    labels = group["template"]["metadata"]["labels"]
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "pod"},
        "spec": {"selector": {"matchLabels": labels}, "template": group["template"]},
    }
    kubernetes_validate.validate(deployment, VERSION, strict=True)


def test_rays_autoscaler_reads_what_each_node_has() -> None:
    read = autoscaling_config._derive_autoscaling_config_from_ray_cr(RAY)  # noqa: SLF001 -- what the operator's autoscaler does
    head, gpu = read["available_node_types"]["headgroup"], read["available_node_types"]["gpu"]
    assert (head["resources"]["CPU"], head["resources"].get("GPU", 0)) == (0, 0)
    assert (gpu["resources"]["CPU"], gpu["resources"]["GPU"]) == (8, 1)
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, 8)


def test_the_ray_in_the_image_is_the_clusters() -> None:
    lock = (CLOUD / "requirements" / "gpu.txt").read_text("utf-8")
    assert f"ray=={RAY['spec']['rayVersion']} " in lock


def test_what_renders_finds_ray_on_its_node() -> None:
    """They share Ray's folder and the memory that frames are handed over in."""
    ray, render = RAY["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    for path in ("/tmp/ray", "/dev/shm"):  # noqa: S108 -- Ray's own
        (one,) = [each["name"] for each in ray["volumeMounts"] if each["mountPath"] == path]
        (other,) = [each["name"] for each in render["volumeMounts"] if each["mountPath"] == path]
        assert one == other


@pytest.mark.parametrize("container", containers(), ids=lambda each: each["name"])
def test_a_container_is_confined(container: Mapping[str, Any]) -> None:
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"]
    assert not context["allowPrivilegeEscalation"]
    assert {"requests", "limits"} <= set(container["resources"])


def test_pods_run_as_the_images_user_and_mount_what_they_have() -> None:
    for pod in pods():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"]
        assert context["runAsUser"] == context["fsGroup"] == 10001
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_images_are_those_that_are_built() -> None:
    built = {service["image"] for service in services().values() if "build" in service}
    gpu = yaml.safe_load((CLOUD / "compose.gpu.yaml").read_text("utf-8"))["services"]["render"]["image"]
    assert {container["image"] for container in containers()} <= {*built, gpu}


def test_what_pods_run_are_commands_of_ours(tmp_path: Path) -> None:
    found = [each["command"] for each in containers() if each.get("command", [""])[0] == "mirage"]
    assert sorted(understood(words, tmp_path / "cloud.toml").split()[1] for words in found) == [
        "broker-sync", "derive", "ingest", "registrar", "render", "render", "serve",
    ]  # fmt: skip
    assert {config_of(words) for words in found} == {"/etc/mirage/cloud.toml"}


def test_every_secret_is_explained() -> None:
    text = (CLOUD / "kubernetes" / "mirage.yaml").read_text("utf-8")
    header = text.partition("apiVersion")[0]
    named = re.findall(r"secretName: (mirage-\w+)|secretRef: \{ name: ([\w-]+)", text)
    secrets = {one or other for one, other in named} - {"mirage-site"}
    assert [name for name in secrets if f"#   {name} " not in header] == []


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> dict[str, dict[str, bytes]]:
    """Make them as the README says: bootstrap, then the script that prints them."""
    state = tmp_path_factory.mktemp("pki")
    done = bootstrap(state, BROKER="emqx:8883", DATABASE_OPTIONS="?sslmode=require", BUNDLES=str(tiny))
    assert done.returncode == 0, done.stderr
    script = str(CLOUD / "kubernetes" / "secrets")
    printed = subprocess.run([script, str(state)], capture_output=True, text=True, check=True).stdout
    found = list(yaml.safe_load_all(printed))
    for each in found:
        kubernetes_validate.validate(each, VERSION, strict=True)
    return {
        each["metadata"]["name"]: {key: base64.b64decode(value) for key, value in each["data"].items()}
        for each in found
    }


def test_each_pod_finds_its_settings_and_what_they_name(
    secrets: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    for secret, entries in secrets.items():
        (tmp_path / secret).mkdir()
        for name, content in entries.items():
            (tmp_path / secret / name).write_bytes(content)
    config = load(tmp_path / "mirage-cloud" / "cloud.toml")
    assert config.store.url.endswith("@postgres:5432/mirage?sslmode=require")
    for number in (1, 2):
        broker = load(tmp_path / "mirage-ingest" / f"ingest-{number}.toml").broker
        assert broker.address == ("emqx", 8883)
        assert broker.group
    (ingest,) = [each for each in CORE if each["kind"] == "StatefulSet"]
    assert (ingest["spec"]["ordinals"], ingest["spec"]["replicas"]) == ({"start": 1}, 2)
    settings = load(tmp_path / "mirage-lists" / "cloud.toml").enrolment
    assert settings is not None
    named = (settings.ca, settings.key, settings.revoked, settings.cloud_key)
    for file in (*named, settings.certificate, settings.certificate_key):
        assert Path(str(file)).is_file()
        assert Path(str(file)).parent == tmp_path / "mirage-lists"


def test_secrets_of_a_folder_that_is_none_are_refused(tmp_path: Path) -> None:
    script = str(CLOUD / "kubernetes" / "secrets")
    done = subprocess.run([script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "bootstrap" in done.stderr


def test_the_scaler_scales_what_there_is_and_asks_for_numbers_that_there_are(tmp_path: Path) -> None:
    target = SCALED["spec"]["scaleTargetRef"]["name"]
    (scaled,) = [each for each in CORE if each["metadata"]["name"] == target]
    assert scaled["kind"] == "Deployment"
    assert "replicas" not in scaled["spec"], "kubectl apply would undo what KEDA did"
    store = Store(f"sqlite:///{tmp_path}/store.db")
    config = Config(BrokerSettings("127.0.0.1"), BundlePaths(("bundle",)))
    shown = {
        metric.name: {label for sample in metric.samples for label in sample.labels}
        for metric in StoreCollector(store, config, Budgets(store, config.usage)).collect()
    }
    store.close()
    queries = [trigger["metadata"]["query"] for trigger in SCALED["spec"]["triggers"]]
    for query in queries:
        (name,) = re.findall(r"mirage_\w+", query)
        assert set(re.findall(r'(\w+)=~?"', query)) <= shown[name]
    rules = [{"record": f"q{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "keda", "rules": rules}]}))
    assert "SUCCESS" in promtool("check", "rules", "rules.yml", folder=tmp_path)


def test_emqx_lets_in_whom_mosquitto_lets_in() -> None:
    config = EMQX["emqxConfig"]
    ssl = "EMQX_LISTENERS__SSL__DEFAULT__SSL_OPTIONS__"
    assert (config[f"{ssl}VERIFY"], config[f"{ssl}FAIL_IF_NO_PEER_CERT"]) == ("verify_peer", "true")
    assert config["EMQX_MQTT__PEER_CERT_AS_USERNAME"] == config["EMQX_MQTT__PEER_CERT_AS_CLIENTID"] == "cn"
    assert config["EMQX_AUTHORIZATION__NO_MATCH"] == "deny"
    for kind in ("TCP", "WS", "WSS"):
        assert config[f"EMQX_LISTENERS__{kind}__DEFAULT__ENABLE"] == "false"
    (volume,) = EMQX["extraVolumes"]
    (mount,) = EMQX["extraVolumeMounts"]
    assert volume["name"] == mount["name"]
    for file in ("CACERTFILE", "CERTFILE", "KEYFILE"):
        assert config[f"{ssl}{file}"].startswith(f"{mount['mountPath']}/")
    assert all(isinstance(value, str) for value in config.values())


@pytest.mark.parametrize(
    ("emqx", "mosquitto"),
    [("MAX_TOPIC_ALIAS", "max_topic_alias"), ("MAX_INFLIGHT", "max_inflight_messages"),
     ("MAX_MQUEUE_LEN", "max_queued_messages")],
)  # fmt: skip
def test_emqx_has_mosquittos_limits(emqx: str, mosquitto: str) -> None:
    text = (ROOT / "deploy" / "broker" / "mosquitto.conf").read_text("utf-8")
    (value,) = re.findall(rf"^{mosquitto} (\d+)$", text, re.MULTILINE)
    assert EMQX["emqxConfig"][f"EMQX_MQTT__{emqx}"] == value
    assert EMQX["emqxConfig"]["EMQX_MQTT__MAX_PACKET_SIZE"] == "68KB"
    assert "max_packet_size 69632" in text
