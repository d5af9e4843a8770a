"""The statements for limits, the stop switch and confirmations. Parameters in the order declared."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, and_, bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy import literal_column as _literal
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.elements import ColumnElement

from foundation.clock import HOUR_US
from foundation.store import Statement
from smsd.store.tables import (
    COUNTED,
    charge_events,
    charge_hours,
    charge_pauses,
    charges,
    confirmations,
    reported_ages,
)

_c, _e, _h, _p = charges.c, charge_events.c, charge_hours.c, charge_pauses.c
_q, _a = confirmations.c, reported_ages.c


def _word(text: str) -> ColumnElement[str]:
    return _literal(f"'{text}'")


_ZERO: ColumnElement[int] = _literal("0", type_=Integer)


def _sum(*of: ColumnElement[bool]) -> ColumnElement[int]:
    counted = case((and_(*of), _c.amount_ore), else_=_ZERO) if of else _c.amount_ore
    return func.coalesce(func.sum(counted), _ZERO)


# what is or may be billed -------------------------------------------------------------------------------


def _today() -> ColumnElement[bool]:
    return and_(
        _c.created_us >= bindparam("day_us", type_=BigInteger),
        _c.created_us < bindparam("next_day_us", type_=BigInteger),
    )


_OWN = _c.org == bindparam("org")
# Of a number this day and month: in all, then by one organisation; by ix_charges_counted.
SPENT_BY_NUMBER = Statement(
    select(_sum(_today()), _sum(), _sum(_today(), _OWN), _sum(_OWN)).where(
        and_(
            _c.number == bindparam("number"),
            _c.created_us >= bindparam("month_us"),
            _c.created_us < bindparam("next_month_us"),
            _literal(COUNTED),
        )
    ),
    *("day_us", "next_day_us", "day_us", "next_day_us", "org", "org"),
    *("number", "month_us", "next_month_us"),
)
SPENT_BY_ORGANISATION = Statement(
    select(func.coalesce(func.sum(_h.amount_ore), _ZERO)).where(
        and_(
            _h.org == bindparam("org"),
            _h.hour >= bindparam("from_hour"),
            _h.hour < bindparam("until_hour"),
        )
    ),
    "org",
    "from_hour",
    "until_hour",
)
_hour = upsert(charge_hours).values(
    org=bindparam("org"), hour=bindparam("hour"), amount_ore=bindparam("amount_ore")
)
ADD_TO_HOUR = Statement(
    _hour.on_conflict_do_update(
        index_elements=[_h.org, _h.hour], set_={"amount_ore": _h.amount_ore + _hour.excluded.amount_ore}
    ),
    "org",
    "hour",
    "amount_ore",
)
# A charge begins to count towards its hour (1) or ceases to (-1)
_again = upsert(charge_hours).from_select(
    ["org", "hour", "amount_ore"],
    select(
        _c.org,
        _c.created_us.op("/")(_literal(str(HOUR_US))),
        _c.amount_ore * bindparam("sign", type_=Integer),
    ).where(_c.id == bindparam("charge")),
)
COUNT_AGAIN = Statement(
    _again.on_conflict_do_update(
        index_elements=[_h.org, _h.hour], set_={"amount_ore": _h.amount_ore + _again.excluded.amount_ore}
    ),
    "sign",
    "charge",
)
# What was noted when a charge of this conversation was not allowed
WHY_NOT_ALLOWED = Statement(
    select(_e.detail)
    .select_from(charges.join(charge_events, _e.charge == _c.id))
    .where(and_(_c.conversation == bindparam("conversation"), _e.evidence == _word("not_allowed")))
    .order_by(_e.id.desc())
    .limit(1),
    "conversation",
)

# the stop switch ----------------------------------------------------------------------------------------

_SET = _p.resumed_us == _ZERO
PAUSED = Statement(select(_p.org).where(_SET))
PAUSES = Statement(select(*charge_pauses.columns).order_by(_p.id))
# sorted by what no index has, so that the index of what is set is read
PAUSES_SET = Statement(select(*charge_pauses.columns).where(_SET).order_by(_literal("+charge_pauses.id")))
PAUSE_OF = Statement(select(*charge_pauses.columns).where(and_(_SET, _p.org == bindparam("org"))), "org")
ADD_PAUSE = Statement(
    insert(charge_pauses).values({column.name: bindparam(column.name) for column in charge_pauses.columns}),
    *(column.name for column in charge_pauses.columns),
)
LIFT_PAUSE = Statement(
    update(charge_pauses)
    .where(and_(_SET, _p.org == bindparam("of")))
    .values(resumed_us=bindparam("at"), resumed_by=bindparam("who"), resumed_why=bindparam("why")),
    "at",
    "who",
    "why",
    "of",
)
# Unfinished charges of an organisation ("" for all) by state
OPEN_OF = Statement(
    select(_c.state, func.count())
    .where(
        and_(
            _c.state.in_([_word(state) for state in ("intended", "sending", "accepted", "in_doubt")]),
            or_(bindparam("every") == _word(""), _c.org == bindparam("org")),
        )
    )
    .group_by(_c.state),
    "every",
    "org",
)

# the payer's yes ----------------------------------------------------------------------------------------

ADD_CONFIRMATION = Statement(
    insert(confirmations).values({column.name: bindparam(column.name) for column in confirmations.columns}),
    *(column.name for column in confirmations.columns),
)
_ASKED = select(_q.charge, _q.org, _q.amount_ore, _q.until_us, _c.conversation).select_from(
    confirmations.join(charges, _c.id == _q.charge)
)
_OPEN = _q.answer == _word("")
WAITING_FOR_YES = Statement(
    _ASKED.where(
        and_(_OPEN, _q.number == bindparam("number"), _q.short_code == bindparam("short_code"))
    ).order_by(_q.charge),
    "number",
    "short_code",
)
WAITING_BY_NUMBER = Statement(
    select(_q.charge, _q.org).where(and_(_OPEN, _q.number == bindparam("number"))).order_by(_q.charge),
    "number",
)
UNANSWERED = Statement(select(_q.charge).where(and_(_OPEN, _q.until_us <= bindparam("now"))), "now")
# The last one that this number said yes to, while its charge is not over
SAID_YES = Statement(
    select(_q.org, _c.conversation)
    .select_from(confirmations.join(charges, _c.id == _q.charge))
    .where(
        and_(
            _q.number == bindparam("number"),
            _q.short_code == bindparam("short_code"),
            _q.answer == _word("yes"),
            _c.state.in_([_word(state) for state in ("intended", "sending", "accepted", "in_doubt")]),
        )
    )
    .order_by(_q.charge.desc())
    .limit(1),
    "number",
    "short_code",
)
# Until when a charge's payer may say yes
YES_UNTIL = Statement(select(_q.until_us).where(and_(_OPEN, _q.charge == bindparam("charge"))), "charge")
# Once only: what was answered is not answered again
SET_ANSWER = Statement(
    update(confirmations)
    .where(and_(_q.charge == bindparam("of"), _OPEN))
    .values(answer=bindparam("to"), answered_us=bindparam("at"), mo=bindparam("by")),
    "to",
    "at",
    "by",
    "of",
)

# A charge that waited for a yes gets its premium SMS, whose id is of the time it is written
SET_MESSAGE = Statement(
    update(charges).where(_c.id == bindparam("of")).values(message=bindparam("to")), "to", "of"
)

# ages ---------------------------------------------------------------------------------------------------

ADD_AGE = Statement(
    insert(reported_ages).values({column.name: bindparam(column.name) for column in reported_ages.columns}),
    *(column.name for column in reported_ages.columns),
)
AGE_OF = Statement(select(_a.age).where(_a.conversation == bindparam("conversation")), "conversation")
FORGET_AGES = Statement(delete(reported_ages).where(_a.at_us < bindparam("before")), "before")
