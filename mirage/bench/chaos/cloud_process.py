"""The cloud's process: `mirage cloud ingest` as it is, on a clock that may jump, counting outcomes.

    python -m mirage.bench.chaos.cloud_process CONTROL MISTAKE cloud ingest --config FILE

MISTAKE is one that the checker must find, for its tests.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mirage.bench.chaos.control import Control
from mirage.bench.chaos.settings import KEEPALIVE_S, Mistake

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from cloud.inbox import Inbox
    from cloud.message import Message, Receipt
    from cloud.watermark import Watermark
    from wire.documents import AckWatermark


def count_outcomes(control: Control) -> None:
    """Let every message that is accepted be counted."""
    from cloud.inbox import Inbox

    accept = Inbox.accept

    def counting(self: "Inbox", messages: "Sequence[Message]") -> "list[Receipt]":
        receipts = accept(self, messages)
        for receipt in receipts:
            control.count(receipt.outcome.value)
        return receipts

    Inbox.accept = counting  # type: ignore[method-assign]


def acknowledge_early() -> None:
    """Claim what comes next as if it were stored."""
    from cloud.watermark import Watermark
    from wire.documents import AckWatermark

    def early(self: "Watermark") -> "AckWatermark | None":
        return AckWatermark(self.highest + 5) if self.highest >= 0 else None

    Watermark.acknowledged = early  # type: ignore[method-assign]


def change_stored(change: "Callable[[Session], None]") -> None:
    """Have something done in each transaction before it is committed."""
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    def changing(session: Session) -> None:
        session.flush()
        change(session)

    event.listen(Session, "before_commit", changing)


def forget(session: "Session") -> None:
    """Lose every 20th packet, of which the watermark knows by now."""
    from sqlalchemy import text

    session.execute(text("DELETE FROM packets WHERE sequence % 20 = 7"))


def alter(session: "Session") -> None:
    """Change the last bit of every 20th packet."""
    from sqlalchemy import text

    for row, body in session.execute(text("SELECT id, body FROM packets WHERE sequence % 20 = 7")).all():
        changed = bytes((*body[:-1], body[-1] | 1))
        session.execute(
            text("UPDATE packets SET body = :body WHERE id = :row"), {"body": changed, "row": row}
        )


MISTAKES: Mapping[Mistake, Callable[[], None]] = {
    Mistake.ACKNOWLEDGES_EARLY: acknowledge_early,
    Mistake.FORGETS: lambda: change_stored(forget),
    Mistake.ALTERS: lambda: change_stored(alter),
}


def main() -> None:
    """Run the process."""
    path, mistake, *arguments = sys.argv[1:]
    control = Control(Path(path))
    control.shift_wall_clock()

    from cloud import subscription
    from mirage import cli

    subscription.KEEPALIVE_S = KEEPALIVE_S
    count_outcomes(control)
    MISTAKES.get(Mistake(mistake), lambda: None)()
    sys.argv = ["mirage", *arguments]
    cli.main()


if __name__ == "__main__":
    main()
