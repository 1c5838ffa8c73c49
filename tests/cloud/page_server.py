"""Runs the cloud of a settings file in a process of its own, with the renderer of the tests.

Usage: python -m tests.cloud.page_server cloud.toml; ends when its standard input does.
"""

import sys
import threading
from pathlib import Path

from cloud.config import load
from cloud.run import run
from tests.cloud.sample import MeanRenderer


def main() -> None:
    stop = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=watch, name="watch", daemon=True).start()
    run(load(Path(sys.argv[1])), stop, load=lambda _bundle, _threads: MeanRenderer())


if __name__ == "__main__":
    main()
