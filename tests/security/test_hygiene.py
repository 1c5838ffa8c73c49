"""Keys stay where they belong, nothing runs what it was sent, and logs can be shown to anybody."""

import ast
import base64
import logging
import os
import stat
from collections.abc import Callable, Iterator, MutableMapping
from functools import cache
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud.config import ConfigError
from cloud.private_key import read_private_keys
from cloud.schema import KeyRow
from edge.spool import Spool
from mirage.log import log_to_stderr
from tests.security.device import Edge
from tests.security.forging import Thief
from tests.security.stage import mastered, staged
from tests.security.world import DOOR, World
from wire.bundle import Bundle, BundleError

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("wire", "edge", "cloud", "export", "mirage", "models")

# What runs, or may run, what it reads.
RUNS_WHAT_IT_READS = {
    "pickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "yaml",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}


@cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple(
        (path.relative_to(ROOT), ast.parse(path.read_text("utf-8")))
        for folder in PRODUCT
        for path in sorted((ROOT / folder).rglob("*.py"))
    )


def uses(node: ast.AST) -> set[str]:
    """Give what a node takes from which module, as `module.name`."""
    if isinstance(node, ast.ImportFrom) and node.module:
        return {f"{node.module}.{alias.name}" for alias in node.names}
    return {ast.unparse(node)} if isinstance(node, ast.Attribute) else set()


def keywords(call: ast.Call) -> dict[str, object]:
    return {
        word.arg: word.value.value
        for word in call.keywords
        if word.arg is not None and isinstance(word.value, ast.Constant)
    }


@cache
def calls() -> tuple[tuple[str, str, ast.Call], ...]:
    return tuple(
        (f"{path}:{node.lineno}", ast.unparse(node.func), node)
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    )


def test_nothing_in_the_product_runs_what_it_reads() -> None:
    found = {
        f"{path}: {name}"
        for path, tree in sources()
        for node in ast.walk(tree)
        for name in uses(node) - {"pickle.UnpicklingError"}  # what torch raises for what is no tensor
        if name.split(".")[0] in RUNS_WHAT_IT_READS
    }
    assert found == set()


def test_nothing_in_the_product_evaluates_text() -> None:
    assert [place for place, name, _ in calls() if name in CALLS] == []


def test_no_array_file_is_read_that_may_hold_objects() -> None:
    assert [place for place, _, call in calls() if keywords(call).get("allow_pickle")] == []
    loads = [(place, keywords(call)) for place, name, call in calls() if name == "torch.load"]
    assert [place for place, words in loads if words.get("weights_only") is not True] == []


def test_no_shell_is_given_a_command() -> None:
    assert [place for place, name, call in calls() if keywords(call).get("shell")] == []
    assert [place for place, name, _ in calls() if name in {"os.system", "os.popen"}] == []


def test_no_certificate_goes_unchecked() -> None:
    weak = {"ssl._create_unverified_context", "ssl.wrap_socket"}
    assert [place for place, name, _ in calls() if name in weak or name.endswith(".tls_insecure_set")] == []
    assert [place for place, _, call in calls() if keywords(call).get("verify") is False] == []
    names = {node.attr for _, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"CERT_NONE", "CERT_OPTIONAL", "check_hostname"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_cloud_key_that_others_may_read_is_not_used(world: World, tmp_path: Path, mode: int) -> None:
    path = tmp_path / "cloud.key"
    path.write_bytes(world.cloud_key_file.read_bytes())
    path.chmod(mode)
    with pytest.raises(ConfigError, match="can be read by others"):
        read_private_keys([str(path)], None)


def test_packets_and_secrets_on_disk_are_for_their_owner_only(world: World, tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        spool = Spool(tmp_path / "spool.db")
        spool.append(0, "door", b"\x02\x00\x00\x01\x81\x01x")
        with staged(world, tmp_path / "stage"):
            files = [*tmp_path.glob("spool.db*"), *(tmp_path / "stage").glob("store.db*")]
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
        spool.close()
    finally:
        os.umask(previous)
    assert {"spool.db", "spool.db-wal", "store.db"} <= modes.keys()
    del modes["spool.db.reserve"]  # zeros
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}


def test_a_model_file_that_was_changed_is_not_loaded(world: World, tmp_path: Path) -> None:
    for source in world.bundle.rglob("*"):
        if source.is_file():
            target = tmp_path / source.relative_to(world.bundle)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    for name in ("text/tables.npz", "captioner/encoder.onnx"):
        file = tmp_path / name
        whole = file.read_bytes()
        file.write_bytes(bytes((*whole[:-1], whole[-1] ^ 1)))
        with pytest.raises(BundleError, match=name):
            Bundle.load(tmp_path, "both")
        file.write_bytes(whole)


def spellings(secret: bytes) -> list[str]:
    """Write a secret in all ways in which a log may show it."""
    texts = [
        secret.hex(),
        secret.hex(":"),
        base64.b64encode(secret).decode(),
        base64.urlsafe_b64encode(secret).decode(),
    ]
    return [*(text.rstrip("=") for text in texts), repr(secret)[2:-1], str(list(secret))[1:-1]]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Log everything, that of libraries too; gives a function that reads it."""
    lines = list[str]()

    def keep(_logger: object, _level: str, event: MutableMapping[str, object]) -> str:
        lines.append(repr(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    with caplog.at_level(logging.DEBUG):
        yield lambda: "\n".join(lines) + caplog.text
    structlog.reset_defaults()


def test_no_secret_gets_into_the_logs(world: World, tmp_path: Path, logged: Callable[[], str]) -> None:
    with staged(world, tmp_path / "stage") as stage, mastered(stage) as master, stage.ingesting():
        door = Edge(world, stage.broker.port, DOOR, tmp_path)
        with door.connected():
            door.say(3)
            door.delivered()
            assert stage.answer(stage.ask(door))[0] == "answered"
            (ack, *_) = master.recorded(DOOR.ack)
            master.flood(DOOR.ack, (ack[:-1], b"{}"))
            master.flood(DOOR.sem("door"), (ack, b"{}"))
            master.flood(DOOR.birth, (b"{}", master.recorded(DOOR.birth)[0].replace(b"640", b"641")))
            door.say()
            door.delivered()
        thief = Thief(world, DOOR, stage.facts().births[DOOR.device, door.boot_hex] or b"")
        with stage.store.read() as session:
            secrets = [row.secret for row in session.query(KeyRow)]
        door.close()
    text = logged()
    assert "uplink is up" in text
    assert "message is not opened" in text
    device_scalar = door.device_key.private_key.private_numbers().private_value.to_bytes(32, "big")
    cloud_raw = world.cloud_key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    for secret in (*secrets, *thief.keys, device_scalar, cloud_raw):
        assert not [spelling for spelling in spellings(secret) if spelling in text]
    assert "door 0" not in text  # of a packet


def test_a_traceback_in_the_log_shows_no_variable(capfd: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(verbose=True)
    try:
        secret = os.urandom(32)
        try:
            _fail_with(secret)
        except ValueError:
            structlog.get_logger().exception("crashed")
    finally:
        structlog.reset_defaults()
    shown = capfd.readouterr().err
    assert "crashed" in shown
    assert "_fail_with" in shown
    assert not [text for text in spellings(secret) if text in shown]


def _fail_with(secret: bytes) -> None:
    raise ValueError(f"{len(secret)} bytes")
