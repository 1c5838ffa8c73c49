"""What is published is what a device can make a release of, and an index never names what is not there."""

import shutil
from pathlib import Path

import pytest

from mirage.deploy.release.keys import new_key, read_key
from mirage.deploy.release.publish import INDEX, Base, Packed, publish, read_base, to_pack
from mirage.deploy.release.trees import TreeError, read_public_key
from mirage.errors import InputError
from tests.deploy.release import made
from wire.release import DOCUMENT, Index, Manifest, ReleaseError, Unpacker, sources, verify

PUBLIC = made.KEY.public_key()
CHANGED = {**made.FILES, "lib/a.py": b"a = 2\n", "lib/new.py": b"new"}


def published(
    at: Path, files: dict[str, bytes], version: str, bases: list[Base] | None = None
) -> tuple[Manifest, tuple[Packed, ...]]:
    shutil.rmtree(at / "tree", ignore_errors=True)
    tree = made.folder(at / "tree", files)
    manifest = made.agent(tree, version)
    return manifest, publish(tree, manifest, bases or [], at / "releases", made.KEY, lambda _: None)


def fetched(folder: Path, base: Path | None = None) -> dict[str, bytes]:
    """Do what a device does that has the tree `base`; gives the files that came."""
    index = verify((folder / INDEX).read_bytes(), Index, PUBLIC)
    old = None if base is None else (base / DOCUMENT).read_bytes()
    before = None if old is None else verify(old, Manifest, PUBLIC)
    pack = index.pack(None if before is None else before.id)
    reader = Unpacker([(folder / f"packs/{pack.name}.pack").read_bytes()], pack)
    manifest = verify(reader.document(index.release, old), Manifest, PUBLIC)
    assert manifest.id == index.release == folder.name
    files = reader.files(manifest, before, lambda name: ((base or Path()) / name).read_bytes())
    came = {entry.path: b"".join(content) for entry, content in files}
    assert came.keys() == {
        path for path, source in sources(manifest, before).items() if source.kind == "pack"
    }
    return came


def test_a_device_with_nothing_fetches_everything(tmp_path: Path) -> None:
    manifest, packs = published(tmp_path, made.FILES, "0.1.0")
    came = fetched(tmp_path / "releases" / manifest.id)
    assert came == {name: content for name, content in made.FILES.items() if content}
    assert [(pack.base, pack.files) for pack in packs] == [(None, 3)]
    document = (tmp_path / "releases" / manifest.id / DOCUMENT).read_bytes()
    assert verify(document, Manifest, PUBLIC) == manifest


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_device_with_an_older_release_fetches_what_is_new(tmp_path: Path, *, as_folder: bool) -> None:
    archive = made.archive(tmp_path / "old.tar")
    folder = tmp_path / "old"
    published(tmp_path / "0", made.FILES, "0.1.0")
    shutil.copytree(tmp_path / "0/tree", folder, symlinks=True)
    tree = made.folder(tmp_path / "tree", CHANGED)
    base = read_base(folder if as_folder else archive, made.agent(tree, "0.2.0"), made.KEY)
    shutil.rmtree(tree)
    manifest, packs = published(tmp_path, CHANGED, "0.2.0", [base])
    came = fetched(tmp_path / "releases" / manifest.id, folder)
    assert came == {"lib/a.py": b"a = 2\n", "lib/new.py": b"new"}
    assert [(pack.base_version, pack.files) for pack in packs] == [(None, 4), ("0.1.0", 2)]
    assert to_pack(manifest, [base]) == 25 + 9


def test_publishing_again_adds_packs_and_keeps_those_that_are_there(tmp_path: Path) -> None:
    manifest, _ = published(tmp_path, CHANGED, "0.2.0")
    folder = tmp_path / "releases" / manifest.id
    before = (folder / "packs/whole.pack").stat()
    base = read_base(made.archive(tmp_path / "old.tar"), manifest, made.KEY)
    _, packs = published(tmp_path, CHANGED, "0.2.0", [base])
    assert (folder / "packs/whole.pack").stat().st_ino == before.st_ino
    index = verify((folder / INDEX).read_bytes(), Index, PUBLIC)
    assert {pack.base for pack in index.packs} == {None, base.manifest.id}
    assert {pack.size for pack in packs} == {pack.size for pack in index.packs}
    published(tmp_path, CHANGED, "0.2.0")
    assert verify((folder / INDEX).read_bytes(), Index, PUBLIC) == index


def test_a_pack_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    manifest, _ = published(tmp_path, made.FILES, "0.1.0")
    folder = tmp_path / "releases" / manifest.id
    whole = (folder / "packs/whole.pack").read_bytes()
    (folder / "packs/whole.pack").write_bytes(whole[:-5])
    with pytest.raises(ReleaseError):
        fetched(folder)
    published(tmp_path, made.FILES, "0.1.0")
    assert (folder / "packs/whole.pack").read_bytes() == whole


def test_the_same_release_is_published_in_the_same_bytes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        published(tmp_path / name, made.FILES, "0.1.0")
    files = [sorted(path for path in (tmp_path / name).rglob("*.*") if path.is_file()) for name in ("1", "2")]
    for one, two in zip(*files, strict=True):
        assert one.relative_to(tmp_path / "1") == two.relative_to(tmp_path / "2")
        assert one.read_bytes() == two.read_bytes()


def test_an_index_of_another_key_is_not_gone_on_with(tmp_path: Path) -> None:
    tree = made.folder(tmp_path / "tree")
    manifest = made.agent(tree)
    publish(tree, manifest, [], tmp_path / "releases", made.OTHER, lambda _: None)
    with pytest.raises(TreeError, match="to publish anew"):
        publish(tree, manifest, [], tmp_path / "releases", made.KEY, lambda _: None)


def test_a_base_is_of_the_same_platform_and_another_release(tmp_path: Path) -> None:
    manifest = made.agent(made.folder(tmp_path / "tree"))
    with pytest.raises(TreeError, match="platform is arm64, that of the new release amd64"):
        read_base(made.archive(tmp_path / "1.tar", platform="arm64"), manifest, made.KEY)
    with pytest.raises(TreeError, match="is this very release"):
        read_base(made.archive(tmp_path / "2.tar"), manifest, made.KEY)
    with pytest.raises(TreeError, match="not of the key that signs releases"):
        read_base(made.archive(tmp_path / "3.tar", key=made.OTHER, version="0"), manifest, made.KEY)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path / "pki/release")
    assert secret.stat().st_mode & 0o777 == 0o600
    read_key(secret, read_public_key(public))
    with pytest.raises(InputError, match="is there already"):
        new_key(tmp_path / "pki/release")


def test_a_key_that_others_read_or_that_is_another_one_signs_nothing(tmp_path: Path) -> None:
    secret, public = new_key(tmp_path / "one")
    _, other = new_key(tmp_path / "two")
    with pytest.raises(InputError, match=r"one\.key: is not the other half"):
        read_key(secret, read_public_key(other))
    public.chmod(0o600)
    with pytest.raises(InputError, match=r"one\.pub: no private key"):
        read_key(public, read_public_key(public))
    for mode in (0o640, 0o604, 0o660):
        secret.chmod(mode)
        with pytest.raises(InputError, match=r"others may read it: chmod 600"):
            read_key(secret, read_public_key(public))
