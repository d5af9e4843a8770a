// node-smpp's client as an ESME: connects to the port it is given, says what comes, sends what it is told.
'use strict';

const { smpp, fields, say, onLine } = require('./wire');

const session = smpp.connect({ host: '127.0.0.1', port: Number(process.argv[2]) });
const answering = { deliver_sm: true, enquire_link: true, unbind: true };

session.on('connect', () => say({ event: 'connected' }));
session.on('close', () => say({ event: 'closed' }));
session.on('error', (error) => say({ event: 'error', what: String(error) }));
session.on('pdu', (pdu) => {
  if (pdu.isResponse()) return;
  say({ event: 'pdu', pdu: fields(pdu) });
  if (answering[pdu.command]) session.send(pdu.response());
});

onLine((order) => {
  const pdu = new smpp.PDU(order.command, order.options);
  session.send(pdu, (answer) => say({ event: 'answer', pdu: fields(answer) }));
});
