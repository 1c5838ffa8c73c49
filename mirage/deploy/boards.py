"""Which boards are known, which L4T each needs, and how one shows itself on USB in recovery mode.

USB ids: NVIDIA's l4t_initrd_flash.sh; L4T per JetPack: the release notes (JetPack 7.0 and 7.1, L4T 38, are
for Thor alone; Orin is in JetPack 7 from 7.2, L4T 39, on).
"""

from dataclasses import dataclass
from typing import Literal

NVIDIA = "0955"  # USB vendor
L4T = {6: 36, 7: 39}  # JetPack: major version of Jetson Linux
L4T_OTHERS = {35: "JetPack 5", 38: "JetPack 7.0 and 7.1, which are for Thor alone"}

Kind = Literal["orin-nano", "orin-nx", "orin-agx", "generic-arm64", "generic-amd64"]
Arch = Literal["arm64", "amd64"]


@dataclass(frozen=True, slots=True)
class Module:
    """One module in recovery mode: its USB product id, and what is printed on the box."""

    product: str
    name: str


@dataclass(frozen=True, slots=True)
class Board:
    """A kind of board. Those without modules boot an image from a disk that is written elsewhere."""

    name: str
    arch: Arch
    modules: tuple[Module, ...] = ()
    config: str = ""  # of NVIDIA's developer kit, for l4t_initrd_flash.sh

    @property
    def is_jetson(self) -> bool:
        return bool(self.modules)


BOARDS: dict[Kind, Board] = {
    "orin-nano": Board(
        "Jetson Orin Nano",
        "arm64",
        (Module("7523", "Orin Nano 8GB"), Module("7623", "Orin Nano 4GB")),
        "jetson-orin-nano-devkit",
    ),
    "orin-nx": Board(
        "Jetson Orin NX",
        "arm64",
        (Module("7323", "Orin NX 16GB"), Module("7423", "Orin NX 8GB")),
        "jetson-orin-nano-devkit",  # the same carrier
    ),
    "orin-agx": Board(
        "Jetson AGX Orin",
        "arm64",
        (Module("7023", "AGX Orin 64GB"), Module("7223", "AGX Orin 32GB")),
        "jetson-agx-orin-devkit",
    ),
    "generic-arm64": Board("generic arm64", "arm64"),
    "generic-amd64": Board("generic x86-64", "amd64"),
}


def module_of(product: str) -> Module | None:
    """Name the module with this USB product id; None if it is none that is known."""
    modules = (module for board in BOARDS.values() for module in board.modules)
    return next((module for module in modules if module.product == product.lower()), None)


def l4t_trouble(jetpack: int, major: int) -> str | None:
    """Say why a Jetson Linux of this major version is not that of the JetPack; None if it is."""
    if L4T[jetpack] == major:
        return None
    other = {version: f"JetPack {name}" for name, version in L4T.items()} | L4T_OTHERS
    return f"L4T {major} is {other.get(major, 'unknown')}, JetPack {jetpack} has L4T {L4T[jetpack]}"
