"""Keeps libraries from talking between a command and its reader while models are loaded and traced.

What they warn of is known: exporters trace on purpose, and what comes out is compared with PyTorch.
"""

import contextlib
import logging
import warnings
from collections.abc import Iterator

_TALKATIVE = ("transformers", "optimum", "diffusers", "torch.onnx", "root")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, and what is below an error in these libraries' logs, while the body runs."""
    loggers = [logging.getLogger(None if name == "root" else name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
