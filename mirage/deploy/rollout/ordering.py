"""A fleet file and releases make an order: which device is to run what, in which wave."""

import shlex
from collections.abc import Iterator, Mapping

from cloud.rollouts.judge import Goal
from cloud.rollouts.orders import Order, Ordered
from mirage.deploy.device import Device
from mirage.deploy.fleet import Fleet
from mirage.deploy.rollout.targets import Target, TargetError


def order_of(fleet: Fleet, agents: Mapping[str, Target], bundle: Target | None, wave: str | None) -> Order:
    """Make the order, of one wave if that is named. Raises TargetError for a device without a release."""
    if not agents and bundle is None:
        raise TargetError("nothing to roll out: --release, --bundle, or both")
    if not fleet.takes_updates:
        raise TargetError("update.url and release.key are not both set: its devices fetch nothing")
    if wave is not None and wave not in fleet.update.waves:
        raise TargetError(f"--wave {wave}: update.waves has {', '.join(fleet.update.waves)}")
    devices = [each for each in fleet.device if wave in (None, fleet.wave_of(each))]
    if agents:
        _check_platforms(devices, agents)
        agents = {each.platform: agents[each.platform] for each in devices}
    ordered = tuple(
        Ordered(
            each.site, each.id, each.platform, fleet.update.waves.index(fleet.wave_of(each)),
            _goals(each, agents, bundle),
        )
        for each in devices
    )  # fmt: skip
    aim = {platform: target.id for platform, target in sorted(agents.items())}
    aim |= {"version": next(iter(agents.values())).version} if agents else {}
    aim |= {"bundle": bundle.id} if bundle is not None else {}
    aim |= {"wave": wave} if wave is not None else {}
    return Order(
        fleet.fleet.tenant, fleet.fleet.name, aim, fleet.update.waves,
        round(fleet.update.health_minutes * 60_000), fleet.update.halt_after_failures, ordered,
    )  # fmt: skip


def dry_run(order: Order, config: str) -> Iterator[str]:
    """Say what each device would be asked, as commands that do the same by hand."""
    yield f"# {order.fleet}: {said(order)}"
    for index, wave in enumerate(order.waves):
        members = [each for each in order.devices if each.wave == index]
        if members:
            minutes = f"{order.health_ms / 60_000:g} minutes"
            yield f"# wave {wave}, devices: {len(members)}, each with {minutes} to show that it works"
        for each in members:
            place = f"{order.tenant}/{each.site}/{each.device}"
            for goal in each.goals:
                arguments = [f"{key}={value}" for key, value in goal.arguments.items()]
                yield shlex.join(
                    ["mirage", "cloud", "command", "--config", config, place, goal.verb, *arguments]
                )
    yield f"# halts at failures: {order.halt_after}"


def said(order: Order) -> str:
    """Say in short what is rolled out."""
    parts = [f"version {order.aim['version']}"] if "version" in order.aim else []
    parts += [f"bundle {order.aim['bundle']}"] if "bundle" in order.aim else []
    return " and ".join(parts)


def _goals(device: Device, agents: Mapping[str, Target], bundle: Target | None) -> tuple[Goal, ...]:
    goals = [Goal("agent", agents[device.platform].id)] if agents else []
    return (*goals, *([Goal("bundle", bundle.id, bundle.sha256)] if bundle is not None else []))


def _check_platforms(devices: list[Device], agents: Mapping[str, Target]) -> None:
    for device in devices:
        if device.platform not in agents:
            have = ", ".join(f"{target.id} for {platform}" for platform, target in sorted(agents.items()))
            raise TargetError(
                f"{device.id}: runs {device.platform}, and there is no release for it (there is {have}): "
                f"`mirage deploy release --platform {device.platform}` makes it, or --wave leaves it out"
            )
