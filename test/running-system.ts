/** The whole system on a fresh temporary data directory and a free port, for tests. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { z } from 'zod';
import { startSystem, type RunningSystem } from '../cli/system.js';
import { systemClock } from '../lib/time/clock.js';
import { reaches } from '../log/cut.js';
import type { Offsets } from '../log/log.js';
import { configWith, type Config } from '../lib/config/config.js';
import { eventually } from './eventually.js';
import { tempDir } from './temp-dir.js';

const cutSchema = z.record(z.string(), z.number()).transform((cut) => cut as Offsets); // names and offsets come from the log

export const answerSchema = z.object({
  data: z
    .object({
      visitors: z.number().optional(),
      pageviews: z.number().optional(),
      series: z
        .array(
          z
            .object({
              visitors: z.number().optional(),
              lower: z.number().optional(),
              upper: z.number().optional(),
              exact: z.boolean().optional(),
              pageviews: z.number().optional(),
            })
            .loose(),
        )
        .optional(),
    })
    .loose(),
  accuracy: z
    .object({
      exact: z.boolean(),
      lower: z.number().optional(),
      upper: z.number().optional(),
    })
    .loose(),
  freshness: z
    .object({
      generation: z.string(),
      batch: z.object({ cut: cutSchema }).loose(),
      realtime: z.object({ cut: cutSchema }).loose().nullable(),
    })
    .loose(),
});
export type Answer = z.infer<typeof answerSchema>;

export interface TestSystem {
  readonly system: RunningSystem;
  readonly config: Config;
  ask(path: string): Promise<Answer>;
  get(path: string): Promise<Response>;
  send(facts: readonly object[]): Promise<void>;
}

export async function startTestSystem(t: TestContext, change: Partial<Config> = {}): Promise<TestSystem> {
  const dir = tempDir('system');
  const config = configWith({
    dataDir: join(dir, 'data'),
    httpPort: 0,
    batchSchedule: 'off',
    sinkIntervalMs: 500,
    logLevel: 'error',
    ...change,
  });
  const logger = pino({ level: 'error' }, pino.destination({ fd: 2, sync: true }));
  const system = await startSystem({ config, clock: systemClock, logger });
  system.done.catch(() => undefined); // a failure shows in the requests that follow
  t.after(async () => {
    await system.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const get = (path: string): Promise<Response> => fetch(`${system.origin}${path}`);
  return {
    system,
    config,
    get,
    async ask(path) {
      const response = await get(path);
      const body: unknown = await response.json();
      assert.equal(response.status, 200, `${path}: ${JSON.stringify(body)}`);
      return answerSchema.parse(body);
    },
    async send(facts) {
      const response = await fetch(`${system.origin}/v1/events`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(facts),
      });
      const body = await response.text();
      assert.equal(response.status, 202, body);
      assert.deepEqual(JSON.parse(body), { accepted: facts.length, rejected: [], warnings: [] });
    },
  };
}

/** Waits until answers are made from every fact in the log. */
export async function untilAllCounted(swa: TestSystem): Promise<void> {
  const latest = await swa.system.log.latest();
  await eventually('the realtime view has all facts', async () => {
    const { freshness } = await swa.ask(anyQuestion);
    return reaches(freshness.realtime?.cut ?? {}, latest) || undefined;
  });
}

/** Asks for a run, and waits until answers are of a new generation that covers the whole log. Returns the generation. */
export async function runBatch(swa: TestSystem): Promise<string> {
  const latest = await swa.system.log.latest();
  const asked = await fetch(`${swa.system.origin}/v1/batches`, { method: 'POST' });
  assert.equal(asked.status, 202, await asked.text());
  return eventually('a batch view covers the log', async () => {
    const { freshness } = await swa.ask(anyQuestion);
    return reaches(freshness.batch.cut, latest) ? freshness.generation : undefined;
  });
}

/**
 * Waits until the speed layer has followed to a generation. Before that, a new fact may be answered by the generation before: the new batch view
 * alone does not have it.
 */
export async function untilHandedOver(swa: TestSystem, generation: string): Promise<void> {
  await eventually('the speed layer follows', async () => {
    const { freshness } = await swa.ask(anyQuestion);
    return (freshness.realtime !== null && freshness.generation === generation) || undefined;
  });
}

const anyQuestion = '/v1/uniques?domain=example.org&from=1970-01-01T00:00:00Z&to=1970-01-01T01:00:00Z';
