"""The smallest member system that keeps the hand-off's promises: whoever owes a fee may pay it by SMS.

    python docs/examples/member_system.py --port 1883 --store members.db --owes +4742000001=50

Takes parcels and commits before it acknowledges, ignores what it has seen, keeps its answers until the
gateway acknowledges them. One process, one thread. docs/member-systems.md says why each step is where it is.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sqlite3
import time
from typing import Any

from paho.mqtt.client import CallbackAPIVersion, Client, ConnectFlags, MQTTMessage, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

NAME = "members"
PREFIX = "premium-sms"
REPEAT_S = 5.0
CHARGE_EXPIRY_US = 600 * 1_000_000
TABLES = """
CREATE TABLE IF NOT EXISTS inbox (parcel TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, parcel TEXT UNIQUE, gateway TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS fees (
    invoice INTEGER PRIMARY KEY, number TEXT, amount INTEGER, paid INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS charges (charge TEXT PRIMARY KEY, invoice INTEGER, org TEXT, outcome TEXT);
"""


def now_us() -> int:
    return time.time_ns() // 1000


def uuid7() -> str:
    """RFC 9562 section 5.7: milliseconds, then random bits."""
    bits = (time.time_ns() // 1_000_000 << 80) | (7 << 76) | (2 << 62)
    text = f"{bits | secrets.randbits(12) << 64 | secrets.randbits(62):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class MemberSystem:
    """The store and the two roads: parcels in, answers out."""

    def __init__(self, store: str) -> None:
        self.db = sqlite3.connect(store, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.executescript(TABLES)
        # by gateway: the parcels that are published and not acknowledged, and when to publish them again
        self.flights: dict[str, tuple[set[str], float]] = {}

    # parcels in

    def take(self, gateway: str, parcels: list[dict[str, Any]]) -> list[str]:
        """All parcels of one publish, in order, in one transaction; the ids that are committed."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            for parcel in parcels:
                if parcel["sender"] != gateway:
                    raise ValueError(f"a parcel of {parcel['sender']} on the topic of {gateway}")
                new = self.db.execute("INSERT OR IGNORE INTO inbox VALUES (?)", (parcel["id"],)).rowcount
                if new:
                    answers = [answer for message in parcel["messages"] for answer in self.answer(message)]
                    if answers:
                        self.post(gateway, answers)
        return [parcel["id"] for parcel in parcels]

    def answer(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """What to ask of the gateway; unknown kinds and unknown fields are none of our business."""
        match message["type"]:
            case "pay":
                return self.pay(message)
            case "charge_settled":
                return self.settle(message)
            case "message":
                print(f"{message['direction']:3} {message['number']}  {message['fate']:8}  {message['text']}")
        return []

    def pay(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        fee = self.db.execute(
            "SELECT invoice FROM fees WHERE number = ? AND amount = ? AND NOT paid ORDER BY invoice",
            (message["sender"], message["amount"]),
        ).fetchone()
        if fee is None:
            return [self.reply(message, message["sender"], "nothing_outstanding", message["amount"])]
        if self.db.execute("SELECT 1 FROM charges WHERE invoice = ? AND outcome = ''", fee).fetchone():
            # one charge of an invoice at a time; this answer is free
            return [self.reply(message, message["sender"], "processing", message["amount"])]
        charge = uuid7()
        self.db.execute("INSERT INTO charges VALUES (?, ?, ?, '')", (charge, *fee, message["org"]))
        return [
            {
                "type": "charge",
                "id": charge,
                "conversation": message["conversation"],
                "at": now_us(),
                "org": message["org"],
                "invoice": str(fee[0]),
                "recipient": message["sender"],
                "amount": message["amount"],
                "expires": now_us() + CHARGE_EXPIRY_US,
            }
        ]

    def settle(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        """`charged` counts whenever it comes, after `not_charged` too; what takes it back is a human's."""
        row = self.db.execute(
            "SELECT invoice, number, amount, org, outcome FROM charges JOIN fees USING (invoice) "
            "WHERE charge = ?",
            (message["charge"],),
        ).fetchone()
        if row is None or row[4] == "charged" or message["outcome"] not in ("charged", "not_charged"):
            print(
                f"for a human: charge {message['charge']} is {message['outcome']}: {message.get('evidence')}"
            )
            return []
        invoice, number, amount, org, before = row
        if message["outcome"] == before:
            return []
        self.db.execute(
            "UPDATE charges SET outcome = ? WHERE charge = ?", (message["outcome"], message["charge"])
        )
        if message["outcome"] == "charged":
            self.db.execute("UPDATE fees SET paid = 1 WHERE invoice = ?", (invoice,))
        name = "paid" if message["outcome"] == "charged" else "failed"
        return [self.reply({**message, "org": org}, number, name, amount, reason=message.get("reason", ""))]

    @staticmethod
    def reply(about: dict[str, Any], number: str, name: str, amount: int, **values: str) -> dict[str, Any]:
        return {
            "type": "reply",
            "id": uuid7(),
            "conversation": about["conversation"],
            "at": now_us(),
            "org": about["org"],
            "recipient": number,
            "name": name,
            "values": {"amount": str(amount // 100), **values},
        }

    # answers out

    def post(self, gateway: str, messages: list[dict[str, Any]]) -> None:
        parcel = {"id": uuid7(), "sender": NAME, "messages": messages, "version": 1}
        self.db.execute(
            "INSERT INTO outbox (parcel, gateway, body) VALUES (?, ?, ?)",
            (parcel["id"], gateway, json.dumps(parcel)),
        )

    def acknowledged(self, gateway: str, parcels: list[str]) -> None:
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany("DELETE FROM outbox WHERE parcel = ?", [(parcel,) for parcel in parcels])
        in_the_air = self.flights.get(gateway, (set(), 0.0))[0]
        in_the_air.difference_update(parcels)
        if not in_the_air:
            self.flights.pop(gateway, None)

    def due(self) -> list[tuple[str, str]]:
        """What to publish now (gateway, payload): the oldest parcels together, newer ones after these."""
        found = []
        for (gateway,) in self.db.execute("SELECT DISTINCT gateway FROM outbox").fetchall():
            in_the_air, again = self.flights.get(gateway, (set(), 0.0))
            if in_the_air and time.monotonic() < again:
                continue
            rows = self.db.execute(
                "SELECT parcel, body FROM outbox WHERE gateway = ? ORDER BY seq LIMIT 100", (gateway,)
            ).fetchall()
            some = [row for row in rows if not in_the_air or row[0] in in_the_air]
            self.flights[gateway] = ({parcel for parcel, _ in some}, time.monotonic() + REPEAT_S)
            found.append((gateway, "[" + ",".join(body for _, body in some) + "]"))
        return found


def serve(system: MemberSystem, host: str, port: int) -> None:
    """Carry until interrupted; connects again and again."""
    root = f"{PREFIX}/gateways/"
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=f"{PREFIX}-bridge-{NAME}", protocol=MQTTProtocolVersion.MQTTv5,
        manual_ack=True,
    )  # fmt: skip

    def on_connect(
        _client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if code.is_failure:
            raise SystemExit(f"the broker refuses: {code}")
        client.subscribe([(f"$share/bridge/{root}+/parcels", 1), (f"{root}+/acks/replies", 1)])
        system.flights.clear()

    def on_message(_client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            on_publish(message)
        except (ValueError, KeyError) as error:
            # nobody can read it: it stays in its sender's outbox, in sight of whoever watches that
            print(f"cannot be read: {message.topic}: {error!r}")
        # the broker is told last: until then it would bring the publish again
        client.ack(message.mid, message.qos)

    def on_publish(message: MQTTMessage) -> None:
        gateway, _, kind = message.topic.removeprefix(root).partition("/")
        if kind == "acks/replies":
            system.acknowledged(gateway, json.loads(message.payload)["parcels"])
        else:
            taken = system.take(gateway, json.loads(message.payload))
            ack = json.dumps({"parcels": taken, "version": 1})
            client.publish(f"{root}{gateway}/acks/parcels", ack, qos=1)

    client.on_connect, client.on_message = on_connect, on_message
    kept = Properties(PacketTypes.CONNECT)
    kept.SessionExpiryInterval = 86_400
    client.connect_async(host, port, clean_start=False, properties=kept)
    while True:
        if client.loop(timeout=0.2):
            try:
                client.reconnect()
            except OSError as error:
                print(f"the broker is away: {error}")
                time.sleep(1)
        for gateway, payload in system.due() if client.is_connected() else []:
            client.publish(f"{root}{gateway}/replies", payload, qos=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--store", default="members.db")
    parser.add_argument("--owes", action="append", default=[], metavar="NUMBER=KRONER")
    given = parser.parse_args()
    system = MemberSystem(given.store)
    for number, _, kroner in (one.partition("=") for one in given.owes):
        system.db.execute("INSERT INTO fees (number, amount) VALUES (?, ?)", (number, int(kroner) * 100))
    serve(system, given.host, given.port)


if __name__ == "__main__":
    main()
