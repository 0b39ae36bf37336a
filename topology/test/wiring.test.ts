/** Invalid wirings are rejected when the topology is built, with a message that names the error. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { TopologyBuilder } from '../index.js';
import { FunctionBolt, ListSpout, simulated } from './parts.js';

const bolt = () => new FunctionBolt(() => {});
const spout = () => new ListSpout([]);

const refused: readonly [string, RegExp, (builder: TopologyBuilder) => void][] = [
  ['a component set twice', /'a' is defined twice/, (b) => [b.setSpout('a', spout), b.setBolt('a', bolt)]],
  ['no whole number of tasks', /parallelism 0/, (b) => b.setSpout('a', spout, 0)],
  [
    'a sender that is not set',
    /reads from 'b', which is not defined/,
    (b) => b.setBolt('a', bolt).allGrouping('b'),
  ],
  [
    'an undeclared stream',
    /reads stream 'side' of 'a', which declares default/,
    (b) => [b.setSpout('a', spout), b.setBolt('b', bolt).shuffleGrouping('a', 'side')],
  ],
  [
    'an undeclared field',
    /groups by 'word', but 'a' declares item/,
    (b) => [b.setSpout('a', spout), b.setBolt('b', bolt).fieldsGrouping('a', ['word'])],
  ],
  [
    'no field',
    /by no field/,
    (b) => [b.setSpout('a', spout), b.setBolt('b', bolt).partialKeyGrouping('a', [])],
  ],
  [
    'a cycle',
    /cycle: 'b', 'c'/,
    (b) => [b.setBolt('b', bolt).shuffleGrouping('c'), b.setBolt('c', bolt).shuffleGrouping('b')],
  ],
];

for (const [what, message, declare] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => simulated(declare), { code: 'topology.invalid', message });
  });
}

test('bolts may be declared in any order', () => {
  const { topology } = simulated((builder) => {
    builder.setBolt('c', bolt).shuffleGrouping('b');
    builder.setBolt('b', bolt).shuffleGrouping('a');
    builder.setSpout('a', spout);
  });
  assert.equal(topology.turn(), 0);
});
