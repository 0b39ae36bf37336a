/** Every format returns a result for any line, and every pageview has a visitor and a URL. Prints its seed on failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { linesOfFormats, textOfLines } from '../../../bench/log-lines.js';
import { admit } from '../../../facts/door.js';
import { UrlRules } from '../../../facts/url/normalize.js';
import { LineSplitter, linesOf } from '../../../ingest/lines.js';
import { canonicalAddress } from '../fields/address.js';
import { logFile } from '../log-files.js';
import { pageviewDefaults } from '../pageviews.js';

const urls = new UrlRules();
const now = Date.UTC(2026, 0, 1);
const options = { ...pageviewDefaults, host: 'www.example.org' };

const change = fc.record({
  at: fc.nat(),
  length: fc.nat(40),
  text: fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      '"',
      '\\',
      '\\x',
      ' ',
      '  ',
      '-',
      ',',
      '[',
      ']',
      '{',
      '}',
      '\t',
      '\r',
      '\\xff',
      '\ufffd',
      '\ud800',
      '::',
      '%',
      '\\"',
      'null',
      '#Fields: c-ip',
      'x'.repeat(5_000),
    ),
  ),
});

for (const of of linesOfFormats) {
  test(`${of.format}: damaged lines are pageviews of someone, filtered, or refused by name`, () => {
    const [head = '', line = ''] =
      of.head === undefined ? ['', textOfLines(of, 1).trimEnd()] : textOfLines(of, 1).split('\n');
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const damaged = changes.reduce((text, { at, length, text: put }) => {
          const from = at % (text.length + 1);
          return text.slice(0, from) + put + text.slice(from + length);
        }, line);
        const reader = logFile({ name: of.format, options }).open([head === '' ? line : head]);
        if (head !== '') reader.read(head);
        const result = reader.read(damaged);
        if (result.kind !== 'fact') {
          assert.ok(result.reason.length > 0 && result.reason.length < 120);
          return;
        }
        const value: Readonly<Record<string, unknown>> = Object.fromEntries(Object.entries(result.value));
        const visitor = String(value['visitor']).replace(/^ip:/, '');
        assert.equal(canonicalAddress(visitor), visitor);
        const admission = admit(result.value, now, urls);
        if (admission.ok) assert.ok(admission.fact.type === 'pageview');
        else assert.ok(['url', 'timestamp', 'eventId'].includes(admission.field), admission.reason);
      }),
      { numRuns: 400 },
    );
  });
}

test('a line of any length takes no longer than its length', () => {
  for (const { format } of linesOfFormats) {
    for (const long of [
      '"'.repeat(60_000),
      '\\'.repeat(60_000),
      '{"'.repeat(30_000),
      '1.1.1.1, '.repeat(7_000),
      ' '.repeat(60_000),
      '\\x'.repeat(30_000),
    ]) {
      const reader = logFile({ name: format, options }).open(['']);
      const begun = process.cpuUsage();
      reader.read(`192.0.2.1 - - [18/May/2015:10:05:03 +0200] "GET /${long}`);
      reader.read(long);
      const { user, system } = process.cpuUsage(begun);
      assert.ok(
        user + system < 1_000_000,
        `${format}: ${(user + system) / 1_000} ms for ${long.slice(0, 9)}...`,
      );
    }
  }
});

test('random bytes are refused, filtered, or pageviews of someone, in every format', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(
      fc.array(bytes, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 64 }),
      (parts, size) => {
        const file = Buffer.concat(parts.flatMap((part) => [part, Buffer.from('\n')]));
        for (const of of linesOfFormats) {
          const reader = logFile({ name: of.format, options }).open(['']);
          if (of.head !== undefined) reader.read(of.head);
          const splitter = new LineSplitter();
          // in pieces, so that characters are split
          for (let at = 0; at < file.length; at += size)
            for (const line of splitter.push(file.subarray(at, at + size)).flatMap(linesOf)) {
              if (line.refusal !== undefined) continue;
              const result = reader.read(line.text);
              if (result.kind !== 'fact') assert.ok(result.reason.length > 0 && result.reason.length < 120);
              else
                assert.equal(
                  typeof Object.entries(result.value).find(([name]) => name === 'visitor')?.[1],
                  'string',
                );
            }
        }
      },
    ),
    { numRuns: 200 },
  );
});
