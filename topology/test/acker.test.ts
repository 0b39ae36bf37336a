/** Unit tests of the acker: reports in any order, late reports, timeouts, and the size of an entry. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Acker } from '../acker.js';
import { below, seededRandom } from '../random.js';
import type { Random } from '../random.js';

interface Id {
  readonly hi: number;
  readonly lo: number;
}
interface Report extends Id {
  readonly kind: 'init' | 'ack';
}

function ackerWithLog(timeoutMs = 1000) {
  const answers: { task: number; slot: number; outcome: string; ageMs: number }[] = [];
  const acker = new Acker(timeoutMs, (task, slot, outcome, ageMs) =>
    answers.push({ task, slot, outcome, ageMs }),
  );
  return { acker, answers };
}

/** The reports of a random tree of `size` tuples, in a random order. */
function reportsOfTree(size: number, random: Random): Report[] {
  const ids = Array.from({ length: size }, () => ({ hi: random.int32(), lo: random.int32() }));
  const parents = ids.map((_, i) => (i === 0 ? -1 : below(random, i + 1) - 1));
  const xorOf = (parent: number, start: Id): Id =>
    ids.reduce(
      (sum, id, i) => (parents[i] === parent ? { hi: sum.hi ^ id.hi, lo: sum.lo ^ id.lo } : sum),
      start,
    );
  const reports: Report[] = [{ kind: 'init', ...xorOf(-1, { hi: 0, lo: 0 }) }];
  ids.forEach((id, i) => reports.push({ kind: 'ack', ...xorOf(i, id) }));
  return reports
    .map((report) => ({ report, rank: random.int32() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ report }) => report);
}

test('a tree is acked by its last report, never before and only once, in whatever order reports come', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1 }), (seed, sizes) => {
      const random = seededRandom(seed);
      const { acker, answers } = ackerWithLog();
      const open = sizes.map((size, task) => {
        const slot = acker.begin(task, 0);
        return { slot, generation: acker.generationOf(slot), reports: reportsOfTree(size, random), task };
      });
      while (open.length > 0) {
        const chosen = below(random, open.length);
        const tree = open[chosen];
        const report = tree?.reports.shift();
        if (tree === undefined || report === undefined) break;
        const before = answers.length;
        if (report.kind === 'init') acker.init(tree.slot, tree.generation, report.hi, report.lo, 5);
        else acker.ack(tree.slot, tree.generation, report.hi, report.lo, 5);
        assert.equal(answers.length, before + (tree.reports.length === 0 ? 1 : 0));
        if (tree.reports.length > 0) continue;
        assert.deepEqual(answers.at(-1), { task: tree.task, slot: tree.slot, outcome: 'acked', ageMs: 5 });
        open.splice(chosen, 1);
      }
      assert.equal(acker.pending, 0);
      assert.equal(answers.length, sizes.length);
    }),
  );
});

test('a failure is answered once, right after the init, and later reports change nothing', () => {
  const { acker, answers } = ackerWithLog();
  const slot = acker.begin(3, 0);
  const generation = acker.generationOf(slot);
  acker.fail(slot, generation, 1);
  assert.equal(answers.length, 0, 'no answer before the init');
  acker.init(slot, generation, 1, 2, 2);
  acker.ack(slot, generation, 1, 2, 3);
  acker.fail(slot, generation, 3);
  assert.deepEqual(answers, [{ task: 3, slot, outcome: 'failed', ageMs: 2 }]);
});

test('a tree that fails while it is open is answered as failed, at once', () => {
  const { acker, answers } = ackerWithLog();
  const slot = acker.begin(3, 0);
  const generation = acker.generationOf(slot);
  acker.init(slot, generation, 1, 2, 1);
  acker.fail(slot, generation, 4);
  acker.ack(slot, generation, 1, 2, 5);
  assert.deepEqual(answers, [{ task: 3, slot, outcome: 'failed', ageMs: 4 }]);
});

test('reports that cancel each other before the init answer nothing', () => {
  const { acker, answers } = ackerWithLog();
  const slot = acker.begin(0, 0);
  const generation = acker.generationOf(slot);
  acker.ack(slot, generation, 1, 2, 1);
  acker.ack(slot, generation, 1, 2, 1);
  assert.deepEqual(answers, []);
});

test('both halves of an id count: reports that cancel out in one of them leave the tree open', () => {
  for (const [hi, lo] of [
    [5, 0],
    [0, 5],
    [-(2 ** 31), 0],
    [0, -(2 ** 31)],
  ] as const) {
    const { acker, answers } = ackerWithLog();
    const slot = acker.begin(0, 0);
    const generation = acker.generationOf(slot);
    acker.init(slot, generation, hi, lo, 1);
    assert.deepEqual(answers, [], `${hi}, ${lo}`);
    acker.ack(slot, generation, hi, lo, 1);
    assert.equal(answers.length, 1);
  }
});

test('reports of a tree that timed out do not touch the tree that has its slot now', () => {
  const { acker, answers } = ackerWithLog(10);
  const slot = acker.begin(0, 0);
  const old = acker.generationOf(slot);
  acker.init(slot, old, 1, 1, 0);
  acker.expire(10);
  assert.equal(acker.begin(0, 10), slot);
  acker.init(slot, acker.generationOf(slot), 1, 1, 10);
  acker.ack(slot, old, 1, 1, 11);
  acker.fail(slot, old, 11);
  assert.deepEqual(
    answers.map(({ outcome }) => outcome),
    ['timedOut'],
  );
  assert.equal(acker.pending, 1);
});

test('with a sweep every T/2 a tree times out at an age between T and 1.5 T', () => {
  const timeoutMs = 1000;
  // Start times on both sides of the wrap of the 32-bit millisecond counter.
  for (const epoch of [0, 2 ** 32 - 2500, Date.UTC(2026, 0)]) {
    const { acker, answers } = ackerWithLog(timeoutMs);
    for (let now = 0; now < 6000; now++) {
      if (now < 4000 && now % 7 === 0) {
        const slot = acker.begin(0, epoch + now);
        acker.init(slot, acker.generationOf(slot), 1, 1, epoch + now);
      }
      if (now % (timeoutMs / 2) === 0) acker.expire(epoch + now);
    }
    assert.equal(answers.length, Math.ceil(4000 / 7));
    for (const { ageMs } of answers)
      assert.ok(ageMs >= timeoutMs && ageMs <= 1.5 * timeoutMs, `age ${ageMs}`);
    assert.ok(
      answers.some(({ ageMs }) => ageMs > 1.4 * timeoutMs),
      'the bound is reached',
    );
  }
});

test('a clock that goes back does not make a young tree time out', () => {
  const { acker, answers } = ackerWithLog(1000);
  const slot = acker.begin(0, 5_000);
  acker.init(slot, acker.generationOf(slot), 1, 1, 5_000);
  acker.expire(4_000);
  assert.deepEqual(answers, []);
  acker.ack(slot, acker.generationOf(slot), 1, 1, 4_500);
  assert.deepEqual(answers, [{ task: 0, slot, outcome: 'acked', ageMs: 0 }]);
});

test('an entry is 19 bytes for a tree of 2 tuples and for one of 10,000', () => {
  const trees = 1024;
  const bytesPerTree = [2, 10_000].map((size) => {
    const random = seededRandom(size);
    const { acker } = ackerWithLog();
    for (let i = 0; i < trees; i++) {
      const slot = acker.begin(0, 0);
      acker.init(slot, acker.generationOf(slot), random.int32(), random.int32(), 0);
      // Each report: one tuple acked, another one emitted under it; the tree stays open.
      for (let n = 1; n < size; n++) {
        acker.ack(slot, acker.generationOf(slot), random.int32(), random.int32(), 0);
      }
    }
    assert.equal(acker.pending, trees);
    assert.equal(acker.capacity, trees);
    return acker.sizeBytes / acker.pending;
  });
  assert.deepEqual(bytesPerTree, [19, 19]);
});

test('slots are reused: memory grows with the maximum number of pending trees, not with their total', () => {
  const { acker } = ackerWithLog();
  for (let i = 0; i < 10_000; i++) {
    const slot = acker.begin(0, i);
    acker.init(slot, acker.generationOf(slot), 1, i, i);
    acker.ack(slot, acker.generationOf(slot), 1, i, i);
  }
  assert.equal(acker.pending, 0);
  assert.equal(acker.capacity, 64);
});
