import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listErasures } from '../../facts/erasure-records.js';
import type { Fact, Pageview } from '../../facts/fact.js';
import { overdueErasures } from '../../facts/overdue-erasures.js';
import { makeRules } from '../../facts/rules.js';
import type { Config } from '../../lib/config/config.js';
import { roomOf } from '../../lib/files/data-dir.js';
import { openLogWriter } from '../../log/open-log.js';
import { verifyMaster } from '../../master-data/audit.js';
import { holdViews } from '../../serving/held.js';
import { rollBack, viewIds } from '../../serving/store.js';
import type { ViewMeta } from '../../facts/views/view.js';
import { below, seededRandom } from '../../topology/random.js';
import { findTexts } from '../../test/find-ids.js';
import { auditViews } from '../recomputed-view.js';
import { advanceErasures } from '../erasing.js';
import { runBatch } from '../run.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { rounds } from '../../test/rounds.js';

const erased = ['cookie:gone', 'user:zoë', '\uFEFFcookie:7'] as const;
const day = Date.UTC(2024, 0, 30);
const dayMs = 86_400_000;
let events = 0;

function view(
  visitor: string,
  page: number,
  eventId = `event-${String(events++).padStart(4, '0')}`,
): Pageview {
  return {
    type: 'pageview',
    visitor,
    url: `https://example.com/${page}`,
    timestamp: day + (events % 50) * 600_000,
    eventId,
    receivedAt: testClock(),
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
  };
}

function viewAt(visitor: string, timestamp: number): Pageview {
  return { ...view(visitor, 1), timestamp };
}

function edge(a: string, b: string, type: 'equiv' | 'retract' = 'equiv'): Fact {
  return { type, a, b, timestamp: day, eventId: `edge-${events++}`, receivedAt: testClock() };
}

/** Facts of three persons, of whom one is erased completely and one in part, and of others. */
function facts(): Fact[] {
  const visitors = ['cookie:gone', 'user:zoë', '\uFEFFcookie:7', 'cookie:8', 'user:9', 'cookie:gon', 'x'];
  return [
    ...Array.from({ length: 90 }, (_, i) => view(visitors[i % visitors.length] ?? '', i % 5)),
    edge('cookie:gone', 'user:zoë'),
    edge('\uFEFFcookie:7', 'cookie:8'),
    edge('cookie:8', 'user:9'),
    edge('cookie:gone', 'x'),
    edge('x', 'cookie:gone', 'retract'),
    {
      type: 'exclude',
      by: 'visitor',
      value: 'cookie:gone',
      to: day + 6_000_000,
      timestamp: day,
      eventId: `exclusion-${events++}`,
      receivedAt: testClock(),
    },
  ];
}

function erasures(config: Config): Fact[] {
  const hash = makeRules(config).erasures;
  return erased.map((id) => ({
    type: 'exclude',
    by: 'erased',
    value: hash.valueOf(id),
    timestamp: day,
    eventId: `erasure-${events++}`,
    receivedAt: testClock(),
  }));
}

/** An invalid record of another producer that contains an id. */
const foreign = [
  {
    topic: 'pageviews' as const,
    key: 'k',
    value: Buffer.from('{"visitor":"cookie:gone","kind":{"of":["user:zoë"]}}'),
  },
  { topic: 'pageviews' as const, key: 'k', value: Buffer.from('{"visitor":"cookie:8"}') },
];

async function run(config: Config): Promise<ViewMeta> {
  return runBatch({ config, clock: testClock, trigger: 'command' });
}

function advance(config: Config): Promise<boolean> {
  return advanceErasures({ config, clock: testClock, signal: new AbortController().signal });
}

async function filled(): Promise<Config> {
  const config = makeDataDir({ partitions: 2, sinkMaxRows: 40 });
  await store(config, facts().slice(0, 60));
  await store(config, facts(), foreign);
  return config;
}

test('no file contains erased ids, and nothing changes for others', async () => {
  const config = await filled();
  const { dataDir } = config;
  const first = await run(config);
  mkdirSync(roomOf(dataDir, 'rejected'), { recursive: true });
  writeFileSync(join(roomOf(dataDir, 'rejected'), 'log.ndjson'), '{"line":"cookie:gone"}\n');
  writeFileSync(
    join(roomOf(dataDir, 'dead-letter'), 'pageviews-0-7.json'),
    JSON.stringify({ value: JSON.stringify(view('cookie:gone', 1)) }),
  );
  const kept = join(roomOf(dataDir, 'dead-letter'), 'pageviews-0-9.json');
  writeFileSync(kept, JSON.stringify({ value: JSON.stringify(view('cookie:gon', 1)) }));
  assert.equal(await advance(config), true, 'nothing is erased yet');
  assert.ok((await findTexts(dataDir, erased)).length > 10);

  await store(config, erasures(config));
  const excluded = await run(config);
  assert.ok(
    excluded.counts.pageviews > 60 && excluded.counts.mappedIds === 1,
    JSON.stringify(excluded.counts),
  );
  assert.ok(first.counts.pageviews > excluded.counts.pageviews + 40 && first.counts.mappedIds > 2);
  await assert.rejects(rollBack(dataDir, first.id), { code: 'view.refused' });
  assert.equal(await advance(config), true);
  assert.deepEqual(await findTexts(dataDir, erased), []);
  assert.ok(
    (await findTexts(dataDir, ['cookie:gon', 'cookie:8'])).length > 3,
    'the search finds what is there',
  );
  assert.ok(existsSync(kept));

  assert.deepEqual(viewIds(dataDir), [excluded.id]);
  await assert.rejects(rollBack(dataDir, first.id), { code: 'view.missing' });
  const log = await openLogWriter(config, testClock);
  try {
    const { problems, checked } = await verifyMaster(dataDir, log);
    assert.deepEqual(problems, []);
    assert.ok(checked.invalidRows > 20, `${checked.invalidRows}`);
  } finally {
    await log.close();
  }
  const after = await run(config);
  assert.equal(after.contentHash, excluded.contentHash, 'equal for all who were not erased');
  assert.deepEqual(after.counts, excluded.counts);
  assert.deepEqual(await findTexts(dataDir, erased), [], 'nor after the run that makes the star again');

  const [record, ...others] = listErasures(dataDir);
  assert.deepEqual(others, []);
  assert.equal(record?.state, 'done');
  const filesOf = new Map(record?.parts.map(({ what, files }) => [what.split(':')[0], files]));
  assert.ok((filesOf.get('master dataset')?.length ?? 0) >= 3, JSON.stringify(record));
  assert.ok((filesOf.get('log')?.length ?? 0) >= 1);
  assert.equal(filesOf.get('rejected lines of imports')?.length, 1);
  assert.equal(filesOf.get('dead letters of these ids')?.length, 1);
  assert.ok(readdirSync(roomOf(dataDir, 'erasures')).length > 0);

  await store(config, facts());
  const again = await run(config);
  const erasedViews = facts().filter(
    (fact) => fact.type === 'pageview' && erased.some((id) => id === fact.visitor),
  );
  assert.ok(erasedViews.length > 20);
  assert.equal(again.counts.persons, after.counts.persons, 'facts that come again count nothing');
});

test('an erasure that waits says at which step, and is overdue by the clock', async () => {
  const config = await filled();
  const { dataDir } = config;
  const first = await run(config);
  holdViews(dataDir, 'query', [first.id]);
  await store(config, erasures(config));
  await run(config);
  assert.equal(await advance(config), false, 'a process has the view of before open');
  const late = (now: number): string[] =>
    overdueErasures(listErasures(dataDir), { now, hours: config.erasureHours }).map(({ step }) => step);
  assert.deepEqual(late(testClock() + 24 * 3_600_000), []);
  assert.deepEqual(late(testClock() + 25 * 3_600_000), ['views']);
  holdViews(dataDir, 'query', []);
  assert.equal(await advance(config), true);
  assert.deepEqual(late(testClock() + 25 * 3_600_000), []);
});

test('killed at any moment, erasing resumes and loses nothing', async () => {
  const config = await filled();
  const { dataDir } = config;
  await run(config);
  await store(config, erasures(config));
  const excluded = await run(config);
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const random = seededRandom(seed);
  const kills: string[] = [];
  for (let attempt = 0; ; attempt++) {
    assert.ok(attempt < 60, `SEED=${seed}: it never ends: ${kills.join(' ')}`);
    const at = 1 + below(random, 20 + rounds(30, 12) * attempt);
    const when = below(random, 2) === 0 ? 'before' : 'after';
    const { status, signal, stderr } = spawnSync(
      process.execPath,
      [new URL('./erasing-child.js', import.meta.url).pathname, dataDir, String(at), when],
      { encoding: 'utf8' },
    );
    if (status === 0) break;
    kills.push(`${when} ${at}`);
    assert.equal(signal, 'SIGKILL', `SEED=${seed} ${kills.join(' ')}: ${stderr}`);
  }
  const told = `SEED=${seed}: ${kills.join(' ')}`;
  assert.ok(kills.length >= 4, told);
  assert.deepEqual(await findTexts(dataDir, erased), [], told);
  const { problems } = await verifyMaster(dataDir, undefined);
  assert.deepEqual(problems, [], told);
  await store(config, [view('cookie:new', 1)]);
  const after = await run(config);
  assert.equal(after.counts.pageviews, excluded.counts.pageviews + 1, told);
  assert.equal(after.counts.mappedIds, excluded.counts.mappedIds, told);
  const [record] = listErasures(dataDir);
  const files = record?.parts.flatMap((part) => part.files) ?? [];
  const records = files.reduce((sum, file) => sum + file.records, 0);
  const gone = records / 2; // each was in the log and in the master dataset
  assert.ok(gone > 60 && Number.isInteger(gone), `${told}: ${JSON.stringify(record)}`);
});

test('pageviews that are too old leave answers with a run, and then files, and so do edges neither of whose ids is seen; late ones are never counted', async () => {
  const config = { ...makeDataDir({ partitions: 2, sinkMaxRows: 40 }), retentionDays: 30 };
  const { dataDir } = config;
  const keptFrom = Math.floor((testClock() - 30 * dayMs) / dayMs) * dayMs;
  const old = Array.from({ length: 50 }, (_, i) => viewAt(`old:${i}`, keptFrom - 1 - i * 3_600_000));
  const young = Array.from({ length: 50 }, (_, i) => viewAt(`young:${i}`, keptFrom + i * 3_600_000));
  const unseen = [edge('old:2', 'old:gone'), edge('gone:1', 'gone:2', 'retract')];
  const fresh: Fact = { ...edge('fresh:1', 'fresh:2'), timestamp: keptFrom };
  await store(config, [...old, ...young, edge('old:1', 'young:1'), ...unseen, fresh]);
  const all = await run({ ...config, retentionDays: 0 });
  assert.equal(all.counts.pageviews, 100);
  const kept = await run(config);
  assert.deepEqual([kept.counts.pageviews, kept.counts.mappedIds, kept.keptFrom], [50, 2, keptFrom]);
  assert.equal(all.counts.mappedIds, 3);
  assert.deepEqual(await exactly(config), []);
  assert.equal(await advance(config), true);
  const texts = [...old.map((fact) => fact.eventId), 'old:gone', 'gone:1', 'gone:2'];
  assert.deepEqual(
    (await findTexts(dataDir, texts)).filter((file) => !file.startsWith('serving/')),
    [],
  );
  assert.equal(
    (
      await findTexts(
        dataDir,
        young.map((fact) => fact.eventId),
      )
    ).length,
    100,
  );
  const edges = ['old:1', 'young:1', 'fresh:1', 'fresh:2'];
  assert.ok(
    (await findTexts(dataDir, edges)).filter((file) => file.startsWith('master/equivs/')).length >= 4,
  );
  const { problems } = await verifyMaster(dataDir, undefined);
  assert.deepEqual(problems, []);
  assert.equal((await run(config)).contentHash, kept.contentHash);
  await store(config, [viewAt('old:late', keptFrom - 5), viewAt('young:late', keptFrom + 5)]);
  assert.equal((await run(config)).counts.pageviews, 51);
  assert.equal(
    (await run({ ...config, retentionDays: 0 })).keptFrom,
    keptFrom,
    'what may be erased stays out',
  );
});

async function exactly(config: Config): Promise<readonly string[]> {
  const { problems } = await auditViews({ config, recount: true, exact: true });
  return problems;
}
