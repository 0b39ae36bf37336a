/**
 * Spark makes the same views as our own threads: equal content hashes, and equal statistics, over random histories (test/law/) cut
 * anywhere. All histories of a run are computed in one session of Spark. RUNS= and SEED= as in lambda-law.test.ts.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { allBucketMinutes } from '../../lib/time/buckets.js';
import fc from 'fast-check';
import { buildView, type BuildOptions } from '../../batch/pipeline.js';
import { ProgressMeter } from '../../batch/progress.js';
import { buildByEngine } from '../../batch/tables/build.js';
import { makeRules } from '../../facts/rules.js';
import { testErasures } from '../../facts/test/erasures.js';
import { configWith } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { offset } from '../../log/log.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { snapshotAt, takeSnapshot } from '../../master-data/snapshot.js';
import { newBuildingDir } from '../../serving/store.js';
import { MemoryLog } from '../../speed/test/memory-log.js';
import { histories, pageviewPartitions, type History, type RecordSpec } from '../law/history.js';
import { start } from '../law/records.js';
import { Producers } from '../law/producers.js';
import { tempDir } from '../temp-dir.js';
import { sharedSpark, skipSpark } from './spark.js';

const runs = Number(process.env['RUNS'] ?? 6);
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const rules = { ...makeRules({ urlQueryAllow: [], bots: 'exclude' }), erasures: testErasures };

/** A history of records alone, and where it is cut; the rest is of the speed layer. */
const cases = fc.record({
  history: histories,
  share: fc.constantFrom(1, 1, 0.5, 0.8),
  drains: fc.constantFrom(1, 3),
  /** As with SWA_RETENTION_DAYS; most histories of pageviews lie around it. */
  keptFrom: fc.constantFrom(undefined, start, start - 60_000),
});

test(
  `Spark makes the views of our own threads in ${runs} random histories (seed ${seed})`,
  { skip: skipSpark },
  async (t) => {
    const base = tempDir('spark');
    const engine = sharedSpark(runs, join(base, 'spark.log'));
    const seen = {
      repeats: 0,
      botPageviews: 0,
      excludedPageviews: 0,
      refusedUrls: 0,
      liveEdges: 0,
      invalidPageviews: 0,
      cappedComponents: 0,
      withRetention: 0,
    };
    const built = await Promise.all(
      fc.sample(cases, { seed, numRuns: runs }).map(async ({ history, share, drains, keptFrom }, number) => {
        const maxPersonIds = number % 3 === 2 ? 3 : 0;
        const options = await optionsOf(
          join(base, String(number)),
          { ...history, bucketMinutes: allBucketMinutes[number % 3] ?? 60 },
          {
            share,
            maxPersonIds,
            drains,
            keptFrom,
          },
        );
        const ours = await buildView(options('ours'));
        const theirs = await buildByEngine({ ...options('theirs'), engine });
        return { number, ours, theirs };
      }),
    );
    for (const { number, ours, theirs } of built) {
      const what = `history ${number} of seed ${seed}`;
      const { starBytesRead: _, masterBytesRead: __, ...rest } = ours.statistics;
      const { starBytesRead: ___, masterBytesRead: ____, ...other } = theirs.statistics;
      assert.deepEqual(other, rest, what);
      assert.deepEqual(theirs.meta.view, ours.meta.view, what);
      seen.invalidPageviews += rest.invalidPageviews;
      seen.repeats += rest.repeats;
      seen.botPageviews += rest.botPageviews;
      seen.excludedPageviews += rest.excludedPageviews;
      seen.refusedUrls += rest.refusedUrls;
      seen.liveEdges += rest.liveEdges;
      seen.cappedComponents += rest.persons.cappedComponents;
      seen.withRetention += ours.meta.view.keptFrom === undefined ? 0 : 1;
    }
    t.diagnostic(JSON.stringify(seen));
    for (const [what, count] of Object.entries(seen)) assert.ok(count > 0, `no ${what} in any history`);
  },
);

async function optionsOf(
  dataDir: string,
  { lgK, bucketMinutes, equivPartitions, steps }: History,
  {
    share,
    maxPersonIds,
    drains,
    keptFrom,
  }: {
    readonly share: number;
    readonly maxPersonIds: number;
    readonly drains: number;
    readonly keptFrom: number | undefined;
  },
): Promise<(name: string) => BuildOptions> {
  const config = configWith({ dataDir, lgK, bucketMinutes });
  openDataDir(config);
  const log = new MemoryLog(pageviewPartitions, equivPartitions);
  const producers = new Producers(log);
  const records = steps.filter((step): step is RecordSpec => isRecord(step.kind));
  const size = Math.ceil(records.length / drains);
  for (let from = 0; from < records.length; from += size) {
    for (const record of records.slice(from, from + size)) producers.tell(record);
    await drainLogToMaster({ config, clock: () => 0 }, { log });
  }
  const next = Object.fromEntries(
    Object.entries(log.end()).map(([name, end]) => [name, offset(Math.floor(end * share))]),
  );
  const snapshot = snapshotAt(takeSnapshot(dataDir), { logId: log.id, next });
  return (name) => ({
    snapshot,
    rules,
    lgK,
    bucketMinutes,
    maxPersonIds,
    keptFrom,
    number: 1,
    createdAt: 0,
    previous: undefined,
    viewDir: newBuildingDir(dataDir, name),
    tempDir: join(dataDir, 'batch', name),
    memoryLimit: '256MB',
    threads: 1,
    progress: new ProgressMeter(
      () => 0,
      () => undefined,
    ),
  });
}

function isRecord(kind: string): boolean {
  return ['view', 'edge', 'exclusion', 'again', 'invalid'].includes(kind);
}
