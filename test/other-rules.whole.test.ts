/**
 * The rules change between two starts, by the configuration as they would by an upgrade: the batch view of before is
 * merged with nothing that is counted by the new rules, says so, and is replaced by a run that starts at once.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { z } from 'zod';
import { listRuns } from '../serving/batch-runs.js';
import { systemClock } from '../lib/time/clock.js';
import { configWith, type Config } from '../lib/config/config.js';
import { encodeRecord } from '../facts/record.js';
import { makeRules } from '../facts/rules.js';
import { reaches } from '../log/cut.js';
import { openLogWriter } from '../log/open-log.js';
import { readStatus, type StatusEntry } from '../lib/process/status.js';
import { startQuery } from '../query/role.js';
import { hour0, pageview, time0 } from '../speed/test/facts.js';
import { startSpeed } from '../speed/role.js';
import { eventually } from './eventually.js';
import { startTestSystem, type TestSystem } from './running-system.js';
import { tempDir } from './temp-dir.js';

const page = 'https://e.org/a?q=1&x=2';
const range = `from=${time0}&to=${(hour0 + 1) * 3_600_000}`;
const human = { type: 'pageview', visitor: 'cookie:1', url: page, timestamp: time0 };
const bot = { ...human, visitor: 'cookie:2', userAgent: 'Googlebot/2.1 (+http://www.google.com/bot.html)' };

const bodySchema = z.object({
  data: z.object({ visitors: z.number() }).loose(),
  freshness: z
    .object({
      generation: z.string(),
      realtime: z.object({}).loose().nullable(),
      complete: z.boolean(),
      incompleteReason: z.string().nullable(),
    })
    .loose(),
  rules: z.record(z.string(), z.string()),
});
type Body = z.infer<typeof bodySchema>;

async function ask(origin: string, url: string): Promise<Body> {
  const response = await fetch(`${origin}/v1/uniques?url=${encodeURIComponent(url)}&${range}`);
  return bodySchema.parse(await response.json());
}

const changes: readonly {
  readonly name: string;
  readonly change: Partial<Config>;
  /** The page of the facts above and its visitors, before and after. */
  readonly before: readonly [string, number];
  readonly after: readonly [string, number];
}[] = [
  {
    name: 'SWA_BOTS',
    change: { bots: 'include' },
    before: ['https://e.org/a', 1],
    after: ['https://e.org/a', 2],
  },
  {
    name: 'SWA_URL_QUERY_ALLOW',
    change: { urlQueryAllow: ['q'] },
    before: ['https://e.org/a', 1],
    after: ['https://e.org/a?q=1', 1],
  },
];

for (const { name, change, before, after } of changes) {
  test(`${name} changed between two starts: the old view answers alone until the new one is there`, async (t) => {
    const dataDir = tempDir('rules');
    const old: Partial<Config> = { dataDir, sinkIntervalMs: 50 };
    const first = await startTestSystem(t, old);
    await first.send([human, bot]);
    const view = await runBatch(first);
    assert.equal((await ask(first.system.origin, before[0])).data.visitors, before[1]);
    await first.system.stop();

    await withoutBatchRole(t, { ...old, ...change }, view);

    const second = await startTestSystem(t, { ...old, ...change });
    const { origin } = second.system;
    const ours = await eventually('an answer by the new rules', async () => {
      const answer = await ask(origin, after[0]);
      return answer.freshness.complete && answer.freshness.realtime !== null ? answer : undefined;
    });
    assert.equal(ours.data.visitors, after[1] + 1, 'with the fact that was sent meanwhile');
    assert.notEqual(ours.freshness.generation, view);
    assert.deepEqual(ours.rules, rulesOf(change).versions);
    const runs = listRuns(dataDir).map(({ trigger, outcome }) => `${trigger} ${outcome}`);
    assert.deepEqual(runs, ['request published', 'rules published']);
    await eventually('speed in that generation, without an error', () => {
      const status = speedStatus(dataDir);
      return (
        (status?.lastError === null && status.details['generation'] === ours.freshness.generation) ||
        undefined
      );
    });
  });
}

function rulesOf({ urlQueryAllow = [], bots = 'exclude' }: Partial<Config>): ReturnType<typeof makeRules> {
  return makeRules({ urlQueryAllow, bots });
}

function speedStatus(dataDir: string): StatusEntry | undefined {
  return readStatus(dataDir).find(({ role }) => role === 'speed');
}

/** One batch run over all that is in the log; the id of the view that serves then. */
async function runBatch(swa: TestSystem): Promise<string> {
  const { system } = swa;
  const end = await system.log.latest();
  const asked = await fetch(`${system.origin}/v1/batches`, { method: 'POST' });
  assert.equal(asked.status, 202);
  return eventually('both layers over all facts', async () => {
    const { freshness } = await swa.ask(`/v1/uniques?domain=e.org&${range}`);
    const isThere = freshness.realtime !== null && reaches(freshness.batch.cut, end);
    return isThere ? freshness.generation : undefined;
  });
}

/** Speed and query under the new rules, and nobody who could make a view: a fact that comes is counted nowhere. */
async function withoutBatchRole(t: TestContext, change: Partial<Config>, view: string): Promise<void> {
  const config = configWith({ batchSchedule: 'off', httpPort: 0, logLevel: 'error', ...change });
  const { dataDir } = config;
  const context = { config, clock: systemClock, logger: pino({ level: 'silent' }) };
  const writer = await openLogWriter(config, systemClock);
  const roles = [await startSpeed(context), await startQuery(context)];
  const stop = async (): Promise<void> => {
    for (const role of roles.splice(0)) await role.stop();
    await writer.close();
  };
  t.after(stop);
  const origin = String(readStatus(dataDir).find(({ role }) => role === 'query')?.details['url']);
  await eventually('the speed layer to say why it does not follow', () => {
    const status = speedStatus(dataDir);
    return (status?.pid === process.pid && status.lastError?.code === 'view.other-rules') || undefined;
  });
  await writer.append([encodeRecord(pageview('cookie:3', page), rulesOf(change).url)]);
  const since = systemClock();
  await eventually(
    'the speed layer to have looked around twice',
    () => (speedStatus(dataDir)?.updatedAt ?? 0) > since + 1_000 || undefined,
  );
  const { data, freshness, rules } = await ask(origin, 'https://e.org/a');
  assert.equal(data.visitors, 1, 'as the view says');
  assert.deepEqual(freshness.realtime, null);
  assert.deepEqual([freshness.complete, freshness.incompleteReason], [false, 'other-rules']);
  assert.equal(freshness.generation, view);
  assert.deepEqual(rules, rulesOf({}).versions);
  assert.equal(speedStatus(dataDir)?.details['generation'], null);
  await stop();
}
