"""Who may import whom. The folders are the architecture; this keeps it true."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT: dict[str, set[str]] = {
    "wire": set(),
    "edge": {"wire"},
    "cloud": {"wire"},
    "models": set(),
    "export": {"models", "wire"},
    "mirage": {"edge", "cloud", "export", "wire"},
}


def imported_modules(source: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_folder_imports_only_what_it_may(folder: str) -> None:
    allowed = MAY_IMPORT[folder] | {folder}
    for source in (ROOT / folder).rglob("*.py"):
        assert imported_modules(source) & MAY_IMPORT.keys() <= allowed, source


@pytest.mark.parametrize("folder", ["wire", "edge", "cloud", "mirage"])
def test_nothing_that_a_user_runs_needs_torch_at_import(folder: str) -> None:
    for source in (ROOT / folder).rglob("*.py"):
        assert "torch" not in imported_modules(source) or folder == "cloud", source


def test_the_command_line_loads_neither_torch_nor_opencv() -> None:
    code = "import sys, mirage.cli; print(sorted({'torch', 'cv2', 'onnxruntime'} & sys.modules.keys()))"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
