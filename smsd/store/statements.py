"""The gateway's hot statements under names, compiled once. Parameters in the order declared."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Integer,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.sql.elements import ColumnElement

from foundation.store import Statement
from smsd.store.tables import (
    charge_events,
    charges,
    connections,
    fragments,
    guidance,
    messages,
    set_aside,
    stops,
    submissions,
    unmatched_receipts,
)

_m, _c, _s, _u, _f = messages.c, charges.c, submissions.c, unmatched_receipts.c, fragments.c


def _word(text: str) -> ColumnElement[str]:
    """A constant in the statement's own text, so that only named parameters travel."""
    return literal_column(f"'{text}'")


def _insert(table: Table, *left_out: str) -> Statement:
    names = [column.name for column in table.columns if column.name not in left_out]
    return Statement(insert(table).values({name: bindparam(name) for name in names}), *names)


def _undecided(table: Table | None = None) -> ColumnElement[bool]:
    state = (table if table is not None else charges).c.state
    return state.in_([_word("sending"), _word("accepted"), _word("in_doubt")])


# messages -----------------------------------------------------------------------------------------------

ADD_MESSAGE = _insert(messages)
SET_FATE = Statement(
    update(messages)
    .where(_m.id == bindparam("message"))
    .values(fate=bindparam("to"), reason=bindparam("why"), changed_us=bindparam("at")),
    "to",
    "why",
    "at",
    "message",
)
ROUTE_OF = Statement(
    select(_m.operator, _m.short_code, _m.address, _m.echo, _m.bind).where(_m.id == bindparam("id")), "id"
)
LAST_ROUTE = Statement(
    select(_m.operator, _m.short_code, _m.address, _m.echo, _m.bind)
    .where(_m.number == bindparam("number"))
    .order_by(_m.id.desc())
    .limit(1),
    "number",
)
MESSAGE_BY_ID = Statement(
    select(_m.conversation, _m.number, _m.short_code, _m.purpose, _m.fate, _m.source, _m.price_ore).where(
        _m.id == bindparam("id")
    ),
    "id",
)
# MTs of a lane that wait, with the state of their charge where they carry one
WAITING = Statement(
    select(
        _m.id,
        _m.conversation,
        _m.short_code,
        _m.address,
        _m.number,
        _m.text,
        _m.price_ore,
        _m.purpose,
        _m.at_us,
        _m.expires_us,
        _m.source,
        _m.echo,
        _c.id,
        _m.org,
        _m.bind,
    )
    .select_from(messages.outerjoin(charges, _c.message == _m.id))
    .where(
        and_(
            _m.fate == _word("queued"),
            _m.operator == bindparam("operator"),
            _m.lane == bindparam("lane"),
            _m.id > bindparam("after"),
            or_(_c.state.is_(None), _c.state == _word("intended")),
        )
    )
    .order_by(_m.id)
    .limit(bindparam("most")),
    "operator",
    "lane",
    "after",
    "most",
)
LAST_MESSAGE = Statement(select(func.max(_m.id)))
SAME_WORDS = Statement(
    select(_m.connection, _m.at_us)
    .where(
        and_(
            _m.number == bindparam("number"),
            _m.id > bindparam("after"),
            _m.direction == _word("in"),
            _m.operator == bindparam("operator"),
            _m.address == bindparam("address"),
            _m.text == bindparam("text"),
        )
    )
    .order_by(_m.id.desc())
    .limit(10),
    "number",
    "after",
    "operator",
    "address",
    "text",
)
SAME_MO = Statement(
    select(_m.connection, _m.at_us)
    .select_from(messages.join(connections, connections.c.id == _m.connection))
    .where(
        and_(
            _m.number == bindparam("number"),
            _m.id > bindparam("after"),
            _m.direction == _word("in"),
            _m.operator == bindparam("operator"),
            _m.address == bindparam("address"),
            _m.text == bindparam("text"),
            _m.connection != bindparam("connection"),
            _m.at_us >= connections.c.alive_us - bindparam("tail_us"),
        )
    ),
    "number",
    "after",
    "operator",
    "address",
    "text",
    "connection",
    "tail_us",
)

# submissions --------------------------------------------------------------------------------------------

ADD_SUBMISSION = Statement(
    upsert(submissions)
    .values(
        operator=bindparam("operator"),
        key=bindparam("key"),
        message=bindparam("message"),
        at_us=bindparam("at_us"),
    )
    .on_conflict_do_nothing(),
    "operator",
    "key",
    "message",
    "at_us",
)
# At a start: every free MT that waits may have been sent already; `every` is 1 where all ask for receipts
MARK_STRAYS = Statement(
    upsert(submissions)
    .from_select(
        ["operator", "key", "message", "at_us"],
        select(_m.operator, _word("no-answer"), _m.id, bindparam("at_us", type_=BigInteger)).where(
            and_(
                _m.fate == _word("queued"),
                _m.operator == bindparam("operator"),
                _m.price_ore == literal_column("0"),
                or_(_m.purpose == _word("send"), bindparam("every", type_=Integer) == literal_column("1")),
            )
        ),
    )
    .on_conflict_do_nothing(),
    "at_us",
    "operator",
    "every",
)
SUBMITTED = Statement(
    select(_s.message)
    .where(and_(_s.operator == bindparam("operator"), _s.key == bindparam("key")))
    .order_by(_s.at_us.desc()),
    "operator",
    "key",
)
# A page, by message: ids sort by their time. `made` sorts after every message made before `before`
FORGET_SUBMISSIONS = Statement(
    delete(submissions).where(
        tuple_(_s.operator, _s.key, _s.message).in_(
            select(_s.operator, _s.key, _s.message)
            .where(
                and_(
                    _s.message < bindparam("made"),
                    _s.at_us < bindparam("before"),
                    ~exists(
                        select(_c.id)
                        .where(and_(_c.message == _s.message, _undecided()))
                        .correlate(submissions)
                    ),
                )
            )
            .order_by(_s.message)
            .limit(bindparam("most"))
        )
    ),
    "made",
    "before",
    "most",
)

# charges ------------------------------------------------------------------------------------------------

_OPEN = _c.state.in_([_word("intended"), _word("sending"), _word("accepted"), _word("in_doubt")])
ADD_CHARGE = _insert(charges)
_CHARGE = (
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
    _c.expires_us,
    _c.contradicted,
)
CHARGE_BY_ID = Statement(select(*_CHARGE).where(_c.id == bindparam("id")), "id")
CHARGE_BY_MESSAGE = Statement(select(*_CHARGE).where(_c.message == bindparam("message")), "message")
# of the open states alone, in the words of their index: SQLite does not see it otherwise
CHARGES_IN_STATE = Statement(
    select(*_CHARGE).where(and_(_c.state == bindparam("in_state"), _OPEN)).order_by(_c.id), "in_state"
)
OVERDUE = Statement(
    select(*_CHARGE).where(and_(_c.state == _word("intended"), _OPEN, _c.expires_us <= bindparam("now"))),
    "now",
)
MOVE_CHARGE = Statement(
    update(charges)
    .where(_c.id == bindparam("charge"))
    .values(state=bindparam("to"), reason=bindparam("why"), changed_us=bindparam("at")),
    "to",
    "why",
    "at",
    "charge",
)
CONTRADICT_CHARGE = Statement(
    update(charges)
    .where(_c.id == bindparam("charge"))
    .values(contradicted=bindparam("mark"), changed_us=bindparam("at")),
    "mark",
    "at",
    "charge",
)
# every invoice sorts after "": so SQLite searches the partial index on contradicted charges
DISPUTED_CHARGES = Statement(
    select(*_CHARGE)
    .where(and_(_c.contradicted == literal_column("1"), _c.invoice >= _word("")))
    .order_by(literal_column("+charges.id")),
)
_other = charges.alias("other")
_disputed = charges.alias("disputed")
# Start only what is still intended, in time, alone with its sender, short code and tariff, and not said to
# be billed already.
START_CHARGE = Statement(
    update(charges)
    .where(
        and_(
            _c.id == bindparam("charge"),
            _c.state == _word("intended"),
            _c.expires_us > bindparam("now"),
            ~exists(
                select(_other.c.id)
                .where(
                    and_(
                        _other.c.number == _c.number,
                        _other.c.short_code == _c.short_code,
                        _other.c.amount_ore == _c.amount_ore,
                        _other.c.state.in_([_word("sending"), _word("accepted"), _word("in_doubt")]),
                    )
                )
                .correlate(charges)
            ),
            ~exists(
                select(_disputed.c.id)
                .where(
                    and_(
                        _disputed.c.contradicted == literal_column("1"),
                        _disputed.c.invoice == _c.invoice,
                        _disputed.c.number == _c.number,
                    )
                )
                .correlate(charges)
            ),
        )
    )
    .values(state=_word("sending"), changed_us=bindparam("at")),
    "at",
    "charge",
    "now",
)
DOUBTFUL_TO = Statement(
    select(*_CHARGE).where(
        and_(
            _c.number == bindparam("number"),
            _c.short_code == bindparam("short_code"),
            _c.operator == bindparam("operator"),
            _undecided(),
        )
    ),
    "number",
    "short_code",
    "operator",
)
OPEN_CHARGES = Statement(
    select(_c.state, func.count(), func.min(_c.created_us)).where(_OPEN).group_by(_c.state)
)
ADD_CHARGE_EVENT = _insert(charge_events, "id")
_e = charge_events.c
LAST_CHARGE_EVENT = Statement(select(func.coalesce(func.max(_e.id), 0)))
COUNT_CHARGE_EVENTS = Statement(
    select(func.count()).select_from(charge_events).where(_e.charge == bindparam("charge")), "charge"
)
LAST_OVERBILLED = Statement(
    select(_e.detail)
    .where(and_(_e.charge == bindparam("charge"), _e.evidence == _word("overbilled")))
    .order_by(_e.id.desc())
    .limit(literal_column("1")),
    "charge",
)
HAS_ID = Statement(
    select(_s.key).where(and_(_s.message == bindparam("message"), _s.key != _word("no-answer"))).limit(1),
    "message",
)
# Other MTs to this number that a receipt with an unknown id could mean: never answered, in the air, or
# younger than `after` and still without their own receipt
OTHERS_UNANSWERED = Statement(
    select(_m.id)
    .where(
        and_(
            _m.number == bindparam("number"),
            _m.id != bindparam("message"),
            _m.direction == _word("out"),
            _m.operator == bindparam("operator"),
            # a message that asked for no receipt gets none
            or_(
                _m.purpose.in_([_word("send"), _word("premium")]),
                bindparam("every", type_=Integer) == literal_column("1"),
            ),
            or_(
                _m.fate == _word("queued"),
                and_(_m.fate.in_([_word("accepted"), _word("in_doubt")]), _m.id > bindparam("after")),
                exists(
                    select(_s.key)
                    .where(
                        and_(_s.message == _m.id, _s.operator == _m.operator, _s.key == _word("no-answer"))
                    )
                    .correlate(messages)
                ),
            ),
        )
    )
    .limit(1),
    "number",
    "message",
    "operator",
    "every",
    "after",
)

# receipts without a message -----------------------------------------------------------------------------

ADD_UNMATCHED = _insert(unmatched_receipts)
_UNMATCHED = (
    _u.id,
    _u.operator,
    _u.key,
    _u.number,
    _u.short_code,
    _u.evidence,
    _u.fate,
    _u.reason,
    _u.detail,
    _u.after_event,
)
UNMATCHED_BY_KEY = Statement(
    select(*_UNMATCHED)
    .where(and_(_u.operator == bindparam("operator"), _u.key == bindparam("key")))
    .order_by(_u.id),
    "operator",
    "key",
)
UNMATCHED_BY_NUMBER = Statement(
    select(*_UNMATCHED)
    .where(
        and_(
            _u.number == bindparam("number"),
            _u.operator == bindparam("operator"),
            _u.short_code == bindparam("short_code"),
            _u.after_event >= bindparam("started"),
        )
    )
    .order_by(_u.id),
    "number",
    "operator",
    "short_code",
    "started",
)
ANY_UNMATCHED = Statement(select(_u.id).limit(1))
DROP_UNMATCHED = Statement(delete(unmatched_receipts).where(_u.id == bindparam("id")), "id")

# fragments ----------------------------------------------------------------------------------------------

ADD_FRAGMENT = Statement(
    upsert(fragments)
    .values({column.name: bindparam(column.name) for column in fragments.columns})
    .on_conflict_do_nothing(),
    *(column.name for column in fragments.columns),
)
_SAME_WHOLE = and_(
    _f.operator == bindparam("operator"),
    _f.number == bindparam("number"),
    _f.address == bindparam("address"),
    _f.reference == bindparam("reference"),
    _f.total == bindparam("total"),
)
_WHOLE_NAMES = ("operator", "number", "address", "reference", "total")
FRAGMENTS_OF = Statement(
    select(_f.part, _f.payload, _f.coding, _f.echo, _f.connection, _f.whole_us)
    .where(_SAME_WHOLE)
    .order_by(_f.part),
    *_WHOLE_NAMES,
)
MARK_WHOLE = Statement(
    update(fragments).where(_SAME_WHOLE).values(whole_us=bindparam("at_us")), "at_us", *_WHOLE_NAMES
)
FORGET_FRAGMENTS = Statement(
    delete(fragments).where(and_(_f.whole_us > literal_column("0"), _f.whole_us < bindparam("before"))),
    "before",
)
DROP_FRAGMENTS = Statement(delete(fragments).where(_SAME_WHOLE), *_WHOLE_NAMES)
STALE_FRAGMENTS = Statement(
    select(_f.operator, _f.number, _f.address, _f.reference, _f.total)
    .where(and_(_f.whole_us == literal_column("0"), _f.at_us <= bindparam("before")))
    .order_by(_f.at_us),
    "before",
)

# the rest -----------------------------------------------------------------------------------------------

GUIDED = Statement(
    select(guidance.c.at_us).where(
        and_(guidance.c.number == bindparam("number"), guidance.c.short_code == bindparam("short_code"))
    ),
    "number",
    "short_code",
)
_guide = upsert(guidance).values(
    number=bindparam("number"), short_code=bindparam("short_code"), at_us=bindparam("at_us")
)
SET_GUIDED = Statement(
    _guide.on_conflict_do_update(
        index_elements=[guidance.c.number, guidance.c.short_code], set_={"at_us": _guide.excluded.at_us}
    ),
    "number",
    "short_code",
    "at_us",
)
ADD_STOP = Statement(
    upsert(stops)
    .values(number=bindparam("number"), org=bindparam("org"), at_us=bindparam("at_us"))
    .on_conflict_do_nothing(),
    "number",
    "org",
    "at_us",
)
LIFT_STOP = Statement(
    delete(stops).where(and_(stops.c.number == bindparam("number"), stops.c.org == bindparam("org"))),
    "number",
    "org",
)
STOPPED = Statement(
    select(stops.c.org).where(
        and_(
            stops.c.number == bindparam("number"),
            or_(stops.c.org == _word(""), stops.c.org == bindparam("org")),
        )
    ),
    "number",
    "org",
)
_connected = upsert(connections).values(
    id=bindparam("id"), link=bindparam("link"), alive_us=bindparam("alive_us")
)
SET_CONNECTION = Statement(
    _connected.on_conflict_do_update(
        index_elements=[connections.c.id], set_={"alive_us": _connected.excluded.alive_us}
    ),
    "id",
    "link",
    "alive_us",
)
FORGET_GUIDANCE = Statement(delete(guidance).where(guidance.c.at_us < bindparam("before")), "before")
FORGET_CONNECTION = Statement(delete(connections).where(connections.c.id == bindparam("id")), "id")
FORGET_CONNECTIONS = Statement(
    delete(connections).where(connections.c.alive_us < bindparam("before")), "before"
)
OTHER_CONNECTION = Statement(
    select(connections.c.id)
    .where(and_(connections.c.id != bindparam("connection"), connections.c.alive_us > bindparam("after")))
    .limit(1),
    "connection",
    "after",
)
# A page of old messages in order, each with a charge of its conversation where there is one
OLD_TEXTS = Statement(
    select(
        _m.id,
        _m.text,
        select(_c.id)
        .where(_c.conversation == _m.conversation)
        .limit(1)
        .correlate(messages)
        .scalar_subquery(),
    )
    .where(and_(_m.id > bindparam("after"), _m.id < bindparam("before")))
    .order_by(_m.id)
    .limit(bindparam("most")),
    "after",
    "before",
    "most",
)
BLANK_TEXT = Statement(
    update(messages).where(_m.id == bindparam("message")).values(text=_word("")), "message"
)
ADD_SET_ASIDE = _insert(set_aside)
FORGET_SET_ASIDE = Statement(delete(set_aside).where(set_aside.c.at_us < bindparam("before")), "before")
FORGET_UNMATCHED = Statement(
    delete(unmatched_receipts).where(unmatched_receipts.c.at_us < bindparam("before")), "before"
)
