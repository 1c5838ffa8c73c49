"""The engine cache: a key for everything that matters, whole files or none, one builder at a time."""

import errno
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from edge.engine import (
    INDEX,
    MAX_INDEX,
    EngineCache,
    EngineError,
    EngineKey,
    Entry,
    StoredFile,
    graph_sha256,
    written,
)
from edge.gpu import Host
from tests.edge.workshop import HOST, forbid
from wire.golden import PERFECT

KEY = EngineKey("a" * 64, HOST, "fp16", "pixel_values=1:1:1x3:3:3")


def put(folder: Path, key: EngineKey = KEY, content: bytes = b"engine") -> Entry:
    """Install an engine of these bytes."""
    cache = EngineCache(folder)
    with cache.building() as scratch:
        engine = written(scratch, "sender/encoder.onnx", key, content, ".engine")
        wrapper = written(scratch, "sender/encoder.onnx", key, b"runs " + content, ".onnx")
        entry = Entry("sender/encoder.onnx", key, "CPUExecutionProvider", engine, wrapper, PERFECT)
        cache.replace(scratch, entry)
    return entry


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, onnx_sha256="b" * 64),
        replace(KEY, host=replace(HOST, tensorrt="10.3.1")),
        replace(KEY, host=replace(HOST, gpu="Orin Nano")),
        replace(KEY, host=replace(HOST, compute_capability="8.6")),
        replace(KEY, host=replace(HOST, l4t="36.3.0")),
        replace(KEY, precision="fp32"),
        replace(KEY, profile="pixel_values=1:1:4x3:3:3"),
    ],
)
def test_whatever_an_engine_depends_on_changes_its_key(other: EngineKey) -> None:
    assert other.digest() != KEY.digest()


def test_the_key_of_the_same_engine_never_changes() -> None:
    assert replace(KEY).digest() == KEY.digest()
    written_out = (
        '{"host":{"compute_capability":"8.7","gpu":"Orin","l4t":"36.4.0","tensorrt":"10.3.0"},'
        f'"onnx_sha256":"{"a" * 64}","precision":"fp16","profile":"pixel_values=1:1:1x3:3:3"}}'
    )
    assert KEY.digest() == hashlib.sha256(written_out.encode()).hexdigest()


def test_fields_that_run_together_are_still_different_keys() -> None:
    one = replace(KEY, host=Host("10.3.0", "Orin", "8.7", "36.4.0"))
    two = replace(KEY, host=Host("10.3.0", "Orin8.7", "", "36.4.0"))
    assert one.digest() != two.digest()


def test_an_engine_that_was_put_in_is_found_whole(tmp_path: Path) -> None:
    entry = put(tmp_path)
    assert EngineCache(tmp_path).find(KEY.onnx_sha256, HOST) == entry
    assert EngineCache(tmp_path).find("c" * 64, HOST) is None
    assert EngineCache(tmp_path).problems(HOST) == []
    assert names(tmp_path) == sorted([INDEX, entry.engine.name, entry.wrapper.name])


def test_a_new_engine_takes_the_place_of_the_old_and_leaves_others_alone(tmp_path: Path) -> None:
    old = put(tmp_path)
    other = put(tmp_path, replace(KEY, onnx_sha256="b" * 64), b"other")
    new = put(tmp_path, replace(KEY, precision="fp32"), b"newer")
    assert EngineCache(tmp_path).find(KEY.onnx_sha256, HOST) == new
    assert EngineCache(tmp_path).find("b" * 64, HOST) == other
    assert old.engine.name not in names(tmp_path)
    assert len(names(tmp_path)) == 5


@pytest.mark.parametrize("field", ["tensorrt", "gpu", "compute_capability", "l4t"])
def test_an_engine_of_another_machine_is_refused_by_field(tmp_path: Path, field: str) -> None:
    put(tmp_path)
    here: Host = replace(HOST, **{field: "other"})
    with pytest.raises(EngineError, match=rf"engines\.json: .*encoder\.onnx was built for {field} .*'other'"):
        EngineCache(tmp_path).find(KEY.onnx_sha256, here)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:3]), r"engine\.bytes is 3, engines\.json says 6"),
        (lambda path: path.write_bytes(b"ENGINE"), r"engine\.sha256 is [0-9a-f]{64}, engines\.json says"),
        (lambda path: path.unlink(), r"is missing, but engines\.json names it as engine of sender/encoder"),
    ],
)
def test_a_damaged_engine_is_refused_by_file_and_field(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    entry = put(tmp_path)
    damage(tmp_path / entry.engine.name)
    with pytest.raises(EngineError, match=message) as caught:
        EngineCache(tmp_path).find(KEY.onnx_sha256, HOST)
    assert entry.engine.name in str(caught.value)
    assert EngineCache(tmp_path).problems(HOST) == [str(caught.value)]
    assert EngineCache(tmp_path).problems() == [str(caught.value)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"gpu": 7}, r"\$\.engines\[\.\.\.\]\.key\.host\.gpu"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_index_with_a_wrong_field_is_refused_by_its_name(
    tmp_path: Path, change: dict[str, object], field: str
) -> None:
    put(tmp_path)
    index = json.loads((tmp_path / INDEX).read_text())
    host = index["engines"][KEY.onnx_sha256]["key"]["host"]
    (host if "gpu" in change else index).update(change)
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(EngineError, match=rf"engines\.json: .*{field}"):
        EngineCache(tmp_path).find(KEY.onnx_sha256, HOST)


def test_every_prefix_of_an_index_is_refused(tmp_path: Path) -> None:
    put(tmp_path)
    whole = (tmp_path / INDEX).read_bytes()
    for size in range(len(whole)):
        (tmp_path / INDEX).write_bytes(whole[:size])
        with pytest.raises(EngineError, match=r"engines\.json"):
            EngineCache(tmp_path).index()


NESTED = b'{"engines": {"' + b"0" * 64 + b'": {"key": {"x": ' + b"[" * 100_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b'{"engines": {"\xff": 1}}', "(?i:utf-8)", id="not UTF-8"),
        pytest.param(NESTED, "recursion", id="nested deeply"),
        pytest.param(b" " * (MAX_INDEX + 1), "limit is", id="too long"),
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / INDEX).write_bytes(data)
    with pytest.raises(EngineError, match=rf"engines\.json: .*{reason}"):
        EngineCache(tmp_path).index()


def test_a_file_whose_name_is_too_long_is_refused(tmp_path: Path) -> None:
    entry = put(tmp_path)
    named = structs.replace(entry, engine=StoredFile("a" * 300, entry.engine.sha256, 1))
    with pytest.raises(EngineError, match="File name too long"):
        EngineCache(tmp_path).check(named)


def test_weights_beside_a_graph_are_a_part_of_it(tmp_path: Path) -> None:
    model, weights = tmp_path / "large.onnx", tmp_path / "large.onnx.data"
    model.write_bytes(b"graph")
    alone = graph_sha256(model)
    assert alone == hashlib.sha256(b"graph").hexdigest()
    weights.write_bytes(b"weights")
    first = graph_sha256(model)
    weights.write_bytes(b"others.")
    assert len({alone, first, graph_sha256(model)}) == 3
    model.write_bytes(b"again")
    assert graph_sha256(model) not in {alone, first}


def test_a_graph_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"gone\.onnx: No such file"):
        graph_sha256(tmp_path / "gone.onnx")


@pytest.mark.parametrize("pattern", ["*.engine", "*.onnx", INDEX])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_what_cannot_be_read_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, number: int
) -> None:
    put(tmp_path)
    forbid(monkeypatch, pattern, number)
    file = next(tmp_path.glob(pattern))
    with pytest.raises(EngineError, match=r": (Permission denied|Input/output error)$") as caught:
        EngineCache(tmp_path).find(KEY.onnx_sha256, HOST)
    assert str(caught.value).startswith(str(file))
    assert EngineCache(tmp_path).problems(HOST) == [str(caught.value)]


def test_a_folder_that_cannot_be_listed_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert EngineCache(tmp_path).problems(HOST) == [f"{tmp_path}: Permission denied"]


@pytest.mark.parametrize("reason", ["another version's", "Permission denied", "Input/output error"])
def test_engines_of_an_index_that_others_can_read_are_never_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    put(tmp_path)
    if reason == "another version's":
        (tmp_path / INDEX).write_text('{"schema": 2, "engines": [], "made_by": "a later Mirage"}')
    else:
        forbid(monkeypatch, INDEX, errno.EACCES if reason == "Permission denied" else errno.EIO)
    before = names(tmp_path)
    with pytest.raises(EngineError, match=rf"engines\.json: .*{reason}"):
        put(tmp_path, replace(KEY, precision="fp32"), b"newer")
    assert names(tmp_path) == before


def test_a_damaged_index_is_set_aside_when_a_new_engine_is_there(tmp_path: Path) -> None:
    old = put(tmp_path)
    (tmp_path / INDEX).write_bytes(b"{half")
    before = names(tmp_path)

    def fails() -> None:
        with EngineCache(tmp_path).building():
            raise EngineError("cannot be built")

    with pytest.raises(EngineError, match="cannot be built"):
        fails()
    assert names(tmp_path) == before
    new = put(tmp_path, replace(KEY, precision="fp32"), b"newer")
    assert names(tmp_path) == sorted([INDEX, f"{INDEX}.damaged", new.engine.name, new.wrapper.name])
    assert (tmp_path / f"{INDEX}.damaged").read_bytes() == b"{half"
    assert old.engine.name not in names(tmp_path)
    assert EngineCache(tmp_path).problems(HOST) == []


def test_what_nobody_names_is_removed_after_a_build_only(tmp_path: Path) -> None:
    put(tmp_path)
    orphan = written(tmp_path, "sender/encoder.onnx", KEY, b"moved, but never named", ".engine")

    def fails() -> None:
        with EngineCache(tmp_path).building():
            raise EngineError("cannot be built")

    with pytest.raises(EngineError):
        fails()
    assert orphan.name in names(tmp_path)
    put(tmp_path, replace(KEY, precision="fp32"), b"newer")
    assert orphan.name not in names(tmp_path)


def test_a_disk_that_is_full_is_an_engine_that_cannot_be_built(tmp_path: Path) -> None:
    def full() -> None:
        with EngineCache(tmp_path).building() as scratch:
            (scratch / "e.engine").symlink_to("/dev/full")
            (scratch / "e.engine").write_bytes(b"engine")

    with pytest.raises(EngineError, match=r": No space left on device"):
        full()
    assert names(tmp_path) == []


def test_two_builders_keep_out_of_each_others_way(tmp_path: Path) -> None:
    cache = EngineCache(tmp_path)
    with (
        cache.building(),
        pytest.raises(EngineError, match="another process builds engines there"),
        cache.building(),
    ):
        pass
    put(tmp_path)


def test_what_a_killed_builder_left_is_named_and_then_removed(tmp_path: Path) -> None:
    entry = put(tmp_path)
    scratch = tmp_path / ".building-dead"
    scratch.mkdir()
    written(scratch, "sender/encoder.onnx", KEY, b"half", ".engine")
    orphan = written(tmp_path, "sender/encoder.onnx", KEY, b"moved, but never named", ".engine")
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "timing.cache").write_bytes(b"not ours to remove")
    problems = EngineCache(tmp_path).problems(HOST)
    assert [problem.split(":")[0] for problem in problems] == [
        str(tmp_path / ".building-dead"), str(tmp_path / orphan.name),
    ]  # fmt: skip
    with EngineCache(tmp_path).building():
        pass
    kept = [INDEX, entry.engine.name, entry.wrapper.name, "onnxruntime", "timing.cache"]
    assert names(tmp_path) == sorted(kept)


def test_a_builder_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    entry = put(tmp_path)

    def stopped() -> None:
        with EngineCache(tmp_path).building() as scratch:
            written(scratch, "sender/encoder.onnx", KEY, b"half", ".engine")
            sys.exit(143)

    with pytest.raises(SystemExit):
        stopped()
    assert names(tmp_path) == sorted([INDEX, entry.engine.name, entry.wrapper.name])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(EngineError, match=r"file/engines: Not a directory"),
        EngineCache(tmp_path / "file" / "engines").building(),
    ):
        pass
