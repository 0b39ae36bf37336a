/**
 * Every kind of file of a data directory, spoiled in every way: no command ends by a signal or with a stack trace. Each ends
 * well, or says which file is wrong, what was found and what to do.
 *
 * SEED= repeats a run, ROUNDS= tries more.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { assetPath } from '../lib/files/assets.js';
import { eventually } from './eventually.js';
import { runBatch, startTestSystem, untilAllCounted } from './running-system.js';
import { lcg } from './random.js';
import { tempDir } from './temp-dir.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const rounds = Number(process.env['ROUNDS'] ?? 2);

/** Named by what they are; a file of each kind is drawn. */
const kinds: Readonly<Record<string, RegExp>> = {
  'data directory format': /^format\.json$/,
  'log format': /^log\/format\.json$/,
  segment: /^log\/segment/,
  watermark: /^log\/watermark$/,
  'trim note': /^log\/trim-below\.json$/,
  root: /^master\/root\.json$/,
  manifest: /^master\/.*\/manifests\//,
  parquet: /\.parquet$/,
  'last records': /^master\/last-records\.json$/,
  'flush request': /^master\/flush\.json$/,
  CURRENT: /^serving\/CURRENT$/,
  META: /META\.json$/,
  'view file': /^serving\/views\/.*\.dat$/,
  hold: /^serving\/held\//,
  run: /^batch\/runs\//,
  SERVING: /^speed\/SERVING$/,
  STORE: /\/STORE$/,
  'realtime data': /^speed\/.*\/data\.mdb$/,
  'realtime lock': /^speed\/.*\/lock\.mdb$/,
  'queue data': /^jobs\/.*\/data\.mdb$/,
  'queue lock': /^jobs\/.*\/lock\.mdb$/,
  status: /^status\//,
};

type Random = () => number;

const spoilings: Readonly<Record<string, (path: string, random: Random) => void>> = {
  empty: (path) => writeFileSync(path, ''),
  garbage: (path, random) =>
    writeFileSync(
      path,
      Buffer.from(
        Array.from({ length: Math.max(64, Math.min(20_000, statSync(path).size)) }, () =>
          Math.floor(random() * 256),
        ),
      ),
    ),
  half: (path) => writeFileSync(path, readFileSync(path).subarray(0, Math.floor(statSync(path).size / 2))),
  'a page of zeros': (path, random) => {
    const bytes = readFileSync(path);
    const page = Math.floor((random() * bytes.length) / 4_096);
    writeFileSync(path, bytes.fill(0, page * 4_096, Math.min(bytes.length, (page + 1) * 4_096)));
  },
  'a folder': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  gone: (path) => rmSync(path),
};

const question = [
  'query',
  'uniques',
  '--domain',
  'e.org',
  '--from',
  '2026-01-01T00:00:00Z',
  '--to',
  '2026-01-02T00:00:00Z',
];

const commands: readonly (readonly string[])[] = [
  ['status'],
  [...question],
  ['verify', '--no-recount'],
  ['recover'],
  ['batch', 'list'],
  ['batch', 'run'],
];

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
}

/** @param isUp when it need not go on */
async function run(
  dataDir: string,
  args: readonly string[],
  isUp?: (said: string) => boolean,
): Promise<Ended> {
  const env = {
    PATH: process.env['PATH'],
    SWA_DATA_DIR: dataDir,
    SWA_HTTP_PORT: '0',
    SWA_BATCH_SCHEDULE: 'off',
    SWA_PARTITIONS: '2',
  };
  const child = spawn(process.execPath, [assetPath('bin/swa'), ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let ended: Ended | undefined;
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => (said += piece.toString()));
  child.on('close', (code, signal) => (ended = { code, signal, said }));
  const what = `${args.join(' ')}: ${said}`;
  if (isUp !== undefined) {
    await eventually(what, () => (ended !== undefined || isUp(said) ? true : undefined), 120_000);
    child.kill('SIGTERM');
  }
  return eventually(what, () => ended, 120_000);
}

/** What is wrong with how a command ended; undefined when it went well or explained itself. */
function unexplained({ code, signal, said }: Ended): string | undefined {
  if (signal !== null) return `ended by ${signal}`;
  if (/hint: undefined|\n {4}at .*(\.js|node:)/.test(said)) return 'shows a stack, or a hint that is none';
  if (code !== 0 && !/hint: |problem: |swa recover|swa batch run|swa start/.test(said))
    return `code ${code} without a way on`;
  return undefined;
}

test('spoiled files end no command by a signal, and each is explained', { timeout: 1_800_000 }, async (t) => {
  const random = lcg(seed);
  t.diagnostic(`SEED=${seed}`);
  const model = await makeModel(t);
  const names = (readdirSync(model, { recursive: true }) as string[]).filter((name) =>
    statSync(join(model, name)).isFile(),
  );
  for (const [kind, pattern] of Object.entries(kinds))
    if (!['trim note', 'last records', 'flush request'].includes(kind))
      assert.ok(
        names.some((name) => pattern.test(name)),
        `no ${kind} in the model`,
      );
  const problems: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const dataDir = tempDir('damaged');
    cpSync(model, dataDir, { recursive: true });
    const kindNames = Object.keys(kinds).filter((kind) => names.some((name) => kinds[kind]?.test(name)));
    const kind = pick(kindNames, random);
    const name = pick(
      names.filter((one) => kinds[kind]?.test(one)),
      random,
    );
    const how = pick(Object.keys(spoilings), random);
    const what = `SEED=${seed} round ${round}: ${how} for ${name}`;
    spoilings[how]?.(join(dataDir, name), random);
    const note = (command: string, ended: Ended): void => {
      const problem = unexplained(ended);
      if (problem !== undefined) problems.push(`${what}, ${command}: ${problem}\n${ended.said}`);
    };
    for (const args of commands) note(args.slice(0, 2).join(' '), await run(dataDir, args));
    note('start', await run(dataDir, ['start'], (said) => /http:\/\/127\.0\.0\.1:\d+/.test(said)));
    rmSync(dataDir, { recursive: true, force: true });
  }
  assert.deepEqual(problems, [], problems.join('\n\n'));
});

function pick<T>(from: readonly T[], random: Random): T {
  const one = from[Math.floor(random() * from.length)];
  assert.ok(one !== undefined);
  return one;
}

/** A data directory of a system that was stopped, with views, realtime stores and facts that no run has covered. */
async function makeModel(t: TestContext): Promise<string> {
  const dataDir = join(tempDir('model'), 'data');
  await t.test('a model', async (inner) => {
    const swa = await startTestSystem(inner, { partitions: 2, segmentBytes: 65_536 });
    for (let from = 0; from < 900; from += 300) {
      await swa.send(facts(from, 300));
      if (from < 600) await runBatch(swa);
    }
    await untilAllCounted(swa);
    await swa.system.stop();
    cpSync(swa.config.dataDir, dataDir, { recursive: true });
  });
  return dataDir;
}

function facts(from: number, count: number): object[] {
  return Array.from({ length: count }, (_, i) => ({
    type: 'pageview',
    visitor: `cookie:${(from + i) % 90}`,
    url: `https://e.org/${(from + i) % 40}`,
    timestamp: Date.UTC(2026, 0, 1) + 60_000 * (from + i),
  }));
}
