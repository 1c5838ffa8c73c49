"""Debian's packages: the lock holds them, and a machine's own mirror is found."""

import pytest

from mirage.deploy.image.packages import (
    MIRROR,
    Package,
    PackageError,
    check_lock,
    hashed,
    lock_text,
    own_mirror,
    pins,
    read_lock,
    security_of,
    sources,
    wanted,
)

BASH = Package("bash", "amd64", "5.2.15-2+b8", "ab" * 32)
ADDUSER = Package("adduser", "all", "3.134", "cd" * 32)
INDEX = f"""\
Package: adduser
Version: 3.134
Architecture: all
Depends: passwd
SHA256: {"cd" * 32}

Package: bash
Version: 5.2.15-2+b7
Architecture: amd64
SHA256: {"ef" * 32}

Package: bash
Version: 5.2.15-2+b8
Architecture: amd64
SHA256: {"ab" * 32}
"""


def test_what_is_installed_is_looked_up_by_version() -> None:
    assert hashed("bash 5.2.15-2+b8 amd64\nadduser 3.134 all\n", [INDEX]) == (ADDUSER, BASH)
    with pytest.raises(PackageError, match=r"zstd 1\.5: is in none of the lists"):
        hashed("zstd 1.5 amd64\n", [INDEX])


def test_a_lock_is_read_as_it_was_written() -> None:
    text = lock_text("amd64", [BASH, ADDUSER])
    assert text == (
        "# packages of amd64\n"
        f"adduser:all=3.134=sha256:{'cd' * 32}\n"
        f"bash:amd64=5.2.15-2+b8=sha256:{'ab' * 32}\n"
    )
    assert read_lock(text, "amd64", "a.lock") == (ADDUSER, BASH)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with"),
        ("# packages of arm64\n", "does not begin with '# packages of amd64'"),
        ("# packages of amd64\n", "names no package"),
        ("# packages of amd64\nbash=5=sha256:" + "ab" * 32, "line 2 is not"),
        ("# packages of amd64\nbash:amd64=5=sha256:" + "ab" * 31, "line 2 is not"),
    ],
)
def test_what_is_no_lock_is_refused(text: str, why: str) -> None:
    with pytest.raises(PackageError, match=why):
        read_lock(text, "amd64", "a.lock")


def test_other_packages_than_the_lock_names_are_an_error() -> None:
    check_lock([BASH, ADDUSER], [ADDUSER, BASH])
    newer = Package("bash", "amd64", "5.2.15-2+b9", "12" * 32)
    with pytest.raises(
        PackageError, match=r"bash: 5\.2\.15-2\+b8 \(abab.*in the lock, 5\.2\.15-2\+b9 \(1212"
    ):
        check_lock([BASH], [newer])
    forged = Package("bash", "amd64", BASH.version, "12" * 32)
    with pytest.raises(PackageError, match=r"\(abababababab\) in the lock, .* \(121212121212\) fetched"):
        check_lock([BASH], [forged])
    with pytest.raises(PackageError, match="adduser: none in the lock"):
        check_lock([BASH], [BASH, ADDUSER])


def test_apt_is_told_which_versions() -> None:
    assert pins([BASH]) == "Package: bash\nPin: version 5.2.15-2+b8\nPin-Priority: 1001\n"


def test_nobody_can_log_in_where_there_is_no_key() -> None:
    assert "openssh-server" not in wanted("amd64", (), access=False)
    assert "openssh-server" in wanted("amd64", (), access=True)
    assert "tpm2-tools" not in wanted("amd64", (), access=True)
    assert "tpm2-tools" in wanted("amd64", (), access=False, tpm=True)
    assert wanted("arm64", ("firmware-iwlwifi",), access=False)[-2:] == (
        "linux-image-arm64",
        "firmware-iwlwifi",
    )


def test_the_machines_own_mirror_is_used() -> None:
    stanzas = "# mirror\nTypes: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\n"
    security = "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm\n"
    assert own_mirror({"debian.sources": f"{security}\n{stanzas}"}) == "http://mirror.example/debian"
    lines = [
        "deb-src http://a.example/debian bookworm main",
        "deb [arch=amd64] http://b.example/debian bookworm main",
    ]
    assert own_mirror({"sources.list": "\n".join(lines)}) == "http://b.example/debian"
    assert own_mirror({"sources.list": "deb http://archive.example/ubuntu noble main\n"}) == MIRROR
    assert own_mirror({}) == MIRROR


def test_security_updates_are_beside_the_packages() -> None:
    assert security_of("http://deb.debian.org/debian") == "http://deb.debian.org/debian-security"
    day = "http://snapshot.debian.org/archive/debian/20260101T000000Z"
    assert security_of(day) == "http://snapshot.debian.org/archive/debian-security/20260101T000000Z"
    with pytest.raises(PackageError, match="security updates"):
        security_of("http://mirror.example/packages")
    assert [line.split()[2:4] for line in sources("http://a/debian", "http://a/debian-security")] == [
        ["http://a/debian", "bookworm"],
        ["http://a/debian", "bookworm-updates"],
        ["http://a/debian-security", "bookworm-security"],
    ]
