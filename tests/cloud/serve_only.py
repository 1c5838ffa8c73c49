"""Serves API and page of a settings file in a process of its own, over a store that nothing else changes.

Usage: python -m tests.cloud.serve_only cloud.toml; ends when its standard input does.
"""

import atexit
import gc
import sys
import threading
from pathlib import Path

from cloud.config import load
from cloud.run import run


def main() -> None:
    atexit.register(gc.freeze)  # an end without a last search for garbage
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    run(load(Path(sys.argv[1])), stop, roles=frozenset({"serve"}))


if __name__ == "__main__":
    main()
