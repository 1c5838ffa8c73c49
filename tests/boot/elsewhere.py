"""A command that runs another as elsewhere: whatever a build could take over from its machine differs."""

from pathlib import Path

_SCRIPT = """\
set -e
hostname elsewhere
for name in hostname resolv.conf; do
  if [ -e "/etc/$name" ]; then mount --bind "$1/$name" "/etc/$name"; fi
done
umask 077
shift
exec "$@"
"""


def elsewhere(folder: Path) -> tuple[str, ...]:
    """Give the command: another host name, list of name servers, time zone, language and umask.

    mmdebstrap copies the first two. The name servers are the same ones: they are needed.
    """
    files = folder / "elsewhere"
    files.mkdir()
    (files / "hostname").write_text("elsewhere\n", "utf-8")
    servers = Path("/etc/resolv.conf").read_text("utf-8")
    (files / "resolv.conf").write_text(f"# elsewhere\n{servers}", "utf-8")
    alone = ("unshare", "--mount", "--uts", "--propagation=private", "sh", "-c", _SCRIPT, "sh", str(files))
    return (*alone, "env", "TZ=Pacific/Kiritimati", "LANG=C", "LC_ALL=C")
