"""What room there is to send, and free MTs sent into it beside the engine's transactions.

What it sends is committed, and nothing needs to be written before it leaves; so no window waits for the
commit of the answers that made room in it. Never a charge: that must be `sending` in the store before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf

from foundation.clock import Clock
from smsd.queues import OperatorQueue
from smsd.smpp.link import Answer, AnswerKind, Link
from smsd.work import Answered, Input, Piece, Plan


class Pump:
    """Beside one engine, which bounds it: what it sent and no commit has answered goes again after a crash.

    It rests while an answer waits that is no plain acceptance: what that says of the account is heeded
    first. And it keeps off a queue from which a transaction took something that is not carried out yet.
    """

    def __init__(
        self, queues: Mapping[str, OperatorQueue], links: Mapping[str, Sequence[Link]], clock: Clock
    ) -> None:
        self._queues = queues
        self._links = links
        self._clock = clock
        self._taken_from: Sequence[str] = ()
        self._unwell = 0

    def names(self) -> frozenset[str]:
        """The queues that it serves now; transactions need take nothing free from these."""
        return frozenset(name for name, queue in self._queues.items() if queue.plain)

    # what the engine tells

    def answered(self, answers: Sequence[Answer]) -> None:
        """These wait for a transaction now."""
        self._unwell += sum(not _well(answer) for answer in answers)

    def taken_up(self, batch: Sequence[Input]) -> None:
        """These are carried out."""
        if self._unwell:
            self._unwell -= sum(isinstance(item, Answered) and not _well(item.answer) for item in batch)

    def keep_off(self, plan: Plan) -> None:
        """A transaction decided this; until `go_on`."""
        self._taken_from = [name for name, taken in plan.taken.items() if taken]

    def go_on(self) -> None:
        """What was decided is carried out, or never will be."""
        self._taken_from = ()

    # room

    def rooms(self) -> dict[str, list[tuple[Link, int]]]:
        """For a transaction: by operator that may send, its links and how many submit_sm each takes now."""
        now = self._clock.monotonic()
        rooms = {}
        for name, queue in self._queues.items():
            queue.allowed = queue.pace.permits(now)
            if not queue.allowed:
                continue
            links = [(link, link.room) for link in self._links[name] if link.can_submit]
            if any(room for _, room in links):
                rooms[name] = links
        return rooms

    def can_send(self) -> bool:
        """Whether a transaction now could find something to send."""
        now = self._clock.monotonic()
        return any(queue.may_send(now) and self._has_room(name) for name, queue in self._queues.items())

    def wait_s(self) -> float:
        """How long until an account's rate lets something go for which there is room."""
        now = self._clock.monotonic()
        return min(
            (
                queue.wakes_at(now) - now
                for name, queue in self._queues.items()
                if len(queue) and self._has_room(name)
            ),
            default=inf,
        )

    def _has_room(self, name: str) -> bool:
        return any(link.can_submit and link.room for link in self._links[name])

    # sending

    def send(self, submit: Callable[[Link, Piece], None], ours: Callable[[], bool]) -> None:
        """Send all that may go now, where the store is still `ours`."""
        if self._unwell:
            return
        now = self._clock.monotonic()
        for name, queue in self._queues.items():
            if not queue.plain or not len(queue) or name in self._taken_from:
                continue
            rooms = {link: link.room for link in self._links[name]}
            most = min(sum(rooms.values()), queue.pace.permits(now))
            if most <= 0:
                continue
            if not ours():
                # the next transaction ends the program
                return
            pieces = queue.take_plain(most, self._clock.now_us())
            queue.pace.spend(len(pieces))
            for piece in pieces:
                link = max(rooms, key=rooms.__getitem__)
                rooms[link] -= 1
                submit(link, piece)


def _well(answer: Answer) -> bool:
    return answer.status == 0 and answer.kind is AnswerKind.ANSWERED
