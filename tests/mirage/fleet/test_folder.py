"""Where a simulation keeps its files."""

from pathlib import Path

import pytest

from mirage.errors import InputError
from mirage.fleet.simulate import folder_for


def test_what_an_earlier_simulation_left_is_removed(tmp_path: Path) -> None:
    for _ in range(2):
        with folder_for(tmp_path / "run") as folder:
            assert not (folder / "store.db").exists()
            (folder / "store.db").touch()


def test_nobody_elses_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("seven years")
    with pytest.raises(InputError, match="is not empty, and not of a simulation"), folder_for(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "seven years"


def test_without_a_name_it_is_gone_afterwards() -> None:
    with folder_for(None) as folder:
        assert folder.is_dir()
    assert not folder.exists()
