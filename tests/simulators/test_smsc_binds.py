"""The SMSC as a stranger's client sees it: smpplib, blocking, in a thread; real TCP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
from smsc_kit import settings_of

from simulators.smsc.app import Simulator, running


class Stranger:
    """smpplib's client, noting what comes."""

    def __init__(self, port: int) -> None:
        self.client = smpplib.client.Client("127.0.0.1", port, timeout=60, allow_unknown_opt_params=True)
        self.received: list[Any] = []
        self.sent: list[Any] = []
        self.client.set_message_received_handler(lambda pdu: self.received.append(pdu) or 0)
        self.client.set_message_sent_handler(self._on_sent)
        self.client.connect()

    def _on_sent(self, pdu: Any) -> None:
        self.sent.append(pdu)

    def bind(self, kind: str = "transceiver", system_id: str = "smsd", password: str = "secret") -> None:
        getattr(self.client, f"bind_{kind}")(system_id=system_id, password=password)

    def send(self, number: str = "4799999999", text: bytes = b"hei", **fields: Any) -> None:
        usual: dict[str, Any] = {"registered_delivery": 1, "source_addr": "2030", "dest_addr_ton": 1}
        self.client.send_message(destination_addr=number, short_message=text, **{**usual, **fields})

    def read(self, pdus: int) -> None:
        for _ in range(pdus):
            self.client.read_once()

    def leave(self) -> None:
        self.client.unbind()
        self.client.disconnect()

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *error: object) -> None:
        if self.client.state != smpplib.consts.SMPP_CLIENT_STATE_CLOSED:
            self.client.disconnect()


async def test_a_stranger_binds_submits_and_gets_its_receipt(simulator: Simulator) -> None:
    def talk() -> Stranger:
        with Stranger(simulator.port) as stranger:
            stranger.bind()
            stranger.send()
            stranger.read(2)
            stranger.leave()
        return stranger

    stranger = await asyncio.to_thread(talk)

    [response], [receipt] = stranger.sent, stranger.received
    message_id = response.message_id.decode()
    assert response.status == smpplib.consts.SMPP_ESME_ROK
    assert message_id.isdigit()
    assert receipt.short_message.startswith(f"id:{message_id} sub:001 dlvrd:001 ".encode())
    assert b"stat:DELIVRD err:000" in receipt.short_message
    assert receipt.receipted_message_id.decode().rstrip("\0") == message_id
    assert receipt.message_state == 2


async def test_a_text_from_a_phone_comes_as_deliver_sm(
    simulator: Simulator, control: httpx.AsyncClient
) -> None:
    await control.post("/mo", json={"from": "+47 999 99 999", "to": "2030", "text": "ORG1 BETAL 50 æøå"})

    def talk() -> Stranger:
        with Stranger(simulator.port) as stranger:
            stranger.bind("receiver")
            stranger.read(1)
            stranger.leave()
        return stranger

    [mo] = (await asyncio.to_thread(talk)).received

    assert (mo.source_addr, mo.destination_addr) == (b"4799999999", b"2030")
    assert (mo.source_addr_ton, mo.source_addr_npi, mo.esm_class, mo.data_coding) == (1, 1, 0, 0)
    assert mo.short_message == b"ORG1 BETAL 50 \x1d\x0c\x0f"


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [
        ("nobody", "secret", smpplib.consts.SMPP_ESME_RINVSYSID),
        ("smsd", "wrong", smpplib.consts.SMPP_ESME_RINVPASWD),
    ],
)
async def test_wrong_credentials_are_refused(
    simulator: Simulator, system_id: str, password: str, status: int
) -> None:
    def talk() -> None:
        with Stranger(simulator.port) as stranger:
            stranger.bind(system_id=system_id, password=password)

    with pytest.raises(smpplib.exceptions.PDUError) as caught:
        await asyncio.to_thread(talk)

    assert caught.value.args[1] == status
    assert simulator.smsc.binds == {}


async def test_a_transmitter_and_a_receiver_share_an_account(simulator: Simulator) -> None:
    def talk() -> tuple[Stranger, Stranger]:
        with Stranger(simulator.port) as transmitter, Stranger(simulator.port) as receiver:
            receiver.bind("receiver")
            transmitter.bind("transmitter")
            transmitter.send()
            transmitter.read(1)
            receiver.read(1)
            transmitter.leave()
            receiver.leave()
        return transmitter, receiver

    transmitter, receiver = await asyncio.to_thread(talk)

    assert [response.status for response in transmitter.sent] == [0]
    assert transmitter.received == []
    assert [receipt.esm_class for receipt in receiver.received] == [4]


async def test_query_sm_tells_the_state_of_a_message(simulator: Simulator) -> None:
    def talk() -> tuple[Any, int]:
        told: list[Any] = []

        def note(pdu: Any) -> None:
            told.append(pdu)

        with Stranger(simulator.port) as stranger:
            stranger.bind()
            stranger.send()
            stranger.read(2)
            stranger.client.set_query_resp_handler(note)
            stranger.client.query_message(message_id=stranger.sent[0].message_id.decode(), source_addr="2030")
            stranger.read(1)
            stranger.client.set_query_resp_handler(lambda pdu: None)
            stranger.client.set_error_pdu_handler(note)
            stranger.client.query_message(message_id="12", source_addr="2030")
            stranger.read(1)
            stranger.client.set_error_pdu_handler(lambda pdu: None)
            stranger.leave()
        return told[0].message_state, told[1].status

    state, unknown = await asyncio.to_thread(talk)

    assert state == 2
    assert unknown == smpplib.consts.SMPP_ESME_RQUERYFAIL


async def test_several_accounts_get_their_own_receipts() -> None:
    settings = settings_of().model_copy(update={"accounts": {"smsd": "secret", "other": "word"}})

    async with running(settings) as simulator:

        def talk() -> tuple[Stranger, Stranger]:
            with Stranger(simulator.port) as one, Stranger(simulator.port) as other:
                one.bind()
                other.bind(system_id="other", password="word")
                other.send(text=b"theirs")
                other.read(2)
                one.send(text=b"mine")
                one.read(2)
                one.leave()
                other.leave()
            return one, other

        one, other = await asyncio.to_thread(talk)

    for stranger in (one, other):
        [response], [receipt] = stranger.sent, stranger.received
        assert receipt.short_message.startswith(b"id:" + response.message_id)


async def test_a_second_bind_on_one_connection_is_refused(simulator: Simulator) -> None:
    def talk() -> None:
        with Stranger(simulator.port) as stranger:
            stranger.bind()
            stranger.client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN
            stranger.bind()

    with pytest.raises(smpplib.exceptions.PDUError) as caught:
        await asyncio.to_thread(talk)

    assert caught.value.args[1] == smpplib.consts.SMPP_ESME_RALYBND
