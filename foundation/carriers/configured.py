"""The MQTT carrier as the settings of either program describe it."""

from __future__ import annotations

import random
from typing import Literal

from foundation.carriers.mqtt import MqttCarrier, MqttSettings
from foundation.clock import Clock
from foundation.settings_tables import HandoffSettings


def mqtt_carrier(
    handoff: HandoffSettings, role: Literal["gateway", "bridge"], *, clock: Clock, rng: random.Random
) -> MqttCarrier:
    """One end of the hand-off over the broker that ``[handoff.mqtt]`` names."""
    given = handoff.mqtt
    assert given is not None  # the settings' own check
    tls = given.tls
    return MqttCarrier(
        MqttSettings(
            host=given.host,
            port=given.actual_port,
            username=given.username,
            password=given.password.get_secret_value() if given.password else "",
            tls=tls is not None,
            prefix=given.topic,
            keepalive_s=given.keepalive_s,
        ),
        role,
        name=handoff.name,
        clock=clock,
        random=rng,
        tls=tls.context() if tls else None,
    )
