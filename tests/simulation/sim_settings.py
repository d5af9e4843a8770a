"""The settings and the registers that simulated worlds begin with; made once, copied for every run."""

from __future__ import annotations

import functools
import random
import tempfile
from pathlib import Path
from typing import Any

from sim_message import MO_TAG, PRICE_TAG, TARIFFS, Traits

from billing_bridge.importing.invoices import read_invoices, write_invoices
from billing_bridge.importing.people import read_people, write_people
from billing_bridge.settings import Billing, BridgeLimits, BridgeOrganisation, BridgeSettings, Fee
from billing_bridge.store import SCHEMA as BRIDGE_SCHEMA
from foundation.clock import SECOND_US
from foundation.ids import Ids
from foundation.settings_tables import (
    HandoffSettings,
    LogSettings,
    MetricsSettings,
    StoreSettings,
    WebSettings,
)
from foundation.store import Schema, SqliteTx, open_sqlite
from smsd.codewords import Function
from smsd.settings import Limits, Operator, Organisation, Price, Settings, ShortCode
from smsd.settings_operators import ReportForm
from smsd.store import SCHEMA as GATEWAY_SCHEMA

SHORT_CODE = "2030"
JUNE_US = 1_780_308_000 * SECOND_US
"""2026-06-01 10:00 UTC: when the registers were taken over."""
PEOPLE = """organisation,name,number
ORG1,Ola Nordmann,+4790000001
ORG1,Kari Nordmann,+4790000002
ORG1,Per Hansen,+4790000003
ORG2,Per Hansen,+4790000003
ORG1,Anne Olsen,+4790000006
ORG1,Nils Olsen,+4790000006
ORG1,Liv Berg,+4790000007
"""
INVOICES = """organisation,number,kind,amount_kr,period,due
ORG1,+4790000001,membership_fee,50,2026,2026-12-31
ORG1,+4790000002,membership_fee,50,2024,2024-12-31
ORG1,+4790000002,membership_fee,50,2025,2025-12-31
ORG1,+4790000002,membership_fee,50,2026,2026-12-31
ORG1,+4790000003,membership_fee,100,2026,2026-12-31
ORG1,+4790000003,donation,50,2026,2026-12-31
ORG2,+4790000003,membership_fee,150,2026,2026-12-31
ORG1,+4790000007,membership_fee,50,2026,2026-12-31
ORG1,+4790000007,membership_fee,250,2025,2025-12-31
"""
REPLIES = {
    "processing": "PROCESSING {amount} {codeword}",
    "paid": "PAID {amount} {codeword}",
    "failed": "FAILED {amount} {codeword}",
    "corrected": "CORRECTED {amount} {codeword}",
    "unsettled": "UNSETTLED {amount} {codeword}",
}
OUTCOMES = {
    "0021": "no_credit",
    "0022": "premium_barred",
    "021": "no_credit",
    "DELIVRD:0210": "pending",
    "DELIVRD:210": "pending",
    "0x00000401": "no_credit",
    "0x0000000b": "wrong_operator",
    "0x00000008": "unknown",
}


class _Then:
    """A clock that stands still."""

    def now_us(self) -> int:
        return JUNE_US

    def monotonic(self) -> float:
        return 0.0


@functools.cache
def bridge_settings() -> BridgeSettings:
    """Two organisations, of which the second charges who joins."""

    def organisation(code: str, fee_kr: int, account: str, number: str) -> BridgeOrganisation:
        return BridgeOrganisation(
            name=f"Organisasjon {code}",
            codeword=code,
            site=f"https://{code.lower()}.example.org",
            language="nn",
            billing=Billing(
                account=account,
                organisation_number=number,
                fees=(Fee(category="Medlem", amount_kr=fee_kr),),
            ),
        )

    return BridgeSettings(
        path=Path("bridge.toml"),
        store="sqlite:///unused.db",
        organisations=(
            organisation("ORG1", 50, "99990000014", "999000010"),
            organisation("ORG2", 100, "99990000022", "999000029"),
        ),
        limits=BridgeLimits(),
        handoff=HandoffSettings(),
        web=WebSettings(),
        metrics=MetricsSettings(),
        log=LogSettings(),
    )


@functools.cache
def _organisations() -> tuple[Organisation, ...]:
    return tuple(
        Organisation(
            name=f"Organisasjon {code}",
            codeword=code,
            site=f"https://{code.lower()}.example.org",
            join=join,
            subcodewords={"BETAL": Function.PAY, "MEDLEM": Function.STATUS},
            replies=REPLIES,
        )
        for code, join in (("ORG1", "join"), ("ORG2", "join-and-pay"))
    )


@functools.cache
def operator_settings(
    traits: Traits, bind: str, binds: int, window: int, response_timeout_s: float
) -> Operator:
    """An account at an operator of these traits."""
    price: dict[str, Any] = {
        "tlv": {"carrier": "tlv", "tag": PRICE_TAG},
        "kroner": {"carrier": "tlv", "tag": PRICE_TAG, "unit": "kroner"},
        "int": {"carrier": "tlv", "tag": PRICE_TAG, "type": "int", "octets": 4},
        "service_type": {"carrier": "service_type", "codes": TARIFFS, "max_kr": 150},
    }[traits.price]
    return Operator(
        name=traits.name,
        host="192.0.2.1",
        port=traits.port,
        system_id="smsd",
        password="secret",
        bind=bind,
        binds=binds,
        window=window,
        rate=100,
        response_timeout_s=response_timeout_s,
        reconnect_max_s=20,
        message_id=traits.ids if traits.ids in ("resp-hex", "receipt-hex") else "opaque",
        price=Price(**price),
        outcomes=OUTCOMES,
        echo_tlvs=(MO_TAG,) if traits.echo else (),
        report=ReportForm(id_form="receipt" if traits.report == "receipt-ids" else "response"),
    )


def gateway_settings(store: Path, operators: tuple[Operator, ...], **limits: Any) -> Settings:
    """A gateway's settings, made here and not read."""
    return Settings(
        path=Path("smsd.toml"),
        store=StoreSettings(url=f"sqlite:///{store}"),
        handoff=HandoffSettings(),
        bridge=None,
        web=WebSettings(),
        operators=operators,
        short_codes=(ShortCode(number=SHORT_CODE, operators=tuple(each.name for each in operators)),),
        organisations=_organisations(),
        limits=Limits(**limits),
        metrics=MetricsSettings(),
        log=LogSettings(),
    )


@functools.cache
def empty_gateway_store() -> bytes:
    """A migrated store's file."""
    return _made(GATEWAY_SCHEMA)


@functools.cache
def first_bridge_store() -> bytes:
    """A store with people and what they owe."""
    return _made(BRIDGE_SCHEMA, registers=True)


def _made(schema: Schema, *, registers: bool = False) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        connection = open_sqlite(f"sqlite:///{path}", schema)
        connection.execute("PRAGMA synchronous=OFF")
        if registers:
            tx, clock = SqliteTx(connection), _Then()
            ids = Ids(clock, random.Random(1).getrandbits)
            connection.execute("BEGIN")
            write_people(tx, read_people(PEOPLE.encode(), bridge_settings()), ids, clock)
            write_invoices(
                tx, read_invoices(INVOICES.encode(), bridge_settings()), bridge_settings(), ids, clock
            )
            connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return path.read_bytes()
