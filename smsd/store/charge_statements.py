"""Statements about charges beside the hot road: proposals, queries, ages, and one charge's whole journal."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, func, insert, literal_column, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.elements import ColumnElement

from foundation.store import Statement
from smsd.store.tables import (
    charge_events,
    charge_proposals,
    charge_queries,
    charges,
    message_events,
    messages,
    submissions,
)

_c, _e, _m, _s = charges.c, charge_events.c, messages.c, submissions.c
_p, _q, _v = charge_proposals.c, charge_queries.c, message_events.c


def _word(text: str) -> ColumnElement[str]:
    return literal_column(f"'{text}'")


def unfinished() -> ColumnElement[bool]:
    """Word for word what `ix_charges_open` holds: only then SQLite reads that index, not every charge."""
    return _c.state.in_([_word("intended"), _word("sending"), _word("accepted"), _word("in_doubt")])


# proposals ----------------------------------------------------------------------------------------------

_PROPOSAL = (
    _p.id,
    _p.charge,
    _p.state,
    _p.outcome,
    _p.who,
    _p.why,
    _p.via,
    _p.at_us,
    _p.ended,
    _p.ended_by,
    _p.ended_why,
    _p.ended_us,
)
ADD_PROPOSAL = Statement(
    insert(charge_proposals).values(
        **{column.name: bindparam(column.name) for column in _PROPOSAL[:8]},
        ended=_word(""),
        ended_by=_word(""),
        ended_why=_word(""),
        ended_us=literal_column("0"),
    ),
    *(column.name for column in _PROPOSAL[:8]),
)
END_PROPOSAL = Statement(
    update(charge_proposals)
    .where(and_(_p.id == bindparam("proposal"), _p.ended == _word("")))
    .values(
        ended=bindparam("how"),
        ended_by=bindparam("by"),
        ended_why=bindparam("why_so"),
        ended_us=bindparam("at"),
    ),
    "how",
    "by",
    "why_so",
    "at",
    "proposal",
)
OPEN_PROPOSAL = Statement(
    select(*_PROPOSAL).where(and_(_p.charge == bindparam("of"), _p.ended == _word(""))), "of"
)
PROPOSALS_OF = Statement(select(*_PROPOSAL).where(_p.charge == bindparam("of")).order_by(_p.id), "of")
PROPOSALS_WAITING = Statement(select(func.count(), func.min(_p.at_us)).where(_p.ended == _word("")))

# ages ---------------------------------------------------------------------------------------------------

IN_DOUBT_SINCE = Statement(
    select(_c.created_us, _c.amount_ore).where(and_(unfinished(), _c.state == _word("in_doubt")))
)

# queries ------------------------------------------------------------------------------------------------

_NONE: ColumnElement[int] = literal_column("0")
_other = submissions.alias("other")
# Charges whose SMSC message id an answer named: in doubt, or accepted before `accepted_before`; named after
# `after`, not asked about again before their time, nor more than `tries` times
TO_QUERY = Statement(
    select(_c.id, _c.message, _m.address, _e.detail, func.coalesce(_q.tries, _NONE))
    .select_from(
        charges.join(messages, _m.id == _c.message)
        .join(charge_events, and_(_e.charge == _c.id, _e.evidence == _word("answer_accepted")))
        .outerjoin(charge_queries, _q.charge == _c.id)
    )
    .where(
        and_(
            unfinished(),
            or_(
                _c.state == _word("in_doubt"),
                and_(_c.state == _word("accepted"), _e.at_us <= bindparam("accepted_before")),
            ),
            _c.operator == bindparam("operator"),
            _e.at_us > bindparam("after"),
            func.coalesce(_q.next_us, _NONE) <= bindparam("now"),
            func.coalesce(_q.tries, _NONE) < bindparam("tries"),
        )
    )
    .order_by(func.coalesce(_q.next_us, _NONE), _c.id)
    .limit(bindparam("most")),
    "accepted_before",
    "operator",
    "after",
    "now",
    "tries",
    "most",
)
_asked = upsert(charge_queries).values(
    charge=bindparam("charge"),
    tries=bindparam("tries"),
    asked_us=bindparam("asked_us"),
    next_us=bindparam("next_us"),
)
SET_QUERIED = Statement(
    _asked.on_conflict_do_update(
        index_elements=[_q.charge],
        set_={name: _asked.excluded[name] for name in ("tries", "asked_us", "next_us")},
    ),
    "charge",
    "tries",
    "asked_us",
    "next_us",
)
QUERIED = Statement(select(_q.tries, _q.asked_us, _q.next_us).where(_q.charge == bindparam("of")), "of")
# The event by which a charge's message was last put on its way
STARTED = Statement(
    select(_e.id)
    .where(and_(_e.charge == bindparam("started"), _e.evidence == _word("start")))
    .order_by(_e.id.desc())
    .limit(1),
    "started",
)
# Whether the SMSC gave the same id to another message later
GIVEN_AGAIN = Statement(
    select(_s.message)
    .select_from(submissions.join(_other, and_(_other.c.operator == _s.operator, _other.c.key == _s.key)))
    .where(
        and_(
            _s.operator == bindparam("operator"),
            _s.key == bindparam("key"),
            _s.message == bindparam("message"),
            _other.c.message != _s.message,
        )
    )
    .limit(1),
    "operator",
    "key",
    "message",
)

# the journal --------------------------------------------------------------------------------------------

CHARGE_WHOLE = Statement(
    select(
        _c.id,
        _c.conversation,
        _c.message,
        _c.org,
        _c.invoice,
        _c.operator,
        _c.short_code,
        _c.number,
        _c.amount_ore,
        _c.state,
        _c.reason,
        _c.contradicted,
        _c.created_us,
        _c.changed_us,
        _c.expires_us,
    ).where(_c.id == bindparam("id")),
    "id",
)
STEPS_OF = Statement(
    select(_e.at_us, _e.evidence, _e.before, _e.after, _e.detail)
    .where(_e.charge == bindparam("of"))
    .order_by(_e.id.desc())
    .limit(bindparam("most")),
    "of",
    "most",
)
STEPS_COUNT = Statement(select(func.count()).where(_e.charge == bindparam("of")), "of")
# By the number too, of which there is an index
SMS_OF = Statement(
    select(
        _m.id,
        _m.direction,
        _m.purpose,
        _m.number,
        _m.short_code,
        _m.segments,
        _m.price_ore,
        _m.at_us,
        _m.fate,
        _m.changed_us,
        _m.reason,
        _m.bind,
        _m.text,
    )
    .where(and_(_m.number == bindparam("number"), _m.conversation == bindparam("conversation")))
    .order_by(_m.id),
    "number",
    "conversation",
)
TRACES_OF = Statement(
    select(_v.at_us, _v.what, _v.detail).where(_v.message == bindparam("of")).order_by(_v.id), "of"
)
ADD_TRACE = Statement(
    insert(message_events).values({name: bindparam(name) for name in ("message", "at_us", "what", "detail")}),
    "message",
    "at_us",
    "what",
    "detail",
)
CHARGED_CONVERSATION = Statement(
    select(_c.id).where(_c.conversation == bindparam("conversation")).limit(1), "conversation"
)
