import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coupon } from 'hyperloglog-ts';
import { PersonGroups } from '../arrays/person-groups.js';
import { Raises } from '../arrays/raises.js';
import { SlotIndex } from '../arrays/slot-index.js';

const runs = { numRuns: Number(process.env['RUNS'] ?? 200) };

/** Two persons with one coupon. */
const twins = ['cookie:6lr', 'cookie:mm4'] as const;

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ add: fc.constantFrom(...twins, 'cookie:a', 'user:1', 'user:2') }) },
  { weight: 3, arbitrary: fc.record({ join: fc.tuple(fc.nat(60), fc.nat(60)) }) },
);

test('groups are those of plain sets, as of now and as of every number of links and persons before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const groups = new PersonGroups();
      const coupons: number[] = [];
      let labels: number[] = [];
      const history: { links: number; labels: readonly number[] }[] = [];
      for (const each of steps) {
        if ('add' in each) {
          assert.equal(groups.add(coupon(each.add)), coupons.length);
          labels = [...labels, coupons.push(coupon(each.add)) - 1];
        } else if (coupons.length > 0) {
          const [a = 0, b = 0] = each.join.map((number) => number % coupons.length);
          groups.join(a, b);
          labels = labels.map((label) => (label === labels[a] ? (labels[b] ?? 0) : label));
        }
        history.push({ links: groups.links, labels });
      }
      assert.deepEqual([...groups.coupons], coupons);
      for (const { links, labels: expected } of history) {
        assert.equal(links, expected.length - new Set(expected).size);
        groups.unmark();
        const met = new Set<number>();
        for (const [person, label] of expected.entries()) {
          assert.equal(groups.mark(person, links), !met.has(label), `person ${person} after ${links} links`);
          met.add(label);
          const root = groups.rootOf(person, links);
          assert.equal(expected[root], label);
        }
        for (const id of [...twins, 'cookie:a', 'user:1', 'cookie:nobody']) {
          const found: number[] = [];
          for (let at = groups.lastWith(coupon(id), expected.length); at >= 0; at = groups.lastBefore(at))
            found.push(at);
          const holders = [...expected.keys()].filter((person) => coupons[person] === coupon(id));
          assert.deepEqual(found, holders.toReversed(), id);
        }
      }
    }),
    runs,
  );
});

test('ten thousand persons are found by their coupons, and no others', () => {
  const groups = new PersonGroups();
  for (let i = 0; i < 10_000; i++) groups.add(coupon(`cookie:${i}`));
  const known = new Set(groups.coupons);
  for (let i = 0; i < 20_000; i++) {
    const found = groups.lastWith(coupon(`cookie:${i}`), groups.count);
    assert.equal(found >= 0, known.has(coupon(`cookie:${i}`)));
    if (found >= 0) assert.equal(groups.coupons[found], coupon(`cookie:${i}`));
  }
});

test('raises stop at the limit, and are as they were after every number of steps before', () => {
  const call = fc.tuple(fc.nat(90), fc.constantFrom(1, 1, 2, Number.POSITIVE_INFINITY), fc.nat(4));
  fc.assert(
    fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
      const raises = new Raises();
      const now = new Map<number, number>();
      const history: { steps: number; sums: ReadonlyMap<number, number> }[] = [];
      for (const [person, more, limit] of calls) {
        raises.add(person, more, limit);
        const before = now.get(person) ?? 0;
        now.set(person, Math.max(before, Math.min(before + more, limit)));
        history.push({ steps: raises.steps, sums: new Map(now) });
        assert.equal(
          raises.total,
          [...now.values()].reduce((a, b) => a + b, 0),
        );
      }
      for (const { steps, sums } of history)
        for (let person = 0; person <= 91; person++)
          assert.equal(raises.of(person, steps), sums.get(person) ?? 0);
    }),
    runs,
  );
});

test('an index holds those persons whose coupons registers may hold, whatever came after it was made', () => {
  const lgK = 6;
  const registers = fc.uint8Array({ minLength: 2 ** lgK, maxLength: 2 ** lgK, max: 6 });
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), registers, (count, later, held) => {
      const groups = new PersonGroups();
      for (let i = 0; i < count; i++) groups.add(coupon(`cookie:${i}`));
      for (let i = 0; i + 1 < count; i += 2) groups.join(i, i + 1);
      const building = SlotIndex.build(groups, lgK);
      let built = building.next();
      for (let i = 0; i < later; i++) groups.join(groups.add(coupon(`user:${i}`)), i % (count + 1));
      while (built.done !== true) built = building.next();
      const index = built.value;
      assert.equal(index.count, count);
      const into = new Uint32Array(count);
      const found = index.held(held, into);
      const places = [...into.subarray(0, found)];
      const expected = [...groups.coupons.subarray(0, count).entries()]
        .filter(([, each]) => each >>> 26 <= (held[each & (2 ** lgK - 1)] ?? 0))
        .map(([person]) => person);
      assert.deepEqual(
        places.map((place) => index.persons[place] ?? -1).toSorted((a, b) => a - b),
        expected,
      );
      for (const place of places) {
        const person = index.persons[place] ?? 0;
        assert.equal(index.roots[place], groups.rootOf(person, index.links));
      }
      if (found > 0) assert.equal(index.held(held, new Uint32Array(found - 1)), -1, 'no room');
      assert.equal(index.held(held.subarray(1), into), -1, 'other registers');
    }),
    runs,
  );
});
