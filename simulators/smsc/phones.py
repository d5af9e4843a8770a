"""What the phones show: each number's messages both ways, their price, and who is watching.

Memory only and bounded: the phone unseen longest is forgotten first, each keeps its latest messages.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

Spent = Callable[[str], int]
"""What a number (`+47…`) has been billed, in øre."""


class Direction(StrEnum):
    """`mo` left the phone, `mt` came to it."""

    MO = "mo"
    MT = "mt"


class MessageState(StrEnum):
    """An MO is `waiting`, `sent`, then `delivered` or `refused`; an MT is `received` or `undelivered`."""

    WAITING = "waiting"
    SENT = "sent"
    DELIVERED = "delivered"
    REFUSED = "refused"
    RECEIVED = "received"
    UNDELIVERED = "undelivered"


class PhoneMessage(msgspec.Struct, gc=False):
    """One message as the phone has it. `at` is UTC (RFC 3339); `from` and `to` as people write them.

    `price_ore` is what it is to cost; `billed` says whether that was put on the account (None: not yet).
    `segments` counts those that have come.
    """

    id: str
    direction: Direction
    text: str
    price_ore: int
    billed: bool | None
    at: str
    sender: str = msgspec.field(name="from")
    recipient: str = msgspec.field(name="to")
    state: MessageState = MessageState.WAITING
    segments: int = 1


class Watcher:
    """A bounded queue of messages new or changed, for one that looks on; too slow, it must look anew."""

    def __init__(self, limit: int = 256) -> None:
        self._news: deque[PhoneMessage] = deque()
        self._limit = limit
        self._wake = asyncio.Event()
        self._missed = False

    def offer(self, message: PhoneMessage) -> None:
        """Takes a message, or notes that one was missed."""
        if len(self._news) >= self._limit:
            self._missed = True
            self._news.clear()
        if not self._missed:
            self._news.append(message)
        self._wake.set()

    async def next(self) -> list[PhoneMessage]:
        """Waits for messages; an empty list means that some were missed."""
        while not self._news and not self._missed:
            self._wake.clear()
            await self._wake.wait()
        news = list(self._news)
        self._news.clear()
        self._missed = False
        return news


class Phone:
    """One number's messages, oldest first, and those who look on."""

    __slots__ = ("_spent", "messages", "number", "watchers")

    def __init__(self, number: str, keep: int, spent: Spent) -> None:
        self.number = number
        self.messages: deque[PhoneMessage] = deque(maxlen=keep)
        self.watchers: list[Watcher] = []
        self._spent = spent

    @property
    def spent_ore(self) -> int:
        """What the ledger says the number has been billed."""
        return self._spent(self.number)

    def add(self, message: PhoneMessage) -> None:
        """Puts a message last and tells those that look on."""
        self.messages.append(message)
        self.tell(message)

    def tell(self, message: PhoneMessage) -> None:
        """Tells those that look on that this message is new or changed."""
        for watcher in self.watchers:
            watcher.offer(message)


class Phones:
    """All phones by international digits without `+`."""

    def __init__(self, limit: int, keep: int, spent: Spent) -> None:
        self._limit = limit
        self._keep = keep
        self._phones: OrderedDict[str, Phone] = OrderedDict()
        self._spent = spent

    def __len__(self) -> int:
        return len(self._phones)

    def touch(self, digits: str) -> Phone:
        """The phone of this number, made where it is new, and the last to be forgotten."""
        phone = self._phones.get(digits)
        if phone is not None:
            self._phones.move_to_end(digits)
            return phone
        phone = self._phones[digits] = Phone("+" + digits, self._keep, self._spent)
        if len(self._phones) > self._limit:
            self._forget_one()
        return phone

    def find(self, digits: str) -> Phone | None:
        """The phone, where it has been seen."""
        return self._phones.get(digits)

    def recent(self, prefix: str = "") -> Iterator[Phone]:
        """Phones whose number begins with these digits, the latest used first."""
        for digits, phone in reversed(self._phones.items()):
            if digits.startswith(prefix):
                yield phone

    def _forget_one(self) -> None:
        for digits, phone in self._phones.items():
            if not phone.watchers:
                del self._phones[digits]
                return
