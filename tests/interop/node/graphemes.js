// Where ICU, by Unicode's UAX #29, lets a text be cut: {"texts": […]} in, {"cuts": [[index, …], …]} out, a line each way.
// Indexes count UTF-16 units, as JavaScript's strings do; 0 and the end are left out.
'use strict';

const { say, onLine } = require('./wire');

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });

onLine(({ texts }) => say({
  unicode: process.versions.unicode,
  cuts: texts.map((text) => Array.from(segmenter.segment(text), ({ index }) => index).slice(1)),
}));
