"""What devices are asked, kept in the store: asked by anyone, sent by an ingest, answered by the device.

queued --take--> sent --answer--> answered | refused
  '---------------'--- expire, once the deadline has passed --> expired
"""

import json
import uuid
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from cloud.schema import CommandRow, DeviceRow
from wire import documents
from wire.documents import Command, Reply, Value
from wire.topics import VERBS, DeviceTopics


class CommandError(ValueError):
    """The device cannot be asked this; the message says why."""


class Order(NamedTuple):
    """A command that is to be sent now."""

    device_id: int
    topic: str
    command: Command


def ask(
    session: Session, device: str, verb: str, arguments: Mapping[str, Value], now_ms: int, timeout_ms: int
) -> str:
    """Queue a command for a device, tenant/site/device, and give its id. Raises CommandError."""
    if verb not in VERBS:
        raise CommandError(f"verb {verb!r} is none of {', '.join(VERBS)}")
    parts = device.split("/")
    row = None
    if len(parts) == 3:
        tenant, site, name = parts
        which = (DeviceRow.tenant == tenant, DeviceRow.site == site, DeviceRow.name == name)
        row = session.scalars(select(DeviceRow).where(*which)).one_or_none()
    if row is None:
        raise CommandError(f"no device {device!r} was heard of")
    command = Command(uuid.uuid4().hex, now_ms + timeout_ms, dict(arguments))
    try:
        documents.encode(command)
    except documents.DocumentError as error:
        raise CommandError(str(error)) from error
    session.add(
        CommandRow(
            id=command.id, device_id=row.id, verb=verb, arguments=json.dumps(command.arguments),
            created_ms=now_ms, deadline_ms=command.deadline_ms, state="queued",
        )
    )  # fmt: skip
    return command.id


def is_queued(session: Session, now_ms: int) -> bool:
    """Tell whether `take` or `expire` would find anything; takes no lock."""
    queued = CommandRow.state == "queued"
    late = CommandRow.state.in_(("queued", "sent")) & (CommandRow.deadline_ms < now_ms)
    return session.scalar(select(CommandRow.id).where(queued | late).limit(1)) is not None


def take(session: Session, now_ms: int, most: int) -> list[Order]:
    """Mark what waits as sent, the oldest first; what is late is expired."""
    late = update(CommandRow).where(CommandRow.state.in_(("queued", "sent")), CommandRow.deadline_ms < now_ms)
    session.execute(late.values(state="expired"))
    query = (
        select(CommandRow, DeviceRow)
        .join(DeviceRow, DeviceRow.id == CommandRow.device_id)
        .where(CommandRow.state == "queued")
        .order_by(CommandRow.created_ms, CommandRow.id)
        .limit(most)
        .with_for_update(of=CommandRow)
    )
    orders = []
    for row, device in session.execute(query):
        row.state = "sent"
        topic = DeviceTopics(device.tenant, device.site, device.name).cmd(row.verb)
        orders.append(Order(device.id, topic, Command(row.id, row.deadline_ms, json.loads(row.arguments))))
    session.flush()
    return orders


def put_back(session: Session, command_id: str) -> None:
    """Queue a command again that could not be sent."""
    sent = update(CommandRow).where(CommandRow.id == command_id, CommandRow.state == "sent")
    session.execute(sent.values(state="queued"))


def answer(session: Session, device_id: int, reply: Reply) -> bool:
    """Note what a device replied, late or not; False if it was not asked, or has replied before."""
    asked = update(CommandRow).where(
        CommandRow.id == reply.id, CommandRow.device_id == device_id,
        CommandRow.state.in_(("sent", "expired")), CommandRow.reply.is_(None),
    )  # fmt: skip
    told = asked.values(state="answered" if reply.ok else "refused", reply=documents.encode(reply).decode())
    return session.scalar(told.returning(CommandRow.id)) is not None


def state_of(session: Session, command_id: str) -> tuple[str, Reply | None]:
    """Give how far a command is, and its reply if that has come."""
    row = session.get_one(CommandRow, command_id)
    return row.state, None if row.reply is None else documents.decode_reply(row.reply.encode())
