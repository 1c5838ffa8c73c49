"""What sender and network allow of a bundle's layers and planes."""

from wire.bundle import Bundle, BundleError
from wire.policy import Effective, PolicyError


def layers_of(allowed: Effective) -> frozenset[str]:
    """Give the layers that may be sent."""
    names = allowed["layers"]
    return frozenset(names) if isinstance(names, tuple) else frozenset()


def most_planes(bundle: Bundle, allowed: Effective) -> int | None:
    """Say how many planes of tokens may be sent at most; None for all. Raises BundleError for too few."""
    info, layers = bundle.manifest.appearance, layers_of(allowed)
    limit = allowed["planes"]
    if info is None or "appearance-tokens" not in layers or limit == 0:
        return 0
    most = limit if isinstance(limit, int) else None
    if most is not None and most < info.coarse_planes:
        by = allowed.decisions["planes"].by
        raise BundleError(
            f"{bundle.root}: {by}.planes is {most}, but a code of this bundle has {info.coarse_planes} at "
            f"least: say 0 for none, or {info.coarse_planes} to {info.planes}"
        )
    if "appearance-detail" not in layers:
        return info.coarse_planes
    return None if most is None or most >= info.planes else most


def check_asked(allowed: Effective, most: int | None, planes: int | None, *, vector: bool) -> None:
    """Raise PolicyError, with the reason, for more than is allowed."""
    if most is not None and planes is not None and planes > most:
        decided = {allowed.decisions[name].by for name in ("planes", "layers")} - {"default"}
        raise PolicyError(
            f"planes {planes} is more than the {most} that {' and '.join(sorted(decided))} allows"
        )
    if vector and "appearance-vector" not in layers_of(allowed):
        by = allowed.decisions["layers"].by
        raise PolicyError(f"vector is asked for, but {by}.layers has no appearance-vector")
