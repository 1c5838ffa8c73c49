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


def change_stored(statement: str) -> None:
    """Have a statement run in each transaction before it is committed."""
    from sqlalchemy import event, text
    from sqlalchemy.orm import Session

    def change(session: Session) -> None:
        session.flush()
        session.execute(text(statement))

    event.listen(Session, "before_commit", change)


MISTAKES: Mapping[Mistake, Callable[[], None]] = {
    Mistake.ACKNOWLEDGES_EARLY: acknowledge_early,
    Mistake.FORGETS: lambda: change_stored("DELETE FROM packets WHERE sequence % 20 = 7"),
    Mistake.ALTERS: lambda: change_stored(
        "UPDATE packets SET body = substr(body, 1, length(body) - 1) || x'00' WHERE sequence % 20 = 7"
    ),
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
