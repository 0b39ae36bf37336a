import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareUtf8 } from '../../lib/facts/fact.js';
import { hashOf } from '../../lib/hash/string-hash.js';
import { PackedTexts } from '../../lib/packed-texts.js';
import { IdentityWriter, bucketKey, idsIn, personIn, personKey } from '../identity.js';

type Databases = Record<'persons' | 'ids', Map<string, Buffer>>;

function written(people: readonly (readonly string[])[]): Databases {
  const databases: Databases = { persons: new Map(), ids: new Map() };
  const last: Record<string, Buffer> = {};
  const writer = new IdentityWriter((name, key, value) => {
    assert.ok(Buffer.compare(last[name] ?? Buffer.alloc(0), key) < 0, `keys of ${name} ascend`);
    last[name] = Buffer.from(key);
    databases[name].set(Buffer.from(key).toString('hex'), Buffer.from(value));
  });
  for (const ids of people) writer.person(PackedTexts.of(ids), ids.keys());
  writer.finish();
  return databases;
}

function personOf({ persons, ids }: Databases, visitor: string): string[] {
  const bucket = ids.get(bucketKey(visitor).toString('hex'));
  const person = bucket === undefined ? -1 : personIn(bucket, visitor);
  return person < 0 ? [] : [...idsIn(persons.get(personKey(person).toString('hex')) ?? Buffer.alloc(0))];
}

test('every id of a person leads to all ids of that person, and no other id to anybody', () => {
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
        const databases = written(people.filter((ids) => ids.length > 1));
        for (const ids of people) {
          if (ids.length < 2) continue;
          for (const each of ids) assert.deepEqual(personOf(databases, each), ids);
        }
        assert.deepEqual(personOf(databases, stranger), []);
      },
    ),
  );
});

test('100,000 persons are found, each by its last id', () => {
  const people = Array.from({ length: 100_000 }, (_, i) => [`cookie:${i}`, `user:${i}`]);
  const databases = written(people);
  for (const ids of people) assert.deepEqual(personOf(databases, ids[1] ?? ''), ids);
  assert.deepEqual(personOf(databases, 'cookie:100000'), []);
});

test('the hash of an id is what views of this format hold', () => {
  const known = { 'cookie:9f3c': [2038515027, 834826387], 'cookie:zoë': [576418734, 2095818407] };
  for (const [id, words] of Object.entries(known)) assert.deepEqual([hashOf(id).hi, hashOf(id).lo], words);
});
