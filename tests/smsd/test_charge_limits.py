"""Ceilings, ages and the one unfinished charge of a tariff, through the gateway and its store."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playbook import KARI, OLA, Play, mo, operator, organisation

from foundation.clock import OSLO, oslo, to_us
from foundation.contract import Charge, ChargeSettled, Outcome, Reason
from smsd.charging.states import ChargeState, Evidence
from smsd.settings import ChargeLimits
from smsd.settings_limits import AgeReport, OrganisationCharges, OrganisationLimits
from smsd.smpp.link import AnswerKind
from smsd.smpp.pdu import Tlv
from smsd.store.limit_statements import SPENT_BY_NUMBER, SPENT_BY_ORGANISATION
from smsd.work import Plan

TWO = (organisation("ORG1"), organisation("ORG2"))
AGE_TAG = 0x1510


def bounds(**charges: Any) -> dict[str, Any]:
    """Limits of which only these hold."""
    none = {"per_charge_kr": 0, "per_number_day_kr": 0, "per_number_month_kr": 0}
    return {"charges": ChargeLimits(**{**none, **charges})}


def own(**charges: Any) -> OrganisationLimits:
    return OrganisationLimits(charges=OrganisationCharges(**charges))


def why(play: Play, wish: Charge) -> Reason | None:
    """Why a charge was not made; None where it was not settled."""
    settled = [each for each in play.told(ChargeSettled) if each.charge == wish.id]
    if not settled:
        return None
    assert settled[-1].outcome is Outcome.NOT_CHARGED
    return settled[-1].reason


def pay(play: Play, wish: Charge) -> None:
    """Take a charge to its end: accepted and billed."""
    play.parcel(wish)
    play.answer(message_id=wish.id)
    play.receipt(wish.id, number=wish.recipient)


# ceilings -------------------------------------------------------------------------------------------------


def test_a_charge_above_the_ceiling_is_refused_and_its_neighbours_are_not(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_charge_kr=100))
    over, under = play.charge(kr=101), play.charge(kr=100)
    play.parcel(over, under)
    assert why(play, over) is Reason.LIMIT_CHARGE
    assert play.state(under) is ChargeState.SENDING
    assert [piece.outgoing.charge for piece in play.submitted] == [under.id]
    assert play.counts[("charges_not_allowed", "limit_charge")] == 1
    assert play.evidence(over) == ["not_allowed"]


def test_the_sum_of_one_batch_counts_as_it_grows(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=100))
    wishes = [play.charge(kr=kr) for kr in (40, 50, 20, 10)]
    play.parcel(*wishes)
    assert [why(play, wish) for wish in wishes] == [None, None, Reason.LIMIT_DAY, None]


def test_several_parcels_of_one_transaction_count_together(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=100, per_organisation_day_kr=150))
    first, second, other = play.charge(kr=80), play.charge(kr=30), play.charge(kr=80, number=KARI)
    play.turn(*[play.parcel_came(wish) for wish in (first, second, other)])
    assert [why(play, wish) for wish in (first, second, other)] == [
        None,
        Reason.LIMIT_DAY,
        Reason.LIMIT_ORGANISATION,
    ]


def test_numbers_and_days_do_not_count_for_each_other(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=50))
    pay(play, play.charge())
    other = play.charge(number=KARI)
    play.parcel(other)
    assert play.state(other) is ChargeState.SENDING
    play.answer(message_id="k")
    play.receipt("k", number=KARI)
    again = play.charge()
    play.parcel(again)
    assert why(play, again) is Reason.LIMIT_DAY
    play.clock.us = to_us(datetime(2026, 11, 24, tzinfo=OSLO)) - 1
    still = play.charge()
    play.parcel(still)
    assert why(play, still) is Reason.LIMIT_DAY
    play.clock.us += 1
    tomorrow = play.charge()
    play.parcel(tomorrow)
    assert play.state(tomorrow) is ChargeState.SENDING


def test_a_month_bounds_its_days(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=100, per_number_month_kr=120))
    pay(play, play.charge(kr=100))
    play.clock.advance(86_400)
    over, fits = play.charge(kr=21), play.charge(kr=20)
    play.parcel(over, fits)
    assert [why(play, over), why(play, fits)] == [Reason.LIMIT_MONTH, None]
    play.answer(message_id="2")
    play.receipt("2")
    play.clock.us = to_us(datetime(2026, 12, 1, tzinfo=OSLO))
    december = play.charge(kr=100)
    play.parcel(december)
    assert play.state(december) is ChargeState.SENDING


@pytest.mark.parametrize("state", ["intended", "sending", "accepted", "in_doubt", "charged", "refund_due"])
def test_what_is_or_may_be_billed_counts(plays: Callable[..., Play], state: str) -> None:
    play = plays(**bounds(per_number_day_kr=50))
    wish = play.charge(kr=50)
    play.link.can_submit = False
    play.parcel(wish)
    play.rows("UPDATE charges SET state = ? WHERE id = ?", state, wish.id)
    another = play.charge(kr=1)
    play.parcel(another)
    assert why(play, another) is Reason.LIMIT_DAY


@pytest.mark.parametrize("state", ["refused", "not_charged", "refunded"])
def test_what_costs_nobody_anything_does_not_count(plays: Callable[..., Play], state: str) -> None:
    play = plays(**bounds(per_number_day_kr=50))
    wish = play.charge(kr=50)
    play.link.can_submit = False
    play.parcel(wish)
    play.rows("UPDATE charges SET state = ? WHERE id = ?", state, wish.id)
    again = play.charge(kr=50)
    play.parcel(again)
    assert why(play, again) is None
    assert play.state(again) is ChargeState.INTENDED


def test_a_charge_that_the_operator_refused_leaves_room_for_another(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=50))
    wish = play.start_charge()
    play.answer(status=0x45)
    assert play.state(wish) is ChargeState.REFUSED
    again = play.start_charge()
    play.answer(kind=AnswerKind.TIMED_OUT)
    assert play.state(again) is ChargeState.IN_DOUBT
    third = play.charge(kr=1)
    play.parcel(third)
    assert why(play, third) is Reason.LIMIT_DAY


def test_what_a_report_says_was_billed_after_all_counts_again(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_organisation_day_kr=50))
    wish = play.start_charge()
    play.answer(status=0x45)
    play.parcel(play.resolve(wish.id))
    assert play.state(wish) is ChargeState.CHARGED
    again = play.charge(kr=1)
    play.parcel(again)
    assert why(play, again) is Reason.LIMIT_ORGANISATION


def test_what_a_later_receipt_contradicts_may_have_been_billed_and_counts(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=50, per_organisation_day_kr=50))
    wish = play.start_charge()
    play.answer(message_id="1")
    play.receipt("1", "UNDELIV")
    free = play.charge(kr=1, expires_s=60)
    play.link.can_submit = False
    play.parcel(free)
    assert why(play, free) is None
    play.tick(61)
    play.receipt("1")
    assert play.contradicted(wish)
    mine, others = play.charge(kr=1), play.charge(kr=1, number=KARI)
    play.parcel(mine, others)
    assert [why(play, mine), why(play, others)] == [Reason.LIMIT_DAY, Reason.LIMIT_ORGANISATION]
    play.parcel(play.resolve(wish.id, "not_charged"))
    again = play.charge(kr=1)
    play.parcel(again)
    assert why(play, again) is None


def test_ceilings_outlive_a_restart(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=80, per_organisation_day_kr=100))
    play.start_charge()
    play.crash()
    mine, others = play.charge(kr=31), play.charge(kr=51, number=KARI)
    play.parcel(mine, others)
    assert [why(play, mine), why(play, others)] == [Reason.LIMIT_DAY, Reason.LIMIT_ORGANISATION]


def test_the_same_charge_again_is_not_counted_twice(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_number_day_kr=60))
    wish = play.start_charge()
    play.parcel(wish)
    other = play.charge(kr=10)
    play.parcel(other)
    assert why(play, other) is None


def test_a_number_s_sum_is_over_all_organisations_and_an_organisation_s_own_bound_over_its_own(
    plays: Callable[..., Play],
) -> None:
    strict = organisation("ORG2", limits=own(per_number_day_kr=30))
    play = plays(organisations=(organisation("ORG1"), strict), **bounds(per_number_day_kr=100))
    pay(play, play.charge(kr=60))
    own_over, own_fits = play.charge(kr=31, org="ORG2"), play.charge(kr=30, org="ORG2")
    all_over = play.charge(kr=11)
    play.parcel(own_over, own_fits, all_over)
    assert [why(play, each) for each in (own_over, own_fits, all_over)] == [
        Reason.LIMIT_DAY,
        None,
        Reason.LIMIT_DAY,
    ]
    for wish, ceiling in ((own_over, "30"), (all_over, "100")):
        play.parcel(play.reply(wish.conversation, "failed", amount="31", reason="limit_day", org=wish.org))
        assert f"{ceiling} kr per dag" in play.texts()[-1]


def test_an_organisation_s_ceilings_bind_it_alone(plays: Callable[..., Play]) -> None:
    strict = organisation(
        "ORG2", limits=own(per_charge_kr=20, per_number_month_kr=30, per_organisation_day_kr=40)
    )
    play = plays(organisations=(organisation("ORG1"), strict), **bounds())
    free = play.charge(kr=500)
    over, first, second = (play.charge(kr=kr, org="ORG2") for kr in (21, 20, 11))
    third, fourth = (play.charge(kr=kr, org="ORG2", number=KARI) for kr in (20, 1))
    play.parcel(free, over, first, second, third, fourth)
    assert [why(play, each) for each in (free, over, first, second, third, fourth)] == [
        None,
        Reason.LIMIT_CHARGE,
        None,
        Reason.LIMIT_MONTH,
        None,
        Reason.LIMIT_ORGANISATION,
    ]


def test_an_organisation_s_day_begins_at_midnight_in_oslo(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(per_organisation_day_kr=50))
    play.clock.us = to_us(datetime(2026, 10, 25, 23, 59, 59, tzinfo=OSLO))
    pay(play, play.charge())
    late = play.charge(number=KARI)
    play.parcel(late)
    assert why(play, late) is Reason.LIMIT_ORGANISATION
    play.clock.advance(1)
    monday = play.charge(number=KARI)
    play.parcel(monday)
    assert play.state(monday) is ChargeState.SENDING


def test_the_defaults_allow_what_the_source_does_and_bound_a_day_and_a_month(play: Play) -> None:
    wishes = [play.charge(kr=1000), play.charge(kr=1000), play.charge(kr=1)]
    play.parcel(*wishes)
    assert [why(play, wish) for wish in wishes] == [None, None, Reason.LIMIT_DAY]
    over = play.charge(kr=1001, number=KARI)
    play.parcel(over)
    assert why(play, over) is Reason.LIMIT_CHARGE


def test_sums_are_found_by_an_index(play: Play) -> None:
    for statement, values in ((SPENT_BY_NUMBER, 9), (SPENT_BY_ORGANISATION, 3)):
        plan = play.rows(f"EXPLAIN QUERY PLAN {statement.sql}", *[0] * values)
        (step,) = [row[3] for row in plan]
        assert step.startswith("SEARCH")
        assert "ix_charges_counted" in step or "PRIMARY KEY" in step


# what members hear ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "reason", "text"),
    [
        ("nn", "limit_charge", "Inntil 40 kr om gongen"),
        ("nb", "limit_charge", "Inntil 40 kr om gangen"),
        ("en", "limit_charge", "At most NOK 40 at a time"),
    ],
)
def test_a_refused_payer_is_told_why_and_that_nothing_was_charged(
    plays: Callable[..., Play], language: str, reason: str, text: str
) -> None:
    play = plays(organisations=[organisation(language=language)], **bounds(per_charge_kr=40))
    wish = play.charge()
    play.parcel(wish)
    play.parcel(play.reply(wish.conversation, "failed", amount="50", reason=reason))
    (said,) = play.texts()
    assert text in said
    assert play.submitted[-1].outgoing.price_ore == 0


def test_an_organisation_may_word_the_reason_by_either_name(plays: Callable[..., Play]) -> None:
    worded = (
        organisation("ORG1", replies={"failed.limit_day": "Ikkje meir i dag"}),
        organisation("ORG2", replies={"limit_day": "Nok for i dag: {max}"}),
    )
    play = plays(organisations=worded, **bounds(per_number_day_kr=10))
    for org in ("ORG1", "ORG2"):
        wish = play.charge(org=org)
        play.parcel(wish, play.reply(wish.conversation, "failed", reason="limit_day", org=org))
    assert play.texts() == ["Ikkje meir i dag", "Nok for i dag: 10"]


# ages -----------------------------------------------------------------------------------------------------


def reporting(**report: Any) -> Any:
    return operator(age=AgeReport(tag=AGE_TAG, **report))


def asked_by(play: Play, *tlvs: Tlv) -> Charge:
    """A charge that a text with these TLVs asks for, in the text's own conversation."""
    play.text("ORG1 BETAL 50", tlvs=tlvs)
    (conversation,) = play.rows("SELECT id FROM messages WHERE direction = 'in' ORDER BY id DESC LIMIT 1")[0]
    wish = play.charge(conversation)
    play.parcel(wish)
    return wish


@pytest.mark.parametrize(
    ("report", "value", "reason"),
    [
        ({}, b"\x0e", Reason.TOO_YOUNG),
        ({}, b"\x0f", None),
        ({}, b"\x00\x00\x00\x12", None),
        ({"type": "c-octet"}, b"14\0", Reason.TOO_YOUNG),
        ({"type": "octet"}, b"15", None),
        ({"unit": "adult"}, b"\x01", None),
        ({"unit": "adult"}, b"\x00", Reason.TOO_YOUNG),
        ({"unit": "adult", "type": "c-octet"}, b"n\0", Reason.TOO_YOUNG),
        ({"unit": "adult", "type": "c-octet"}, b"Yes", None),
        ({"unit": "adult", "type": "c-octet", "adult_age": 14}, b"Y", Reason.TOO_YOUNG),
        # tells nothing, so it is as if none had come
        ({"unit": "adult", "type": "c-octet"}, b"?", Reason.AGE_UNKNOWN),
        ({}, b"\xff", Reason.AGE_UNKNOWN),
        ({}, b"\x00" * 5, Reason.AGE_UNKNOWN),
        ({"type": "octet"}, "１５".encode(), Reason.AGE_UNKNOWN),
        ({"type": "octet"}, b"9" * 5000, Reason.AGE_UNKNOWN),
        ({}, b"", Reason.AGE_UNKNOWN),
    ],
)
def test_the_age_that_came_with_the_text_decides(
    plays: Callable[..., Play], report: dict[str, Any], value: bytes, reason: Reason | None
) -> None:
    play = plays(operators=[reporting(**report)], **bounds(minimum_age=15, age_unknown="refuse"))
    wish = asked_by(play, Tlv(AGE_TAG, value))
    assert why(play, wish) is reason
    assert bool(play.submitted) == (reason is None)


@pytest.mark.parametrize(("unknown", "reason"), [("allow", None), ("refuse", Reason.AGE_UNKNOWN)])
def test_where_no_age_came_the_setting_decides(
    plays: Callable[..., Play], unknown: str, reason: Reason | None
) -> None:
    play = plays(operators=[reporting()], **bounds(minimum_age=15, age_unknown=unknown))
    assert why(play, asked_by(play)) is reason


def test_an_organisation_may_ask_for_more_years(plays: Callable[..., Play]) -> None:
    adults = organisation("ORG1", limits=own(minimum_age=18))
    play = plays(operators=[reporting()], organisations=[adults], **bounds(minimum_age=15))
    assert why(play, asked_by(play, Tlv(AGE_TAG, b"\x11"))) is Reason.TOO_YOUNG


def test_an_age_outlives_a_restart_and_is_kept_of_payers_alone(plays: Callable[..., Play]) -> None:
    play = plays(operators=[reporting()], **bounds(minimum_age=15))
    play.text("HJELP", tlvs=(Tlv(AGE_TAG, b"\x0e"),))
    assert play.rows("SELECT age FROM reported_ages") == []
    play.text("ORG1 BETAL 50", tlvs=(Tlv(AGE_TAG, b"\x0e"),))
    (conversation,) = play.rows("SELECT conversation FROM reported_ages")[0]
    play.crash()
    wish = play.charge(conversation)
    play.parcel(wish)
    assert why(play, wish) is Reason.TOO_YOUNG


def test_a_long_text_carries_the_age_of_its_last_part(plays: Callable[..., Play]) -> None:
    play = plays(operators=[reporting()], **bounds(minimum_age=15))
    for number, text in ((1, "ORG1 Ola Nordmann "), (2, "ola@example.org")):
        part = b"\x05\x00\x03\x07\x02" + bytes([number]) + text.encode("latin-1")
        play.turn(play.delivered(mo("", short_message=part, esm_class=0x40, tlvs=(Tlv(AGE_TAG, b"\x0e"),))))
    assert play.value("SELECT age FROM reported_ages") == 14


# one unfinished charge of a sender, short code and tariff --------------------------------------------------


def undecided(play: Play) -> Counter[tuple[Any, ...]]:
    return Counter(
        play.rows(
            "SELECT number, short_code, amount_ore FROM charges "
            "WHERE state IN ('sending', 'accepted', 'in_doubt')"
        )
    )


def test_a_hundred_charges_of_a_tariff_in_one_parcel_go_one_by_one(plays: Callable[..., Play]) -> None:
    play = plays(**bounds(), organisations=TWO, window=200)
    wishes = [play.charge(org=("ORG1", "ORG2")[number % 2], expires_s=80_000) for number in range(100)]
    play.parcel(*wishes)
    for number, wish in enumerate(wishes):
        assert undecided(play) == {(OLA, "2030", 5000): 1}, number
        assert play.submitted[-1].outgoing.charge == wish.id
        play.answer(message_id=f"m{number}")
        play.receipt(f"m{number}")
    assert undecided(play) == {}


def test_two_accounts_of_one_short_code_share_the_tariff(plays: Callable[..., Play]) -> None:
    play = plays(operators=[operator("one"), operator("two")])
    links = [links[0] for links in play.links.values()]
    for link in links:
        play.turn(play.delivered(mo("ORG1 BETAL 50"), link))
    conversations = [
        row[0] for row in play.rows("SELECT id FROM messages WHERE direction = 'in' ORDER BY id")
    ]
    first, second = (play.charge(each) for each in conversations)
    play.parcel(first, second)
    assert [play.state(first), play.state(second)] == [ChargeState.SENDING, ChargeState.INTENDED]
    play.answer(message_id="1")
    play.receipt("1")
    play.tick(1)
    play.turn()
    assert play.state(second) is ChargeState.SENDING


def test_one_ore_more_makes_another_tariff(play: Play) -> None:
    first, second = play.charge(ore=5000), play.charge(ore=5001)
    play.parcel(first, second)
    assert [play.state(first), play.state(second)] == [ChargeState.SENDING, ChargeState.SENDING]


def test_after_a_restart_the_second_still_waits_for_the_one_in_doubt(plays: Callable[..., Play]) -> None:
    play = plays(window=1)
    first, second = play.charge(), play.charge()
    play.parcel(first, second)
    play.crash()
    play.turn()
    play.tick(1)
    play.turn()
    assert [play.state(first), play.state(second)] == [ChargeState.IN_DOUBT, ChargeState.INTENDED]
    assert len(play.submitted) == 1


# whatever comes -------------------------------------------------------------------------------------------

DAY_KR, MONTH_KR, ORG_DAY_KR = 100, 150, 180
STARTS = [
    datetime(2026, 3, 28, 21, 30, tzinfo=OSLO),
    datetime(2026, 10, 24, 22, 10, tzinfo=OSLO),
    datetime(2026, 10, 31, 20, 0, tzinfo=OSLO),
    datetime(2026, 12, 31, 22, 59, tzinfo=OSLO),
]
WISH = st.tuples(
    st.sampled_from([OLA, KARI]),
    st.sampled_from(["ORG1", "ORG2"]),
    st.sampled_from([1, 30, 50, 51, 100, 101]),
)
STEP = st.one_of(
    st.tuples(st.just("charge"), st.lists(WISH, min_size=1, max_size=4)),
    st.tuples(st.just("wait"), st.sampled_from([1, 599, 3600, 3 * 3600, 13 * 3600, 26 * 3600])),
    st.tuples(st.sampled_from(["accept", "refuse", "lose", "bill", "fail", "crash", "late"]), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
@given(start=st.sampled_from(STARTS), steps=st.lists(STEP, min_size=3, max_size=25))
def test_no_sequence_of_charges_bills_more_than_the_ceilings(
    start: datetime, steps: list[tuple[str, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        play = Play(
            Path(folder),
            organisations=TWO,
            **bounds(
                per_number_day_kr=DAY_KR, per_number_month_kr=MONTH_KR, per_organisation_day_kr=ORG_DAY_KR
            ),
        )
        try:
            play.clock.us = to_us(start)
            for step in steps:
                _take(play, *step)
                _never_above(play)
        finally:
            play.close()


def _take(play: Play, what: str, how: Any) -> None:
    pending = [piece for piece in play.link.pending if piece.outgoing.charge]
    accepted = play.rows("SELECT id, number FROM charges WHERE state = 'accepted' ORDER BY id")
    match what:
        case "charge":
            wishes = [play.charge(number=number, org=org, kr=kr) for number, org, kr in how]
            play.parcel(*wishes)
            for place, wish in enumerate(wishes):
                _refused_only_where_needed(play, wish, [each.id for each in wishes[place:]])
        case "wait":
            play.tick(how)
        case "late":
            play.tick(700)
        case "crash":
            play.crash()
        case "accept" if pending:
            play.answer(pending[0], message_id=pending[0].outgoing.charge)
        case "refuse" if pending:
            play.answer(pending[0], status=0x45)
        case "lose" if pending:
            play.answer(pending[0], kind=AnswerKind.TIMED_OUT)
        case "bill" | "fail" if accepted:
            stat = "DELIVRD" if what == "bill" else "UNDELIV"
            play.receipt(accepted[0][0], stat, number=accepted[0][1])


def _counted(play: Play) -> list[tuple[str, str, str, int, datetime]]:
    rows = play.rows(
        "SELECT id, number, org, amount_ore, created_us FROM charges "
        "WHERE state IN ('intended', 'sending', 'accepted', 'in_doubt', 'charged', 'refund_due') "
        "OR contradicted = 1"
    )
    return [(*row[:4], oslo(row[4])) for row in rows]


def _never_above(play: Play) -> None:
    days: Counter[object] = Counter()
    months: Counter[object] = Counter()
    organisations: Counter[object] = Counter()
    for _, number, org, ore, at in _counted(play):
        days[number, at.date()] += ore
        months[number, at.year, at.month] += ore
        organisations[org, at.date()] += ore
    assert max(days.values(), default=0) <= DAY_KR * 100
    assert max(months.values(), default=0) <= MONTH_KR * 100
    assert max(organisations.values(), default=0) <= ORG_DAY_KR * 100


def _refused_only_where_needed(play: Play, wish: Charge, not_before: list[str]) -> None:
    """A refusal names a ceiling that what was there before, and this, would have passed."""
    reason = why(play, wish)
    if reason is None:
        return
    today = oslo(play.clock.us)
    before = [row for row in _counted(play) if row[0] not in not_before]
    of_number = [row for row in before if row[1] == wish.recipient]
    passed = {
        Reason.LIMIT_DAY: (DAY_KR, [row for row in of_number if row[4].date() == today.date()]),
        Reason.LIMIT_MONTH: (
            MONTH_KR,
            [row for row in of_number if (row[4].year, row[4].month) == (today.year, today.month)],
        ),
        Reason.LIMIT_ORGANISATION: (
            ORG_DAY_KR,
            [row for row in before if row[2] == wish.org and row[4].date() == today.date()],
        ),
    }
    ceiling, rows = passed[reason]
    assert sum(row[3] for row in rows) + wish.amount > ceiling * 100


EVIDENCE = [
    *(
        Evidence.TOO_LATE,
        Evidence.START,
        Evidence.HUMAN_NOT_CHARGED,
        Evidence.ANSWER_REFUSED,
        Evidence.ANSWER_ACCEPTED,
    ),
    *(Evidence.RECEIPT_CHARGED, Evidence.RECEIPT_NOT_CHARGED, Evidence.HUMAN_CHARGED),
    *(Evidence.REPORT_NOT_CHARGED, Evidence.REFUND_OWED, Evidence.REFUND_MADE),
]


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_sums_of_an_organisation_s_hours_are_those_of_its_charges(seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Path(folder), **bounds(per_charge_kr=8), organisations=TWO)
        play.link.can_submit = False
        for place in range(30):
            number = f"+479999{place:04d}"
            play.parcel(play.charge(ore=rng.randint(1, 900), org=rng.choice(["ORG1", "ORG2"]), number=number))
            play.clock.advance(rng.choice([1, 1800, 5000]))
            (charge,) = rng.choice(play.rows("SELECT id FROM charges"))
            plan = Plan(play.clock.us)
            for evidence in rng.choices(EVIDENCE, k=3):
                row = play.gateway._desk.find(play.tx, charge)
                assert row is not None
                play.gateway._desk.apply(play.tx, plan, row, evidence)
        kept = play.rows("SELECT org, hour, amount_ore FROM charge_hours WHERE amount_ore <> 0 ORDER BY 1, 2")
        assert kept == play.rows(
            "SELECT org, created_us / 3600000000, SUM(amount_ore) FROM charges "
            "WHERE state NOT IN ('refused', 'not_charged', 'refunded') OR contradicted = 1 "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        play.close()
