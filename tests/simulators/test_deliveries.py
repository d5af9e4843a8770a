"""deliver_sm on their way: kept, spread, sent again."""

from __future__ import annotations

from collections.abc import Callable

from simulators.smsc.deliveries import ANY_ACCOUNT, Deliveries, Errand
from smsd.smpp.pdu import CommandStatus, DeliverSm


class Bind:
    def __init__(self, room: int = 10, system_id: str = "smsd") -> None:
        self.room = room
        self.system_id = system_id
        self.sent: list[Errand] = []

    def request(self, pdu: DeliverSm, tag: object) -> bool:
        assert isinstance(tag, Errand)
        self.room -= 1
        self.sent.append(tag)
        return True

    @property
    def texts(self) -> list[bytes]:
        return [errand.pdu.short_message for errand in self.sent]


class Subject:
    def __init__(self) -> None:
        self.sent = 0
        self.done: list[bool] = []

    def on_sent(self) -> None:
        self.sent += 1

    def on_done(self, accepted: bool) -> None:
        self.done.append(accepted)


class World:
    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], object]]] = []
        self.deliveries = Deliveries(5.0, lambda delay_s, deed: self.later.append((delay_s, deed)))

    def put(self, *texts: bytes, account: str = ANY_ACCOUNT, subject: Subject | None = None) -> None:
        for text in texts:
            self.deliveries.put(Errand(DeliverSm(short_message=text), account, subject))
        self.deliveries.pump()


def test_what_comes_before_a_bind_waits_for_it_in_order() -> None:
    world, bind = World(), Bind()
    world.put(b"1", b"2", b"3")
    assert world.deliveries.waiting == 3

    world.deliveries.attach(bind)
    world.deliveries.pump()

    assert bind.texts == [b"1", b"2", b"3"]
    assert world.deliveries.waiting == 0


def test_binds_take_turns_and_none_gets_more_than_its_window() -> None:
    world, one, other = World(), Bind(room=2), Bind(room=5)
    world.deliveries.attach(one)
    world.deliveries.attach(other)

    world.put(*(b"%d" % number for number in range(9)))

    assert (len(one.sent), len(other.sent)) == (2, 5)
    assert set(one.texts + other.texts) == {b"%d" % number for number in range(7)}
    assert world.deliveries.waiting == 2


def test_receipts_go_to_a_bind_of_their_own_account() -> None:
    world, mine, theirs = World(), Bind(system_id="smsd"), Bind(system_id="other")
    world.deliveries.attach(mine)
    world.deliveries.attach(theirs)

    world.put(b"receipt", account="other")

    assert (mine.texts, theirs.texts) == ([], [b"receipt"])


def test_what_a_lost_bind_left_unanswered_goes_first_and_in_order_on_the_next() -> None:
    world, lost, next_bind, subject = World(), Bind(room=2), Bind(), Subject()
    world.deliveries.attach(lost)
    world.put(b"1", b"2", b"3", subject=subject)

    world.deliveries.detach(lost)
    world.deliveries.unanswered([lost.sent[1], lost.sent[0]], at_once=True)
    world.deliveries.attach(next_bind)
    world.deliveries.pump()

    assert next_bind.texts == [b"1", b"2", b"3"]
    assert subject.sent == 3
    assert world.deliveries.resent == 2


def test_an_unanswered_or_put_off_one_goes_again_after_a_while() -> None:
    for status in (None, CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RX_T_APPN):
        world, bind = World(), Bind()
        world.deliveries.attach(bind)
        world.put(b"1")
        if status is None:
            world.deliveries.unanswered(bind.sent[:], at_once=False)
        else:
            world.deliveries.answered(bind.sent[0], status)
        world.deliveries.pump()
        assert bind.texts == [b"1"]

        [(delay_s, deed)] = world.later
        deed()
        world.deliveries.pump()

        assert delay_s == 5.0
        assert bind.texts == [b"1", b"1"]


def test_a_refusal_for_good_ends_it_and_is_told() -> None:
    world, bind, subject = World(), Bind(), Subject()
    world.deliveries.attach(bind)
    world.put(b"1", subject=subject)

    world.deliveries.answered(bind.sent[0], CommandStatus.ESME_RX_R_APPN)

    assert subject.done == [False]
    assert world.deliveries.under_way == 0
    assert world.later == []


def test_a_late_answer_keeps_it_from_going_again() -> None:
    world, bind, subject = World(), Bind(), Subject()
    world.deliveries.attach(bind)
    world.put(b"1", subject=subject)
    world.deliveries.unanswered(bind.sent[:], at_once=False)

    world.deliveries.answered(bind.sent[0], CommandStatus.ESME_ROK)
    world.later[0][1]()
    world.deliveries.pump()

    assert bind.texts == [b"1"]
    assert subject.done == [True]
    assert world.deliveries.under_way == 0
