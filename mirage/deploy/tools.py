"""Programs that the machine must have, found or named with the package that brings them."""

import shutil

_PACKAGES = {"mkfs.vfat": "dosfstools", "mcopy": "mtools", "lsblk": "util-linux"}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the path of ordinary users


class ToolError(RuntimeError):
    """A program is missing; the message says which package has it."""


def tool(name: str) -> str:
    """Give a program's path, or raise ToolError."""
    found = shutil.which(name) or shutil.which(name, path=_SBIN)
    if found is None:
        raise ToolError(f"{name} is not installed: apt-get install {_PACKAGES.get(name, name)}")
    return found
