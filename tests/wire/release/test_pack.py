"""Packs bring a release over whole, and any other bytes are refused."""

import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.release.packs import Release, named, packed, release, unpacked
from wire.release import MAX_PATCH, Entry, Manifest, Pack, ReleaseError, Source, Unpacker, sources
from wire.release.pack import end, header, record

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor
else:
    from backports.zstd import CompressionParameter, ZstdCompressor

OLD = release(
    {"bin/a": b"#!/bin/sh\necho one\n" * 20, "lib/b.py": b"b = 1\n" * 30, "lib/c.py": b"c", "e": b""}
)
NEW = release(
    {
        **OLD.tree,
        "lib/b.py": b"b = 1\n" * 29 + b"b = 2\n",
        "lib/d.py": b"new",
        "lib/e.py": b"new",
        "moved": b"c",
    },
    "1.0.1",
)

names = st.sampled_from([f"{folder}{name}" for folder in ("", "lib/", "lib/x/") for name in "abcd"])
contents = st.binary(max_size=40) | st.integers(1, 3000).map(
    lambda size: random.Random(size % 7).randbytes(size)
)
trees = st.dictionaries(names, contents, min_size=1, max_size=8)


@settings(max_examples=60)
@given(old=trees, new=trees, step=st.integers(1, 5000))
def test_any_tree_comes_over_with_and_without_a_base(
    old: dict[str, bytes], new: dict[str, bytes], step: int
) -> None:
    before, after = release(old, "1"), release(new, "2")
    for base in (None, before):
        data = packed(after, base)
        assert unpacked(data, named(data, base), after, base, step) == new


def test_a_base_saves_what_it_has() -> None:
    rng = random.Random(1)
    tree = {f"lib/{index}.bin": rng.randbytes(20_000) for index in range(5)}
    changed = tree["lib/3.bin"][:9000] + b"changed" + tree["lib/3.bin"][9000:]
    old, new = release(tree), release({**tree, "lib/3.bin": changed, "copy": tree["lib/1.bin"]}, "1.0.1")
    assert len(packed(new)) > 100_000
    assert len(packed(new, old)) < 600


def test_each_file_has_one_source() -> None:
    assert sources(NEW.manifest, OLD.manifest) == {
        "bin/a": Source("base", "bin/a"),
        "e": Source("empty", "e"),
        "lib/b.py": Source("pack", "lib/b.py"),
        "lib/c.py": Source("base", "lib/c.py"),
        "lib/d.py": Source("pack", "lib/d.py"),
        "lib/e.py": Source("tree", "lib/d.py"),
        "moved": Source("base", "lib/c.py"),
    }
    assert sources(NEW.manifest, None)["moved"] == Source("tree", "lib/c.py")


@pytest.mark.parametrize("base", [None, OLD])
def test_every_prefix_is_refused(base: Release | None) -> None:
    data = packed(NEW, base)
    for size in range(1, len(data)):
        with pytest.raises(ReleaseError):
            unpacked(data[:size], named(data, base), NEW, base)
        with pytest.raises(ReleaseError):
            unpacked(data[:size], named(data[:size], base), NEW, base)


@pytest.mark.parametrize("base", [None, OLD])
def test_every_flipped_byte_is_refused(base: Release | None) -> None:
    data = packed(NEW, base)
    for at in range(len(data)):
        broken = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        with pytest.raises(ReleaseError):
            unpacked(broken, named(data, base), NEW, base)


@pytest.mark.parametrize("base", [None, OLD])
def test_no_byte_changes_a_file_even_if_the_index_lies(base: Release | None) -> None:
    data = packed(NEW, base)
    for at in range(len(data)):
        broken = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        try:
            assert unpacked(broken, named(broken, base), NEW, base) == NEW.tree
        except ReleaseError:
            continue


def test_bytes_behind_the_end_are_refused() -> None:
    data = packed(NEW)
    with pytest.raises(ReleaseError, match="goes on where it should end"):
        unpacked(data + b"x", named(data + b"x"), NEW)
    with pytest.raises(ReleaseError, match="longer than its index says"):
        unpacked(data + b"x", named(data), NEW, step=10**6)


def test_a_pack_of_another_release_or_base_is_refused() -> None:
    data = packed(NEW, OLD)
    with pytest.raises(ReleaseError, match="no pack of"):
        unpacked(data, named(data, OLD), OLD, OLD)
    with pytest.raises(ReleaseError, match=r"no pack of .* for anybody"):
        unpacked(data, named(data), NEW)


def test_a_file_gets_no_more_bytes_than_its_manifest_says() -> None:
    entry = Entry("a", 10, "0" * 64)
    manifest = Manifest("agent", "mirage", "1", "amd64", (entry,), python="3.11")
    bomb = record(bytes(1 << 30))  # 1 GiB of zeros in less than 100 kB
    assert len(bomb) < 100_000
    data = header(manifest.id, None) + record(b"document") + bomb + end()
    reader = Unpacker(iter([data]), named(data))
    reader.document(manifest.id)
    _, content = next(reader.files(manifest))
    with pytest.raises(ReleaseError, match="more than its 10 bytes"):
        next(content)


def test_a_document_without_end_is_refused() -> None:
    data = header(NEW.manifest.id, None) + record(bytes(64 << 20))
    with pytest.raises(ReleaseError, match=r"release\.json has more than"):
        Unpacker(iter([data]), named(data)).document(NEW.manifest.id)


def test_a_frame_that_wants_much_memory_is_refused() -> None:
    options = {int(CompressionParameter.window_log): 27}
    frame = ZstdCompressor(options=options)  # of an unknown size, so the window counts
    data = frame.compress(b"x") + frame.flush(ZstdCompressor.FLUSH_FRAME)
    data = header(NEW.manifest.id, None) + b"\0" + len(data).to_bytes(8, "big") + data
    with pytest.raises(ReleaseError, match=r"damaged: .*too much memory"):
        Unpacker(iter([data]), named(data)).document(NEW.manifest.id)


def test_nothing_stands_behind_a_frame_in_its_record() -> None:
    whole = record(NEW.document)
    stuffed = whole[:1] + (len(whole) - 9 + 500_000).to_bytes(8, "big") + whole[9:] + bytes(500_000)
    data = header(NEW.manifest.id, None) + stuffed
    with pytest.raises(ReleaseError, match="the pack is damaged"):
        Unpacker(iter([data]), named(data)).document(NEW.manifest.id)


def test_a_base_file_that_is_not_what_it_was_makes_no_patch() -> None:
    data = packed(NEW, OLD)
    reader = Unpacker(iter([data]), named(data, OLD))
    reader.document(NEW.manifest.id, OLD.document)
    with pytest.raises(ReleaseError, match=r"lib/b\.py: the base's file is not what its manifest says"):
        for _ in reader.files(NEW.manifest, OLD.manifest, lambda _: b"b = 1\n" * 31):
            pass


@pytest.mark.parametrize("base", [b"b", b"seven b", b"eight by"])
def test_a_short_base_makes_a_patch_or_none(base: bytes) -> None:
    before, after = release({"a": base}), release({"a": b"eight bytes and more"}, "2")
    data = packed(after, before)
    assert unpacked(data, named(data, before), after, before) == after.tree


def test_a_content_that_nobody_reads_is_checked_all_the_same() -> None:
    data = packed(NEW)
    broken = data.replace(record(b"new"), record(b"old"))
    assert broken != data
    reader = Unpacker(iter([broken]), named(broken))
    reader.document(NEW.manifest.id)
    with pytest.raises(ReleaseError, match=r"lib/d\.py: what the pack has is not what the manifest says"):
        for _ in reader.files(NEW.manifest):
            pass


def test_large_files_are_not_patched() -> None:
    assert record(b"x" * 100, b"x" * (MAX_PATCH + 1))[0] == 0
    content = random.Random(2).randbytes(5000)
    assert record(content, content[:2500] + b"more" + content[2500:])[0] == 1


def test_parts_are_taken_as_they_come() -> None:
    data = packed(NEW, OLD)

    def parts() -> Iterator[bytes]:
        yield b""
        for at in range(len(data)):
            yield data[at : at + 1]
            yield b""

    reader = Unpacker(parts(), Pack(len(data), named(data).sha256, OLD.manifest.id))
    assert reader.document(NEW.manifest.id, OLD.document) == NEW.document
    files = reader.files(NEW.manifest, OLD.manifest, dict(OLD.tree).__getitem__)
    assert {each.path: b"".join(content) for each, content in files} == {
        path: NEW.tree[path] for path in ("lib/b.py", "lib/d.py")
    }
