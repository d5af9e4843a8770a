"""The gateway's tables. Times are UTC microseconds, amounts øre, ids UUIDv7 as text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

from foundation.mailbox import mailbox_tables
from foundation.ownership import ownership_table

metadata = MetaData()

# Every SMS, in and out. An MO's id is also its conversation's, but for a payer's yes or no. `address` is the
# number the phone texted or sees, where that is longer than the short code (a dialogue id behind it). `echo`
# holds the MO's TLVs that a reply must repeat. `source` is the id of the hand-off message that asked for an
# MT. `bind` is the pair of links an MO came on, and that its answers go by where the operator asks for that.
# `lane` is how urgent an MT is, 0 first.
messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("conversation", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("short_code", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("price_ore", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("fate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("connection", Text, nullable=False),
    Column("echo", LargeBinary, nullable=False),
    Column("bind", Text, nullable=False),
    Column("lane", Integer, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_messages_number", messages.c.number, messages.c.id)
Index(
    "ix_messages_queued",
    messages.c.operator,
    messages.c.lane,
    messages.c.id,
    sqlite_where=text("fate = 'queued'"),
    postgresql_where=text("fate = 'queued'"),
)

# What an SMSC called a message it accepted; a receipt is found by (operator, key). One row a segment.
submissions = Table(
    "submissions",
    metadata,
    Column("operator", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("message", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_submissions_message", submissions.c.message)

charges = Table(
    "charges",
    metadata,
    Column("id", Text, primary_key=True),
    Column("conversation", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("invoice", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("short_code", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("amount_ore", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("contradicted", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
_UNDECIDED = "state IN ('sending', 'accepted', 'in_doubt')"
Index("ix_charges_message", charges.c.message, unique=True)
Index("ix_charges_conversation", charges.c.conversation)
Index(
    "ix_charges_open",
    charges.c.state,
    charges.c.id,
    sqlite_where=text("state IN ('intended', 'sending', 'accepted', 'in_doubt')"),
    postgresql_where=text("state IN ('intended', 'sending', 'accepted', 'in_doubt')"),
)
# At most one unfinished charge a sender, short code and tariff: held by the database, not by hope.
Index(
    "ix_charges_one_at_a_time",
    charges.c.number,
    charges.c.short_code,
    charges.c.amount_ore,
    unique=True,
    sqlite_where=text(_UNDECIDED),
    postgresql_where=text(_UNDECIDED),
)
UNCOUNTED = ("refused", "not_charged", "refunded")
"""States in which a charge costs nobody anything, unless evidence against that is open; others count."""
# in one expression, which no other query's condition happens to imply
COUNTED = f"CASE WHEN contradicted = 1 THEN true ELSE state NOT IN ({', '.join(map(repr, UNCOUNTED))}) END"
"""Whether a charge is or may be billed."""
# What a number is or may be billed since a moment; what was refused, however often, is not looked at.
Index(
    "ix_charges_counted",
    charges.c.number,
    charges.c.created_us,
    sqlite_where=text(COUNTED),
    postgresql_where=text(COUNTED),
)

# What an organisation's charges of one hour (`created_us` in whole hours since 1970, UTC) are or may be
# billed. Written where a charge is added (`smsd.charge_desk`) and where one begins or ceases to count
# (`charging.desk`).
charge_hours = Table(
    "charge_hours",
    metadata,
    Column("org", Text, primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("amount_ore", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The stop switch: one row each time that it was set, for an organisation or ("") for all. `resumed_us` is
# 0 while it is set. Rows are never deleted.
charge_pauses = Table(
    "charge_pauses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("org", Text, nullable=False),
    Column("paused_us", BigInteger, nullable=False),
    Column("paused_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("resumed_us", BigInteger, nullable=False),
    Column("resumed_by", Text, nullable=False),
    Column("resumed_why", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_charge_pauses_set",
    charge_pauses.c.org,
    unique=True,
    sqlite_where=text("resumed_us = 0"),
    postgresql_where=text("resumed_us = 0"),
)

# Charges whose payer was asked for a yes: `answer` is empty while it is waited for, then yes, no or none;
# `mo` is the text that gave it.
confirmations = Table(
    "confirmations",
    metadata,
    Column("charge", Text, primary_key=True),
    Column("number", Text, nullable=False),
    Column("short_code", Text, nullable=False),
    Column("org", Text, nullable=False),
    Column("amount_ore", BigInteger, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_us", BigInteger, nullable=False),
    Column("mo", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_confirmations_number", confirmations.c.number, confirmations.c.charge)
Index(
    "ix_confirmations_open",
    confirmations.c.until_us,
    sqlite_where=text("answer = ''"),
    postgresql_where=text("answer = ''"),
)

# Years, as the operator told them with the text that began a conversation; kept until its charge may no
# more begin.
reported_ages = Table(
    "reported_ages",
    metadata,
    Column("conversation", Text, primary_key=True),
    Column("age", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_reported_ages_at", reported_ages.c.at_us)

# `contradicted`: 0, 1 where evidence speaks against the state, 2 once the report or a human settled that.
Index(
    "ix_charges_disputed",
    charges.c.invoice,
    sqlite_where=text("contradicted = 1"),
    postgresql_where=text("contradicted = 1"),
)

# Everything that ever moved, or tried to move, a charge; rows are only added.
charge_events = Table(
    "charge_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("charge", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_charge_events_charge", charge_events.c.charge)

# What one person said of a charge above the amount that one person may settle: open while `ended` is empty,
# then confirmed or withdrawn, or overtaken by other evidence. `state` is the charge's as it was then,
# `via` the way it came.
charge_proposals = Table(
    "charge_proposals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("charge", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("ended", Text, nullable=False),
    Column("ended_by", Text, nullable=False),
    Column("ended_why", Text, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_charge_proposals_charge", charge_proposals.c.charge)
Index(
    "ix_charge_proposals_open",
    charge_proposals.c.charge,
    unique=True,
    sqlite_where=text("ended = ''"),
    postgresql_where=text("ended = ''"),
)

# How often an SMSC was asked about a charge by query_sm, and when it may be asked again.
charge_queries = Table(
    "charge_queries",
    metadata,
    Column("charge", Text, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What an SMSC said of the free SMSes of a conversation that has a charge: its answer and its receipts, as a
# premium one's stand in `charge_events`; rows are only added.
message_events = Table(
    "message_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
)
Index("ix_message_events_message", message_events.c.message)

# Receipts whose message is not known (yet): tried again at every answer.
unmatched_receipts = Table(
    "unmatched_receipts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("short_code", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("fate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("after_event", BigInteger, nullable=False, server_default=text("0")),
    sqlite_with_rowid=False,
)
Index("ix_unmatched_key", unmatched_receipts.c.operator, unmatched_receipts.c.key)
Index("ix_unmatched_number", unmatched_receipts.c.number)

# Segments of MOs. `whole_us` is 0 until their text is whole; then they are kept for a day, for an SMSC whose
# bind ended before our last answer sends only that last segment again.
fragments = Table(
    "fragments",
    metadata,
    Column("operator", Text, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reference", Integer, primary_key=True),
    Column("total", Integer, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("coding", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("echo", LargeBinary, nullable=False),
    Column("connection", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("whole_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_fragments_waiting",
    fragments.c.at_us,
    sqlite_where=text("whole_us = 0"),
    postgresql_where=text("whole_us = 0"),
)

# When a number last got the helpful answer to a text that nothing understood.
guidance = Table(
    "guidance",
    metadata,
    Column("number", Text, primary_key=True),
    Column("short_code", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers that want nothing more from an organisation; org '' is all of them.
stops = Table(
    "stops",
    metadata,
    Column("number", Text, primary_key=True),
    Column("org", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# One row a bind that brought MOs, but for one that ended with everything answered: an SMSC sends an MO
# again on a new bind where our answer was lost with the old one. `alive_us` is its last sign of life that
# is known: its last MO, or a tick well after that.
connections = Table(
    "connections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("link", Text, nullable=False),
    Column("alive_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What could not be handled without an error; kept whole, so that nothing is lost.
set_aside = Table(
    "set_aside",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

mailbox_tables(metadata)
ownership_table(metadata)
