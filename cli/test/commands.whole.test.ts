/** The `swa` command as people run it: what it prints, and how it exits. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { newImportCounts } from '../../ingest/import-state.js';
import { systemClock } from '../../lib/time/clock.js';
import { configWith } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { StatusReporter } from '../../lib/process/status.js';
import { openJobQueue } from '../../log/queue/job-queue.js';
import { startSink } from '../../master-data/role.js';
import { setUp } from './swa-command.js';

test('an import in the background is refused when there is no such file', async () => {
  const { dir, swa } = setUp();
  for (const path of [join(dir, 'absent'), dir]) {
    const { code, stdout, stderr } = await swa(['import', '--background', '--format', 'ndjson', path]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^import\.failed: (cannot read '.*absent' \(ENOENT\)|'.*' is not a regular file)/);
  }
});

test('status shows the imports that wait, and the one the collector is at', async (t) => {
  const { dir, dataDir, swa } = setUp();
  assert.match((await swa(['status'])).stdout, /^nothing has run/);
  assert.ok(!existsSync(dataDir), 'asking makes no data directory');
  const [first, second] = [join(dir, 'first'), join(dir, 'second')];
  for (const path of [first, second]) {
    writeFileSync(path, '');
    const { code } = await swa(['import', '--background', '--format', 'ndjson', path]);
    assert.equal(code, 0);
  }
  const collector = new StatusReporter({ dataDir, role: 'collector', clock: systemClock });
  const counts = { ...newImportCounts(), read: 12, accepted: 7, rejected: 5 };
  const at = { job: 1, file: first, ...counts, state: 'running', note: null };
  collector.report({ state: 'running', details: { url: '', import: at } });
  t.after(() => collector.withdraw());
  const shown = (await swa(['status'])).stdout.split('\n').map((line) => line.split(/ {2,}/));
  assert.deepEqual(shown.slice(-4, -1), [
    ['import', 'state', 'read', 'accepted', 'rejected', 'note'],
    [first, 'running', '12', '7', '5', '-'],
    [second, 'waiting', '-', '-', '-', '-'],
  ]);
});

test('status shows what a role warns of, below the table', async (t) => {
  const { dataDir, swa } = setUp();
  const sink = new StatusReporter({ dataDir, role: 'sink', clock: systemClock });
  sink.report({
    state: 'running',
    details: { lag: 0, unreadRecords: 3, warnings: ['topic x has y', 'and z'] },
  });
  t.after(() => sink.withdraw());
  const { stdout } = await swa(['status']);
  assert.match(
    stdout,
    /lag=0 unreadRecords=3 .*\n\nwarning of the sink: topic x has y\nwarning of the sink: and z\n$/s,
  );
});

test('status loads no layer: what it costs is what it shows', async () => {
  const { dir, dataDir, swa } = setUp();
  mkdirSync(dataDir);
  new StatusReporter({ dataDir, role: 'sink', clock: systemClock }).report({ state: 'stopped' });
  await openJobQueue(dataDir, 'import', systemClock).close(); // empty, as every collector leaves it; that is detected without LMDB
  const { code, stderr } = await swa(['status'], { NODE_V8_COVERAGE: join(dir, 'loaded') });
  assert.equal(code, 0, stderr);
  const loaded = readdirSync(join(dir, 'loaded')).flatMap((name) => {
    const report = JSON.parse(readFileSync(join(dir, 'loaded', name), 'utf8')) as {
      readonly result: readonly { readonly url: string }[];
    };
    return report.result.map(({ url }) => /\/(?:dist|node_modules)\/([^/]+)/.exec(url)?.[1] ?? '');
  });
  const rooms = new Set(loaded.filter((room) => room !== ''));
  assert.deepEqual([...rooms].toSorted(), [
    'cli',
    'commander',
    'facts',
    'fastest-levenshtein',
    'lib',
    'log',
    'zod',
  ]);
});

test('a batch run where no facts are says so and makes nothing', async () => {
  const { dataDir, swa } = setUp();
  const { code, stderr } = await swa(['batch', 'run']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^data-dir\.unusable: .*data directory '.*data' does not exist.*\n  hint: set SWA_DATA_DIR/,
  );
  assert.ok(!existsSync(dataDir));
});

test('a batch run says what it did not count, and why', async () => {
  const { dir, swa } = setUp();
  const facts = join(dir, 'facts');
  const view = { type: 'pageview', url: 'https://e.org/', visitor: 'cookie:1', timestamp: 1_764_000_000_000 };
  const repeated = { ...view, eventId: 'e1' };
  const bot = { ...view, userAgent: 'Googlebot/2.1 (+http://www.google.com/bot.html)' };
  for (const lines of [[repeated, view, bot], [repeated]]) {
    writeFileSync(facts, lines.map((fact) => JSON.stringify(fact)).join('\n'));
    assert.equal((await swa(['import', '--format', 'ndjson', facts])).code, 0);
  }
  const { code, stdout } = await swa(['batch', 'run']);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /: 2 pageviews, 1 pages, .*\nnot counted: 1 pageviews of known bots, 1 repeats of pageviews\n$/,
  );
});

test('recover shows what it would do, does what it is told, and accepts a loss only by name', async () => {
  const { dir, dataDir, swa } = setUp();
  const nowhere = await swa(['recover', '--skip-gap']);
  assert.deepEqual([nowhere.code, nowhere.stderr.split(':')[0]], [1, 'master.missing']);
  assert.ok(!existsSync(dataDir), 'it makes no data directory');
  const facts = join(dir, 'facts.ndjson');
  writeFileSync(
    facts,
    `${JSON.stringify({ type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/' })}\n`,
  );
  assert.equal((await swa(['import', '--format', 'ndjson', facts])).code, 0);
  assert.equal((await swa(['batch', 'run'])).code, 0);
  assert.match((await swa(['recover'])).stdout, /^nothing to recover: /);
  renameSync(join(dataDir, 'log'), join(dir, 'log'));
  const shown = await swa(['recover']);
  assert.equal(shown.code, 1);
  assert.match(
    shown.stdout,
    /^found: .*format\.json is missing.*\n {2}to do: .*\n {2}loses: .*\n`swa recover --skip-gap`/,
  );
  const dry = await swa(['recover', '--skip-gap', '--dry-run', '--json']);
  const lossless = await swa(['recover', '--yes']);
  assert.deepEqual([dry.code, lossless.code], [1, 1]);
  assert.ok(!existsSync(join(dataDir, 'log', 'format.json')), 'nothing was done');
  const done = await swa(['recover', '--skip-gap']);
  assert.deepEqual([done.code, done.stderr], [0, '']);
  assert.match(done.stdout, /\n {2}done: .*\n {2}lost: /);
  assert.equal((await swa(['verify'])).code, 0);
  writeFileSync(facts, readFileSync(facts, 'utf8').replace('cookie:1', 'cookie:2'));
  assert.equal((await swa(['import', '--format', 'ndjson', facts])).code, 0);
  assert.match((await swa(['batch', 'run'])).stdout, /: 2 pageviews/);
});

test('a refused configuration is exit code 2 of every command and role, and `swa config` lists the keys all the same', async () => {
  const { swa } = setUp();
  const refused = { SWA_HTTP_PORT: '8o80' };
  const roles = ['collector', 'sink', 'batch', 'speed', 'query'];
  for (const command of [...roles, 'start', 'status']) {
    const { code, stderr } = await swa([command], refused);
    assert.equal(code, 2, `${command}: ${stderr}`);
    assert.match(stderr, /^config\.invalid: .*\n +SWA_HTTP_PORT must be a whole number, got '8o80'/);
    assert.match(stderr, /hint: `swa config`/);
  }
  const { code, stdout, stderr } = await swa(['config'], refused);
  assert.equal(code, 2);
  assert.match(stdout, /^SWA_HTTP_PORT +8o80 +environment/m);
  assert.match(stderr, /SWA_HTTP_PORT must be a whole number/);
  assert.doesNotMatch(stderr, /hint/);
});

test('`swa start` ends as a role of its own thread does that is refused', async () => {
  const { dataDir, swa } = setUp();
  const wrong = await swa(['start'], { SWA_HTTP_PORT: '0', SWA_SPEED_WORKER: '3' });
  assert.equal(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /^config\.invalid: speed: SWA_SPEED_WORKER is 3, but there are 1 workers/);
  const config = configWith({ dataDir });
  openDataDir(config);
  const sink = await startSink({ config, clock: systemClock, logger: pino({ level: 'silent' }) });
  const taken = await swa(['start'], { SWA_HTTP_PORT: '0' });
  await sink.stop();
  assert.equal(taken.code, 1, taken.stderr);
  assert.match(
    taken.stderr,
    /^data-dir\.in-use: another swa process holds .*: sink: .* holds .*sink\.lock\n/,
  );
});

test('what serves and is refused by its endpoint ends, says why, and leaves nothing running', async () => {
  const { swa } = setUp();
  for (const command of ['collector', 'query', 'start']) {
    for (const [refused, why] of [
      [
        { SWA_HTTP_HOST: '0.0.0.0' },
        /^config\.invalid: SWA_HTTP_HOST is '0\.0\.0\.0', which others can reach/,
      ],
      [{ SWA_API_KEYS: 'garbage' }, /^config\.invalid: SWA_API_KEYS entry 1 is invalid/],
    ] as const) {
      const { code, stderr } = await swa([command], refused);
      assert.equal(code, 2, `${command}: ${stderr}`);
      assert.match(stderr, why);
    }
  }
});

test('a port that is taken ends what wanted to serve there', async (t) => {
  const { swa } = setUp();
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const port = String((taken.address() as AddressInfo).port); // it listens on TCP
  for (const command of ['collector', 'query', 'start']) {
    const { code, stderr } = await swa([command], { SWA_HTTP_PORT: port, SWA_COLLECTOR_PORT: port });
    assert.equal(code, 1, `${command}: ${stderr}`);
    assert.match(stderr, /^port\.in-use: /);
  }
});

test('commands that only read make nothing', async () => {
  const { dir, swa } = setUp();
  for (const args of [
    ['status'],
    ['verify'],
    [
      'query',
      'uniques',
      '--domain',
      'e.org',
      '--from',
      '2026-01-01T00:00:00Z',
      '--to',
      '2026-01-01T01:00:00Z',
    ],
    ['batch', 'list'],
    ['batch', 'status'],
    ['config'],
    ['recover'],
    ['accept-unread'],
  ]) {
    const { stderr } = await swa(args);
    assert.deepEqual(readdirSync(dir), [], args.join(' '));
    assert.doesNotMatch(stderr, /\n {4}at /, `a stack: ${stderr}`);
  }
});

test('a question is answered as rows where that is asked for, and a filter is refused with what to ask instead', async () => {
  const { dir, swa } = setUp();
  const facts = join(dir, 'facts.ndjson');
  const view = {
    type: 'pageview',
    visitor: 'cookie:1',
    url: 'https://e.org/',
    timestamp: '2026-01-01T00:10:00Z',
  };
  writeFileSync(facts, `${JSON.stringify(view)}\n`);
  assert.equal((await swa(['import', '--format', 'ndjson', facts])).code, 0);
  assert.equal((await swa(['batch', 'run'])).code, 0);
  const question = ['query', 'uniques', '--domain', 'e.org', '--from', '2026-01-01', '--to', '2026-01-02'];
  const { stdout } = await swa([...question, '--format', 'csv']);
  assert.deepEqual(stdout.split('\r\n'), [
    'from,to,label,visitors,lower,upper,exact',
    '2026-01-01T00:00:00.000Z,2026-01-02T00:00:00.000Z,,1,1,1,true',
    '',
  ]);
  const refused = await swa([...question, '--source', 'direct']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^usage\.invalid: 'source' is not a filter: .* by=source counts/);
});

test('a log that is gone is not made anew: nothing is acknowledged, and the message names the way on', async () => {
  const { dir, dataDir, swa } = setUp();
  const facts = join(dir, 'facts.ndjson');
  writeFileSync(
    facts,
    `${JSON.stringify({ type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/' })}\n`,
  );
  assert.equal((await swa(['import', '--format', 'ndjson', facts])).code, 0);
  assert.equal((await swa(['batch', 'run'])).code, 0);
  renameSync(join(dataDir, 'log'), join(dir, 'log'));
  for (const args of [['import', '--format', 'ndjson', facts], ['collector'], ['verify'], ['batch', 'run']]) {
    const { code, stdout, stderr } = await swa(args, { SWA_HTTP_PORT: '0', SWA_COLLECTOR_PORT: '0' });
    assert.equal(code, 1, `${args.join(' ')}: ${stderr}`);
    assert.match(stdout + stderr, /log\/format\.json is missing, but .*root\.json shows/, args.join(' '));
    assert.ok(!existsSync(join(dataDir, 'log', 'format.json')), args.join(' '));
  }
});
