// node-smpp's part of benchmarks/codec.py: one JSON object a line each way, {"op", "case", "seconds"} and its answer.
// Without node-smpp's filters, which would turn octets into words and dates: the other codecs leave that to others.
'use strict';

const { smpp, withoutFilters, say, onLine, fields } = require('../tests/interop/node/wire');

withoutFilters();

let given = {};

const BUILDS = {
  submit_sm: () => new smpp.PDU('submit_sm', {
    sequence_number: 7,
    source_addr_ton: 3,
    source_addr: '2030',
    dest_addr_ton: 1,
    dest_addr_npi: 1,
    destination_addr: '4790000001',
    registered_delivery: 1,
    short_message: given.message,
    user_message_reference: 77,
  }).toBuffer(),
  submit_sm_resp: () => new smpp.PDU('submit_sm_resp', { sequence_number: 7, message_id: '0123456789' }).toBuffer(),
  deliver_sm_resp: () => new smpp.PDU('deliver_sm_resp', { sequence_number: 7 }).toBuffer(),
  enquire_link: () => new smpp.PDU('enquire_link', { sequence_number: 7 }).toBuffer(),
};

// what is made is kept, or the compiler might leave the making out
let last;

function workOf(name) {
  const [kind, command] = name.split(' ');
  if (kind === 'build') return BUILDS[command];
  const octets = given[command];
  return () => new smpp.PDU(octets);
}

function time(name, seconds) {
  const work = workOf(name);
  const start = process.cpuUsage();
  let count = 0;
  let us = 0;
  while (us < seconds * 1e6) {
    for (let i = 0; i < 200; i++) last = work();
    count += 200;
    const { user, system } = process.cpuUsage(start);
    us = user + system;
  }
  return { us: us / count };
}

onLine((request) => {
  switch (request.op) {
    case 'given':
      given = request.octets;
      say({ node: process.version, v8: process.versions.v8 });
      break;
    case 'once': {
      const made = workOf(request.case)();
      say(Buffer.isBuffer(made) ? { hex: made.toString('hex') } : { pdu: fields(made) });
      break;
    }
    case 'time':
      say(time(request.case, request.seconds));
      break;
  }
});
