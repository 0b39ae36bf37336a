/**
 * `swa recover` ended by kill -9 at any moment: running it again ends whole, and no fact is lost by having been interrupted. The
 * process is stopped before the k-th of its calls that change names (rename and link; each commit, and each file that is put aside, is one),
 * for every k until it runs through.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runBatch } from '../../batch/run.js';
import { assetPath } from '../../lib/files/assets.js';
import { configWith, type Config } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { systemClock } from '../../lib/time/clock.js';
import { openExistingLog } from '../../log/open-log.js';
import { verifyMaster } from '../../master-data/audit.js';
import { partitionDir } from '../../master-data/layout.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { readCurrent } from '../../serving/current.js';
import { recoverDataDir } from '../recovery.js';
import { append } from './appended-facts.js';

const partitions = 2;
const [stored, unstored] = [200, 60];
let model = '';

const configOf = (dataDir: string): Config =>
  configWith({ dataDir, partitions, segmentBytes: 16_384, batchThreads: 1 });

before(async () => {
  model = mkdtempSync(join(tmpdir(), 'swa-recover-killed-model-'));
  const config = configOf(model);
  openDataDir(config);
  for (const from of [0, stored / 2]) {
    await append(config, from, stored / 2);
    await drainLogToMaster({ config, clock: systemClock });
    await runBatch({ config, clock: systemClock, trigger: 'command' });
  }
  await append(config, stored, unstored);
});
after(() => rmSync(model, { recursive: true }));

/** Loaded before the command: the process kills itself before the k-th rename or link, as kill -9 would. */
const hook = `
  import fs from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  let left = Number(process.env.KILL_BEFORE);
  for (const name of ['renameSync', 'linkSync']) {
    const real = fs[name];
    fs[name] = (...args) => {
      if (--left === 0) process.kill(process.pid, 'SIGKILL');
      return real(...args);
    };
  }
  syncBuiltinESMExports();
`;

/** True when it was killed. */
function recoverKilled(dataDir: string, callNumber: number, flag: string): boolean {
  const args = [
    '--import',
    `data:text/javascript,${encodeURIComponent(hook)}`,
    assetPath('bin/swa'),
    'recover',
    flag,
  ];
  const { signal, status, stderr } = spawnSync(process.execPath, args, {
    env: {
      PATH: process.env['PATH'],
      SWA_DATA_DIR: dataDir,
      SWA_PARTITIONS: String(partitions),
      KILL_BEFORE: String(callNumber),
    },
    encoding: 'utf8',
  });
  if (signal === 'SIGKILL') return true;
  assert.equal(status, 0, stderr);
  return false;
}

for (const { what, spoil, flag, facts } of [
  {
    what: 'manifests lost',
    spoil: (dataDir: string) => {
      for (const name of ['pageviews/0', 'pageviews/1'] as const)
        rmSync(join(partitionDir(dataDir, name), 'manifests'), { recursive: true });
    },
    flag: '--yes',
    facts: stored + unstored,
  },
  {
    what: 'the log lost',
    spoil: (dataDir: string) => rmSync(join(dataDir, 'log'), { recursive: true }),
    flag: '--skip-gap',
    facts: stored,
  },
  {
    what: 'the log without its format',
    spoil: (dataDir: string) => rmSync(join(dataDir, 'log', 'format.json')),
    flag: '--yes',
    facts: stored + unstored,
  },
  {
    what: 'a damaged view and CURRENT',
    spoil: (dataDir: string) => {
      writeFileSync(join(dataDir, 'serving', 'views', readCurrent(dataDir), 'pages.dat'), 'garbage');
      writeFileSync(join(dataDir, 'serving', 'CURRENT'), '');
    },
    flag: '--yes',
    facts: stored + unstored,
  },
]) {
  test(`${what}: recover may be killed before each of its steps`, async (t) => {
    const home = mkdtempSync(join(tmpdir(), 'swa-recover-killed-'));
    t.after(() => rmSync(home, { recursive: true }));
    let killed = 0;
    for (let callNumber = 1; ; callNumber++) {
      const dataDir = join(home, String(callNumber));
      cpSync(model, dataDir, { recursive: true });
      spoil(dataDir);
      if (!recoverKilled(dataDir, callNumber, flag)) break;
      killed++;
      const config = configOf(dataDir);
      const acceptLoss = flag === '--skip-gap';
      const again = await recoverDataDir({ config, clock: systemClock }, { mend: true, acceptLoss });
      assert.deepEqual(
        [again.later, again.steps.filter(({ done }) => !done)],
        [[], []],
        `call ${callNumber}`,
      );
      assert.deepEqual(
        await recoverDataDir({ config, clock: systemClock }, { mend: true, acceptLoss: false }),
        { steps: [], later: [] },
        `call ${callNumber}`,
      );
      await append(config, 10_000, 10);
      await drainLogToMaster({ config, clock: systemClock });
      const log = await openExistingLog(config);
      const { problems } = await verifyMaster(dataDir, log);
      await log.close();
      assert.deepEqual(problems, [], `call ${callNumber}`);
      const rows = takeSnapshot(dataDir).files.reduce((sum, file) => sum + file.rows, 0);
      assert.equal(rows, facts + 10, `call ${callNumber}`);
      assert.ok(readdirSync(join(dataDir, 'serving', 'views')).includes(readCurrent(dataDir)));
      rmSync(dataDir, { recursive: true });
    }
    t.diagnostic(`killed at ${killed} places`);
    assert.ok(killed >= 2, `killed at ${killed} places only`);
  });
}
