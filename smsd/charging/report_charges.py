"""The charges that a billing report may be about, with every id their SMSC gave them. Reads only.

Ids are read from the evidence, which is kept as long as the charges themselves, and from the submissions.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterable

from foundation.store import SqliteTx
from smsd.charging.desk import OPEN, Overbilled
from smsd.charging.report_matching import AHEAD_US, BACK_US, Ours
from smsd.charging.reports import ReportRow
from smsd.charging.states import ChargeState, Evidence
from smsd.settings_operators import Operator
from smsd.smpp.message_ids import IdForm, receipt_key, response_key
from smsd.store import statements as sql

_WHICH = "c.operator = ? AND c.created_us <= ? AND c.expires_us >= ?"
# the columns and conditions are this module's own words; every value is a parameter
_CHARGES = (
    "SELECT c.id, c.message, c.invoice, c.number, c.short_code, c.amount_ore, c.state, "  # noqa: S608
    "c.contradicted, c.created_us, "
    "coalesce((SELECT max(e.at_us) FROM charge_events e WHERE e.charge = c.id AND e.evidence = 'start'), 0) "
    f"FROM charges c WHERE {_WHICH}"
)
_NAMED = (
    "SELECT e.charge, e.evidence, e.detail FROM charges c JOIN charge_events e ON e.charge = c.id "  # noqa: S608
    f"WHERE {_WHICH} AND (e.evidence LIKE 'answer_%' OR e.evidence LIKE 'receipt_%')"
)
_BEYOND = (
    "SELECT e.charge, e.detail FROM charges c JOIN charge_events e ON e.charge = c.id "  # noqa: S608
    f"WHERE {_WHICH} AND e.evidence = 'overbilled' ORDER BY e.id"
)
_SPOKEN = (
    "SELECT e.charge, e.evidence FROM charges c JOIN charge_events e ON e.charge = c.id "  # noqa: S608
    f"WHERE {_WHICH} AND instr(e.detail, ?)"
)
_SPOKEN_OF = "SELECT evidence FROM charge_events WHERE charge = ? AND instr(detail, ?)"

_ANSWERED_ID = re.compile(r"\bid:(.*)", re.DOTALL)
_RECEIPTED_ID = re.compile(r"\bid:(.*?) stat:", re.DOTALL)


def keys_of(message_id: str, operator: Operator) -> set[str]:
    """The keys that an id in a report may have among those of answers and receipts."""
    form, spelt = IdForm(operator.message_id), operator.report.id_form
    keys = set()
    if spelt != "receipt":
        keys.add(response_key(message_id, form))
    if spelt != "response":
        keys.add(receipt_key(message_id, form))
    return keys


def read_charges(
    connection: sqlite3.Connection,
    operator: Operator,
    rows: Iterable[ReportRow],
    *,
    first_us: int,
    last_us: int,
) -> list[Ours]:
    """The operator's charges that rows of that time may be about, whatever state they are in."""
    which = (operator.name, last_us + AHEAD_US, first_us - BACK_US)
    form = IdForm(operator.message_id)
    keys: dict[str, set[str]] = defaultdict(set)
    refused: set[str] = set()
    for charge, evidence, detail in connection.execute(_NAMED, which):
        if evidence == Evidence.ANSWER_REFUSED:
            refused.add(charge)
        elif evidence == Evidence.ANSWER_ACCEPTED:
            if found := _ANSWERED_ID.search(detail):
                keys[charge].add(response_key(found[1], form))
        elif found := _RECEIPTED_ID.search(detail):
            keys[charge].add(receipt_key(found[1], form))
    beyond = {
        charge: Overbilled.read(detail) for charge, detail in connection.execute(_BEYOND, which).fetchall()
    }
    charges = connection.execute(_CHARGES, which).fetchall()
    of_message = {row[1]: row[0] for row in charges}
    tx = SqliteTx(connection)
    for message_id in {row.message_id for row in rows if row.message_id}:
        for key in keys_of(message_id, operator):
            for (message,) in tx.all(sql.SUBMITTED, (operator.name, key)):
                if key and message in of_message:
                    keys[of_message[message]].add(key)
    return [
        Ours(
            id=charge,
            invoice=invoice,
            number=number,
            short_code=short_code,
            amount_ore=amount_ore,
            state=ChargeState(state),
            created_us=created_us,
            sent_us=sent_us,
            keys=frozenset(keys[charge] - {""}),
            answered=charge in refused or bool(keys[charge] - {""}),
            disputed=mark == OPEN,
            beyond=beyond.get(charge, Overbilled()),
        )
        for charge, _, invoice, number, short_code, amount_ore, state, mark, created_us, sent_us in charges
    ]


def spoken(
    connection: sqlite3.Connection, operator: Operator, mark: str, *, first_us: int, last_us: int
) -> dict[str, frozenset[str]]:
    """What the report with this mark said of each charge before."""
    found: dict[str, set[str]] = defaultdict(set)
    which = (operator.name, last_us + AHEAD_US, first_us - BACK_US)
    for charge, evidence in connection.execute(_SPOKEN, (*which, mark)):
        found[charge].add(evidence)
    return {charge: frozenset(each) for charge, each in found.items()}


def spoken_of(connection: sqlite3.Connection, charge: str, mark: str) -> frozenset[str]:
    """The same, of one charge."""
    return frozenset(evidence for (evidence,) in connection.execute(_SPOKEN_OF, (charge, mark)))
