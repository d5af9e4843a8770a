// Encodes and decodes PDUs, one JSON object a line each way. `--raw` leaves texts and times as they lie on the wire.
'use strict';

const { smpp, withoutFilters, fields, say, onLine } = require('./wire');

const TYPES = new Map(Object.entries(smpp.types.tlv).map(([name, type]) => [type, name]));
const TLVS = Object.entries(smpp.tlvsById).map(([id, tlv]) => ({
  id: Number(id),
  name: tlv.tag,
  type: TYPES.get(tlv.type),
  multiple: Boolean(tlv.multiple),
}));

if (process.argv.includes('--raw')) withoutFilters();

const OPERATIONS = {
  tlvs: () => ({ tlvs: TLVS }),
  errors: () => ({ errors: smpp.errors }),
  encode: ({ command, options }) => ({ hex: new smpp.PDU(command, options).toBuffer().toString('hex') }),
  decode: ({ octets }) => ({ pdu: fields(new smpp.PDU(octets)) }),
  again: ({ octets }) => ({ hex: new smpp.PDU(octets).toBuffer().toString('hex') }),
};

onLine((request) => {
  try {
    say(OPERATIONS[request.op](request));
  } catch (error) {
    say({ error: String(error) });
  }
});
