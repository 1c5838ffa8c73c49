"""Sessions: on what is there, and one line about a graph that cannot be loaded."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.graph import ModelError
from edge.runtime import Runtime


def test_a_graph_is_opened_on_a_provider_that_exists(tiny: Path) -> None:
    graph = Runtime(threads=1).open(tiny / "sender" / "encoder_model.onnx")
    assert graph.provider == "CPUExecutionProvider"
    assert list(graph.inputs) == ["pixel_values"]


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_what_is_no_graph_is_an_error_of_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with capture_logs(), pytest.raises(ModelError, match=r"bad\.onnx: cannot be loaded") as caught:
        Runtime().open(tmp_path / "bad.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_graph_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        Runtime().open(tmp_path / "gone.onnx")
