/** A layer that sets the clock, minutes to hours forth and back, of all processes at once. Timers, which no clock moves, go on. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { bodies } from '../../query/bodies.js';
import { readStatus, roles } from '../../lib/process/status.js';
import { listRuns } from '../../serving/batch-runs.js';
import { currentIfAny } from '../../serving/current.js';
import { eventually } from '../eventually.js';
import { readLog } from './system-under-test.js';
import type { Layer } from './layer.js';
import { requested } from './load.js';
import { Shim, shimSkip } from './shim.js';
import { Trial } from './trial.js';

/** Seconds; one after the other in a random place of the list. The way there is one jump, the way back another. */
const jumps = [40, 600, 3_600, 6 * 3_600, 26 * 3_600, -40, -600, -3_600, -6 * 3_600, -26 * 3_600];

/** A run each so many seconds. */
const slotSeconds = 6;
/** Within which all must be as if the clock had not been touched. */
const soonMs = 90_000;
/** How far the times that are shown may be from the clock: roles say how they are every few seconds. */
const oldMs = 20_000;

const freshnessSchema = bodies.uniques.pick({ freshness: true });
const question = '/v1/uniques?domain=example.com&from=2025-01-01T00:00:00Z&to=2025-01-02T00:00:00Z';

const clockJumps: Layer = {
  name: 'the clock jumps',
  rounds: 1 / 3, // the long form
  minimum: 1 / 3,
  skip: shimSkip,
  async open(t) {
    let shim: Shim | undefined;
    const trial = await Trial.start(t, 'together', {
      environment: (root) => {
        shim = new Shim(t, root);
        return {
          ...shim.env({ log: false }),
          SWA_BATCH_SCHEDULE: `*/${slotSeconds} * * * * *`,
          SWA_SEGMENT_BYTES: '100000000', // so that nothing is trimmed: every fact's receivedAt is looked at
        };
      },
    });
    const { system, history } = trial;
    assert.ok(shim !== undefined);
    const clock = shim;
    let aheadSeconds = 0;
    const now = (): number => Date.now() + aheadSeconds * 1_000;

    /** What goes on, and what is shown, is as it should be by the clock as it is now. */
    const isWell = async (): Promise<void> => {
      const acknowledged = history.acknowledgedCount;
      await eventually(
        'facts are acknowledged',
        () => history.acknowledgedCount >= acknowledged + 40 || undefined,
        soonMs,
      );
      const before = [currentIfAny(system.dataDir), currentIfAny(system.dataDir)];
      for (const i of before.keys()) {
        before[i] = currentIfAny(system.dataDir);
        await eventually(
          () => `a scheduled run; the last ones: ${JSON.stringify(listRuns(system.dataDir).slice(-2))}`,
          () => currentIfAny(system.dataDir) !== before[i] || undefined,
          soonMs,
        );
      }
      const isListedLast = (): boolean => {
        const last = listRuns(system.dataDir).findLast(({ outcome }) => outcome === 'published');
        return last !== undefined && Math.abs(last.startedAt - now()) < soonMs;
      };
      await eventually('the last run is listed as the last', isListedLast, soonMs); // its record is written after CURRENT has moved
      let seen: unknown;
      const isShown = async (): Promise<true | undefined> => {
        const answer = await requested(`${system.origin}${question}`);
        const entries = readStatus(system.dataDir);
        seen = { now: now(), text: answer?.text, entries };
        if (answer?.status !== 200) return undefined;
        const { complete, realtime } = freshnessSchema.parse(JSON.parse(answer.text)).freshness;
        const isFresh = complete && realtime?.lagMs !== null && (realtime?.lagMs ?? Infinity) < oldMs;
        const areNew = entries.every(({ updatedAt }) => Math.abs(updatedAt - now()) < oldMs);
        const areAll = roles.every((role) =>
          entries.some((entry) => entry.role === role && entry.state === 'running'),
        );
        return (isFresh && areNew && areAll) || undefined;
      };
      try {
        await eventually('freshness and status by the new clock', isShown, soonMs);
      } catch (error) {
        throw new Error(`shown last: ${JSON.stringify(seen)}`, { cause: error });
      }
    };

    return {
      round: async (random, number) => {
        await trial.settle();
        const begin = await system.withLog((open) => open.latest()); // facts of earlier rounds have times of their jumps
        const times = [now()];
        await trial.round(random, async () => {
          for (const ahead of [jumps[random(jumps.length)] ?? 0, 0]) {
            if (random(2) === 0) await trial.askForRun();
            await delay(random(500));
            times.push(now());
            aheadSeconds = ahead;
            clock.setClock(ahead);
            times.push(now());
            t.diagnostic(`round ${number}: ${ahead} seconds from the machine's time`);
            await isWell();
          }
          return true;
        });
        times.push(now());
        const [least, most] = [Math.min(...times), Math.max(...times)];
        const { log } = await system.withLog(readLog);
        const recent = log.filter(({ partition, offset }) => offset >= (begin[partition] ?? 0));
        assert.ok(recent.length > 0);
        for (const { fact } of recent)
          assert.ok(
            fact.receivedAt >= least - 1_000 && fact.receivedAt <= most + 1_000,
            JSON.stringify(fact),
          );
        return true;
      },
    };
  },
};

export const clockLayers: readonly Layer[] = [clockJumps];
