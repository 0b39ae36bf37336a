/**
 * A full disk: the sink reports it and continues by itself when there is room. The limit is RLIMIT_FSIZE, raised step
 * by step from outside, so that different writes of a commit fail: the spool, then the Parquet file.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { reaches } from '../../log/cut.js';
import { masterCut, takeSnapshot } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { makeFixture, pageview, readRows } from './fixture.js';
import { eventually } from '../../test/eventually.js';

const mainPath = fileURLToPath(new URL('../main.js', import.meta.url));
const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;

test(
  'a full disk is reported, loses nothing, and the sink resumes by itself',
  { skip: hasPrlimit ? false : 'needs prlimit(1)' },
  async (t) => {
    const fixture = await makeFixture(t, { partitions: 1 });
    const facts = Array.from({ length: 6 }, (_, i) =>
      pageview(i, { referrer: `https://r.example/${'r'.repeat(300)}` }),
    );
    await fixture.append(facts);
    const latest = await fixture.log.latest();
    const env = {
      ...process.env,
      SWA_DATA_DIR: fixture.dataDir,
      SWA_PARTITIONS: '1',
      SWA_SINK_INTERVAL_MS: '10',
      SWA_SINK_MAX_ROWS: '1',
      SWA_LOG_LEVEL: 'error',
    };
    const child = spawn('prlimit', ['--fsize=300:unlimited', process.execPath, mainPath], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(child, 'close');
    t.after(() => child.kill('SIGKILL'));
    const errors: string[] = [];
    child.stderr.on('data', (piece: Buffer) => errors.push(piece.toString()));

    const isThrough = (): boolean => reaches(masterCut(fixture.dataDir)?.next ?? {}, latest);
    const untilMore = (count: number): Promise<true> =>
      eventually(
        () => `an error or a commit: ${errors.join()}`,
        () => {
          assert.equal(child.exitCode, null, errors.join());
          return errors.length > count || isThrough();
        },
      );
    await untilMore(0);
    for (const limitBytes of [1000]) {
      spawnSync('prlimit', [`--pid=${child.pid}`, `--fsize=${limitBytes}:unlimited`]);
      await untilMore(errors.length + 1); // the first may still be of the limit before
    }
    assert.ok(!isThrough(), 'the limits were too wide to bite');
    spawnSync('prlimit', [`--pid=${child.pid}`, '--fsize=unlimited:unlimited']);
    for (let count = errors.length; !isThrough(); count++) await untilMore(count);
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null], errors.join());
    assert.match(errors.join(), /EFBIG/);
    assert.match(errors.join(), /cannot write [^ ]*\.parquet/);
    assert.deepEqual((await verifyMaster(fixture.dataDir, fixture.log)).problems, []);
    const rows = await readRows(takeSnapshot(fixture.dataDir).files, 'pageviews');
    assert.deepEqual(
      rows.map((row) => row['event_id']),
      facts.map((fact) => fact.eventId),
    );
  },
);
