// JSON lines in and out, and node-smpp's values as JSON: {"hex"} for a Buffer, {"date"} for a Date.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const VENDOR = {
  price: { id: 0x1403, type: smpp.types.tlv.cstring },
  product_code: { id: 0x1520, type: smpp.types.tlv.string },
  mo_message_id: { id: 0x1502, type: smpp.types.tlv.string },
  operator: { id: 0x2150, type: smpp.types.tlv.int32 },
};
for (const name of Object.keys(VENDOR)) smpp.addTLV(name, VENDOR[name]);

// what the sender reads is what lay on the wire: no texts, no dates
function withoutFilters() {
  for (const command of Object.values(smpp.commands)) {
    for (const param of Object.values(command.params || {})) delete param.filter;
  }
  for (const tlv of Object.values(smpp.tlvs)) delete tlv.filter;
}

function toJson(value) {
  if (Buffer.isBuffer(value)) return { hex: value.toString('hex') };
  if (value instanceof Date) return { date: value.toISOString() };
  if (Array.isArray(value)) return value.map(toJson);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
  }
  return value;
}

function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson);
  if (value && typeof value === 'object') {
    if ('hex' in value) return Buffer.from(value.hex, 'hex');
    if ('date' in value) return new Date(value.date);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]));
  }
  return value;
}

function fields(pdu) {
  return toJson(Object.fromEntries(Object.entries(pdu).filter(([, value]) => typeof value !== 'function')));
}

function say(what) {
  process.stdout.write(JSON.stringify(what) + '\n');
}

function onLine(handle) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => handle(fromJson(JSON.parse(line))));
  lines.on('close', () => process.exit(0));
}

module.exports = { smpp, withoutFilters, fields, say, onLine };
