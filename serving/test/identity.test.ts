import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { compareUtf8 } from '../../facts/fact.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { IdentityWriter } from '../arrays/identity-writer.js';
import { bucketKey, idCountOfPerson, idsOfPerson, personIdOf, type ReadIdentity } from '../identity.js';

function written(people: readonly (readonly string[])[]): ReadIdentity {
  const databases = { persons: new Map<string, Buffer>(), ids: new Map<string, Buffer>() };
  const last: Record<string, Buffer> = {};
  const writer = new IdentityWriter((name, key, value) => {
    assert.ok(Buffer.compare(last[name] ?? Buffer.alloc(0), key) < 0, `keys of ${name} ascend`);
    last[name] = Buffer.from(key);
    databases[name].set(Buffer.from(key).toString('hex'), Buffer.from(value));
  });
  for (const ids of people) writer.person(PackedTexts.of(ids), ids.keys());
  writer.finish();
  return (name, key) => databases[name].get(key.toString('hex'));
}

function assertPerson(read: ReadIdentity, ids: readonly string[]): void {
  for (const id of ids) assert.equal(personIdOf(read, id), ids[0], id);
  assert.deepEqual(idsOfPerson(read, ids[0] ?? ''), ids);
  assert.deepEqual(idsOfPerson(read, ids[0] ?? '', 17), ids.slice(0, 17));
  assert.equal(idCountOfPerson(read, ids[0] ?? ''), ids.length);
  if (ids[1] !== undefined) assert.equal(idsOfPerson(read, ids[1]), undefined, 'not a PersonID');
}

test('every id of a person leads to all its ids, and an unknown id to no person', () => {
  const id = fc.oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.nat(500).map((n) => `cookie:${n}`),
    fc.constantFrom('😀a', '😁b', '😀', 'user:😀1', 'user:😁1', 'a'.repeat(127), 'a'.repeat(128)),
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(id, { minLength: 3, maxLength: 200 }),
      fc.integer({ min: 2, max: 9 }),
      (all, size) => {
        const [stranger = '', ...joined] = all;
        const people: string[][] = [];
        for (let from = 0; from + 1 < joined.length; from += size)
          people.push(joined.slice(from, from + size).toSorted(compareUtf8));
        const joinedPeople = people.filter((ids) => ids.length > 1);
        const read = written(joinedPeople);
        for (const ids of joinedPeople) assertPerson(read, ids);
        assert.equal(personIdOf(read, stranger), undefined);
        assert.equal(idsOfPerson(read, stranger), undefined);
      },
    ),
  );
});

test('100,000 persons are found, each by its last id', () => {
  const people = Array.from({ length: 100_000 }, (_, i) => [`cookie:${i}`, `user:${i}`]);
  const read = written(people);
  for (const [person, last = ''] of people) assert.equal(personIdOf(read, last), person);
  assert.equal(personIdOf(read, 'cookie:100000'), undefined);
});

test('a person with many ids takes several blocks, and is found by each id', () => {
  for (const count of [15, 16, 17, 32, 33, 200]) {
    const ids = Array.from({ length: count }, (_, i) => `cookie:${String(i).padStart(4, '0')}`);
    assertPerson(written([ids, ['user:a', 'user:b']]), ids);
  }
});

test('ids with equal CRCs are told apart by their texts', () => {
  const [a, b, c] = ['ip:18.108.202.45', ...idsWithCrcOf('ip:18.108.202.45', 2)];
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  assert.deepEqual(bucketKey(a), bucketKey(b));
  const read = written([
    [b, 'z1'],
    [c, 'z2'],
  ]);
  assert.equal(personIdOf(read, a), undefined);
  assert.equal(personIdOf(read, b), b);
  assert.equal(personIdOf(read, c), c);
  assert.deepEqual(idsOfPerson(read, c), [c, 'z2']);
});

/** Ids with the CRC-32 of another: the CRC is linear, so a suitable choice of 32 bits after 'x' gives any value. */
function idsWithCrcOf(id: string, count: number): string[] {
  const wanted = crc32(id);
  const found: string[] = [];
  for (let start = 0; found.length < count; start++) {
    const prefix = `ip:${start}.`;
    // 40 positions with one of two characters each; Gaussian elimination over the bits they change.
    const places = 40;
    const zero = crc32(prefix + 'a'.repeat(places));
    const rows = Array.from({ length: places }, (_, i) => {
      const text = 'a'.repeat(i) + 'c' + 'a'.repeat(places - 1 - i);
      return { crc: (crc32(prefix + text) ^ zero) >>> 0, mask: 1n << BigInt(i) };
    });
    let rest = { crc: (wanted ^ zero) >>> 0, mask: 0n };
    for (let bit = 31; bit >= 0; bit--) {
      const at = rows.findIndex(({ crc }) => ((crc >>> bit) & 1) === 1);
      if (at < 0) continue;
      const [pivot] = rows.splice(at, 1);
      if (pivot === undefined) continue;
      const reduce = (row: typeof pivot): typeof pivot =>
        ((row.crc >>> bit) & 1) === 1
          ? { crc: (row.crc ^ pivot.crc) >>> 0, mask: row.mask ^ pivot.mask }
          : row;
      rows.forEach((row, i) => (rows[i] = reduce(row)));
      rest = reduce(rest);
    }
    if (rest.crc !== 0) continue;
    const text = Array.from({ length: places }, (_, i) => ((rest.mask >> BigInt(i)) & 1n ? 'c' : 'a')).join(
      '',
    );
    assert.equal(crc32(prefix + text), wanted);
    found.push(prefix + text);
  }
  return found;
}
