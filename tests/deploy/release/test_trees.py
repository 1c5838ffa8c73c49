"""Releases on disk: laid out whole and as they were signed, or not at all."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from mirage.deploy.release.trees import (
    TreeError,
    check_tree,
    read_entries,
    read_manifest,
    read_public_key,
    write_archive,
    write_tree,
)
from tests.deploy.release import made
from wire.release import DOCUMENT, sign


def test_an_archive_is_laid_out_as_it_was(tmp_path: Path) -> None:
    archive = made.archive(tmp_path / "a.tar")
    manifest = write_tree(archive, tmp_path / "out", made.KEY.public_key())
    assert read_entries(tmp_path / "out")[:-1] == tuple(
        entry for entry in manifest.entries if entry.path < DOCUMENT
    )
    assert (tmp_path / "out/bin/python").readlink() == Path("/usr/bin/python3")
    assert os.access(tmp_path / "out/bin/mirage", os.X_OK)
    assert (tmp_path / "out/lib/b/c.py").stat().st_mode & 0o777 == 0o644
    assert read_manifest(tmp_path / "out", made.KEY.public_key()) == manifest


def test_what_was_laid_out_is_a_source_itself(tmp_path: Path) -> None:
    write_tree(made.archive(tmp_path / "a.tar"), tmp_path / "one", made.KEY.public_key())
    write_tree(tmp_path / "one", tmp_path / "two", made.KEY.public_key())
    assert read_entries(tmp_path / "one") == read_entries(tmp_path / "two")


def test_modes_are_those_of_the_release_whatever_the_umask(tmp_path: Path) -> None:
    archive = made.archive(tmp_path / "a.tar")
    before = os.umask(0o077)
    try:
        write_tree(archive, tmp_path / "out", made.KEY.public_key())
    finally:
        os.umask(before)
    assert (tmp_path / "out/lib/b").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / DOCUMENT).stat().st_mode & 0o777 == 0o644


def test_the_same_tree_is_the_same_archive(tmp_path: Path) -> None:
    one, two = made.archive(tmp_path / "1.tar"), made.archive(tmp_path / "2.tar")
    os.utime(tmp_path / "2.tar.tree/lib/a.py", (1, 1))
    assert one.read_bytes() == two.read_bytes()


def test_another_key_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    archive = made.archive(tmp_path / "a.tar", key=made.OTHER)
    with pytest.raises(TreeError, match="not of the key that signs releases"):
        write_tree(archive, tmp_path / "out", made.KEY.public_key())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "a.tar.tree"]


@pytest.mark.parametrize("content", [b"a = 3\n", b"a = 1\n#", b"a ="])
def test_a_file_that_was_not_signed_is_refused_and_nothing_is_left(tmp_path: Path, content: bytes) -> None:
    tree = made.folder(tmp_path / "tree")
    (tree / DOCUMENT).write_bytes(sign(made.agent(tree), made.KEY))
    (tree / "lib/a.py").write_bytes(content)
    with pytest.raises(TreeError, match=r"lib/a\.py is not what was signed"):
        write_tree(tree, tmp_path / "out", made.KEY.public_key())
    with pytest.raises(TreeError, match=r"lib/a\.py is not what was signed"):
        check_tree(tree, made.KEY.public_key())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree"]


def test_what_the_manifest_does_not_name_is_not_written(tmp_path: Path) -> None:
    tree = made.folder(tmp_path / "tree")
    (tree / DOCUMENT).write_bytes(sign(made.agent(tree), made.KEY))
    (tree / "lib/evil.pth").write_bytes(b"import evil")
    write_tree(tree, tmp_path / "out", made.KEY.public_key())
    assert not (tmp_path / "out/lib/evil.pth").exists()


def test_an_archive_without_a_file_is_refused(tmp_path: Path) -> None:
    tree = made.folder(tmp_path / "tree")
    manifest = made.agent(tree)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        document = sign(manifest, made.KEY)
        member = tarfile.TarInfo(DOCUMENT)
        member.size = len(document)
        tar.addfile(member, io.BytesIO(document))
    with pytest.raises(TreeError, match=r"a\.tar: is no whole release"):
        write_tree(tmp_path / "a.tar", tmp_path / "out", made.KEY.public_key())


@pytest.mark.parametrize(
    ("name", "kind", "mode"),
    [
        ("lib/evil.pth", tarfile.REGTYPE, 0o644),
        ("lib/a.py", tarfile.REGTYPE, 0o4755),  # once more, the same content
        ("lib/escape", tarfile.SYMTYPE, 0o777),
    ],
)
def test_an_archive_that_holds_more_than_was_signed_is_refused(
    tmp_path: Path, name: str, kind: bytes, mode: int
) -> None:
    archive = made.archive(tmp_path / "a.tar")
    check_tree(archive, made.KEY.public_key())
    content = made.FILES.get(name, b"import evil") if kind == tarfile.REGTYPE else b""
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.size, member.linkname = kind, mode, len(content), "/etc"
        tar.addfile(member, io.BytesIO(content))
    with pytest.raises(TreeError, match=r"a\.tar: holds more than what was signed"):
        check_tree(archive, made.KEY.public_key())


def test_what_is_no_release_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"a tar file")
    (tmp_path / "empty").mkdir()
    for name in ("a.tar", "empty", "none.tar"):
        with pytest.raises(TreeError, match=name):
            read_manifest(tmp_path / name, made.KEY.public_key())


def test_an_older_tree_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_bytes(b"")
    with pytest.raises(TreeError, match="is there already"):
        write_tree(made.archive(tmp_path / "a.tar"), tmp_path / "out", made.KEY.public_key())
    assert (tmp_path / "out/mine").exists()


def test_a_device_or_pipe_in_a_tree_is_refused(tmp_path: Path) -> None:
    tree = made.folder(tmp_path / "tree")
    os.mkfifo(tree / "pipe")
    with pytest.raises(TreeError, match="pipe: is no file, folder or link"):
        read_entries(tree)


def test_a_private_key_is_no_public_one(tmp_path: Path) -> None:
    (tmp_path / "release.pub").write_text("nothing")
    with pytest.raises(TreeError, match=r"release\.pub: no public key in PEM"):
        read_public_key(tmp_path / "release.pub")
    with pytest.raises(TreeError, match=r"none\.pub: No such file"):
        read_public_key(tmp_path / "none.pub")


def test_an_archive_names_release_json_first(tmp_path: Path) -> None:
    tree = made.folder(tmp_path / "tree")
    manifest = made.agent(tree)
    file = io.BytesIO()
    write_archive(tree, manifest, sign(manifest, made.KEY), file)
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        assert tar.getnames() == [DOCUMENT, *(entry.path for entry in manifest.entries)]
