"""Sessions: on what is there, and one line about a graph that cannot be loaded."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.runtime import ModelError, open_session


def test_a_graph_is_opened_on_a_provider_that_exists(tiny: Path) -> None:
    session = open_session(tiny / "sender" / "encoder_model.onnx", threads=1)
    assert session.get_providers()[-1] == "CPUExecutionProvider"
    assert [item.name for item in session.get_inputs()] == ["pixel_values"]


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_what_is_no_graph_is_an_error_of_one_line_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with capture_logs(), pytest.raises(ModelError, match=r"bad\.onnx: cannot be loaded") as caught:
        open_session(tmp_path / "bad.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_graph_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        open_session(tmp_path / "gone.onnx")
