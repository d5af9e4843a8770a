// node-smpp's server as an SMSC: takes every bind with the right password, answers, sends receipts, does what it is told.
'use strict';

const fs = require('fs');
const { smpp, fields, say, onLine } = require('./wire');

// the first argument, if any: options of tls.createServer as JSON, certificates by their files' names
const TLS = JSON.parse(process.argv[2] || '{}');
for (const name of ['key', 'cert', 'ca']) if (TLS[name]) TLS[name] = fs.readFileSync(TLS[name]);

const ACCOUNT = { smsd: 'secret' };
const sessions = [];
let next = 1000;
let refusal = 0;
let receipts = true;
let answering = true;

function stamp(date) {
  return date.toISOString().replace(/[-:T]/g, '').slice(2, 12);
}

function receiver() {
  return sessions.find((session) => session.kind && session.kind !== 'bind_transmitter');
}

function deliver(options) {
  const session = receiver();
  if (!session) return say({ event: 'undeliverable' });
  return session.deliver_sm(options, (answer) => say({ event: 'answer', pdu: fields(answer) }));
}

function receiptFor(pdu, id) {
  const now = stamp(new Date());
  deliver({
    source_addr_ton: pdu.dest_addr_ton,
    source_addr_npi: pdu.dest_addr_npi,
    source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton,
    dest_addr_npi: pdu.source_addr_npi,
    destination_addr: pdu.source_addr,
    esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
    data_coding: 0,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:DELIVRD err:000 text:`,
    receipted_message_id: id,
    message_state: smpp.MESSAGE_STATE.DELIVERED,
    network_error_code: Buffer.from([3, 0, 0]),
  });
}

function submitted(session, pdu) {
  if (!answering) return;
  if (refusal) {
    session.send(pdu.response({ command_status: refusal }));
    return;
  }
  const id = String(next++);
  session.send(pdu.response({ message_id: id }));
  if (receipts && pdu.registered_delivery & 1) receiptFor(pdu, id);
}

function bound(session, pdu) {
  const right = ACCOUNT[pdu.system_id] === pdu.password;
  const command_status = right ? smpp.ESME_ROK : smpp.ESME_RINVPASWD;
  session.kind = right ? pdu.command : undefined;
  session.send(pdu.response({ command_status, system_id: 'node-smpp', sc_interface_version: 0x34 }));
}

const HANDLERS = {
  bind_transceiver: bound,
  bind_transmitter: bound,
  bind_receiver: bound,
  submit_sm: submitted,
  data_sm: submitted,
  enquire_link: (session, pdu) => session.send(pdu.response()),
  unbind: (session, pdu) => session.send(pdu.response(), () => session.close()),
  query_sm: (session, pdu) =>
    session.send(pdu.response({ message_id: pdu.message_id, message_state: 2, error_code: 0 })),
};

const server = smpp.createServer(TLS, (session) => {
  sessions.push(session);
  if (session.socket.getProtocol) {
    const { servername } = session.socket;
    const { subject } = session.socket.getPeerCertificate();
    say({ event: 'secure', version: session.socket.getProtocol(), servername, client: subject && subject.CN });
  }
  session.on('pdu', (pdu) => {
    say({ event: 'pdu', pdu: fields(pdu) });
    const handler = HANDLERS[pdu.command];
    if (handler) handler(session, pdu);
  });
  session.on('error', (error) => say({ event: 'error', what: String(error) }));
  session.on('close', () => {
    sessions.splice(sessions.indexOf(session), 1);
    say({ event: 'closed' });
  });
});

const ORDERS = {
  set: (order) => {
    refusal = order.refusal === undefined ? refusal : order.refusal;
    receipts = order.receipts === undefined ? receipts : order.receipts;
    answering = order.answering === undefined ? answering : order.answering;
    say({ event: 'set' });
  },
  deliver: (order) => deliver(order.options),
  send: (order) => {
    const pdu = new smpp.PDU(order.command, order.options);
    receiver().send(pdu, (answer) => say({ event: 'answer', pdu: fields(answer) }));
  },
  unbind: () =>
    receiver().unbind((answer) => {
      say({ event: 'answer', pdu: fields(answer) });
    }),
};

onLine((order) => ORDERS[order.do](order));
server.listen(0, '127.0.0.1', () => say({ event: 'listening', port: server.address().port }));
