"""The locked wheels are those that pyproject.toml asks for, and none hides what a Jetson brings."""

import re
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

from edge.privacy.detectors import CENTERFACE, PP_OCR
from mirage.deploy.release.platforms import LOCKS, NVIDIAS, ROOT, TARGETS

EXTRAS = {"amd64": ("edge", "cpu"), "arm64": ("edge", "cpu"), "jetpack6": ("edge",), "jetpack7": ("edge",)}


def locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([\w.+!-]+) \\$", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("platform", EXTRAS)
def test_the_locked_wheels_are_those_that_the_project_asks_for(platform: str) -> None:
    found = locked(LOCKS / f"{platform}.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in EXTRAS[platform]:
        wanted += project["optional-dependencies"][extra]
    python = next(target.python for target in TARGETS.values() if target.platform == platform)
    for requirement in map(Requirement, wanted):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            version = found[re.sub(r"[-_.]+", "-", requirement.name).lower()]
            assert requirement.specifier.contains(version), f"{requirement} is locked to {version}"


@pytest.mark.parametrize("platform", EXTRAS)
def test_each_wheel_has_its_hashes_and_no_index_is_named(platform: str) -> None:
    text = (LOCKS / f"{platform}.lock").read_text("utf-8")
    for part in re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", part), part.splitlines()[0]
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("platform", EXTRAS)
def test_the_models_that_redact_are_those_that_the_agent_knows(platform: str) -> None:
    found = locked(LOCKS / f"{platform}.lock")
    for file in (CENTERFACE, PP_OCR):
        assert found[file.package] == file.version


@pytest.mark.parametrize("platform", ["jetpack6", "jetpack7"])
def test_a_jetson_gets_nothing_that_nvidia_built_and_a_numpy_that_it_can_use(platform: str) -> None:
    found = locked(LOCKS / f"{platform}.lock")
    assert not NVIDIAS & found.keys()
    assert not [name for name in found if name.startswith(("opencv", "nvidia", "tensorrt", "onnxruntime"))]
    assert found["numpy"].startswith("1.")


@pytest.mark.parametrize("platform", EXTRAS)
def test_nothing_that_a_device_never_loads_is_locked(platform: str) -> None:
    assert (
        not {"torch", "transformers", "sqlalchemy", "fastapi", "nicegui", "av"}
        & locked(LOCKS / f"{platform}.lock").keys()
    )
