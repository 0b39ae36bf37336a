/** The same as order.whole.test.ts of the whole system: from facts that come by HTTP to the hand-over to a new generation. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPointer } from '../../speed/store/layout.js';
import { readCurrent } from '../../serving/current.js';
import { seededRandom, below } from '../../topology/random.js';
import { eventually } from '../eventually.js';
import { SystemUnderTest } from './system-under-test.js';
import { History } from './history.js';
import { askOne, makeFacts, requested, sendFacts } from './load.js';
import { assertInOrder, checkOrder } from './order.js';
import { Shim, shimSkip, type ShimEvent } from './shim.js';

test(
  'nothing is relied on before it is durable, from the door to the hand-over',
  { skip: shimSkip },
  async (t) => {
    let shim: Shim | undefined;
    const system = await SystemUnderTest.make(t, {
      environment: (root) => {
        shim = new Shim(t, root);
        return shim.env({ log: true });
      },
    });
    const random = seededRandom(1);
    const pick = (bound: number): number => below(random, bound);
    system.start('all');
    // One thing after the other: then all that was written before an acknowledgement belongs to it.
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 15; i++) {
        const facts = makeFacts(pick, `${round}.${i}`, 5);
        await eventually('an acknowledgement', () =>
          sendFacts(system.origin, facts).then((ok) => ok || undefined),
        );
      }
      const before = round === 0 ? undefined : readCurrent(system.dataDir);
      await eventually('a run is asked for', async () => {
        const asked = await requested(`${system.origin}/v1/batches`, { method: 'POST' });
        return asked?.status === 202 || undefined;
      });
      await eventually('the hand-over', () => {
        const serving = readPointer(system.dataDir)?.serving;
        const isNew = serving !== undefined && !serving.startsWith('v000000') && serving !== before;
        return isNew || undefined;
      });
      await eventually('an answer', () =>
        askOne(system.origin, 'a', new History(), pick).then((got) => got || undefined),
      );
    }
    assert.equal(await system.stop('all'), '0');
    const events: readonly ShimEvent[] = shim?.events() ?? [];
    const report = checkOrder(events, system.dataDir, true);
    const acks = report.moments.get('an acknowledgement') ?? 0;
    t.diagnostic(`${events.length} calls, ${acks} acknowledgements`);
    assertInOrder(report);
    assert.ok(acks >= 32);
    for (const name of ['CURRENT gets its name', 'SERVING gets its name', 'a manifest gets its name']) {
      assert.ok((report.moments.get(name) ?? 0) > 1, name);
    }
  },
);
