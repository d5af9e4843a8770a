"""The binds of one account, as its settings describe them."""

from __future__ import annotations

import random

from foundation.clock import Clock
from smsd.settings import Limits
from smsd.settings_operators import Operator
from smsd.smpp.link import Connector, Link, LinkListener, LinkSettings
from smsd.smpp.pdu import Bind, CommandId

_KINDS = {
    "transceiver": ((CommandId.BIND_TRANSCEIVER, "trx"),),
    "transmitter+receiver": ((CommandId.BIND_TRANSMITTER, "tx"), (CommandId.BIND_RECEIVER, "rx")),
}


def account_links(
    operator: Operator,
    limits: Limits,
    listener: LinkListener,
    *,
    clock: Clock,
    rng: random.Random,
    connect: Connector | None = None,
) -> list[Link]:
    """The links of an account, named ``telco-trx-1``, ``telco-tx-1``, ``telco-rx-1`` and so on."""
    return [
        Link(
            LinkSettings(
                name=f"{operator.name}-{short}-{number}",
                host=operator.host,
                port=operator.port,
                bind=Bind(
                    kind=kind,
                    system_id=operator.system_id,
                    password=operator.password.get_secret_value(),
                    system_type=operator.system_type,
                    address_range=operator.address_range,
                ),
                tls=operator.tls,
                window=operator.window,
                enquire_link_s=operator.enquire_link_s,
                response_timeout_s=operator.response_timeout_s,
                bind_timeout_s=operator.bind_timeout_s,
                pdu_limit_octets=limits.pdu_limit_octets,
                backoff_first_s=operator.reconnect_first_s,
                backoff_max_s=operator.reconnect_max_s,
            ),
            listener,
            clock=clock,
            random=rng,
            connect=connect,
        )
        for number in range(1, operator.binds + 1)
        for kind, short in _KINDS[operator.bind]
    ]
