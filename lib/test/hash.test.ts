import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HashTable } from '../hash/hash-table.js';
import { StringHash } from '../hash/string-hash.js';

const numRuns = Number(process.env['RUNS'] ?? 300);

/** Few different words, many with the same low bits: so that slots collide and runs wrap around the table's end. */
const word = fc.oneof(
  fc.constantFrom(0, 1, -1, 255, 254, 511, 767, -256, 2 ** 31 - 1, -(2 ** 31)),
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
);
const value = fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 2), fc.nat(2 ** 31 - 2));
const call = fc.record({ set: fc.boolean(), hi: word, lo: word, value });

test('the table gives what a Map gives, through collisions and growth', () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 1_500, size: 'max' }), (calls) => {
      const table = new HashTable();
      const model = new Map<string, number>();
      for (const { set, hi, lo, value: stored } of calls) {
        table.prefetch(Int32Array.of(lo, hi));
        const name = `${hi} ${lo}`;
        const expected = model.get(name) ?? -1;
        assert.equal(set ? table.set(hi, lo, stored) : table.get(hi, lo), expected, name);
        if (set) model.set(name, stored);
        assert.equal(table.size, model.size);
      }
      for (const [name, stored] of model) {
        const [hi = 0, lo = 0] = name.split(' ').map(Number);
        assert.equal(table.get(hi, lo), stored, name);
      }
    }),
    { numRuns },
  );
});

test('a table of 100,000 hashes that all want the same few slots keeps them apart', () => {
  const table = new HashTable();
  const count = 2_000;
  for (let i = 0; i < count; i++) assert.equal(table.set(i, 255 + (i % 3), i), -1);
  for (let i = 0; i < count; i++) assert.equal(table.get(i, 255 + (i % 3)), i);
  assert.equal(table.get(count, 255), -1);
  for (let i = count; i < 100_000; i++) table.set(i, Math.imul(i, 0x9e3779b1), i);
  for (let i = count; i < 100_000; i++) assert.equal(table.get(i, Math.imul(i, 0x9e3779b1)), i);
  assert.equal(table.size, 100_000);
});

function hashOf(text: string): bigint {
  const hash = new StringHash();
  hash.of(text);
  assert.equal(hash.hi, hash.hi | 0);
  assert.equal(hash.lo, hash.lo | 0);
  return (BigInt(hash.hi >>> 0) << 32n) | BigInt(hash.lo >>> 0);
}

test('a hash is a function of the string alone, whatever was hashed before', () => {
  const used = new StringHash();
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      used.of(text);
      assert.equal((BigInt(used.hi >>> 0) << 32n) | BigInt(used.lo >>> 0), hashOf(text));
    }),
    { numRuns },
  );
});

test('strings that differ in one unit, in order or in length have different hashes', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 60 }),
      fc.nat(),
      fc.integer({ min: 1, max: 65_535 }),
      (text, place, flip) => {
        const at = place % text.length;
        const unit = String.fromCharCode(text.charCodeAt(at) ^ flip);
        const hash = hashOf(text);
        assert.notEqual(hashOf(text.slice(0, at) + unit + text.slice(at + 1)), hash);
        assert.notEqual(hashOf(`${text}\0`), hash);
        assert.notEqual(hashOf(`\0${text}`), hash);
        const turned = Array.from(text).toReversed().join('');
        if (turned !== text) assert.notEqual(hashOf(turned), hash);
      },
    ),
    { numRuns },
  );
});

test('300,000 alike strings: no two share a hash, and each half spreads as chance would have it', () => {
  const count = 300_000;
  const seen = new Set<bigint>();
  const buckets = { hi: new Uint32Array(1_024), lo: new Uint32Array(1_024) };
  for (let i = 0; i < count; i++) {
    const hash = hashOf(`event-${i}`);
    seen.add(hash);
    const [high, low] = [Number((hash >> 32n) & 1_023n), Number(hash & 1_023n)];
    buckets.hi[high] = (buckets.hi[high] ?? 0) + 1;
    buckets.lo[low] = (buckets.lo[low] ?? 0) + 1;
  }
  assert.equal(seen.size, count);
  const mean = count / 1_024;
  for (const [half, counts] of Object.entries(buckets)) {
    const chiSquared = counts.reduce((sum, each) => sum + (each - mean) ** 2 / mean, 0);
    assert.ok(chiSquared < 1_023 + 6 * Math.sqrt(2 * 1_023), `${half}: chi squared ${chiSquared}`);
  }
});
