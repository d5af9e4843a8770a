"""The hand-off's messages: all that the gateway and a member system know of each other.

Frozen, typed, versioned; JSON on the wire with the kind in ``type``. Times are UTC microseconds,
amounts whole øre, numbers E.164, ids UUIDv7. `docs/asyncapi.yaml` is generated from these types.
An organisation is named by its codeword in upper case (``org``).

A message travels in a *parcel*: all that one commit of the sender produced, stored and sent again
unchanged until the other side acknowledges its id after its own commit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

import msgspec

VERSION = 1

Ore = Annotated[int, msgspec.Meta(ge=0, description="whole øre")]
AtUs = Annotated[int, msgspec.Meta(description="UTC, microseconds since 1970")]


class Direction(StrEnum):
    """Seen from the gateway: `in` is a text from a phone."""

    IN = "in"
    OUT = "out"


class Purpose(StrEnum):
    """Why an SMS was sent or what it was taken for."""

    MO = "mo"
    REPLY = "reply"
    PREMIUM = "premium"
    SEND = "send"


class MessageFate(StrEnum):
    """What became of one SMS. Later ones replace earlier ones; the last four are final."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    IN_DOUBT = "in_doubt"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    EXPIRED = "expired"


class Outcome(StrEnum):
    """How a charge ended."""

    CHARGED = "charged"
    NOT_CHARGED = "not_charged"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


class Reason(StrEnum):
    """Why a charge was not made: operators' words normalised (DOMAIN section 3), and the gateway's own.

    Those from `limit_charge` on are the gateway's own limits, its stop switch and the payer's own word:
    nothing was sent, and the text `failed` with such a reason says so in words of its own.
    """

    NONE = ""
    NO_CREDIT = "no_credit"
    PREMIUM_BARRED = "premium_barred"
    NUMBER_BARRED = "number_barred"
    TOO_YOUNG = "too_young"
    AGE_UNKNOWN = "age_unknown"
    WRONG_OPERATOR = "wrong_operator"
    LIMIT_REACHED = "limit_reached"
    CONFIRMATION_NEEDED = "confirmation_needed"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    REJECTED = "rejected"
    STOPPED = "stopped"
    BY_HAND = "by_hand"
    LIMIT_CHARGE = "limit_charge"
    LIMIT_DAY = "limit_day"
    LIMIT_MONTH = "limit_month"
    LIMIT_ORGANISATION = "limit_organisation"
    PAUSED = "paused"
    DECLINED = "declined"
    NOT_CONFIRMED = "not_confirmed"


class Contradiction(StrEnum):
    """Whether evidence of a charge contradicts how it ended: not, unresolved, or resolved since."""

    NONE = ""
    OPEN = "open"
    SETTLED = "settled"


class HandoffMessage(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=False
):
    """What every message has. Unknown fields are ignored, so that a version may add some."""

    id: str
    conversation: str
    at: AtUs


# gateway → bridge


class Join(HandoffMessage, frozen=True, kw_only=True, tag="join"):
    """A text that joins; with `charge`, the fee just invoiced is to be charged at once.

    `again`: the same words came before, and whoever delivered them may not have heard that we have them; so
    this may be a repetition of that text.
    """

    org: str
    sender: str
    name: str
    email: str
    comment: str = ""
    charge: bool = False
    again: bool = False


class Pay(HandoffMessage, frozen=True, kw_only=True, tag="pay"):
    """A text that pays the sender's outstanding membership-fee invoice of exactly this amount.

    `again` as in `Join`: it must not pay a second invoice.
    """

    org: str
    sender: str
    amount: Ore
    again: bool = False


class Status(HandoffMessage, frozen=True, kw_only=True, tag="status"):
    """A text that asks for the sender's status."""

    org: str
    sender: str


class Stop(HandoffMessage, frozen=True, kw_only=True, tag="stop"):
    """The number wants no more traffic from the organisation; `org` empty means from none at all."""

    org: str
    sender: str


class Message(HandoffMessage, frozen=True, kw_only=True, tag="message"):
    """One SMS in or out, for the dialog. `id` is the SMS's own; `fate` as of `at`."""

    direction: Direction
    number: str
    short_code: str
    org: str
    text: str
    segments: int
    price: Ore
    purpose: Purpose
    fate: MessageFate


class MessageState(HandoffMessage, frozen=True, kw_only=True, tag="message_state"):
    """A change of one SMS's fate. `id` is this message's; `message` the SMS's."""

    message: str
    fate: MessageFate
    reason: str = ""


class ChargeSettled(HandoffMessage, frozen=True, kw_only=True, tag="charge_settled"):
    """A charge's end, with the evidence in words. May come again changed only as the states allow.

    With `contradiction` *open*, evidence came that speaks against the outcome: what the charge was for must
    not be charged again until the operator's report or a named human has said *settled*.

    `sequence` orders what is said of one charge: the highest counts, whenever it comes; of equal ones, and
    where it is 0 (an older gateway), the outcome that is further on. `operator` carried the charge.
    `overbilled` is what was billed beyond the charge's amount and is owed to the payer, `given_back` what
    the operator gave back of what is owed; both are sums as of this message.
    """

    charge: str
    outcome: Outcome
    reason: Reason = Reason.NONE
    evidence: str = ""
    contradiction: Contradiction = Contradiction.NONE
    sequence: int = 0
    operator: str = ""
    overbilled: Ore = 0
    given_back: Ore = 0


class SmsSettled(HandoffMessage, frozen=True, kw_only=True, tag="sms_settled"):
    """The end of an SMS that the bridge asked for with `send`; `sms` is the `send`'s id."""

    sms: str
    fate: MessageFate
    reason: str = ""


class JournalStep(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of evidence about a charge: the gateway's word for it, and the states before and after.

    `detail` is what came with it: ids, states and dates as the SMSC wrote them, a person's name and reason.
    """

    at: AtUs
    evidence: str
    before: str
    after: str
    detail: str = ""


class JournalTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What an SMSC said of an SMS: `accepted` in its answer, or a `receipt`; `detail` as it wrote it."""

    at: AtUs
    what: str
    detail: str = ""


class JournalSms(msgspec.Struct, frozen=True, kw_only=True):
    """One SMS of a charge's conversation, without its text (`message` brought it); `fate` as of `changed`."""

    id: str
    direction: Direction
    purpose: Purpose
    number: str
    short_code: str
    segments: int
    price: Ore
    at: AtUs
    fate: MessageFate
    changed: AtUs
    reason: str = ""
    bind: str = ""
    traces: list[JournalTrace] = []


class JournalProposal(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said of a charge that needs two: open until `ended`, then by whom, why and when."""

    at: AtUs
    outcome: str
    who: str
    why: str
    ended: Literal["", "confirmed", "withdrawn", "overtaken"] = ""
    ended_by: str = ""
    ended_why: str = ""
    ended_at: AtUs = 0


class ChargeJournal(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a gateway knows of one charge. `left_out` older steps, where there are too many."""

    org: str
    invoice: str
    operator: str
    short_code: str
    number: str
    amount: Ore
    state: str
    reason: str
    contradicted: bool
    created: AtUs
    changed: AtUs
    expires: AtUs
    message: str
    steps: list[JournalStep] = []
    sms: list[JournalSms] = []
    proposals: list[JournalProposal] = []
    left_out: int = 0


class ChargeEvidence(HandoffMessage, frozen=True, kw_only=True, tag="charge_evidence"):
    """The answer to `evidence_wanted`, whose id is `wanted`; without a journal the charge is unknown here."""

    charge: str
    wanted: str
    journal: ChargeJournal | None = None


# bridge → gateway


class Reply(HandoffMessage, frozen=True, kw_only=True, tag="reply"):
    """Send the organisation's text of this name, free of charge, in the conversation's language."""

    org: str
    recipient: str
    name: str
    values: dict[str, str] = {}


class Charge(HandoffMessage, frozen=True, kw_only=True, tag="charge"):
    """Charge the recipient by a premium SMS. `id` is the charge's: the same id never charges twice.

    After `expires` (UTC microseconds) the gateway must not start to send; it settles `not_charged`.
    """

    org: str
    invoice: str
    recipient: str
    amount: Ore
    expires: AtUs


class Send(HandoffMessage, frozen=True, kw_only=True, tag="send"):
    """Send this text, free of charge. `id` is the SMS's; `purpose` says why, for the dialog."""

    org: str
    recipient: str
    text: str
    purpose: str = "dialog"


class Resolve(HandoffMessage, frozen=True, kw_only=True, tag="resolve"):
    """A named human says what became of a charge in doubt.

    Above an amount that the gateway's settings name, a second person (another `who`) must say the same.
    """

    charge: str
    outcome: Literal["charged", "not_charged"]
    who: str
    why: str


class EvidenceWanted(HandoffMessage, frozen=True, kw_only=True, tag="evidence_wanted"):
    """Tell everything of a charge; answered by `charge_evidence`. Changes nothing."""

    charge: str


FromGateway: TypeAlias = (
    Join | Pay | Status | Stop | Message | MessageState | ChargeSettled | SmsSettled | ChargeEvidence
)
FromBridge: TypeAlias = Reply | Charge | Send | Resolve | EvidenceWanted


class GatewayParcel(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit of a gateway hands to the bridge; `sender` is the gateway's name."""

    id: str
    sender: str
    messages: list[FromGateway]
    version: int = VERSION


class BridgeParcel(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit of the bridge hands to a gateway."""

    id: str
    sender: str
    messages: list[FromBridge]
    version: int = VERSION


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """The parcels with these ids are committed on the other side; they need not be sent again."""

    parcels: list[str]
    version: int = VERSION
