/** What others on the machine, and whoever reads the logs, get to know: nothing. */
import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { configWith } from '../lib/config/config.js';
import { openDataDir } from '../lib/files/data-dir.js';
import { HttpEndpoint } from '../lib/http/endpoint.js';
import { route } from '../lib/http/route.js';
import { loggerOptions } from '../lib/process/process.js';
import { runBatch, startTestSystem } from './running-system.js';
import { tempDir } from './temp-dir.js';

const skip = process.platform === 'win32' ? 'there are no modes' : false;

/** What others may do with a directory and everything in it, by path. */
function openIn(path: string): readonly string[] {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return [];
  const own = (stat.mode & 0o077) === 0 ? [] : [`${path} ${(stat.mode & 0o777).toString(8)}`];
  return stat.isDirectory()
    ? [...own, ...readdirSync(path).flatMap((name) => openIn(join(path, name)))]
    : own;
}

test(
  'whatever the umask, others may enter and read nothing of a data directory at work',
  { skip },
  async (t) => {
    process.umask(0);
    const swa = await startTestSystem(t);
    const fact = {
      type: 'pageview',
      visitor: 'cookie:1',
      url: 'https://www.example.org/',
      timestamp: 1_700_000_000_000,
    };
    await swa.send([fact, { type: 'equiv', a: 'cookie:1', b: 'user:1' }]);
    await runBatch(swa);
    assert.ok(readdirSync(join(swa.config.dataDir, 'serving', 'views')).length > 0);
    assert.deepEqual(openIn(swa.config.dataDir), []);
  },
);

test(
  'a data directory that others may enter is closed to them, once, and nothing outside it',
  { skip },
  () => {
    const dir = tempDir('private');
    const dataDir = join(dir, 'data');
    const outside = join(dir, 'outside');
    writeFileSync(outside, '');
    mkdirSync(join(dataDir, 'master', 'pageviews'), { recursive: true });
    writeFileSync(join(dataDir, 'master', 'pageviews', 'a.parquet'), '');
    symlinkSync(outside, join(dataDir, 'link'));
    for (const path of [
      'data',
      'data/master',
      'data/master/pageviews',
      'data/master/pageviews/a.parquet',
      'outside',
    ])
      chmodSync(join(dir, path), 0o755);
    const warnings: string[] = [];
    for (let i = 0; i < 2; i++) openDataDir(configWith({ dataDir }), (text) => warnings.push(text));
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /other users could read .*0700/);
    assert.deepEqual(openIn(dataDir), []);
    assert.equal(lstatSync(outside).mode & 0o777, 0o755);
  },
);

test('a log line of a request holds its route, and no id, query, key or what an error was about', async (t) => {
  let logged = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk);
      done();
    },
  });
  const endpoint = new HttpEndpoint({
    config: configWith({}),
    clock: Date.now,
    logger: pino(loggerOptions({ logLevel: 'trace' }, 'test'), sink),
  });
  t.after(() => endpoint.close());
  endpoint.mount([
    route({
      method: 'get',
      path: '/v1/persons/{visitorId}',
      operationId: 'x',
      summary: '',
      scope: 'read',
      responses: [],
      problems: [],
      handle: ({ request }) => void new URL(`secret-${request.url}`),
    }),
  ]);
  const { origin } = await endpoint.listen(0);
  const headers = { Authorization: 'Bearer secret-key', Referer: `${origin}/?secret`, Cookie: 'secret=1' };
  const failed = await fetch(`${origin}/v1/persons/secret:7`, { headers });
  assert.equal(failed.status, 500);
  assert.ok(!(await failed.text()).includes('secret'));
  await fetch(`${origin}/secret?secret=1`, {
    headers: { ...headers, 'X-Request-Id': `secret ${'x'.repeat(200)}` },
  });
  assert.match(logged, /"route":"\/v1\/persons\/\{visitorId\}".*"status":500.*Invalid URL/);
  assert.match(logged, /"route":"none","status":404/);
  assert.ok(!logged.includes('secret'), logged);
});
