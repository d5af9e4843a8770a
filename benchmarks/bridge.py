"""What one BETAL conversation costs the bridge: CPU µs, all of its messages and rows included.

    python benchmarks/bridge.py [--batch 100] [--conversations 3000] [--people 20000] [--profile]

A conversation is: MO, pay; charge; the premium SMS and its states; the charge settled; the reply and its
states. It comes in four parcels, as a gateway hands it off; each step is one transaction for the whole batch.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from bridge_world import World

from foundation.contract import (
    BridgeParcel,
    Charge,
    ChargeSettled,
    Direction,
    FromGateway,
    GatewayParcel,
    Message,
    MessageFate,
    MessageState,
    Outcome,
    Pay,
    Purpose,
    Reply,
)
from foundation.mailbox import Inbox, Outbox

GATEWAY = "smsd"
_DECODER = msgspec.json.Decoder(GatewayParcel)
_ENCODER = msgspec.json.Encoder()


def _message(world: World, conversation: str, number: str, purpose: Purpose, text: str) -> Message:
    incoming = purpose is Purpose.MO
    return Message(
        id=world.ids.new(),
        conversation=conversation,
        at=world.clock.us,
        direction=Direction.IN if incoming else Direction.OUT,
        number=number,
        short_code="2030",
        org="ORG1",
        text=text,
        segments=1,
        price=5000 if purpose is Purpose.PREMIUM else 0,
        purpose=purpose,
        fate=MessageFate.RECEIVED if incoming else MessageFate.QUEUED,
    )


def _state(world: World, sms: Message, fate: MessageFate, after_us: int) -> MessageState:
    return MessageState(
        id=world.ids.new(),
        conversation=sms.conversation,
        at=world.clock.us + after_us,
        message=sms.id,
        fate=fate,
    )


class Run:
    """The bridge's own work, timed; making the gateway's messages is not."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inbox = Inbox()
        self.outbox = Outbox()
        self.cpu_s = 0.0
        self.profile: cProfile.Profile | None = None

    def step(self, messages: list[FromGateway]) -> list[Charge | Reply]:
        """One parcel through the inbox, `handle` and the outbox, committed."""
        world = self.world
        world.clock.us += 1000
        body = _ENCODER.encode(GatewayParcel(id=world.ids.new(), sender=GATEWAY, messages=messages))
        connection, tx = world.connection, world.tx
        if self.profile:
            self.profile.enable()
        start = time.process_time()
        parcel = _DECODER.decode(body)
        connection.execute("BEGIN IMMEDIATE")
        self.inbox.unseen(tx, [parcel.id], world.clock.us)
        answers = world.bridge.handle(tx, parcel.messages, parcel.sender)
        if answers:
            reply = BridgeParcel(id=world.ids.new(), sender="bridge", messages=answers)
            self.outbox.post(tx, parcel.sender, [(reply.id, _ENCODER.encode(reply))])
        connection.execute("COMMIT")
        self.cpu_s += time.process_time() - start
        if self.profile:
            self.profile.disable()
        return [answer for answer in answers if isinstance(answer, Charge | Reply)]

    def batch(self, numbers: list[str]) -> None:
        """One BETAL conversation of each of these numbers, all at once."""
        world = self.world
        opening: list[FromGateway] = []
        for number in numbers:
            conversation = world.ids.new()
            opening.append(_message(world, conversation, number, Purpose.MO, "ORG1 BETAL 50"))
            opening.append(
                Pay(
                    id=world.ids.new(),
                    conversation=conversation,
                    at=world.clock.us,
                    org="ORG1",
                    sender=number,
                    amount=5000,
                )
            )
        charges = [answer for answer in self.step(opening) if isinstance(answer, Charge)]
        assert len(charges) == len(numbers)
        premiums: list[FromGateway] = []
        middle: list[FromGateway] = []
        for charge in charges:
            sms = _message(world, charge.conversation, charge.recipient, Purpose.PREMIUM, "x" * 75)
            premiums.append(sms)
            middle += [sms, _state(world, sms, MessageFate.ACCEPTED, 1)]
        self.step(middle)
        ends: list[FromGateway] = []
        for charge, sms in zip(charges, premiums, strict=True):
            assert isinstance(sms, Message)
            ends.append(_state(world, sms, MessageFate.DELIVERED, 2))
            ends.append(
                ChargeSettled(
                    id=world.ids.new(),
                    conversation=charge.conversation,
                    at=world.clock.us,
                    charge=charge.id,
                    outcome=Outcome.CHARGED,
                    evidence="stat:DELIVRD err:000 2026-11-23T12:00:00Z",
                )
            )
        replies = self.step(ends)
        assert len(replies) == len(numbers)
        last: list[FromGateway] = []
        for reply in replies:
            sms = _message(world, reply.conversation, reply.recipient, Purpose.REPLY, "x" * 150)
            last += [
                sms,
                _state(world, sms, MessageFate.ACCEPTED, 1),
                _state(world, sms, MessageFate.DELIVERED, 2),
            ]
        self.step(last)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--conversations", type=int, default=3000)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    numbers = [f"+479{place:07d}" for place in range(max(given.people, given.conversations))]
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for start in range(0, len(numbers), 1000):
            world.take(*(world.join(number, f"Navn {number}") for number in numbers[start : start + 1000]))
        payers = random.Random(1).sample(numbers, given.conversations)
        run = Run(world)
        if given.profile:
            run.profile = cProfile.Profile()
        for start in range(0, len(payers), given.batch):
            run.batch(payers[start : start + given.batch])
        paid = world.value("SELECT count(*) FROM payments WHERE state = 'charged'")
        assert paid == given.conversations, (paid, given.conversations)
        per_us = run.cpu_s / given.conversations * 1e6
        print(f"{given.conversations} conversations, batch {given.batch}, {len(numbers)} people:")
        print(f"  {per_us:.0f} µs CPU a conversation in the bridge")
        if run.profile:
            pstats.Stats(run.profile).sort_stats("tottime").print_stats(30)
        world.close()


if __name__ == "__main__":
    main()
