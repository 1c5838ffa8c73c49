"""The threat model names a test for each claim: all of them exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MODEL = ROOT / "docs" / "threat-model.md"
_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named() -> list[tuple[str, str | None]]:
    return sorted({(found[1], found[2]) for found in _NAMED.finditer(MODEL.read_text("utf-8"))}, key=str)


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "test"), named())
def test_a_test_that_the_threat_model_names_exists(file: str, test: str | None) -> None:
    assert (ROOT / file).is_file()
    assert test is None or test in names_in(ROOT / file)


def test_every_attack_is_in_the_threat_model() -> None:
    text = MODEL.read_text("utf-8")
    missing = {
        path.name
        for path in (ROOT / "tests" / "security").glob("test_*.py")
        if path.name != Path(__file__).name and path.name not in text
    }
    assert missing == set()
