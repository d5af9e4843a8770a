"""The bridge's tables. What may never change is guarded by triggers, which the migrations create.

An organisation is named by its codeword in upper case. Times are UTC µs, amounts øre, dates ISO texts.
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from foundation.mailbox import mailbox_tables
from foundation.ownership import ownership_table

metadata = MetaData()

people = Table(
    "people",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("org", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_us", Integer, nullable=False),
    Index("people_number", "number", "org"),
    sqlite_with_rowid=False,
)

comments = Table(
    "comments",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Index("comments_person", "person"),
    sqlite_with_rowid=False,
)

memberships = Table(
    "memberships",
    metadata,
    Column("person", Text, ForeignKey("people.id"), primary_key=True, nullable=False),
    Column("org", Text, primary_key=True, nullable=False),
    Column("year", Integer, primary_key=True, nullable=False),
    Column("category", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("created_us", Integer, nullable=False),
    sqlite_with_rowid=False,
)

fee_categories = Table(
    "fee_categories",
    metadata,
    Column("org", Text, primary_key=True, nullable=False),
    Column("category", Text, primary_key=True, nullable=False),
    Column("amount_ore", Integer, CheckConstraint("amount_ore >= 0"), nullable=False),
    Column("active", Integer, CheckConstraint("active IN (0, 1)"), nullable=False),
    Column("place", Integer, nullable=False),
    sqlite_with_rowid=False,
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("org", Text, nullable=False),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("series", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kid", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('membership_fee', 'donation')"), nullable=False),
    Column("category", Text, nullable=False),
    Column("amount_ore", Integer, CheckConstraint("amount_ore > 0"), nullable=False),
    Column("period", Text, nullable=False),
    Column("issued", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("created_us", Integer, nullable=False),
    UniqueConstraint("org", "series", "number", name="invoices_number"),
    UniqueConstraint("account", "kid", name="invoices_kid"),
    Index("invoices_person", "person"),
    sqlite_with_rowid=False,
)

standings = Table(
    "standings",
    metadata,
    Column("invoice", Text, ForeignKey("invoices.id"), primary_key=True, nullable=False),
    Column("paid_ore", Integer, CheckConstraint("paid_ore >= 0"), nullable=False),
    Column("credited_ore", Integer, CheckConstraint("credited_ore >= 0"), nullable=False),
    Column("excess_ore", Integer, CheckConstraint("excess_ore >= 0"), nullable=False),
    Column("lost_ore", Integer, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)
"""What the ledger says of each invoice, kept at hand; `billing-bridge audit` derives it anew and compares."""

payments = Table(
    "payments",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("invoice", Text, ForeignKey("invoices.id"), nullable=False),
    Column("number", Text, nullable=False),
    Column("amount_ore", Integer, CheckConstraint("amount_ore > 0"), nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('pending', 'not_charged', 'charged', 'refund_due', 'refunded')"),
        nullable=False,
    ),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("contradicted", Integer, CheckConstraint("contradicted IN (0, 1)"), nullable=False),
    Column("gateway", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("asked_us", Integer, nullable=False),
    Column("expires_us", Integer, nullable=False),
    Column("settled_us", Integer),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Column("overbilled_ore", Integer, nullable=False, server_default=text("0")),
    Column("given_back_ore", Integer, nullable=False, server_default=text("0")),
    Column("operator", Text, nullable=False, server_default=text("''")),
    sqlite_with_rowid=False,
)
Index("payments_invoice", payments.c.invoice)
Index("payments_one_pending", payments.c.invoice, unique=True, sqlite_where=text("state = 'pending'"))
Index("payments_number", payments.c.number)
Index(
    "payments_disputed",
    payments.c.invoice,
    sqlite_where=text("state = 'not_charged' AND contradicted = 1"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("payment", Text, ForeignKey("payments.id"), nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Column("overbilled_ore", Integer, nullable=False, server_default=text("0")),
    Column("given_back_ore", Integer, nullable=False, server_default=text("0")),
    Column("who", Text, nullable=False, server_default=text("''")),
    Column("contradiction", Text, nullable=False, server_default=text("''")),
    Index("evidence_payment", "payment"),
    sqlite_with_rowid=False,
)
"""Every word ever said of a charge, contradicting ones too; `id` is the message's. `who` is the person who
said it here, by hand; empty: a gateway did."""

refunds = Table(
    "refunds",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("org", Text, nullable=False),
    Column("invoice", Text, ForeignKey("invoices.id"), nullable=False),
    Column("payment", Text, ForeignKey("payments.id"), nullable=False),
    Column("amount_ore", Integer, CheckConstraint("amount_ore > 0"), nullable=False),
    Column("cause", Text, CheckConstraint("cause IN ('gateway', 'by_hand')"), nullable=False),
    Column("state", Text, CheckConstraint("state IN ('due', 'refunded', 'cancelled')"), nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("due_us", Integer, nullable=False),
    Column("by", Text, CheckConstraint("by IN ('', 'operator', 'bank')"), nullable=False),
    Column("ended_who", Text, nullable=False),
    Column("ended_how", Text, nullable=False),
    Column("ended_us", Integer),
    Index("refunds_payment", "payment"),
    sqlite_with_rowid=False,
)
"""What payers are to get back, or got: decided by whom and why, given back by whom, how and when."""

credit_notes = Table(
    "credit_notes",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("org", Text, nullable=False),
    Column("series", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("invoice", Text, ForeignKey("invoices.id"), nullable=False),
    Column("amount_ore", Integer, CheckConstraint("amount_ore > 0"), nullable=False),
    Column("issued", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("refund", Text, ForeignKey("refunds.id")),
    Column("created_us", Integer, nullable=False),
    UniqueConstraint("org", "series", "number", name="credit_notes_number"),
    Index("credit_notes_invoice", "invoice"),
    sqlite_with_rowid=False,
)
"""Each takes back an invoice, or part of one; numbered without gaps, never changed."""

gateway_journals = Table(
    "gateway_journals",
    metadata,
    Column("charge", Text, primary_key=True, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""What a gateway last told of a charge, as JSON without texts; `wanted` is the question it answers. Empty:
the gateway knows no such charge."""

journals = Table(
    "journals",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("org", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("invoice", Text, ForeignKey("invoices.id"), nullable=False),
    Column("payment", Text, ForeignKey("payments.id")),
    Column("conversation", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("refund", Text, ForeignKey("refunds.id")),
    Column("credit_note", Text, ForeignKey("credit_notes.id")),
    Index("journals_at", "at_us"),
    sqlite_with_rowid=False,
)

entries = Table(
    "entries",
    metadata,
    Column(
        "journal",
        Text,
        ForeignKey("journals.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
        nullable=False,
    ),
    Column("line", Integer, primary_key=True, nullable=False),
    Column("account", Text, nullable=False),
    Column("amount_ore", Integer, CheckConstraint("amount_ore <> 0"), nullable=False),
    sqlite_with_rowid=False,
)
"""Debit is positive. The entries of a journal are written before it; writing the journal closes them."""

commands = Table(
    "commands",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("kind", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Each command taken, once, with the name of its answer; `id` is the message's."""

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("person", Text, ForeignKey("people.id")),
    Column("state", Text, CheckConstraint("state IN ('open', 'done')"), nullable=False),
    Column("opened_us", Integer, nullable=False),
    Column("last_us", Integer, nullable=False),
    sqlite_with_rowid=False,
)

sms = Table(
    "sms",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("conversation", Text, ForeignKey("conversations.id"), nullable=False),
    Column("direction", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("short_code", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("price_ore", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Column("fate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fate_us", Integer, nullable=False),
    Column("fate_order", Integer, nullable=False),
    Index("sms_conversation", "conversation"),
    sqlite_with_rowid=False,
)

early_fates = Table(
    "early_fates",
    metadata,
    Column("sms", Text, primary_key=True, nullable=False),
    Column("fate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fate_us", Integer, nullable=False),
    Column("fate_order", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Fates of SMSes that have not been told of yet."""

notes = Table(
    "notes",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("person", Text, ForeignKey("people.id")),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    Index("notes_conversation", "conversation"),
    sqlite_with_rowid=False,
)
"""What a human should look at, said in the conversation it came up in."""

mail_due = Table(
    "mail_due",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("person", Text, ForeignKey("people.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("due_us", Integer, nullable=False),
    Column("sent_us", Integer),
    sqlite_with_rowid=False,
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("number", Text, primary_key=True, nullable=False),
    Column("org", Text, primary_key=True, nullable=False),
    Column("id", Text, primary_key=True, nullable=False),
    Column("conversation", Text, nullable=False),
    Column("at_us", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Consent withdrawn by STOPP, one row each time; an empty `org` means every organisation."""

refused_messages = Table(
    "refused_messages",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at_us", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Messages that could not be taken, whole, with the kind of error; the queue went on without them."""

mailbox_tables(metadata)
ownership_table(metadata)
