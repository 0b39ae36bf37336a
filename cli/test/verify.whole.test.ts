/** `swa verify` changes nothing and raises no false alarms. That it finds damage is tested in verify-damage.whole.test.ts. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../lib/time/clock.js';
import { runBatch, startTestSystem, untilAllCounted } from '../../test/running-system.js';
import { verifyDataDir } from '../verification.js';
import { setUp } from './swa-command.js';

const small = { partitions: 2, segmentBytes: 65_536, sinkMaxRows: 50, sinkIntervalMs: 100, batchThreads: 1 };

function facts(from: number, count: number): object[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 'pageview',
    visitor: `cookie:${(from + i) % 50}`,
    url: `https://e.org/${(from + i) % 7}`,
    timestamp: Date.UTC(2024, 0, 1) + (from + i) * 1_000,
  }));
}

/** Every file and folder: name, inode, size, times of change. */
function treeOf(dir: string): string[] {
  return (readdirSync(dir, { recursive: true }) as string[])
    .map((name) => {
      const { ino, size, mtimeMs, ctimeMs } = statSync(join(dir, name));
      return `${name} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    })
    .toSorted();
}

test('beside a system at work it finds nothing wrong, again and again', async (t) => {
  const swa = await startTestSystem(t, small);
  let sent = 0;
  const stop = new AbortController();
  const load = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await swa.send(facts(sent, 50));
      sent += 50;
      await untilAllCounted(swa); // the speed layer must keep up on a busy machine, too
    }
  })();
  const runs = (async (): Promise<void> => {
    while (!stop.signal.aborted) await runBatch(swa);
  })();
  try {
    for (let round = 0; round < 8; round++) {
      const { findings } = await verifyDataDir(
        { config: swa.config, clock: systemClock },
        { recount: round % 4 === 3 },
      );
      assert.deepEqual(findings, [], `round ${round}, ${sent} facts sent`);
    }
  } finally {
    stop.abort();
    await Promise.all([load, runs]);
  }
  assert.ok(sent >= 100, `${sent} facts sent`);
});

test('a directory at rest stays as it is to the last time of change, whole or not; what is wrong is exit 1 and one line each', async (t) => {
  const swa = await startTestSystem(t, small);
  await swa.send(facts(0, 300));
  await runBatch(swa);
  await swa.send(facts(300, 100));
  await untilAllCounted(swa);
  await swa.system.stop();
  const { dataDir } = swa.config;
  const env = { SWA_DATA_DIR: dataDir, SWA_PARTITIONS: '2' };
  const command = setUp().swa;
  const before = treeOf(dataDir);
  const whole = await command(['verify'], env);
  assert.equal(whole.code, 0, whole.stdout + whole.stderr);
  assert.match(whole.stdout, /nothing is wrong\n$/);
  assert.match(whole.stdout, /a recomputation from the facts before its cut gives the same result/);
  assert.deepEqual(treeOf(dataDir), before);

  const segment = readdirSync(join(dataDir, 'log')).findLast((name) => name.startsWith('segment-')) ?? '';
  rmSync(join(dataDir, 'log', segment));
  writeFileSync(join(dataDir, 'serving', 'CURRENT'), '');
  const damaged = treeOf(dataDir);
  const found = await command(['verify'], env);
  assert.equal(found.code, 1);
  assert.doesNotMatch(found.stderr, /\n {4}at /, 'no stack');
  const problems = found.stdout.split('\n').filter((line) => line.startsWith('  problem: '));
  assert.ok(problems.some((line) => line.includes(`${segment} is missing; fix: restore log/ from a backup`)));
  assert.ok(problems.some((line) => line.includes('serving/CURRENT is empty')));
  for (const line of problems) assert.match(line, /; fix: ./);
  const json = await command(['verify', '--json', '--no-recount'], env);
  const { ok, findings } = JSON.parse(json.stdout) as {
    ok: boolean;
    findings: { finding: string; fix: string }[];
  };
  assert.deepEqual([json.code, ok], [1, false]);
  assert.deepEqual(
    findings.map(({ finding, fix }) => `  problem: ${finding}; fix: ${fix}`),
    problems,
  );
  assert.deepEqual(treeOf(dataDir), damaged);
});
