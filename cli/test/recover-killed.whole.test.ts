/**
 * `swa recover` killed with -9 at any moment: running it again completes the recovery, and the interruption loses no fact. The
 * process is killed at its k-th call of a kind (test/faults/shim.c), for every k until it completes; the short form tries every
 * k up to 3, then every second one.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
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
import { Shim, shimSkip, type Order } from '../../test/faults/shim.js';
import { append } from './appended-facts.js';
import { tempDir } from '../../test/temp-dir.js';

const partitions = 2;
const stride = process.env['ROUNDS'] === undefined ? 2 : 1;
const [stored, unstored] = [200, 60];
let model = '';

const configOf = (dataDir: string): Config =>
  configWith({ dataDir, partitions, segmentBytes: 16_384, batchThreads: 1 });

before(async () => {
  model = tempDir('recover-killed-model');
  const config = configOf(model);
  openDataDir(config);
  for (const from of [0, stored / 2]) {
    await append(config, from, stored / 2);
    await drainLogToMaster({ config, clock: systemClock });
    await runBatch({ config, clock: systemClock, trigger: 'command' });
  }
  await append(config, stored, unstored);
});

/** Calls at which the process is killed. Each commit, and each file that is moved aside, is a rename or link. */
const endings: readonly { readonly where: string; readonly order: Pick<Order, 'ops' | 'action'> }[] = [
  { where: 'before each change of a name', order: { ops: ['rename', 'link'], action: 'kill' } },
  { where: 'in the middle of each write', order: { ops: ['write'], action: 'cut' } },
];

/** Returns true if it was killed, with every process it had started. */
function recoverKilled(dataDir: string, shim: Shim, flag: string): boolean {
  const { signal, status, stderr } = spawnSync(process.execPath, [assetPath('bin/swa'), 'recover', flag], {
    env: {
      PATH: process.env['PATH'],
      SWA_DATA_DIR: dataDir,
      SWA_PARTITIONS: String(partitions),
      ...shim.env({ log: false }),
    },
    encoding: 'utf8',
  });
  if (signal === 'SIGKILL') return true;
  assert.equal(status, 0, stderr);
  return false;
}

const damages = [
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
    what: 'a file of facts lost that the log still has',
    spoil: (dataDir: string) => {
      const dir = partitionDir(dataDir, 'pageviews/0');
      const [file = ''] = readdirSync(dir).filter((name) => name.endsWith('.parquet'));
      rmSync(join(dir, file));
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
] as const;

for (const { what, spoil, flag, facts } of damages) {
  for (const { where, order } of endings) {
    test(`${what}: recover may be killed ${where}`, { skip: shimSkip }, async (t) => {
      const home = tempDir('recover-killed');
      const shim = new Shim(t, home);
      let killed = 0;
      for (let time = 1; ; time += time < 3 ? 1 : stride) {
        const dataDir = join(home, String(time));
        cpSync(model, dataDir, { recursive: true });
        spoil(dataDir);
        shim.arm({ ...order, time });
        if (!recoverKilled(dataDir, shim, flag)) break;
        killed++;
        await assertEndsWhole(dataDir, { acceptLoss: flag === '--skip-gap', facts }, `call ${time}`);
        rmSync(dataDir, { recursive: true });
      }
      t.diagnostic(`killed at ${killed} places`);
      assert.ok(killed >= 2, `killed at ${killed} places only`);
    });
  }
}

/** Checks that recover, run again, leaves nothing to do, that the log accepts facts, and that every fact is stored once. */
async function assertEndsWhole(
  dataDir: string,
  { acceptLoss, facts }: { readonly acceptLoss: boolean; readonly facts: number },
  place: string,
): Promise<void> {
  const config = configOf(dataDir);
  const again = await recoverDataDir({ config, clock: systemClock }, { repair: true, acceptLoss });
  assert.deepEqual([again.later, again.steps.filter(({ done }) => !done)], [[], []], place);
  assert.deepEqual(
    await recoverDataDir({ config, clock: systemClock }, { repair: true, acceptLoss: false }),
    { steps: [], later: [] },
    place,
  );
  await append(config, 10_000, 10);
  await drainLogToMaster({ config, clock: systemClock });
  const log = await openExistingLog(config);
  const { problems } = await verifyMaster(dataDir, log);
  await log.close();
  assert.deepEqual(problems, [], place);
  const rows = takeSnapshot(dataDir).files.reduce((sum, file) => sum + file.rows, 0);
  assert.equal(rows, facts + 10, place);
  assert.ok(readdirSync(join(dataDir, 'serving', 'views')).includes(readCurrent(dataDir)), place);
}
