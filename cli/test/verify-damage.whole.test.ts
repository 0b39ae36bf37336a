/**
 * Each kind of damage (damage-of-facts.ts, damage-of-views.ts) on a copy of one small data directory: `swa verify` finds it and names the file and a fix, and
 * after the fix the finding is gone; or the damage is harmless, and answers are equal.
 */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pino } from 'pino';
import { runBatch as runBatchHere } from '../../batch/run.js';
import { systemClock } from '../../lib/time/clock.js';
import type { Config } from '../../lib/config/config.js';
import type { Pageview } from '../../facts/fact.js';
import { encodeRecord } from '../../facts/record.js';
import { offset } from '../../log/log.js';
import { openLogWriter } from '../../log/open-log.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { writeDeadLetter } from '../../speed/bolts/dead-letters.js';
import { lcg } from '../../test/random.js';
import { eventually } from '../../test/eventually.js';
import { runBatch, startTestSystem, untilAllCounted } from '../../test/running-system.js';
import { recoverDataDir } from '../recovery.js';
import { startSystem } from '../system.js';
import { verifyDataDir, type Verification } from '../verification.js';
import type { DamageKind } from './damage.js';
import { damageOfFacts } from './damage-of-facts.js';
import { damageOfViews } from './damage-of-views.js';
import { tempDir } from '../../test/temp-dir.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const only = process.env['KIND'];
const question = '/v1/uniques?domain=e.org&from=2024-01-01T00:00:00Z&to=2024-01-03T00:00:00Z';

const fact = (n: number): Omit<Pageview, 'receivedAt'> => ({
  type: 'pageview',
  visitor: `cookie:${n % 97}`,
  url: `https://e.org/${n % 13}`,
  timestamp: Date.UTC(2024, 0, 1) + n * 60_000,
  eventId: `e${n}`,
});

const silent = pino({ level: 'silent' });

/** A data directory with facts in every place: in the batch view, only in the master dataset, only in the log; and jobs and a dead letter. */
async function makeModel(t: TestContext): Promise<Config> {
  const swa = await startTestSystem(t, {
    partitions: 2,
    segmentBytes: 65_536,
    sinkMaxRows: 100,
    sinkIntervalMs: 100,
    batchThreads: 1,
  });
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    await swa.send(Array.from({ length: count }, () => fact(sent++)));
  };
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 3; i++) await send(100);
    await swa.send([
      { type: 'equiv', a: `cookie:${round}`, b: `user:${round}`, timestamp: Date.UTC(2024, 0, 1) },
    ]);
    await runBatch(swa);
  }
  await send(100);
  await untilAllCounted(swa);
  await swa.system.stop();
  const { config } = swa;
  const log = await openLogWriter(config, systemClock);
  const urls = new UrlRules();
  const receivedAt = systemClock();
  for (let i = 0; i < 5; i++)
    await log.append(Array.from({ length: 20 }, () => encodeRecord({ ...fact(sent++), receivedAt }, urls)));
  await log.close();
  const queue = openJobQueue(config.dataDir, 'import', systemClock);
  queue.add({ requestedBy: 'test', requestedAt: 0, file: '/nowhere', format: 'combined' });
  await queue.close();
  writeDeadLetter(config.dataDir, {
    partition: 'pageviews/0',
    offset: offset(3),
    reason: 'test',
    at: 0,
    value: Buffer.from('x'),
  });
  return config;
}

function copyOf(model: Config): Config {
  const dir = tempDir('damage');
  cpSync(model.dataDir, join(dir, 'data'), { recursive: true });
  return { ...model, dataDir: join(dir, 'data') };
}

const verify = (config: Config, recount = false): Promise<Verification> =>
  verifyDataDir({ config, clock: systemClock }, { recount });

function isComplete(body: unknown): boolean {
  return JSON.stringify(body).includes('"complete":true');
}

/** The answers of a system on this data directory after it has caught up. */
async function answer(config: Config): Promise<unknown> {
  const system = await startSystem({ config, clock: systemClock, logger: silent });
  try {
    const body = await eventually('a complete answer', async () => {
      const response = await fetch(`${system.origin}${question}`);
      const found: unknown = await response.json();
      return response.status === 200 && isComplete(found) ? (found as { data: unknown }) : undefined;
    });
    return body.data;
  } finally {
    await system.stop();
  }
}

/** Applies the fix of a finding if a program can. Returns false if the fix needs a backup. */
async function follow(config: Config, fix: string, finding: string): Promise<boolean> {
  const path = finding.split(' ').find((word) => word.startsWith(config.dataDir));
  const deleted = / delete (\/\S+);/.exec(fix)?.[1];
  if (deleted !== undefined) rmSync(deleted, { recursive: true });
  else if (/(^delete it|move it out)/.test(fix) && path !== undefined)
    rmSync(path.replace(/:$/, ''), { recursive: true });
  else if (fix.startsWith('start the s')) await answer(config);
  else if (/swa (recover|batch run)/.test(fix)) {
    const { steps } = fix.includes('swa recover')
      ? await recoverDataDir({ config, clock: systemClock }, { repair: true, acceptLoss: true })
      : { steps: [] };
    if (steps.length === 0 && fix.includes('swa batch run'))
      await runBatchHere({ config, clock: systemClock, trigger: 'command' });
  } else return false;
  return true;
}

async function tryOne(model: Config, kind: DamageKind, expected: unknown): Promise<'found' | 'harmless'> {
  const config = copyOf(model);
  await kind.damage({ dataDir: config.dataDir, random: lcg(seed) });
  const { ok, findings } = await verify(config, kind.recount ?? false);
  const { found } = kind;
  if (found === 'harmless' || (ok && kind.mayBeHarmless === true)) {
    assert.deepEqual([ok, findings], [true, []]);
    assert.deepEqual(await answer(config), expected);
    return 'harmless';
  }
  assert.equal(ok, false, 'it was not found');
  const all = findings.map(({ finding }) => finding).join('\n');
  assert.match(all, found);
  for (const { finding, fix } of findings) {
    assert.ok(fix.length > 0, `no way on from ${finding}`);
    assert.doesNotMatch(finding, /\n|undefined|\[object/);
  }
  const first = findings.find(({ finding }) => found.test(finding));
  assert.ok(first);
  if (!(await follow(config, first.fix, first.finding))) return 'found';
  const after = await verify(config, kind.recount ?? false);
  assert.ok(
    after.findings.every(({ finding }) => finding !== first.finding),
    `still after "${first.fix}": ${first.finding}`,
  );
  return 'found';
}

test('every kind of damage is found, with a way on that ends it, or is harmless', async (t) => {
  const model = await makeModel(t);
  assert.deepEqual((await verify(model, true)).findings, [], 'the model is whole');
  const expected = await answer(copyOf(model));
  const kinds = [...damageOfFacts, ...damageOfViews].filter(
    ({ what }) => only === undefined || what.includes(only),
  );
  const counts = { found: 0, harmless: 0 };
  for (const kind of kinds)
    await t.test(kind.what, async () => {
      counts[await tryOne(model, kind, expected)]++;
    });
  process.stdout.write(
    `# SEED=${seed}: ${kinds.length} kinds of damage, ${counts.found} found, ${counts.harmless} harmless\n`,
  );
  if (only === undefined) assert.ok(counts.found + counts.harmless >= 49);
});
