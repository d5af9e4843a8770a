"""The gateway's parts put together as the settings say; a reload puts them together anew."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from foundation.clock import SECOND_US, Clock
from foundation.ids import Ids
from smsd.bridge_desk import RouteTable
from smsd.charge_desk import ChargeDesk
from smsd.charging.correlation import Correlation
from smsd.charging.desk import Desk
from smsd.charging.limits import Rules
from smsd.charging.query import Queries
from smsd.codewords import Codebook
from smsd.engine import EngineLimits
from smsd.gateway import Gateway
from smsd.housekeeping import Keeping
from smsd.inbox import Inbox, InboxLimits
from smsd.operators import OperatorProfile
from smsd.outbox import Sender
from smsd.pace import OrganisationRates
from smsd.queues import OperatorQueue
from smsd.replies import Replies
from smsd.settings import Settings

_ORE_PER_KR = 100


def make_queues(settings: Settings) -> dict[str, OperatorQueue]:
    """A queue for each account; organisations have their rates over all of them."""
    rates = OrganisationRates(settings.limits.rate_per_organisation)
    return {
        each.name: OperatorQueue(
            each.name,
            limit=settings.limits.mt_queue,
            rate=each.rate,
            pause_s=each.throttle_pause_s,
            recover_s=each.throttle_recover_s,
            rates=rates,
            share=settings.limits.lane_share,
        )
        for each in settings.operators
    }


def use_settings(queues: Mapping[str, OperatorQueue], settings: Settings) -> None:
    """Queues that live on take new settings."""
    for each in settings.operators:
        queue = queues[each.name]
        queue.rates.rate = settings.limits.rate_per_organisation
        queue.use(
            limit=settings.limits.mt_queue,
            rate=each.rate,
            pause_s=each.throttle_pause_s,
            recover_s=each.throttle_recover_s,
            share=settings.limits.lane_share,
        )


def make_gateway(
    settings: Settings, queues: Mapping[str, OperatorQueue], *, ids: Ids, clock: Clock
) -> Gateway:
    """All decisions, over queues that live on."""
    limits = settings.limits
    profiles = {each.name: OperatorProfile(each) for each in settings.operators}
    replies = Replies(settings.organisations)
    desk = Desk(ids)
    sender = Sender(profiles, desk, ids)
    codebooks = {
        code.number: Codebook(
            settings.codewords(code.number), floor_kr=limits.amount_min_kr, ceiling_kr=limits.amount_max_kr
        )
        for code in settings.short_codes
    }
    charges = ChargeDesk(
        make_rules(settings),
        sender,
        desk,
        replies,
        ids,
        ages=any(each.age is not None for each in settings.operators),
    )
    inbox = Inbox(
        codebooks,
        replies,
        sender,
        ids,
        InboxLimits(
            reassembly_expiry_us=limits.reassembly_expiry_s * SECOND_US,
            guidance_every_us=limits.help_once_per_s * SECOND_US,
            repeat_after_s=limits.repeat_after_s,
        ),
        [each.org for each in settings.organisations],
        charges,
    )
    return Gateway(
        name=settings.handoff.name,
        profiles=profiles,
        inbox=inbox,
        sender=sender,
        desk=desk,
        correlation=Correlation(
            desk, ids, {name for name, profile in profiles.items() if profile.every_receipt}
        ),
        queries=Queries(profiles, desk, ids, limits.receipt_wait_h),
        charges=charges,
        routes=RouteTable(
            short_codes={each.org: settings.short_codes_of(each) for each in settings.organisations},
            operators={code.number: code.operators for code in settings.short_codes},
            sender_names={each.org: each.sender_name for each in settings.organisations if each.sender_name},
        ),
        queues=queues,
        ids=ids,
        clock=clock,
        send_expiry_us=limits.send_expiry_s * SECOND_US,
        alone_ore=limits.resolve_alone_kr * 100,
    )


def engine_limits(settings: Settings) -> EngineLimits:
    """What bounds the engine's turns."""
    limits = settings.limits
    return EngineLimits(
        waiting=limits.mo_queue,
        gather_s=limits.answers_gather_ms / 1000,
        repeat_after_s=limits.repeat_after_s,
    )


def make_rules(settings: Settings) -> dict[str, Rules]:
    """What holds for each organisation's charges; under "" for one that is not configured."""
    general = settings.limits.charges
    per_charge_kr = settings.limits.amount_max_kr if general.per_charge_kr is None else general.per_charge_kr
    rules = {
        "": Rules(
            per_charge_ore=per_charge_kr * _ORE_PER_KR,
            per_number_day_ore=general.per_number_day_kr * _ORE_PER_KR,
            per_number_month_ore=general.per_number_month_kr * _ORE_PER_KR,
            per_organisation_day_ore=general.per_organisation_day_kr * _ORE_PER_KR,
            confirm_above_ore=general.confirm_above_kr * _ORE_PER_KR,
            confirm_within_us=general.confirm_within_s * SECOND_US,
            minimum_age=general.minimum_age,
            unknown_age_may_pay=general.age_unknown == "allow",
            hold_while_paused=general.while_paused == "hold",
        )
    }
    for each in settings.organisations:
        own = each.limits.charges
        rules[each.org] = msgspec.structs.replace(
            rules[""],
            per_charge_ore=(own.per_charge_kr or per_charge_kr) * _ORE_PER_KR,
            own_number_day_ore=(own.per_number_day_kr or 0) * _ORE_PER_KR,
            own_number_month_ore=(own.per_number_month_kr or 0) * _ORE_PER_KR,
            per_organisation_day_ore=(own.per_organisation_day_kr or general.per_organisation_day_kr)
            * _ORE_PER_KR,
            confirm_above_ore=(own.confirm_above_kr or general.confirm_above_kr) * _ORE_PER_KR,
            minimum_age=own.minimum_age or general.minimum_age,
        )
    return rules


def make_keeping(settings: Settings) -> Keeping:
    """How long the store keeps things."""
    limits = settings.limits
    return Keeping(
        text_days=limits.text_keep_days,
        receipt_wait_h=limits.receipt_wait_h,
        guidance_s=limits.help_once_per_s,
        set_aside_days=limits.set_aside_days,
        unmatched_days=limits.unmatched_receipt_days,
    )
