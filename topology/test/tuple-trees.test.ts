/** Trees whose ids differ in one half only: both halves of an id must count, or a tree completes too early. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Random } from '../random.js';
import { Tuple, type Edge } from '../tuple.js';
import { TupleTrees } from '../tuple-trees.js';

/** An id consists of two numbers; one of them is 7 in all ids. */
function halfRandom(varied: 'high' | 'low'): Random {
  let calls = 0;
  return {
    int32: () => {
      const isHigh = calls % 2 === 0;
      const id = 1 << Math.floor(calls++ / 2);
      return isHigh === (varied === 'high') ? id : 7;
    },
  };
}

function report(): void {
  assert.fail('no bolt is at work');
}

for (const varied of ['high', 'low'] as const) {
  test(`ids that differ in their ${varied} half only are distinguished`, () => {
    const answers: string[] = [];
    const trees = new TupleTrees(
      () => 0,
      halfRandom(varied),
      1_000,
      (_task, _slot, outcome) => answers.push(outcome),
      report,
    );
    const source = { component: 'bolt', task: 0, stream: 'default', fields: [] };
    const tupleOf = (edges: Edge | null): Tuple => new Tuple(source, [], edges);

    const slot = trees.begin(0, 'message');
    const generation = trees.acker.generationOf(slot);
    const roots = [trees.rootEdge(slot, generation), trees.rootEdge(slot, generation)];
    const [hi, lo] = [
      roots.reduce((sum, edge) => sum ^ edge.hi, 0),
      roots.reduce((sum, edge) => sum ^ edge.lo, 0),
    ];
    trees.initialised(slot, generation, hi, lo);
    assert.deepEqual(answers, [], 'two tuples are on their way');

    // Each of them gets two tuples under it.
    const open = roots.map(tupleOf);
    const below = open.flatMap((tuple) => [trees.edgesUnder(tuple), trees.edgesUnder(tuple)]).map(tupleOf);
    for (const tuple of [...open, ...below]) {
      assert.deepEqual(answers, []);
      trees.ack(tuple);
    }
    assert.deepEqual(answers, ['acked']);
  });
}

test('both halves of every id are independent random numbers', () => {
  let calls = 0;
  const trees = new TupleTrees(
    () => 0,
    { int32: () => ++calls },
    1_000,
    () => undefined,
    report,
  );
  const slot = trees.begin(0, 'message');
  const edges = Array.from({ length: 3 }, () => trees.rootEdge(slot, trees.acker.generationOf(slot)));
  const anchors = edges.map(
    (edge) => new Tuple({ component: 'bolt', task: 0, stream: 'default', fields: [] }, [], edge),
  );
  for (const anchor of anchors)
    edges.push(...[trees.edgesUnder(anchor), trees.edgesUnderAll([anchor])].filter((edge) => edge !== null));
  const halves = edges.flatMap(({ hi, lo }) => [hi, lo]);
  assert.equal(edges.length, 9);
  assert.equal(new Set(halves).size, 18);
  assert.ok(!halves.includes(0));
});
