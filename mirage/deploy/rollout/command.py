"""The rim of `mirage deploy update` and `status`: orders into the cloud's store, and how they go.

The cloud carries a rollout out (cloud/rollouts/duty.py); whoever follows it here may go away.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from cloud.clock import wall_ms
from cloud.config import load as load_config
from cloud.rollouts import orders
from cloud.rollouts.orders import Order, RolloutError
from cloud.rollouts.report import RolloutReport, report
from cloud.schema import RolloutRow
from cloud.store import Store
from mirage.deploy.fleet import Fleet
from mirage.deploy.fleet import load as load_fleet
from mirage.deploy.rollout.ordering import dry_run, order_of, said
from mirage.deploy.rollout.reporting import headline, lines_of
from mirage.deploy.rollout.targets import read_agents, read_bundle
from mirage.output import as_json, print_line, print_tables, printable
from mirage.progress import console

POLL_S = 1.0
UNMINDED_S = 20.0  # until it is said that no cloud is there


class HaltedError(RuntimeError):
    """The rollout does not go on by itself; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed. `release` and `bundle` are folders, archives or ids."""

    fleet: Path
    config: Path
    release: tuple[str, ...] = ()
    bundle: str | None = None
    wave: str | None = None
    yes: bool = False
    dry_run: bool = False
    follow: bool = True


def update(request: Request, confirm: Callable[[str], bool]) -> None:
    """Order a rollout, or go on following it. Raises FleetError, TargetError, RolloutError, HaltedError."""
    fleet = load_fleet(request.fleet)
    folder = request.fleet.resolve().parent
    agents = read_agents(fleet, folder, request.release) if request.release else {}
    bundle = None if request.bundle is None else read_bundle(fleet, folder, request.bundle)
    order = order_of(fleet, agents, bundle, request.wave)
    if request.dry_run:
        for line in dry_run(order, str(request.config)):
            print_line(line)
        return
    with _store(request.config) as store:
        if not request.yes and not _is_known(store, order):
            waves = len({each.wave for each in order.devices})
            question = (
                f"Bring {said(order)} to {len(order.devices)} devices of {order.fleet}, in {waves} waves?"
            )
            if not confirm(question):
                raise RolloutError("nothing was ordered")
        with store.write() as session:
            row, is_new = orders.begin(session, order, wall_ms())
            number, state = row.id, row.state
        print_line(f"rollout {number}: {'begun' if is_new else f'is known, {state}'}")
        if request.follow:
            follow(store, fleet)


def act(request: Request, what: Callable[[Session, RolloutRow], None]) -> None:
    """Halt, resume or retry the fleet's rollout, and follow it. Raises RolloutError, HaltedError."""
    fleet = load_fleet(request.fleet)
    with _store(request.config) as store:
        with store.write() as session:
            row = orders.find(session, fleet.fleet.tenant, fleet.fleet.name)
            if row is None:
                raise RolloutError(f"{fleet.fleet.name} has no rollout")
            what(session, row)
        print_line(headline(_reported(store, fleet)))
        if request.follow:
            follow(store, fleet)


def status(fleet_file: Path, config: Path, *, json: bool) -> None:
    """Print how the fleet's latest rollout is. Raises FleetError, RolloutError."""
    fleet = load_fleet(fleet_file)
    with _store(config) as store:
        found = _reported(store, fleet)
    if json:
        print_line(as_json(found))
    else:
        print_tables(*lines_of(found))


def follow(store: Store, fleet: Fleet) -> None:
    """Say what happens, until the rollout ends or only those that are away are left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    known: dict[str, str] = {}
    unminded_s = time.monotonic() + UNMINDED_S
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("rollout", total=None)
        while True:
            now = _reported(store, fleet)
            for line in _news(now, known):
                print_line(line)
            bar.update(
                task, description=printable(now.why) or now.state, completed=now.done, total=len(now.devices)
            )
            if now.is_minded or now.state != "running":
                unminded_s = time.monotonic() + UNMINDED_S
            elif time.monotonic() > unminded_s:
                raise HaltedError("no cloud takes it up: `mirage cloud run`, or `ingest`, has to run")
            if _is_over(now):
                break
            time.sleep(POLL_S)
    print_line(headline(now))
    if now.state == "halted":
        raise HaltedError(
            f"{printable(now.why)}: `mirage deploy status` says more; --resume goes on, "
            "--retry DEVICE tries again"
        )
    if now.state == "running":
        print_line("the cloud goes on when they come")


def _news(now: RolloutReport, known: dict[str, str]) -> Iterator[str]:
    for each in now.devices:
        before, known[each.device] = known.get(each.device), each.state
        if each.state not in ("waiting", before):
            yield f"{each.device}: {each.state}{f': {printable(each.why)}' if each.why else ''}"


def _is_over(now: RolloutReport) -> bool:
    left = len(now.devices) - now.done
    if now.state == "halted":  # what is in hand goes on
        return not any(each.is_here and each.state in ("asked", "fetching", "trying") for each in now.devices)
    if now.state == "running":
        return now.is_minded and bool(now.why) and left == now.away  # and a cloud has looked
    return True


def _is_known(store: Store, order: Order) -> bool:
    with store.read() as session:
        return orders.is_under_way(session, order)


def _reported(store: Store, fleet: Fleet) -> RolloutReport:
    with store.read() as session:
        row = orders.latest(session, fleet.fleet.tenant, fleet.fleet.name)
        if row is None:
            raise RolloutError(f"{fleet.fleet.name} has no rollout")
        return report(session, row, wall_ms())


@contextmanager
def _store(config: Path) -> Iterator[Store]:
    store = Store(load_config(config).store.url)
    try:
        yield store
    finally:
        store.close()
