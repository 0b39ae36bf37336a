import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HllUnion, coupon } from 'hyperloglog-ts';
import { compareUtf8 } from '../../facts/fact.js';
import { rewriteCoupons } from '../arrays/exposure.js';
import { PersonGroups } from '../arrays/person-groups.js';
import { Raises } from '../arrays/raises.js';
import { RewriteIndex } from '../arrays/rewrite-index.js';
import { SlotIndex } from '../arrays/slot-index.js';

const runs = { numRuns: Number(process.env['RUNS'] ?? 200) };

/** Two persons with one coupon. */
const twins = ['cookie:6lr', 'cookie:mm4'] as const;

const step = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      add: fc.constantFrom(...twins, 'cookie:a', 'user:1', 'user:2'),
      id: fc.constantFrom('a', 'ab', 'b', '\u{ffff}', '\u{10000}', 'z'),
      ids: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ join: fc.tuple(fc.nat(60), fc.nat(60)) }) },
  { weight: 1, arbitrary: fc.record({ doubt: fc.nat(60) }) },
);

interface Moment {
  readonly steps: number;
  readonly links: number;
  /** Of persons; equal ones, one group. */
  readonly labels: readonly number[];
  readonly doubts: readonly number[];
}

test('groups are those of plain sets, as of now and as of every number of steps and persons before', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const groups = new PersonGroups();
      const coupons: number[] = [];
      const ids: string[] = [];
      let labels: number[] = [];
      let doubts: readonly number[] = []; // by label
      const history: Moment[] = [];
      for (const each of steps) {
        if ('add' in each) {
          assert.equal(groups.add(each.id, coupon(each.add), each.ids), coupons.length);
          ids.push(each.id);
          labels = [...labels, coupons.push(coupon(each.add)) - 1];
          doubts = [...doubts, 0];
        } else if ('join' in each && coupons.length > 0) {
          const [a = 0, b = 0] = each.join.map((number) => labels[number % coupons.length]);
          groups.join(a, b);
          if (a !== b) doubts = doubts.map((many, label) => (label === b ? many + (doubts[a] ?? 0) : many));
          labels = labels.map((label) => (label === a ? b : label));
        } else if ('doubt' in each && coupons.length > 0) {
          const label = labels[each.doubt % coupons.length];
          groups.doubt(each.doubt % coupons.length);
          doubts = doubts.map((many, at) => (at === label ? many + 1 : many));
        }
        history.push({ steps: groups.steps, links: groups.links, labels, doubts });
      }
      assert.deepEqual([...groups.coupons], coupons);
      const idCounts = steps.flatMap((each) => ('add' in each ? [each.ids] : []));
      for (const { steps: until, links, labels: expected, doubts: expectedDoubts } of history) {
        assert.equal(links, expected.length - new Set(expected).size);
        groups.unmark();
        const met = new Set<number>();
        for (const [person, label] of expected.entries()) {
          const root = groups.rootOf(person, until);
          assert.equal(expected[root], label);
          assert.equal(groups.mark(root), !met.has(label), `person ${person} after ${until} steps`);
          met.add(label);
          const members = [...expected.keys()].filter((other) => expected[other] === label);
          const found = [...groups.membersOf(person, until)].filter((other) => other >= 0);
          assert.deepEqual(
            found.toSorted((a, b) => a - b),
            members,
          );
          assert.equal(groups.personsOf(root, until), members.length);
          assert.equal(
            groups.idsOf(root, until),
            members.reduce((sum, member) => sum + (idCounts[member] ?? 0), 0),
          );
          assert.equal(groups.doubtsOf(root, until), expectedDoubts[label]);
          const least = members.map((member) => ids[member] ?? '').toSorted(compareUtf8)[0];
          assert.equal(groups.idOf(groups.leastOf(root, until)), least);
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
  for (let i = 0; i < 10_000; i++) groups.add(`cookie:${i}`, coupon(`cookie:${i}`));
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
      for (let i = 0; i < count; i++) groups.add(`cookie:${i}`, coupon(`cookie:${i}`));
      for (let i = 0; i + 1 < count; i += 2) groups.join(i, i + 1);
      const building = SlotIndex.build(groups, lgK);
      let built = building.next();
      for (let i = 0; i < later; i++)
        groups.join(groups.add(`user:${i}`, coupon(`user:${i}`)), i % (count + 1));
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
        assert.equal(index.roots[place], groups.rootOf(person, index.steps));
      }
      if (found > 0) assert.equal(index.held(held, new Uint32Array(found - 1)), -1, 'no room');
      assert.equal(index.held(held.subarray(1), into), -1, 'other registers');
    }),
    runs,
  );
});

test('coupons are rewritten alike with an index and without, whatever came while it was made and since', () => {
  const ids = Array.from({ length: 40 }, (_, i) => `cookie:${i}`);
  const change = fc.oneof(
    fc.record({ add: fc.constantFrom(...twins, ...ids) }),
    fc.record({ join: fc.tuple(fc.nat(60), fc.nat(60)) }),
  );
  const changes = fc.array(change, { maxLength: 60 });
  fc.assert(
    fc.property(changes, changes, changes, fc.constantFrom(0, 0, 3), (before, meanwhile, since, maxIds) => {
      const groups = new PersonGroups();
      const apply = (each: (typeof before)[number]): void => {
        if ('add' in each) groups.add(each.add, coupon(each.add));
        else if (groups.count > 0) groups.join(each.join[0] % groups.count, each.join[1] % groups.count);
      };
      before.forEach(apply);
      const building = RewriteIndex.build(groups, maxIds);
      let built = building.next();
      meanwhile.forEach(apply);
      while (built.done !== true) built = building.next();
      since.forEach(apply);
      const { count: persons, links, steps: until, doubts } = groups;
      const at = { persons, links, steps: until, doubts, raiseSteps: 0, raises: 0, maxIds, unknownDoubts: 0 };
      const rewritten = (index: RewriteIndex | undefined) => {
        const coupons = Uint32Array.from([...twins, ...ids, 'user:nobody'].map((id) => coupon(id)));
        const met = { replaced: new HllUnion({ lgK: 12 }), kept: new HllUnion({ lgK: 12 }) };
        const outcome = rewriteCoupons(groups, at, index, coupons, coupons.length, met);
        return [[...coupons], outcome, met.replaced.coupons(), met.kept.coupons()];
      };
      assert.deepEqual(rewritten(built.value), rewritten(undefined));
    }),
    runs,
  );
});
