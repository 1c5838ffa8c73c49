"""Books: each byte is charged once, to whom it was for."""

from collections.abc import Mapping

import pytest

from edge.allowance import Limits, Purpose
from edge.books import Books
from edge.budget import Budget
from edge.ledger import Key, Ledger
from edge.message import Message, own_bill, packet_bill
from edge.transport import Carried, closing_bytes, connection_bytes, message_bytes
from wire.packet import Layer, Packet

TOPIC = "mirage/v1/acme/plant/edge-1/door/sem"
PACKET = Packet(7, 1000, 2000, {Layer.CAPTION: b"a door", Layer.APPEARANCE_TOKENS: bytes(50), 99: b"new"})
PAYLOAD = bytes(len(bytes(PACKET)) + 19)  # sealed


class Spending(Budget):
    """Notes what is spent."""

    def __init__(self) -> None:
        super().__init__(Limits())
        self.bytes = 0

    def spent(self, purpose: Purpose, size: int, now_s: float) -> None:
        super().spent(purpose, size, now_s)
        self.bytes += size


@pytest.fixture
def budget() -> Spending:
    return Spending()


@pytest.fixture
def books(budget: Spending) -> Books:
    return Books(budget, Ledger())


def packet(camera: str = "door", *, again: bool = False) -> Message:
    return Message(TOPIC, PAYLOAD, bill=packet_bill(camera, PACKET, PAYLOAD, again=again))


def of_kind(totals: Mapping[Key, int], kind: str) -> dict[tuple[str | None, str], int]:
    return {(camera, layer): size for (camera, layer, each), size in totals.items() if each == kind}


def test_a_packet_is_charged_by_layer_and_what_is_around_it_to_its_camera(books: Books) -> None:
    books.published(packet(), len(PAYLOAD) + 9, Purpose.LIVE)
    payload = of_kind(books.ledger.totals(), "payload")
    assert payload == {
        ("door", "caption"): 6, ("door", "appearance-tokens"): 50, ("door", "other"): 3,
        ("door", "header"): len(PAYLOAD) - 59,
    }  # fmt: skip
    assert of_kind(books.ledger.totals(), "mqtt") == {("door", "packet"): 9}


def test_what_goes_out_again_is_charged_as_that_and_to_no_layer(books: Books) -> None:
    books.published(packet(again=True), len(PAYLOAD) + 9, Purpose.BACKLOG)
    assert books.ledger.totals() == {("door", "packet", "resent"): len(PAYLOAD) + 9}


def test_what_is_for_no_camera_is_the_devices_own(books: Books) -> None:
    birth = Message("birth", bytes(300), retain=True, bill=own_bill("birth", bytes(300)))
    books.published(birth, 360, Purpose.CONNECTION)
    books.control(4, Purpose.RECORD)
    assert of_kind(books.ledger.totals(), "payload") == {(None, "birth"): 300}
    assert of_kind(books.ledger.totals(), "mqtt") == {(None, "packet"): 64}


def test_budget_and_ledger_count_the_same(books: Books, budget: Spending) -> None:
    books.connected(150)
    books.published(packet(), 130, Purpose.LIVE)
    books.published(packet(again=True), 90, Purpose.LIVE)
    books.control(2, Purpose.RECORD)
    books.settle(None)
    totals = books.ledger.totals()
    assert sum(size for (_, _, kind), size in totals.items() if kind != "transport") == budget.bytes == 372


def test_what_the_kernel_tells_is_shared_out_to_the_byte(books: Books) -> None:
    books.connected(100)
    books.published(packet("door"), 130, Purpose.LIVE)
    books.published(packet("yard"), 130, Purpose.LIVE)
    books.settle(Carried(11, 400, 11 * 52))
    around = of_kind(books.ledger.totals(), "transport")
    assert sum(around.values()) == 11 * 52 + 400 - 360
    assert around["door", "packet"] == pytest.approx(around["yard", "packet"], abs=1)
    assert around[None, "packet"] > around["door", "packet"]  # which opened the connection
    books.settle(Carried(12, 400, 12 * 52))
    books.settle(Carried(12, 400, 12 * 52), closed=True)
    assert sum(of_kind(books.ledger.totals(), "transport").values()) == 12 * 52 + 40 + closing_bytes()


def test_what_was_handed_over_and_has_not_left_yet_counts_once(books: Books) -> None:
    books.connected(100)
    books.published(packet(), 500, Purpose.LIVE)
    books.settle(Carried(3, 100, 156))  # the rest waits in a full buffer
    assert of_kind(books.ledger.totals(), "transport") == {}
    books.settle(Carried(4, 600, 208))
    assert sum(of_kind(books.ledger.totals(), "transport").values()) == 208


def test_where_the_kernel_tells_nothing_the_estimate_counts(books: Books) -> None:
    books.connected(100)
    books.published(packet(), 130, Purpose.LIVE)
    books.settle(None)
    around = of_kind(books.ledger.totals(), "transport")
    assert around["door", "packet"] == message_bytes(130, tls=False, answered=True)
    assert around[None, "packet"] == connection_bytes(None) + message_bytes(100, tls=False, answered=False)


def test_a_connection_in_vain_is_the_ledgers_and_not_the_budgets(books: Books, budget: Spending) -> None:
    books.attempted(3.5)
    assert of_kind(books.ledger.totals(), "transport") == {(None, "packet"): 180}
    assert budget.bytes == 0


def test_where_the_wire_counts_the_budget_pays_what_the_ledger_has_of_it(budget: Spending) -> None:
    ledger = Ledger()
    books = Books(budget, ledger, 600, wire=True)
    books.connected(90)
    books.published(packet(), len(PAYLOAD) + 9, Purpose.LIVE)
    books.settle(None)
    books.settle(Carried(9, 1500, 9 * 52 + 8))
    books.attempted(3.0)
    assert budget.bytes == sum(ledger.totals().values())
    assert sum(of_kind(ledger.totals(), "transport").values()) > connection_bytes(600)


def test_where_the_wire_counts_room_is_asked_for_with_what_a_message_takes_there() -> None:
    size = 200
    around = message_bytes(size, tls=True, answered=True)
    most = Budget(Limits(bytes_per_s=100.0, burst_bytes=4096)).most(Purpose.LIVE)
    for wire, fits in ((False, most), (True, most - around)):
        books = Books(Budget(Limits(bytes_per_s=100.0, burst_bytes=4096)), Ledger(), 600, wire=wire)
        assert not books.admits(Purpose.LIVE, int(fits) + 200)
        assert books.admits(Purpose.LIVE, size)
    tight = Books(Budget(Limits(bytes_per_s=100.0, burst_bytes=4096)), Ledger(), 600, wire=True)
    assert not tight.admits(Purpose.LIVE, int(most) - around // 2)
