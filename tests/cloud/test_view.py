"""A visitor's page: what goes while it is looked at is told, and the page lives on."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_a_camera_that_goes_while_a_link_to_it_is_followed_is_told(tmp_path: Path) -> None:
    arguments = (sys.executable, "-m", "tests.cloud.losing_page", str(tmp_path))
    ended = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
