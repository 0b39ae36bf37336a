/** What surrounds a Spark job, with a script instead of Spark; test/spark/ uses the real one. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDataDir, store, testClock } from '../../batch/test/data-dir.js';
import { runBatch } from '../../batch/run.js';
import type { Progress } from '../../batch/progress.js';
import type { Job } from '../../batch/tables/contract.js';
import { makeRules } from '../../facts/rules.js';
import type { Config } from '../../lib/config/config.js';
import type { SwaError } from '../../lib/errors/errors.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { listRuns } from '../../serving/batch-runs.js';
import { readCurrent } from '../../serving/current.js';
import { ensureGenesis } from '../../serving/store.js';
import { tempDir } from '../../test/temp-dir.js';
import { openEngine } from '../spark/engine.js';
import { StoreJobStorage } from '../spark/job-storage.js';
import { listAll } from '../store/store.js';
import { makeStore } from './shared-store.js';

const pageview = {
  type: 'pageview',
  visitor: 'cookie:1',
  url: 'https://example.com/',
  timestamp: 1_700_000_000_000,
  eventId: 'e1',
  receivedAt: testClock(),
} as const;

const inTwoDays = (): number => Date.now() + 2 * 86_400_000;

/** A data directory with a fact and an empty view, and a shell script as its spark-submit. */
async function configWith(script: string): Promise<Config> {
  const program = join(tempDir('submit'), 'spark-submit');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  const config = makeDataDir({ batchEngine: 'spark', sparkSubmit: [program, '--master', 'local'] });
  await store(config, [pageview]);
  const { cut } = takeSnapshot(config.dataDir);
  await ensureGenesis(config.dataDir, {
    cut,
    lgK: config.lgK,
    bucketMinutes: config.bucketMinutes,
    rules: makeRules(config),
    createdAt: 0,
  });
  return config;
}

function run(
  config: Config,
  signal?: AbortSignal,
  onProgress?: (progress: Progress) => void,
): Promise<unknown> {
  return runBatch({
    config,
    clock: testClock,
    trigger: 'command',
    engine: openEngine(config, process.env),
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
}

test('messages of Spark reach the run: its steps and tasks, and why it failed', async () => {
  const config = await configWith(`
    echo 'WARN something of Java'
    echo '{"step": "persons", "done": 0, "of": 0}'
    echo '{"done": 3, "of": 8}'
    echo '{"step": "facts", "done": 0, "of": 0}'
    echo '{"error": "the edge of a and b crosses persons"}'
    echo 'Traceback' >&2
    exit 1`);
  const before = readCurrent(config.dataDir);
  const seen: string[] = [];
  await assert.rejects(
    run(config, undefined, ({ step, totalRows }) => void seen.push(`${step} of ${totalRows}`)),
    (error: SwaError) => {
      assert.equal(error.code, 'batch.failed');
      assert.equal(error.message, 'Spark: the edge of a and b crosses persons');
      assert.match(error.hint ?? '', /the log of the run is .*spark\.log/);
      return true;
    },
  );
  assert.deepEqual([...new Set(seen)], ['rules of 0', 'persons of 0', 'persons of 8', 'facts of 0']);
  const [record] = listRuns(config.dataDir);
  assert.equal(record?.outcome, 'failed');
  assert.equal(record.error?.message, 'Spark: the edge of a and b crosses persons');
  assert.equal(readCurrent(config.dataDir), before);
  const log = readFileSync(join(config.dataDir, 'batch', 'spark.log'), 'utf8');
  assert.match(log, /WARN something of Java/);
  assert.match(log, /Traceback/);
});

test('if Spark ends without a message, or is missing, the error contains its last lines', async () => {
  const config = await configWith('echo one; echo two; exit 3');
  await assert.rejects(run(config), /spark-submit ended with exit code 3; one; two/);
  await assert.rejects(run({ ...config, sparkSubmit: ['/no/such/spark-submit'] }), (error: SwaError) => {
    assert.match(error.message, /'\/no\/such\/spark-submit' could not be started/);
    assert.match(error.hint ?? '', /SWA_SPARK_SUBMIT/);
    return true;
  });
});

test('an aborted run ends all processes of its Spark', { timeout: 60_000 }, async (t) => {
  const pidFile = join(tempDir('pid'), 'pid');
  const pidOf = (): number => Number(readFileSync(pidFile, 'utf8'));
  t.after(() => isAlive(pidOf()) && process.kill(pidOf(), 'SIGKILL'));
  const config = await configWith(
    `sleep 600 & echo $! > ${pidFile}; echo '{"step": "facts", "done": 0, "of": 0}'; wait`,
  );
  const stop = new AbortController();
  await assert.rejects(run(config, stop.signal, ({ step }) => step === 'facts' && stop.abort()));
  assert.ok(pidOf() > 0);
  while (isAlive(pidOf())) await sleep(20);
});

test('rules tables and the job lie in the store while Spark works, the master dataset is read where it is', async () => {
  const shared = makeStore();
  await shared.putIfAbsent('work/spark/old/job.json', Buffer.from('of a killed run'));
  const dir = tempDir('place');
  const file = (name: string): string => {
    writeFileSync(join(dir, name), name);
    return join(dir, name);
  };
  const job = {
    files: [{ topic: 'pageviews', partition: 2, path: '/data/master/pageviews/p2/x.parquet' }],
    rules: {
      ofTexts: [{ path: file('url.parquet'), key: 'url' }],
      ids: file('id.parquet'),
      excluded: { path: file('excluded.parquet'), columns: [] },
    },
    out: join(dir, 'tables'),
  } as unknown as Job; // fields that do not matter here are left out
  const storage = new StoreJobStorage(shared, inTwoDays);
  const at = await storage.put(job, join(dir, 'engine'));
  const prefix = at.slice(0, -'job.json'.length);
  const keys = (await listAll(shared, 'work/')).map(({ key }) => key);
  assert.deepEqual(
    keys.map((key) => basename(key)),
    ['excluded.parquet', 'id.parquet', 'job.json', 'url.parquet'],
  );
  const written = JSON.parse(readFileSync(join(dir, 'engine', 'job.json'), 'utf8')) as Job;
  assert.equal(written.files[0]?.path, `${shared.url}/master/pageviews/p2/x.parquet`);
  assert.equal(written.rules.ids, `${prefix}id.parquet`);
  assert.equal(written.out, `${prefix}tables`);

  const out = `${prefix.slice(shared.url.length + 1)}tables`;
  await shared.putIfAbsent(`${out}/cells/part-0.parquet`, Buffer.from('cells'));
  await shared.putIfAbsent(`${out}/cells/_SUCCESS`, Buffer.from(''));
  await shared.putIfAbsent(`${out}/work/live/part-0.parquet`, Buffer.from('not asked for'));
  await storage.fetch(job);
  assert.equal(readFileSync(join(job.out, 'cells', 'part-0.parquet'), 'utf8'), 'cells');
  assert.ok(!existsSync(join(job.out, 'cells', '_SUCCESS')));
  await storage.close();
  assert.deepEqual(await listAll(shared, 'work/'), []);
});

/** An ended process may still be a zombie. */
function isAlive(pid: number): boolean {
  const path = `/proc/${pid}/status`;
  return existsSync(path) && !/^State:\s+Z/m.test(readFileSync(path, 'utf8'));
}
