"""`mirage export build`: from a recipe of pre-trained models, or from networks trained here."""

from pathlib import Path

import msgspec

from mirage.device import EdgeRuntime
from mirage.errors import InputError
from mirage.output import print_line
from mirage.progress import parts_shown
from wire.bundle import Bundle, Precision


def pretrained(bundle: Path, footage: Path | None, device: str, precision: str, threads: int) -> Bundle:
    """Build a bundle from its recipe. Raises InputError, and what `build_pretrained` raises."""
    from export.quiet import quiet
    from export.recipe import load_recipe

    wanted, recipe = checked_precision(precision), load_recipe(bundle)  # before what takes seconds to import
    with quiet():
        from export.pretrained.build import build_pretrained, parts
        from export.pretrained.work import Order

        order = Order(device, wanted, footage)
        with parts_shown(parts(recipe)) as step:
            return build_pretrained(bundle, order, EdgeRuntime(threads), step)


def trained(
    bundle: Path, footage: Path | None, work: Path, device: str, precision: str, threads: int
) -> Bundle:
    """Build the tiny bundle from its checkpoints. Raises InputError, and what `build_tiny` raises."""
    if footage is None:
        raise InputError(
            f"{bundle}: has no recipe.toml, so it is built of networks that were trained here, "
            "and needs their --footage DIR"
        )
    if device != "cpu":
        raise InputError(f"--device {device}: networks trained here are exported on the processor (cpu)")
    if checked_precision(precision) == "fp16":
        raise InputError("--precision fp16: networks trained here are built in fp32 or int8")
    from export.quiet import quiet

    with quiet():
        from export.build import build_tiny
        from export.data.pack import opened

    with quiet():  # one line a part: the longest of them has a bar of its own
        build_tiny(
            bundle, work, opened(footage, work), EdgeRuntime(threads),
            lambda part: print_line(f"building {part}"), int8=precision == "int8",
        )  # fmt: skip
    return Bundle.load(bundle)


def checked_precision(precision: str) -> Precision:
    """Read --precision, or raise InputError."""
    try:
        known: Precision = msgspec.convert(precision, Precision)
    except msgspec.ValidationError as error:
        raise InputError(f"--precision {precision}: is none of fp32, fp16, int8") from error
    return known
