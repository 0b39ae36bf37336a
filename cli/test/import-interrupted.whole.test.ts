/**
 * `swa import` stopped at any time, by ctrl-C, a second ctrl-C or a kill, and run again: every line counts once.
 * SEED=<number> repeats a run, ROUNDS sets the number of rounds.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assetPath } from '../../lib/files/assets.js';
import { eventually } from '../../test/eventually.js';
import { lcg } from '../../test/random.js';
import { setUp } from './swa-command.js';

const lines = 60_000;
const day = { from: '2026-05-10', to: '2026-05-11' };

test('an import that was stopped at any time and is run again counts every line once', async (t) => {
  const { dir, dataDir, swa } = setUp();
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  const random = lcg(seed);
  const rounds = Number(process.env['ROUNDS'] ?? 4);
  t.diagnostic(`SEED=${seed} ROUNDS=${rounds}`);
  let interrupted = 0;
  for (let round = 0; round < rounds; round++) {
    const domain = `www.round-${round}.example`;
    const log = join(dir, `round-${round}.log`);
    writeFileSync(log, textOf(round));
    const args = ['import', '--host', domain, log];
    const before = bytesIn(join(dataDir, 'log'));
    const wanted = before + Math.floor(random() * 8 * 2 ** 20);
    const how = (['SIGINT', 'SIGKILL', 'SIGINT twice', 'SIGTERM'] as const)[round % 4] ?? 'SIGINT';
    const child = spawn(process.execPath, [assetPath('bin/swa'), ...args], {
      env: { PATH: process.env['PATH'], SWA_DATA_DIR: dataDir },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
    await eventually('the import has written so much, or ended', () =>
      hasEnded() || bytesIn(join(dataDir, 'log')) > wanted ? true : undefined,
    );
    child.kill(how === 'SIGINT twice' ? 'SIGINT' : how);
    if (how === 'SIGINT twice') child.kill('SIGINT');
    const [code, signal] = await ended;
    if (code !== 0) interrupted++;
    const again = await swa([...args, '--json']);
    assert.equal(again.code, 0, `${how}, ${code ?? signal}: ${again.stderr}`);
    const counts = JSON.parse(again.stdout) as Record<string, number>;
    assert.equal((counts['accepted'] ?? 0) + (counts['known'] ?? 0), lines, `${how}: ${again.stdout}`);
  }
  assert.ok(interrupted > 0, 'every import had ended before it was stopped');
  assert.equal((await swa(['batch', 'run'])).code, 0);
  for (let round = 0; round < rounds; round++) {
    const domain = `round-${round}.example`;
    const { stdout } = await swa([
      'query',
      'pageviews',
      '--domain',
      domain,
      '--from',
      day.from,
      '--to',
      day.to,
    ]);
    const { data } = JSON.parse(stdout) as { data: { pageviews: number } };
    assert.equal(data.pageviews, lines, domain);
  }
  const { code, stdout } = await swa(['verify']);
  assert.equal(code, 0, stdout);
});

function textOf(round: number): string {
  const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0';
  return Array.from({ length: lines }, (_, i) => {
    const time = `${String(Math.floor(i / 3_600) % 24).padStart(2, '0')}:${String(Math.floor(i / 60) % 60).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}`;
    return `192.0.2.${(i + round) % 200} - - [10/May/2026:${time} +0000] "GET /page/${i % 300} HTTP/1.1" 200 12 "-" "${agent}"\n`;
  }).join('');
}

function bytesIn(folder: string): number {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .reduce(
        (sum, { parentPath, name }) =>
          sum + (statSync(join(parentPath, name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      );
  } catch {
    return 0; // not created yet
  }
}
