import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalAddress, clientAddress } from '../fields/address.js';
import { ClfTimes, monthNames } from '../fields/clf-time.js';
import { IsoTimes } from '../fields/iso-times.js';
import { unescapeText } from '../fields/escapes.js';
import { zoneReader } from '../fields/zone.js';

test('an address has one spelling', () => {
  for (const [spellings, one] of [
    [
      ['192.0.2.1', '192.0.2.1:80', '::ffff:192.0.2.1', '::FFFF:c000:0201', '[::ffff:192.0.2.1]:443'],
      '192.0.2.1',
    ],
    [
      [
        '2001:db8::1',
        '2001:DB8:0:0:0:0:0:1',
        '2001:0db8::0001',
        '[2001:db8::1]',
        '[2001:db8::1]:8080',
        '2001:db8::1%eth0',
      ],
      '2001:db8::1',
    ],
    // RFC 5952: the longest run, the first of two, and no run of one
    [['2001:0:0:1:0:0:0:1'], '2001:0:0:1::1'],
    [['2001:db8:0:0:1:0:0:1'], '2001:db8::1:0:0:1'],
    [['2001:db8:0:1:1:1:1:1'], '2001:db8:0:1:1:1:1:1'],
  ] as const)
    for (const text of spellings) assert.equal(canonicalAddress(text), one, text);
  for (const text of [
    '',
    '-',
    'localhost',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.01',
    '192.0.2.1:',
    '1.2.3.4:999999',
    ':::',
    '"192.0.2.1',
    '192.0.2.1,',
    'unix:',
  ])
    assert.equal(canonicalAddress(text), undefined, text);
});

test('a list of addresses names the client only to those who know their proxies', () => {
  assert.equal(clientAddress('203.0.113.9, 192.0.2.7', undefined, 1), '192.0.2.7');
  assert.equal(typeof clientAddress('203.0.113.9, 192.0.2.7', undefined, 0), 'object');
  assert.equal(clientAddress('198.51.100.1', 'unknown, 192.0.2.7', 1), '192.0.2.7');
  assert.equal(typeof clientAddress('198.51.100.1', 'unknown', 1), 'object');
  assert.equal(typeof clientAddress(undefined, undefined, 0), 'object');
});

test('a time is read as it was written, whatever was read before', () => {
  const times = new ClfTimes();
  fc.assert(
    fc.property(
      fc.integer({ min: 631_152_000, max: 4_102_444_799 }),
      fc.integer({ min: -56, max: 56 }),
      fc.boolean(),
      (second, quarters, again) => {
        const offsetMs = quarters * 900_000;
        const local = new Date(1_000 * second + offsetMs).toISOString();
        const sign = quarters < 0 ? '-' : '+';
        const zone = `${sign}${String(Math.floor(Math.abs(quarters) / 4)).padStart(2, '0')}${String((Math.abs(quarters) % 4) * 15).padStart(2, '0')}`;
        const text = `${local.slice(8, 10)}/${monthNames[Number(local.slice(5, 7)) - 1]}/${local.slice(0, 4)}:${local.slice(11, 19)} ${zone}`;
        assert.equal(times.read(text), 1_000 * second);
        // Within the minute that is remembered: another second, and what is none.
        if (again) {
          const minute = 1_000 * (second - (second % 60)); // offsets are whole minutes
          assert.equal(times.read(text.replace(/:\d\d /, ':07 ')), minute + 7_000);
        }
        for (const bad of [':60 ', ':0x ', ':-1 ', ': 1 ', '::: '])
          assert.equal(times.read(text.replace(/:\d\d /, bad)), undefined);
      },
    ),
  );
});

test('a time of RFC 3339 is read as Date does, whatever was read before', () => {
  const times = new IsoTimes();
  const fractions = fc.constantFrom('', '.1', '.12', '.123', '.123456789', '.999999', '.0');
  const zones = fc.constantFrom('Z', '+00:00', '+05:30', '-11:00');
  fc.assert(
    fc.property(
      fc.integer({ min: 631_152_000, max: 4_102_444_799 }),
      fractions,
      zones,
      fc.nat(59),
      (second, fraction, zone, next) => {
        const text = `${new Date(1_000 * second).toISOString().slice(0, 19)}${fraction}${zone}`;
        assert.equal(times.read(text), Date.parse(text), text);
        // Within the minute that is remembered: another second, and what is none.
        const other = `${text.slice(0, 17)}${String(next).padStart(2, '0')}${zone}`;
        assert.equal(times.read(other), Date.parse(other), other);
        for (const bad of ['60', '6', '', '0x', '1.', '01.', '01.x', '-1'])
          assert.equal(times.read(`${text.slice(0, 17)}${bad}${zone}`), undefined, bad);
      },
    ),
  );
});

test('what was escaped is as it was, in the ways of Apache, nginx and Tomcat', () => {
  for (const [escaped, text] of [
    ['a \\"b\\" \\\\ c', 'a "b" \\ c'],
    ['caf\\xc3\\xa9 \\xE2\\x82\\xAC', 'café €'],
    ['\\xff', '\ufffd'],
    ['\\u20ac\\ud83d\\ude00', '€😀'],
    ['\\\\x41', '\\x41'],
    ['a\\tb', 'a\tb'],
    ['C:\\Windows \\q', 'C:\\Windows \\q'],
  ] as const)
    assert.equal(unescapeText(escaped), text);
});

const at = (text: string): number => Date.parse(`${text}Z`);

test('a time without a zone is the instant at which clocks there showed it', () => {
  const berlin = zoneReader('Europe/Berlin');
  for (const [local, utc] of [
    ['2015-01-01T12:00:00', '2015-01-01T11:00:00'],
    ['2015-07-01T12:00:00', '2015-07-01T10:00:00'],
    ['2015-03-29T01:59:59', '2015-03-29T00:59:59'],
    ['2015-03-29T02:30:00', '2015-03-29T01:30:00'], // does not exist
    ['2015-03-29T03:00:00', '2015-03-29T01:00:00'],
    ['2015-10-25T01:59:59', '2015-10-24T23:59:59'],
    ['2015-10-25T02:30:00', '2015-10-25T00:30:00'], // exists twice: the first
    ['2015-10-25T03:00:00', '2015-10-25T02:00:00'],
  ] as const)
    assert.equal(berlin(at(local)), at(utc), local);
  assert.equal(zoneReader('+05:30')(at('2015-01-01T12:00:00')), at('2015-01-01T06:30:00'));
  assert.equal(zoneReader('-0330')(at('2015-01-01T12:00:00')), at('2015-01-01T15:30:00'));
  assert.throws(() => zoneReader('Mars/Olympus'), /--zone is neither/);
});
