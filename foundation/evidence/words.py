"""What evidence, states and outcomes are called where people read them, in Norwegian and English.

The codes are the contract's. One that is not named here is shown as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["nn", "nb", "en"]

_EVIDENCE: Final[Mapping[str, tuple[str, str, str]]] = {
    # code: bokmål, nynorsk, English
    "start": (
        "Betalingsmeldingen blir sendt til operatøren",
        "Betalingsmeldinga blir send til operatøren",
        "The premium SMS goes to the operator",
    ),
    "answer_accepted": (
        "Operatøren tok imot betalingsmeldingen",
        "Operatøren tok imot betalingsmeldinga",
        "The operator took the premium SMS",
    ),
    "answer_refused": (
        "Operatøren avviste betalingsmeldingen",
        "Operatøren avviste betalingsmeldinga",
        "The operator refused the premium SMS",
    ),
    "answer_later": (
        "Operatøren ba om nytt forsøk senere",
        "Operatøren bad om nytt forsøk seinare",
        "The operator asked to try again later",
    ),
    "answer_unclear": (
        "Operatørens svar sier ikke om det ble belastet",
        "Svaret frå operatøren seier ikkje om det vart belasta",
        "The operator's answer leaves open whether it was billed",
    ),
    "not_written": (
        "Ingenting ble sendt; meldingen venter igjen",
        "Ingenting vart sendt; meldinga ventar igjen",
        "Nothing of it was sent; it waits again",
    ),
    "no_answer": (
        "Operatøren svarte ikke",
        "Operatøren svara ikkje",
        "The operator did not answer",
    ),
    "receipt_charged": (
        "Kvittering fra operatøren: levert og belastet",
        "Kvittering frå operatøren: levert og belasta",
        "The operator's receipt: delivered and billed",
    ),
    "receipt_not_charged": (
        "Kvittering fra operatøren: ikke belastet",
        "Kvittering frå operatøren: ikkje belasta",
        "The operator's receipt: not billed",
    ),
    "receipt_pending": (
        "Kvittering fra operatøren som ikke avgjør noe",
        "Kvittering frå operatøren som ikkje avgjer noko",
        "A receipt of the operator that decides nothing",
    ),
    "query_charged": (
        "Operatøren svarte på spørsmål: belastet",
        "Operatøren svara på spørsmål: belasta",
        "Asked, the operator says: billed",
    ),
    "query_not_charged": (
        "Operatøren svarte på spørsmål: ikke belastet",
        "Operatøren svara på spørsmål: ikkje belasta",
        "Asked, the operator says: not billed",
    ),
    "query_pending": (
        "Operatøren svarte på spørsmål: ikke avgjort",
        "Operatøren svara på spørsmål: ikkje avgjort",
        "Asked, the operator says nothing that decides",
    ),
    "report_charged": (
        "Operatørens rapport: belastet",
        "Rapporten frå operatøren: belasta",
        "The operator's report: billed",
    ),
    "report_not_charged": (
        "Operatørens rapport: ikke belastet",
        "Rapporten frå operatøren: ikkje belasta",
        "The operator's report: not billed",
    ),
    "human_charged": (
        "Et menneske avgjorde: belastet",
        "Eit menneske avgjorde: belasta",
        "A person decided: billed",
    ),
    "human_not_charged": (
        "Et menneske avgjorde: ikke belastet",
        "Eit menneske avgjorde: ikkje belasta",
        "A person decided: not billed",
    ),
    "too_late": (
        "Ble ikke sendt i tide",
        "Vart ikkje send i tide",
        "It was not sent in time",
    ),
    "asked": (
        "Betaleren blir bedt om et ja",
        "Betalaren blir beden om eit ja",
        "The payer is asked for a yes",
    ),
    "not_allowed": (
        "Ikke startet: en grense, stans eller betalerens nei",
        "Ikkje starta: ei grense, stans eller nei frå betalaren",
        "Not started: a limit, the stop switch or the payer's no",
    ),
    "overbilled": (
        "Belastet mer enn prisen",
        "Belasta meir enn prisen",
        "Billed beyond the price",
    ),
    "refund_owed": (
        "Beløpet skal betales tilbake",
        "Beløpet skal betalast tilbake",
        "The amount is to be paid back",
    ),
    "refund_made": (
        "Beløpet er betalt tilbake",
        "Beløpet er betalt tilbake",
        "The amount was paid back",
    ),
    # how an answer failed to come
    "timed_out": ("innen fristen", "innan fristen", "in time"),
    "lost": ("forbindelsen ble brutt", "sambandet vart brote", "the link was lost"),
    "restart": ("systemet startet på nytt", "systemet starta på nytt", "the gateway started anew"),
    # states of a charge
    "intended": ("bestilt", "bestilt", "asked for"),
    "sending": ("under sending", "under sending", "being sent"),
    "accepted": ("tatt imot av operatøren", "teken imot av operatøren", "taken by the operator"),
    "in_doubt": ("uavklart", "uavklart", "in doubt"),
    "refused": ("avvist", "avvist", "refused"),
    "charged": ("belastet", "belasta", "billed"),
    "not_charged": ("ikke belastet", "ikkje belasta", "not billed"),
    "refund_due": ("skal tilbakebetales", "skal tilbakebetalast", "to be paid back"),
    "refunded": ("tilbakebetalt", "tilbakebetalt", "paid back"),
    "pending": ("under arbeid", "under arbeid", "under way"),
    # reasons
    "no_credit": ("ikke dekning", "ikkje dekning", "no credit"),
    "premium_barred": ("sperret for betalingsmeldinger", "sperra for betalingsmeldingar", "premium barred"),
    "number_barred": ("nummeret er sperret", "nummeret er sperra", "the number is barred"),
    "too_young": ("under aldersgrensen", "under aldersgrensa", "too young"),
    "age_unknown": ("alder ukjent", "alder ukjend", "age unknown"),
    "wrong_operator": ("feil operatør", "feil operatør", "another operator's number"),
    "limit_reached": ("beløpsgrensen er nådd", "beløpsgrensa er nådd", "a limit is reached"),
    "limit_charge": (
        "over grensen per betaling",
        "over grensa per betaling",
        "above the limit of one payment",
    ),
    "limit_day": ("over grensen per dag", "over grensa per dag", "above the number's limit of a day"),
    "limit_month": ("over grensen per måned", "over grensa per månad", "above the number's limit of a month"),
    "limit_organisation": (
        "over organisasjonens grense per dag",
        "over grensa til organisasjonen per dag",
        "above the organisation's limit of a day",
    ),
    "paused": ("betaling var stanset", "betaling var stansa", "payments were paused"),
    "declined": ("betaleren sa nei", "betalaren sa nei", "the payer said no"),
    "not_confirmed": ("betaleren svarte ikke", "betalaren svara ikkje", "the payer did not answer"),
    "confirmation_needed": ("mangler bekreftelse", "manglar stadfesting", "confirmation needed"),
    "duplicate": ("sendt to ganger", "sendt to gonger", "a duplicate"),
    "expired": ("tiden gikk ut", "tida gjekk ut", "expired"),
    "rejected": ("avvist", "avvist", "rejected"),
    "stopped": ("mottakeren vil ikke ha mer", "mottakaren vil ikkje ha meir", "the recipient wants no more"),
    "by_hand": ("avgjort for hånd", "avgjort for hand", "decided by hand"),
    # fates of an SMS
    "received": ("mottatt", "motteken", "received"),
    "queued": ("i kø", "i kø", "waits"),
    "delivered": ("levert", "levert", "delivered"),
    "undelivered": ("ikke levert", "ikkje levert", "not delivered"),
    # proposals
    "confirmed": ("bekreftet", "stadfesta", "confirmed"),
    "withdrawn": ("trukket tilbake", "trekt tilbake", "withdrawn"),
    "overtaken": ("ikke lenger aktuell", "ikkje lenger aktuell", "overtaken"),
    # the ledger's accounts and journals
    "receivable": ("fordring på medlemmet", "krav på medlemmen", "receivable"),
    "fee_income": ("kontingentinntekt", "kontingentinntekt", "fee income"),
    "donation_income": ("gaveinntekt", "gåveinntekt", "donations"),
    "operator_receivable": ("fordring på operatøren", "krav på operatøren", "owed by the operator"),
    "bank": ("bank", "bank", "bank"),
    "refund_losses": ("tapt på tilbakebetaling", "tapt på tilbakebetaling", "lost on refunds"),
    "credited": ("kreditnota", "kreditnota", "credit note"),
    "reversed": ("innbetaling trukket tilbake", "innbetaling trekt tilbake", "payment taken back"),
    "refund_cancelled": (
        "tilbakebetaling falt bort",
        "tilbakebetaling fall bort",
        "refund cancelled",
    ),
    "excess_payments": ("betalt for mye", "betalt for mykje", "paid in excess"),
    "refunds": ("tilbakebetalinger", "tilbakebetalingar", "refunds"),
    "issued": ("faktura utstedt", "faktura skriven ut", "invoice issued"),
    "billed_journal": ("innbetaling", "innbetaling", "payment"),
    "membership_fee": ("kontingent", "kontingent", "membership fee"),
    "donation": ("gave", "gåve", "donation"),
}
NAMED: Final = frozenset(_EVIDENCE)
"""The codes that have words."""
_PLACE: Final[Mapping[Language, int]] = {"nb": 0, "nn": 1, "en": 2}


def say(code: str, language: Language = "en") -> str:
    """A code in words; itself where it has none."""
    found = _EVIDENCE.get(code)
    return found[_PLACE[language]] if found else code.replace("_", " ")
