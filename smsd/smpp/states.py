"""The session's states as tables (SMPP 3.4 §2.2 and table 2-1); this file does not know which side we are.

`PERMITTED` says who may ask what in which state, `NEXT` how a state follows from another. A response is
permitted wherever its request waits for it. enquire_link is answered in every state by whoever may send.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from smsd.smpp.constants import CommandId


class Role(Enum):
    """Which side of a link: the one that binds, or the one that is bound to."""

    ESME = "ESME"
    SMSC = "SMSC"

    @property
    def peer(self) -> Role:
        return Role.SMSC if self is Role.ESME else Role.ESME


class State(Enum):
    """Where a session stands; BINDING is a bind asked and not answered yet."""

    OPEN = "open"
    BINDING = "binding"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBINDING = "unbinding"
    CLOSED = "closed"


class Cause(Enum):
    """What moves a session from one state to another."""

    BIND_ASKED = "bind asked"
    BIND_REFUSED = "bind refused"
    TX_ACCEPTED = "bind_transmitter accepted"
    RX_ACCEPTED = "bind_receiver accepted"
    TRX_ACCEPTED = "bind_transceiver accepted"
    UNBIND_ASKED = "unbind asked"
    ENDED = "ended"


NEXT: Final[dict[tuple[State, Cause], State]] = {
    (State.OPEN, Cause.BIND_ASKED): State.BINDING,
    (State.BINDING, Cause.BIND_REFUSED): State.OPEN,
    (State.BINDING, Cause.TX_ACCEPTED): State.BOUND_TX,
    (State.BINDING, Cause.RX_ACCEPTED): State.BOUND_RX,
    (State.BINDING, Cause.TRX_ACCEPTED): State.BOUND_TRX,
    (State.BOUND_TX, Cause.UNBIND_ASKED): State.UNBINDING,
    (State.BOUND_RX, Cause.UNBIND_ASKED): State.UNBINDING,
    (State.BOUND_TRX, Cause.UNBIND_ASKED): State.UNBINDING,
    **{(state, Cause.ENDED): State.CLOSED for state in State},
}

ACCEPTED: Final = {
    CommandId.BIND_TRANSMITTER: Cause.TX_ACCEPTED,
    CommandId.BIND_RECEIVER: Cause.RX_ACCEPTED,
    CommandId.BIND_TRANSCEIVER: Cause.TRX_ACCEPTED,
}

UNBOUND: Final = frozenset({State.OPEN, State.BINDING})
BOUND: Final = frozenset({State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX})
_TO_SMSC: Final = frozenset({State.BOUND_TX, State.BOUND_TRX})
_TO_ESME: Final = frozenset({State.BOUND_RX, State.BOUND_TRX})
_NEVER: Final[frozenset[State]] = frozenset()
_ONLY_OPEN: Final = frozenset({State.OPEN})

SENDS_MESSAGES: Final = {Role.ESME: _TO_SMSC, Role.SMSC: _TO_ESME}
"""Where a side may send short messages."""

PERMITTED: Final[dict[CommandId, dict[Role, frozenset[State]]]] = {
    CommandId.BIND_TRANSMITTER: {Role.ESME: _ONLY_OPEN, Role.SMSC: _NEVER},
    CommandId.BIND_RECEIVER: {Role.ESME: _ONLY_OPEN, Role.SMSC: _NEVER},
    CommandId.BIND_TRANSCEIVER: {Role.ESME: _ONLY_OPEN, Role.SMSC: _NEVER},
    CommandId.OUTBIND: {Role.ESME: _NEVER, Role.SMSC: _ONLY_OPEN},
    CommandId.UNBIND: {Role.ESME: BOUND, Role.SMSC: BOUND},
    CommandId.SUBMIT_SM: {Role.ESME: _TO_SMSC, Role.SMSC: _NEVER},
    CommandId.SUBMIT_MULTI: {Role.ESME: _TO_SMSC, Role.SMSC: _NEVER},
    CommandId.QUERY_SM: {Role.ESME: _TO_SMSC, Role.SMSC: _NEVER},
    CommandId.CANCEL_SM: {Role.ESME: _TO_SMSC, Role.SMSC: _NEVER},
    CommandId.REPLACE_SM: {Role.ESME: _TO_SMSC, Role.SMSC: _NEVER},
    CommandId.DELIVER_SM: {Role.ESME: _NEVER, Role.SMSC: _TO_ESME},
    CommandId.DATA_SM: {Role.ESME: _TO_SMSC, Role.SMSC: _TO_ESME},
    CommandId.ALERT_NOTIFICATION: {Role.ESME: _NEVER, Role.SMSC: _TO_ESME},
}
