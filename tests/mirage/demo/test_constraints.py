"""One file of constraints becomes what agent and cloud are told."""

from pathlib import Path

import pytest

from edge import config as edge_config
from mirage.demo.constraints import Constraints, inline, read_constraints
from mirage.demo.setup import Setup
from wire import toml
from wire.policy import PolicyError

EXAMPLES = Path(__file__).parents[3] / "examples" / "constraints"


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.toml")))
def test_the_examples_are_settings_of_an_agent_and_a_cloud(name: str, tmp_path: Path, tiny: Path) -> None:
    from cloud import config as cloud_config

    constraints = read_constraints(EXAMPLES / name)
    setup = Setup("door.mp4", tiny, tmp_path, constraints=constraints)
    setup.enrol()
    device, cloud = edge_config.load(setup.write_edge(1883)), cloud_config.load(setup.write_cloud(1883, 8080))
    assert device.network.bytes_per_s == constraints.bytes_per_s == 62.5
    assert device.sender.faces == "redact"
    assert device.sender.zones
    assert device.sender.receiver.largest_px == 512
    assert (cloud.receiver.long_side_px, cloud.receiver.style_prompt) == (512, "oil painting")


@pytest.mark.parametrize(
    "text",
    [
        'name = "a \\"quoted\\" \\u00e4 word"',
        "box = [0.5, 1, -2]",
        'zones = [{ box = [0.0, 0.5] }, { points = [[0, 1], [1, 1]], see = "only" }]',
        "yes = true\nno = false",
        '[table]\nkey = 1\n[[many]]\nname = "a"\n[[many]]\nname = "b"',
    ],
)
def test_what_is_written_is_what_was_read(text: str) -> None:
    read = toml.parse(text.encode(), "a")
    written = "".join(f"{key} = {inline(value)}\n" for key, value in read.items())
    assert toml.parse(written.encode(), "b") == read


def test_a_mistake_is_told_with_the_file_the_table_and_the_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[network]\nbytes_per_sec = 1\n")
    with pytest.raises(PolicyError, match=r"mine\.toml: \[network\] has no key 'bytes_per_sec'.*bytes_per_s"):
        read_constraints(path)


def test_without_tables_nothing_is_added(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert read_constraints(path) == Constraints()
