"""What TensorRT would refuse, found before a device does."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from export.graph_file import GraphError
from export.operators import parser, tensorrt_problems


def _value(name: str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [4])


def _saved(path: Path, nodes: list[onnx.NodeProto], *, opset: int = 18, output: str = "y") -> Path:
    inputs = [_value("x"), _value("flag", TensorProto.BOOL)]
    graph = helper.make_graph(nodes, "graph", inputs, [_value(output)])
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains), str(path))
    return path


def _branch(name: str, nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [_value(f"{name}_y")])


def test_a_graph_of_known_operators_has_no_problems(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Softmax", ["r"], ["y"])]
    assert tensorrt_problems(_saved(tmp_path / "g.onnx", nodes)) == []


def test_an_unknown_operator_is_named_with_its_count_and_first_node(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["a", "b", "c"], name="first"),
        helper.make_node("DynamicQuantizeLinear", ["x"], ["d", "e", "f"], name="second"),
        helper.make_node("DequantizeLinear", ["a", "b", "c"], ["y"]),
    ]
    problems = tensorrt_problems(_saved(tmp_path / "g.onnx", nodes))
    assert problems == ["operator DynamicQuantizeLinear is not known: 2 nodes, first first"]


def test_operators_inside_branches_are_seen(tmp_path: Path) -> None:
    then = _branch("then", [helper.make_node("Relu", ["x"], ["then_y"])])
    inner = helper.make_node(
        "If", ["flag"], ["else_y"],
        then_branch=_branch("deep", [helper.make_node("Det", ["x"], ["deep_y"], name="buried")]),
        else_branch=_branch("shallow", [helper.make_node("Relu", ["x"], ["shallow_y"])]),
    )  # fmt: skip
    node = helper.make_node("If", ["flag"], ["y"], then_branch=then, else_branch=_branch("else", [inner]))
    problems = tensorrt_problems(_saved(tmp_path / "g.onnx", [node]))
    assert problems == ["operator Det is not known: 1 nodes, first buried"]


def test_a_node_without_a_name_is_named_by_what_it_gives(tmp_path: Path) -> None:
    problems = tensorrt_problems(_saved(tmp_path / "g.onnx", [helper.make_node("Unique", ["x"], ["y"])]))
    assert problems == ["operator Unique is not known: 1 nodes, first the one that gives y"]


def test_operators_of_other_domains_are_refused_whatever_their_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"], domain="com.microsoft", name="n")]
    problems = tensorrt_problems(_saved(tmp_path / "g.onnx", nodes))
    assert problems == ["operator com.microsoft.Relu is not ONNX's own: 1 nodes, first n"]


def test_cubic_resizing_is_refused_and_linear_is_not(tmp_path: Path) -> None:
    def resize(mode: str) -> list[onnx.NodeProto]:
        return [helper.make_node("Resize", ["x", "", "x"], ["y"], mode=mode, name="r")]

    assert tensorrt_problems(_saved(tmp_path / "l.onnx", resize("linear"))) == []
    (problem,) = tensorrt_problems(_saved(tmp_path / "c.onnx", resize("cubic")))
    assert "cubic" in problem


def test_a_newer_opset_is_a_problem(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    newest = parser().opset
    assert tensorrt_problems(_saved(tmp_path / "old.onnx", nodes, opset=newest)) == []
    (problem,) = tensorrt_problems(_saved(tmp_path / "new.onnx", nodes, opset=newest + 1))
    assert problem == f"opset {newest + 1} is newer than {newest}"


def test_the_list_has_what_the_parser_takes_and_nothing_that_it_refuses() -> None:
    names = parser().operators
    assert {"MatMul", "Conv", "LayerNormalization", "QuantizeLinear", "DequantizeLinear", "If"} <= names
    refused = {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "QLinearConv", "Attention", "STFT"}
    assert not refused & names
    assert len(names) == 147  # marked Y in the table of that edition


def test_every_listed_operator_is_one_of_onnx_but_for_three_of_its_past() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain in {"", "ai.onnx"}}
    assert parser().operators - known == {"ImageScaler", "ParametricSoftplus", "ScaledTanh"}


@pytest.mark.parametrize("content", [None, b"", b"not a graph"])
def test_what_is_no_graph_is_an_error_that_names_the_file(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "g.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GraphError, match=r"g\.onnx"):
        tensorrt_problems(path)
