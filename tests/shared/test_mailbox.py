"""Outbox and inbox: nothing lost, nothing twice, in order, through everything the wire may do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from shared import mailbox
from shared.clock import utc_now
from shared.events import Envelope, Event
from shared.service import Instance
from shared.transport.loopback import Loopback
from tests.shared.sample import LISTENER, TELLER, Counted, Heard, Whispered

Make = Callable[..., Instance]


@pytest.fixture
def teller(make_instance: Make) -> Instance:
    return make_instance(TELLER)


@pytest.fixture
def listener(make_instance: Make) -> Instance:
    return make_instance(LISTENER)


def tell(teller: Instance, *events: Event) -> None:
    with teller.begin() as uow:
        for event in events:
            uow.emit(event)


def heard(listener: Instance) -> list[tuple[str, int]]:
    with listener.snapshot() as session:
        return [(row.counter, row.sequence) for row in session.scalars(sa.select(Heard).order_by(Heard.id))]


def settle(instance: Instance) -> None:
    while instance.react():
        pass


def make_due(listener: Instance) -> None:
    """As if the pause before the next attempt were over."""
    with listener.database.transaction() as session:
        session.execute(sa.update(mailbox.Inbox).values(due_at=utc_now() - timedelta(seconds=1)))


class Kept:
    """A wire that only keeps what is published."""

    def __init__(self, *, takes: int = 10**6) -> None:
        self.envelopes: list[Envelope] = []
        self.takes = takes

    def publish(self, batch: Sequence[Envelope]) -> int:
        self.envelopes += batch[: self.takes]
        return min(len(batch), self.takes)


def test_what_is_told_is_heard_once_and_in_order(teller: Instance, listener: Instance) -> None:
    tell(teller, Counted(sequence=1, counter="a"), Counted(sequence=1, counter="b"))
    tell(teller, Counted(sequence=2, counter="a"))
    while teller.relay(Loopback((listener,))):
        pass
    settle(listener)
    assert heard(listener) == [("a", 1), ("b", 1), ("a", 2)]


def test_nothing_is_told_by_work_that_fails(teller: Instance) -> None:
    def work() -> None:
        with teller.begin() as uow:
            uow.emit(Counted(sequence=1, counter="a"))
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        work()
    assert teller.relay(Kept()) == 0


def test_positions_are_given_without_gaps(teller: Instance) -> None:
    for sequence in range(1, 8):
        tell(teller, Counted(sequence=sequence, counter="a"))
    wire = Kept()
    while teller.relay(wire):
        pass
    assert [envelope.position for envelope in wire.envelopes] == list(range(1, 8))


def test_a_wire_that_takes_a_part_gets_the_rest_later(teller: Instance) -> None:
    tell(teller, *(Counted(sequence=sequence, counter="a") for sequence in range(1, 6)))
    wire = Kept(takes=2)
    assert [teller.relay(wire) for _ in range(4)] == [2, 2, 1, 0]
    assert [envelope.sequence for envelope in wire.envelopes] == [1, 2, 3, 4, 5]


def test_a_sequence_number_is_given_once_per_subject(teller: Instance) -> None:
    tell(teller, Counted(sequence=1, counter="a"))
    with pytest.raises(sa.exc.IntegrityError):
        tell(teller, Counted(sequence=1, counter="a"))


def test_repeated_and_reordered_deliveries_change_nothing(teller: Instance, listener: Instance) -> None:
    tell(teller, *(Counted(sequence=sequence, counter="ab"[sequence % 2]) for sequence in range(1, 31)))
    wire = Kept()
    while teller.relay(wire):
        pass
    deliveries = wire.envelopes * 2
    random.Random(7).shuffle(deliveries)
    for envelope in deliveries:
        listener.accept([envelope])
        settle(listener)
    assert heard(listener) == [("ab"[sequence % 2], sequence) for sequence in range(1, 31)]


def test_what_follows_a_gap_waits_until_it_is_filled(teller: Instance, listener: Instance) -> None:
    tell(teller, *(Counted(sequence=sequence, counter="a") for sequence in (1, 2, 3)))
    wire = Kept()
    teller.relay(wire)
    first, second, third = wire.envelopes
    listener.accept([first, third])
    settle(listener)
    assert heard(listener) == [("a", 1)]
    with listener.snapshot() as session:
        assert mailbox.gaps(session) == ["teller"]
    listener.accept([second])
    settle(listener)
    assert heard(listener) == [("a", 1), ("a", 2), ("a", 3)]


def test_events_nobody_handles_leave_no_gap(teller: Instance, listener: Instance) -> None:
    tell(teller, Counted(sequence=1, counter="a"), Whispered(sequence=1), Counted(sequence=2, counter="a"))
    teller.relay(Loopback((listener,)))
    settle(listener)
    assert heard(listener) == [("a", 1), ("a", 2)]


def test_a_message_that_fails_holds_up_its_own_subject_alone(teller: Instance, listener: Instance) -> None:
    tell(
        teller,
        Counted(sequence=1, counter="a", fails=True),
        Counted(sequence=2, counter="a"),
        Counted(sequence=1, counter="b"),
    )
    teller.relay(Loopback((listener,)))
    listener.react()
    assert heard(listener) == [("b", 1)], "its own work was rolled back, that of the others was not"
    assert listener.react() == 0, "what waits behind it is not due either"


def test_after_eight_attempts_a_message_is_set_aside_and_can_be_sent_again(
    teller: Instance, listener: Instance
) -> None:
    tell(teller, Counted(sequence=1, counter="a", fails=True), Counted(sequence=2, counter="a"))
    teller.relay(Loopback((listener,)))
    for _ in range(mailbox.MAX_ATTEMPTS):
        settle(listener)
        make_due(listener)
    settle(listener)
    with listener.snapshot() as session:
        [dead] = mailbox.parked(session)
        assert mailbox.load(session, now=utc_now()).parked == 1
    assert dead.last_error == "ValueError: this one cannot be handled"
    assert heard(listener) == [("a", 2)], "what is set aside no longer blocks"

    with listener.database.transaction() as session:
        session.execute(
            sa.update(mailbox.Inbox).where(mailbox.Inbox.id == dead.id).values(data={"sequence": 1, "counter": "a"})
        )
        assert mailbox.send_again(session, dead.id)
        assert not mailbox.send_again(session, dead.id)
    settle(listener)
    assert heard(listener) == [("a", 2), ("a", 1)]


def test_many_messages_that_wait_do_not_keep_the_others_from_their_turn(teller: Instance, listener: Instance) -> None:
    tell(teller, Counted(sequence=1, counter="stuck", fails=True))
    tell(teller, *(Counted(sequence=sequence, counter="stuck") for sequence in range(2, 150)))
    tell(teller, Counted(sequence=1, counter="free"))
    while teller.relay(Loopback((listener,))):
        pass
    settle(listener)
    assert heard(listener) == [("free", 1)]


def test_what_was_handled_long_ago_is_forgotten_and_still_known(teller: Instance, listener: Instance) -> None:
    tell(teller, Counted(sequence=1, counter="a"))
    wire = Kept()
    teller.relay(wire)
    listener.accept(wire.envelopes)
    settle(listener)
    with listener.database.transaction() as session:
        mailbox.forget_handled(session, now=utc_now() + timedelta(days=31))
        assert session.scalar(sa.select(sa.func.count()).select_from(mailbox.Inbox)) == 0
    listener.accept(wire.envelopes)
    settle(listener)
    assert heard(listener) == [("a", 1)]


def test_tellers_that_commit_out_of_order_lose_nothing(teller: Instance, listener: Instance) -> None:
    """Serial numbers are given before the commit; the relay must not run past one that commits late."""
    stop = threading.Event()

    def keep_relaying() -> None:
        while not stop.is_set():
            teller.relay(Loopback((listener,)))

    def keep_telling(counter: str) -> None:
        for sequence in range(1, 21):
            tell(teller, Counted(sequence=sequence, counter=counter))

    relaying = threading.Thread(target=keep_relaying)
    tellers = [threading.Thread(target=keep_telling, args=(f"c{number}",)) for number in range(6)]
    for thread in (relaying, *tellers):
        thread.start()
    for thread in tellers:
        thread.join()
    stop.set()
    relaying.join()
    while teller.relay(Loopback((listener,))):
        pass
    settle(listener)
    done = heard(listener)
    assert len(done) == 120
    for number in range(6):
        assert [sequence for counter, sequence in done if counter == f"c{number}"] == list(range(1, 21))


def test_a_listener_that_comes_late_catches_up_from_the_log(teller: Instance, make_instance: Make) -> None:
    tell(teller, *(Counted(sequence=sequence, counter="a") for sequence in range(1, 451)))
    while teller.relay(Kept()):
        pass
    late = make_instance(LISTENER)

    class Feed:
        def feed(self, source: str, *, after: int) -> list[Envelope]:
            with teller.snapshot() as session:
                return mailbox.feed(session, source, after=after, limit=200)

        def keys(self) -> dict[str, object]:
            return {}

    newcomer = Instance(late.service, late.config, late.database, Feed())
    assert newcomer.catch_up() == 450
    settle(newcomer)
    assert [sequence for _, sequence in heard(newcomer)] == list(range(1, 451))


# --- two at once, while the leadership changes hands


def test_two_relays_at_once_give_each_event_one_position(teller: Instance) -> None:
    wires = [Kept(), Kept()]
    relaying = [Relaying(teller, wire) for wire in wires]

    def keep_telling(counter: str) -> None:
        for sequence in range(1, 31):
            tell(teller, Counted(sequence=sequence, counter=counter))

    tellers = [threading.Thread(target=keep_telling, args=(f"c{number}",)) for number in range(4)]
    for thread in (*relaying, *tellers):
        thread.start()
    for thread in tellers:
        thread.join()
    for relay in relaying:
        relay.finish()
    positions: dict[int | None, Envelope] = {}
    for envelope in wires[0].envelopes + wires[1].envelopes:
        assert positions.setdefault(envelope.position, envelope) == envelope, "perhaps told twice, but not otherwise"
    assert set(positions) == set(range(1, 121))


class Relaying(threading.Thread):
    """Relays until it is told to finish, and then what is left."""

    def __init__(self, teller: Instance, wire: Kept) -> None:
        super().__init__()
        self._teller, self._wire = teller, wire
        self._stop_asked = threading.Event()
        self._failed: list[Exception] = []

    def run(self) -> None:
        try:
            while self._teller.relay(self._wire) or not self._stop_asked.is_set():
                pass
        except Exception as error:
            self._failed.append(error)

    def finish(self) -> None:
        self._stop_asked.set()
        self.join()
        assert self._failed == []


def test_two_that_handle_at_once_keep_the_order(teller: Instance, listener: Instance) -> None:
    """The second one waits for the first, whose message fails; it must not go on with the next of that subject."""
    tell(teller, Counted(sequence=1, counter="a", takes=0.6, fails=True), Counted(sequence=2, counter="a"))
    teller.relay(Loopback((listener,)))
    first, second = threading.Thread(target=listener.react), threading.Thread(target=listener.react)
    first.start()
    time.sleep(0.2)
    second.start()
    first.join()
    second.join()
    assert heard(listener) == []
    with listener.snapshot() as session:
        assert mailbox.load(session, now=utc_now()).waiting == 2


def test_two_that_accept_at_once_store_everything_once(teller: Instance, listener: Instance) -> None:
    tell(teller, *(Counted(sequence=sequence, counter="a") for sequence in range(1, 101)))
    wire = Kept()
    teller.relay(wire)
    together = threading.Barrier(4)

    def accept(order: random.Random) -> None:
        parts = [wire.envelopes[start : start + 10] for start in range(0, 100, 10)]
        order.shuffle(parts)
        together.wait()
        for part in parts:
            listener.accept(part)

    threads = [threading.Thread(target=accept, args=(random.Random(seed),)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(listener)
    assert [sequence for _, sequence in heard(listener)] == list(range(1, 101))


# --- a log that is not as it should be


def test_a_log_with_a_hole_at_its_start_is_not_asked_for_ever(make_instance: Make) -> None:
    late = make_instance(LISTENER)
    asked: list[int] = []

    class Cut:
        """A teller that has lost the beginning of its log."""

        def feed(self, source: str, *, after: int) -> list[Envelope]:
            asked.append(after)
            return [wrapped(Counted(sequence=7, counter="a")).at(7)]

        def keys(self) -> dict[str, object]:
            return {}

    newcomer = Instance(late.service, late.config, late.database, Cut())
    assert newcomer.catch_up() == 0
    assert asked == [0]
    with newcomer.snapshot() as session:
        assert mailbox.gaps(session) == ["teller"]


def wrapped(event: Event) -> Envelope:
    return Envelope.wrap(
        event, source="teller", time=utc_now(), actor=UUID(int=0), correlation_id=uuid4(), causation_id=None
    )
