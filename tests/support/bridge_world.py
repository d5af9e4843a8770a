"""A bridge with a store of its own and a clock that the test moves: what the bridge's tests stand on."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from billing_bridge.bridge import Bridge
from billing_bridge.payments.by_hand import ByHand
from billing_bridge.settings import Billing, BridgeLimits, BridgeOrganisation, BridgeSettings, Fee
from billing_bridge.store import SCHEMA
from foundation.clock import SECOND_US
from foundation.contract import (
    Charge,
    ChargeSettled,
    Contradiction,
    Direction,
    FromBridge,
    FromGateway,
    Join,
    Message,
    MessageFate,
    MessageState,
    Outcome,
    Pay,
    Purpose,
    Reason,
    Reply,
    Status,
    Stop,
)
from foundation.ids import Ids
from foundation.settings_tables import HandoffSettings, LogSettings, MetricsSettings, WebSettings
from foundation.store import SqliteTx, open_sqlite

T = TypeVar("T")
NOON = 1_795_435_200 * SECOND_US
"""2026-11-23 12:00 UTC."""
OLA = "+4799999901"
KARI = "+4799999902"


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_us: int = NOON) -> None:
        self.us = now_us

    def now_us(self) -> int:
        return self.us

    def monotonic(self) -> float:
        return self.us / SECOND_US


def organisation(
    code: str = "ORG1",
    fees: Sequence[tuple[str, int, bool]] = (("Ordinær", 50, True),),
    *,
    account: str = "12345678903",
    series: str = "1",
    payment_days: int = 14,
) -> BridgeOrganisation:
    """One organisation with its fees (category, kr, active)."""
    return BridgeOrganisation(
        name=f"Organisasjon {code}",
        codeword=code,
        site="https://org1.example.org",
        language="nn",
        billing=Billing(
            account=account,
            organisation_number="974760673",
            payment_days=payment_days,
            kid_length=12,
            series=series,
            fees=tuple(Fee(category=name, amount_kr=kr, active=active) for name, kr, active in fees),
        ),
    )


def bridge_settings(*organisations: BridgeOrganisation, store: str = "sqlite:///unused.db") -> BridgeSettings:
    """Settings of a bridge; by default with ORG1 at 50 kr."""
    return BridgeSettings(
        path=Path("bridge.toml"),
        store=store,
        organisations=organisations or (organisation(),),
        limits=BridgeLimits(),
        handoff=HandoffSettings(),
        web=WebSettings(),
        metrics=MetricsSettings(),
        log=LogSettings(),
    )


class World:
    """A bridge over a real SQLite file. Commits what `take` does."""

    def __init__(self, folder: Path, settings: BridgeSettings | None = None) -> None:
        self.url = f"sqlite:///{folder / 'billing.db'}"
        self.clock = HandClock()
        self.ids = Ids(self.clock, random.Random(1).getrandbits)
        self.settings = settings or bridge_settings(store=self.url)
        self.connection: sqlite3.Connection = open_sqlite(self.url, SCHEMA)
        self.tx = SqliteTx(self.connection)
        self.bridge = Bridge(self.settings, self.ids, self.clock)
        self.bridge.synchronise(self.tx)
        self._names = itertools.count(1)

    def close(self) -> None:
        self.connection.close()

    def take(self, *messages: FromGateway, gateway: str = "smsd") -> list[FromBridge]:
        """Hand messages to the bridge in one transaction."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            answers = self.bridge.handle(self.tx, messages, gateway)
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")
        return answers

    def hand(self) -> ByHand:
        """What people do, in a transaction that the caller has begun."""
        return ByHand(self.tx, self.settings, self.ids, self.clock)

    def by_hand(self, act: Callable[[ByHand], T]) -> T:
        """One thing that a person does, committed."""
        self.connection.execute("BEGIN IMMEDIATE")
        done = act(self.hand())
        self.connection.execute("COMMIT")
        return done

    def replies(self, *messages: FromGateway) -> list[str]:
        """The names of the replies, `charge` for a charge."""
        return [answer.name if isinstance(answer, Reply) else "charge" for answer in self.take(*messages)]

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the store says."""
        return self.connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: Any) -> Any:
        """The one value that the store says."""
        (row,) = self.rows(sql, *values)
        (value,) = row
        return value

    def balances(self) -> dict[str, int]:
        """Each account's balance in øre, zero ones left out."""
        return dict(
            self.rows(
                "SELECT account, sum(amount_ore) FROM entries GROUP BY account HAVING sum(amount_ore) <> 0"
            )
        )

    # messages

    def name(self, what: str = "m") -> str:
        """A name never used before, in place of an id."""
        return f"{what}-{next(self._names)}"

    def join(
        self,
        sender: str = OLA,
        name: str = "Ola Nordmann",
        email: str = "ola@example.org",
        *,
        org: str = "ORG1",
        comment: str = "",
        charge: bool = False,
        at: int | None = None,
    ) -> Join:
        """A joining text."""
        return Join(
            id=self.name(),
            conversation=self.name("c"),
            at=self.clock.us if at is None else at,
            org=org,
            sender=sender,
            name=name,
            email=email,
            comment=comment,
            charge=charge,
        )

    def pay(
        self,
        kr: int = 50,
        sender: str = OLA,
        *,
        org: str = "ORG1",
        ore: int | None = None,
        again: bool = False,
    ) -> Pay:
        """A paying text."""
        return Pay(
            id=self.name(),
            conversation=self.name("c"),
            at=self.clock.us,
            org=org,
            sender=sender,
            amount=kr * 100 if ore is None else ore,
            again=again,
        )

    def status(self, sender: str = OLA, *, org: str = "ORG1") -> Status:
        """A text that asks for status."""
        return Status(id=self.name(), conversation=self.name("c"), at=self.clock.us, org=org, sender=sender)

    def stop(self, sender: str = OLA, *, org: str = "ORG1") -> Stop:
        """A text that stops."""
        return Stop(id=self.name(), conversation=self.name("c"), at=self.clock.us, org=org, sender=sender)

    def settled(
        self,
        charge: Charge | str,
        outcome: Outcome = Outcome.CHARGED,
        reason: Reason = Reason.NONE,
        evidence: str = "DELIVRD",
        contradiction: Contradiction = Contradiction.NONE,
    ) -> ChargeSettled:
        """A charge's end."""
        known = isinstance(charge, Charge)
        return ChargeSettled(
            id=self.name(),
            conversation=charge.conversation if known else self.name("c"),
            at=self.clock.us,
            charge=charge.id if known else charge,
            outcome=outcome,
            reason=reason,
            evidence=evidence,
            contradiction=contradiction,
        )

    def message(
        self,
        number: str = OLA,
        text: str = "ORG1 BETAL 50",
        *,
        direction: Direction = Direction.IN,
        conversation: str | None = None,
        org: str = "ORG1",
        fate: MessageFate = MessageFate.RECEIVED,
    ) -> Message:
        """One SMS."""
        return Message(
            id=self.name("s"),
            conversation=conversation or self.name("c"),
            at=self.clock.us,
            direction=direction,
            number=number,
            short_code="2030",
            org=org,
            text=text,
            segments=1,
            price=0,
            purpose=Purpose.MO if direction is Direction.IN else Purpose.REPLY,
            fate=fate,
        )

    def state(
        self, sms: Message | str, fate: MessageFate, *, after_us: int = 0, reason: str = ""
    ) -> MessageState:
        """A change of an SMS's fate."""
        known = isinstance(sms, Message)
        return MessageState(
            id=self.name(),
            conversation=sms.conversation if known else self.name("c"),
            at=self.clock.us + after_us,
            message=sms.id if known else sms,
            fate=fate,
            reason=reason,
        )


def the_charge(answers: Sequence[FromBridge]) -> Charge:
    """The one charge among answers."""
    (charge,) = [answer for answer in answers if isinstance(answer, Charge)]
    return charge


def the_reply(answers: Sequence[FromBridge]) -> Reply:
    """The one reply among answers."""
    (reply,) = [answer for answer in answers if isinstance(answer, Reply)]
    return reply
