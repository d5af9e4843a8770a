"""The default reply texts, by name and language, and which values each may name. Data alone.

The nynorsk column is what an organisation says unless told otherwise: there the source's own words stand
unchanged (DOMAIN section 1), some of them bokmål. Every default fits one GSM 03.38 segment with values of
a usual length.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "COMMON_VALUES",
    "FUNCTION_WORDS",
    "GATEWAYS_OWN",
    "LANGUAGES",
    "NOT_ALLOWED",
    "PREMIUM",
    "REPLIES",
    "VALUES",
]

LANGUAGES: Final = ("nn", "nb", "en")

PREMIUM: Final = frozenset({"processing"})
"""The texts sent as a premium SMS: one segment always, as some operators bill each part."""

NOT_ALLOWED: Final = frozenset(
    {
        *("limit_charge", "limit_day", "limit_month", "limit_organisation"),
        *("too_young", "age_unknown", "paused", "declined", "not_confirmed"),
    }
)
"""Reasons for which `failed` has a text of its own by the same name: the payer is surely not charged."""

GATEWAYS_OWN: Final = frozenset({"help_general", "stopped_all", "unknown_codeword"})
"""Texts that no organisation says: they answer where none was named."""

COMMON_VALUES: Final = frozenset({"organisation", "site", "codeword"})
"""Placeholders every text of an organisation may use; its settings give them."""

VALUES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "joined": frozenset({"name", "amount"}),
        "processing": frozenset({"amount"}),
        "paid": frozenset({"amount"}),
        "failed": frozenset({"amount"}),
        "corrected": frozenset({"amount"}),
        "unsettled": frozenset({"amount"}),
        "just_paid": frozenset({"amount"}),
        "reversed": frozenset({"amount"}),
        "no_email": frozenset(),
        "no_name": frozenset(),
        "no_active_fee": frozenset(),
        "not_open": frozenset(),
        "already_member": frozenset({"name"}),
        "unknown_number": frozenset(),
        "several_persons": frozenset(),
        "nothing_outstanding": frozenset({"amount"}),
        "not_whole_number": frozenset({"amount"}),
        "amount_out_of_range": frozenset({"amount", "min", "max"}),
        "no_amount": frozenset(),
        "status_paid": frozenset({"name"}),
        "status_unpaid": frozenset({"name", "amount", "account", "kid"}),
        "status_none": frozenset({"name"}),
        "help": frozenset({"functions"}),
        "stopped": frozenset(),
        "help_general": frozenset({"codewords"}),
        "stopped_all": frozenset(),
        "unknown_codeword": frozenset(),
        "confirm": frozenset({"amount", "minutes"}),
        "confirm_which": frozenset({"payments", "amount"}),
        "limit_charge": frozenset({"amount", "max"}),
        "limit_day": frozenset({"amount", "max"}),
        "limit_month": frozenset({"amount", "max"}),
        "limit_organisation": frozenset({"amount"}),
        "too_young": frozenset({"amount"}),
        "age_unknown": frozenset({"amount"}),
        "paused": frozenset({"amount"}),
        "declined": frozenset({"amount"}),
        "not_confirmed": frozenset({"amount"}),
    }
)
"""What each text may name besides the common values."""

REPLIES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "joined": {
            "nn": "Takk for din støtte! Ditt medlemskap i {organisation} har blitt registrert.",
            "nb": "Takk for din støtte! Ditt medlemskap i {organisation} har blitt registrert.",
            "en": "Thank you for your support! Your membership in {organisation} has been registered.",
        },
        "processing": {
            "nn": "Betalinga di er under handsaming, du vil få melding når den er fullførd.",
            "nb": "Betalingen din er under behandling, du vil få melding når den er fullført.",
            "en": "Your payment is being processed. You will get a message when it is completed.",
        },
        "paid": {
            "nn": "Betalinga di er motteken, du kan handsame medlemskapet ditt på {site} "
            "med passordet du har motteke på epost.",
            "nb": "Betalingen din er mottatt, du kan administrere medlemskapet ditt på {site} "
            "med passordet du har mottatt på e-post.",
            "en": "Your payment is received. You can manage your membership at {site} "
            "with the password you have received by e-mail.",
        },
        "failed": {
            "nn": "SMS-betaling var ikkje mogleg. Dette kan vere fordi du har kontantkort utan dekning, "
            "eller at abonnementet ditt er blokkert frå å ta imot overprisa meldingar.",
            "nb": "SMS-betaling var ikke mulig. Det kan være fordi du har kontantkort uten dekning, "
            "eller at abonnementet ditt er sperret for overprisede meldinger.",
            "en": "Payment by SMS was not possible. Your prepaid card may lack credit, "
            "or your subscription may be barred from premium messages.",
        },
        "corrected": {
            "nn": "Retting: SMS-betalinga di på {amount} kr til {organisation} gjekk likevel gjennom. "
            "Du skal ikkje betale på nytt.",
            "nb": "Rettelse: SMS-betalingen din på {amount} kr til {organisation} gikk likevel gjennom. "
            "Du skal ikke betale på nytt.",
            "en": "Correction: your SMS payment of NOK {amount} to {organisation} went through after all. "
            "Do not pay again.",
        },
        "unsettled": {
            "nn": "Operatøren svarar ulikt på om ei tidlegare betaling på {amount} kr gjekk gjennom. "
            "Du blir ikkje trekt igjen før det er avklart.",
            "nb": "Operatøren svarer ulikt på om en tidligere betaling på {amount} kr gikk gjennom. "
            "Du blir ikke trukket igjen før det er avklart.",
            "en": "The operator says both yes and no to whether an earlier payment of NOK {amount} "
            "went through. You will not be charged again until it is settled.",
        },
        "just_paid": {
            "nn": "Ei betaling på {amount} kr til {organisation} er nett gjord. "
            "Vil du betale endå ein faktura på same beløp, send meldinga på nytt om nokre minutt.",
            "nb": "En betaling på {amount} kr til {organisation} er nettopp gjort. "
            "Vil du betale enda en faktura på samme beløp, send meldingen igjen om noen minutter.",
            "en": "A payment of NOK {amount} to {organisation} was made just now. "
            "To pay another invoice of the same amount, send the message again in some minutes.",
        },
        "reversed": {
            "nn": "Retting: SMS-betalinga di på {amount} kr til {organisation} gjekk likevel ikkje gjennom. "
            "Fakturaen er ikkje betalt.",
            "nb": "Rettelse: SMS-betalingen din på {amount} kr til {organisation} gikk likevel ikke gjennom. "
            "Fakturaen er ikke betalt.",
            "en": "Correction: your SMS payment of NOK {amount} to {organisation} did not go through "
            "after all. The invoice is not paid.",
        },
        "no_email": {
            "nn": "Vi fant ikke en gyldig epostadresse i meldingen din.",
            "nb": "Vi fant ikke en gyldig epostadresse i meldingen din.",
            "en": "We did not find a valid e-mail address in your message.",
        },
        "no_name": {
            "nn": "Vi fann ikkje noko namn i meldinga di. Skriv namnet ditt før epostadressa.",
            "nb": "Vi fant ikke noe navn i meldingen din. Skriv navnet ditt før e-postadressen.",
            "en": "We did not find a name in your message. Write your name before the e-mail address.",
        },
        "no_active_fee": {
            "nn": "{organisation} er ikke åpen for innmelding via SMS.",
            "nb": "{organisation} er ikke åpen for innmelding via SMS.",
            "en": "{organisation} is not open for joining by SMS.",
        },
        "not_open": {
            "nn": "{organisation} tek ikkje imot slike meldingar på SMS. "
            "Send {codeword} HJELP for å sjå kva du kan gjere.",
            "nb": "{organisation} tar ikke imot slike meldinger på SMS. "
            "Send {codeword} HJELP for å se hva du kan gjøre.",
            "en": "{organisation} does not take such messages by SMS. "
            "Send {codeword} HELP to see what you can do.",
        },
        "already_member": {
            "nn": "{name} er allerede registrert som medlem av {organisation}",
            "nb": "{name} er allerede registrert som medlem av {organisation}",
            "en": "{name} is already registered as a member of {organisation}",
        },
        "unknown_number": {
            "nn": "Fann ingen brukarar med dette telefonnummeret.",
            "nb": "Fant ingen brukere med dette telefonnummeret.",
            "en": "Found no users with this phone number.",
        },
        "several_persons": {
            "nn": "Det finst fleire medlemmar med dette telefonnummeret.",
            "nb": "Det finnes flere medlemmer med dette telefonnummeret.",
            "en": "There are several members with this phone number.",
        },
        "nothing_outstanding": {
            "nn": "Ingen uteståande fakturaer på beløpet {amount}kr.",
            "nb": "Ingen utestående fakturaer på beløpet {amount}kr.",
            "en": "No outstanding invoices of the amount NOK {amount}.",
        },
        "not_whole_number": {
            "nn": "{amount} er ikkje eit gyldig beløp.",
            "nb": "{amount} er ikke et gyldig beløp.",
            "en": "{amount} is not a valid amount.",
        },
        "amount_out_of_range": {
            "nn": "{amount} kr kan ikkje betalast på SMS. Beløpet må vere frå {min} til {max} kroner.",
            "nb": "{amount} kr kan ikke betales på SMS. Beløpet må være fra {min} til {max} kroner.",
            "en": "NOK {amount} cannot be paid by SMS. The amount must be from {min} to {max} kroner.",
        },
        "no_amount": {
            "nn": "Ingen sum for betaling definert.",
            "nb": "Ingen sum for betaling definert.",
            "en": "No amount to pay was given.",
        },
        "status_paid": {
            "nn": "Medlemskapet ditt i {organisation} er betalt for i år.",
            "nb": "Medlemskapet ditt i {organisation} er betalt for i år.",
            "en": "Your membership in {organisation} is paid for this year.",
        },
        "status_unpaid": {
            "nn": "Medlemskapet ditt i {organisation} er ikkje betalt. "
            "Betal {amount} kr til konto {account} med KID {kid}.",
            "nb": "Medlemskapet ditt i {organisation} er ikke betalt. "
            "Betal {amount} kr til konto {account} med KID {kid}.",
            "en": "Your membership in {organisation} is not paid. "
            "Pay NOK {amount} to account {account} with KID {kid}.",
        },
        "status_none": {
            "nn": "Du har ikkje noko medlemskap i {organisation} i år.",
            "nb": "Du har ikke noe medlemskap i {organisation} i år.",
            "en": "You have no membership in {organisation} this year.",
        },
        "help": {
            "nn": "{organisation}: {functions}. STOPP {codeword}: ingen fleire meldingar.",
            "nb": "{organisation}: {functions}. STOPP {codeword}: ingen flere meldinger.",
            "en": "{organisation}: {functions}. STOP {codeword}: no more messages.",
        },
        "stopped": {
            "nn": "Du får ikkje fleire meldingar frå {organisation}.",
            "nb": "Du får ikke flere meldinger fra {organisation}.",
            "en": "You will get no more messages from {organisation}.",
        },
        "help_general": {
            "nn": "Send eit kodeord og HJELP for å sjå kva du kan gjere. Kodeord: {codewords}. "
            "STOPP: ingen fleire meldingar.",
            "nb": "Send et kodeord og HJELP for å se hva du kan gjøre. Kodeord: {codewords}. "
            "STOPP: ingen flere meldinger.",
            "en": "Send a codeword and HELP to see what you can do. Codewords: {codewords}. "
            "STOP: no more messages.",
        },
        "stopped_all": {
            "nn": "Du får ikkje fleire meldingar frå dette nummeret.",
            "nb": "Du får ikke flere meldinger fra dette nummeret.",
            "en": "You will get no more messages from this number.",
        },
        "unknown_codeword": {
            "nn": "Vi kjenner ikkje kodeordet i meldinga di. "
            "Send HJELP for hjelp, eller STOPP om du ikkje vil ha meldingar.",
            "nb": "Vi kjenner ikke kodeordet i meldingen din. "
            "Send HJELP for hjelp, eller STOPP om du ikke vil ha meldinger.",
            "en": "We do not know the codeword in your message. "
            "Send HELP for help, or STOP if you want no messages.",
        },
        "confirm": {
            "nn": "Svar {codeword} JA innan {minutes} minutt for å betale {amount} kr til {organisation}. "
            "Svar {codeword} NEI for å la vere.",
            "nb": "Svar {codeword} JA innen {minutes} minutter for å betale {amount} kr til {organisation}. "
            "Svar {codeword} NEI for å la være.",
            "en": "Reply {codeword} YES within {minutes} minutes to pay NOK {amount} to {organisation}. "
            "Reply {codeword} NO not to pay.",
        },
        "confirm_which": {
            "nn": "Fleire betalingar ventar på svar: {payments}. Skriv kva for ei, til dømes {codeword} "
            "JA {amount}.",
            "nb": "Flere betalinger venter på svar: {payments}. Skriv hvilken, for eksempel {codeword} "
            "JA {amount}.",
            "en": "Several payments wait for an answer: {payments}. Write which, such as {codeword} YES "
            "{amount}.",
        },
        "limit_charge": {
            "nn": "Du er ikkje belasta. Inntil {max} kr om gongen kan betalast til {organisation} på SMS.",
            "nb": "Du er ikke belastet. Inntil {max} kr om gangen kan betales til {organisation} på SMS.",
            "en": "You are not charged. At most NOK {max} at a time can be paid to {organisation} by SMS.",
        },
        "limit_day": {
            "nn": "Du er ikkje belasta. Betalinga ville gått over grensa på {max} kr per dag på SMS. "
            "Prøv igjen i morgon.",
            "nb": "Du er ikke belastet. Betalingen ville gått over grensen på {max} kr per dag på SMS. "
            "Prøv igjen i morgen.",
            "en": "You are not charged. The payment would pass the limit of NOK {max} a day by SMS. "
            "Try again tomorrow.",
        },
        "limit_month": {
            "nn": "Du er ikkje belasta. Betalinga ville gått over grensa på {max} kr per månad på SMS.",
            "nb": "Du er ikke belastet. Betalingen ville gått over grensen på {max} kr per måned på SMS.",
            "en": "You are not charged. The payment would pass the limit of NOK {max} a month by SMS.",
        },
        "limit_organisation": {
            "nn": "Du er ikkje belasta. {organisation} kan ikkje ta imot meir på SMS i dag. Prøv igjen "
            "i morgon.",
            "nb": "Du er ikke belastet. {organisation} kan ikke ta imot mer på SMS i dag. Prøv igjen i "
            "morgen.",
            "en": "You are not charged. {organisation} cannot take more by SMS today. Try again tomorrow.",
        },
        "too_young": {
            "nn": "Du er ikkje belasta. Alderen som er registrert på abonnementet, er for låg til å "
            "betale på SMS.",
            "nb": "Du er ikke belastet. Alderen som er registrert på abonnementet, er for lav til å "
            "betale på SMS.",
            "en": "You are not charged. The age registered with your subscription is too low to pay by SMS.",
        },
        "age_unknown": {
            "nn": "Du er ikkje belasta. Operatøren din oppgir ikkje kor gamal du er, "
            "så du kan ikkje betale på SMS.",
            "nb": "Du er ikke belastet. Operatøren din oppgir ikke hvor gammel du er, "
            "så du kan ikke betale på SMS.",
            "en": "You are not charged. Your operator does not tell your age, so you cannot pay by SMS.",
        },
        "paused": {
            "nn": "Du er ikkje belasta. Betaling på SMS til {organisation} er stengd akkurat no. "
            "Prøv igjen seinare.",
            "nb": "Du er ikke belastet. Betaling på SMS til {organisation} er stengt akkurat nå. "
            "Prøv igjen senere.",
            "en": "You are not charged. Payment by SMS to {organisation} is closed just now. Try again "
            "later.",
        },
        "declined": {
            "nn": "Betalinga på {amount} kr til {organisation} er avbroten. Du er ikkje belasta.",
            "nb": "Betalingen på {amount} kr til {organisation} er avbrutt. Du er ikke belastet.",
            "en": "The payment of NOK {amount} to {organisation} is cancelled. You are not charged.",
        },
        "not_confirmed": {
            "nn": "Vi fekk ikkje svar i tide, så du er ikkje belasta for {amount} kr til {organisation}. "
            "Vil du betale, må du sende på nytt.",
            "nb": "Vi fikk ikke svar i tide, så du er ikke belastet for {amount} kr til {organisation}. "
            "Vil du betale, må du sende på nytt.",
            "en": "We got no answer in time, so you are not charged NOK {amount} to {organisation}. "
            "To pay, send your message again.",
        },
    }
)
"""name → language → text."""

FUNCTION_WORDS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "join": {
            "nn": "{words} namn epost = bli medlem",
            "nb": "{words} navn epost = bli medlem",
            "en": "{words} name e-mail = join",
        },
        "join-and-pay": {
            "nn": "{words} namn epost = bli medlem og betal",
            "nb": "{words} navn epost = bli medlem og betal",
            "en": "{words} name e-mail = join and pay",
        },
        "pay": {"nn": "{words} beløp = betal", "nb": "{words} beløp = betal", "en": "{words} amount = pay"},
        "status": {"nn": "{words} = status", "nb": "{words} = status", "en": "{words} = status"},
        "stop": {"nn": "{words} = stopp", "nb": "{words} = stopp", "en": "{words} = stop"},
        "dialog": {
            "nn": "{words} melding = skriv til oss",
            "nb": "{words} melding = skriv til oss",
            "en": "{words} message = write to us",
        },
    }
)
"""How the help text tells each function; `words` is the codeword with its subcodeword."""
