/** Imports that are taken back and repeated, and exclusions, with the `swa` command. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { findTexts } from '../../test/find-ids.js';
import { setUp } from './swa-command.js';

/** Lines of a log: each client views one page a minute. */
function lines(
  count: number,
  agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
): string[] {
  return Array.from(
    { length: count },
    (_, i) =>
      `192.0.2.${i % 5} - - [10/May/2026:10:${String(i % 60).padStart(2, '0')}:00 +0000] "GET /page/${i % 3} HTTP/1.1" 200 12 "-" "${agent}"`,
  );
}

const text = (all: readonly string[]): string => `${all.join('\n')}\n`;

type Swa = ReturnType<typeof setUp>['swa'];

async function done(
  swa: Swa,
  ...args: string[]
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { code, stdout, stderr } = await swa(args);
  assert.equal(code, 0, `swa ${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
}

async function imported(swa: Swa, host: string, path: string): Promise<Record<string, unknown>> {
  const { stdout } = await done(swa, 'import', '--json', '--host', host, path);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function pageviewsOf(swa: Swa, domain: string): Promise<unknown> {
  const range = ['--from', '2026-05-10', '--to', '2026-05-11'];
  const { stdout } = await done(swa, 'query', 'pageviews', '--domain', domain, ...range);
  return (JSON.parse(stdout) as { data: { pageviews: unknown } }).data.pageviews;
}

test('A, undo A, A again counts A once; A, B (A grown), undo A, B again counts B once', async () => {
  const { dir, swa } = setUp();
  const [one, grown, zipped] = [join(dir, 'one.log'), join(dir, 'grown.log'), join(dir, 'grown.log.1.gz')];
  writeFileSync(one, text(lines(20)));
  const first = await imported(swa, 'one.example', one);
  await done(swa, 'import', 'undo', String(first['importId']));
  const again = await imported(swa, 'one.example', one);
  assert.deepEqual([first['accepted'], again['accepted'], again['known']], [20, 20, 0]);

  const other = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36';
  writeFileSync(grown, text(lines(20, other)));
  const part = await imported(swa, 'two.example', grown);
  writeFileSync(zipped, gzipSync(text(lines(30, other)))); // rotated meanwhile
  const rest = await imported(swa, 'two.example', zipped);
  assert.deepEqual(
    [rest['known'], rest['read'], rest['accepted']],
    [20, 10, 10],
    'it goes on where it ended',
  );
  const { stderr } = await done(swa, 'import', 'undo', String(part['importId']));
  assert.match(stderr, new RegExp(`import ${String(rest['importId'])} .* went on where this one ended`));
  const whole = await imported(swa, 'two.example', zipped);
  assert.deepEqual([whole['known'], whole['accepted']], [0, 30], 'forgotten where it ended');

  await done(swa, 'batch', 'run');
  assert.deepEqual([await pageviewsOf(swa, 'one.example'), await pageviewsOf(swa, 'two.example')], [20, 30]);

  const listed = (await done(swa, 'import', 'list')).stdout.split('\n').map((line) => line.split(/ {2,}/));
  assert.deepEqual(
    listed.slice(1, -1).map(([, state]) => state),
    ['taken back', 'done', 'taken back', 'done', 'done'],
  );
  const twice = await done(swa, 'import', 'undo', String(first['importId']));
  assert.match(twice.stderr, /was taken back before/);
});

test('a known file with other options is refused, naming the import, undo and --again', async () => {
  const { dir, swa } = setUp();
  const path = join(dir, 'access.log');
  writeFileSync(path, text(lines(3)));
  const { importId } = await imported(swa, 'one.example', path);
  const refused = await swa(['import', '--host', 'two.example', path]);
  assert.equal(refused.code, 1);
  for (const named of [String(importId), `swa import undo ${String(importId)}`, '--again', path])
    assert.ok(refused.stderr.includes(named), refused.stderr);
  const left = await swa(['import', '--background', '--host', 'two.example', path]);
  assert.match(left.stderr, /^import\.known: /);
  const { stdout } = await done(swa, 'import', '--json', '--again', '--host', 'two.example', path);
  assert.equal((JSON.parse(stdout) as { accepted: number }).accepted, 3);
  assert.equal((await imported(swa, 'two.example', path))['known'], 3, 'from now on both are known');
  assert.equal((await imported(swa, 'one.example', path))['known'], 3);
  const unknown = await swa(['import', 'undo', `${String(importId).slice(0, -1)}x`]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, new RegExp(`did you mean '${String(importId)}'`));
});

test('no line can be guessed from what is kept of an import', async () => {
  const { dir, dataDir, swa } = setUp();
  const path = join(dir, 'access.log');
  const content = text(lines(1));
  writeFileSync(path, content);
  const { importId } = await imported(swa, 'one.example', path);
  const record = readFileSync(join(dataDir, 'imports', `${String(importId)}.json`), 'utf8');
  assert.match(record, /"linesHash": "[0-9a-f]{64}"/);
  for (const guess of [content, content.trimEnd(), `\n${content}`]) {
    for (const key of ['', undefined]) {
      const hash = key === undefined ? createHash('sha256') : createHmac('sha256', key);
      assert.ok(!record.includes(hash.update(guess).digest('hex')), 'a hash that anybody can make');
    }
  }
});

test('exclude shows what would change, and changes it when told to; include takes it back', async () => {
  const { dir, swa } = setUp();
  const path = join(dir, 'access.log');
  writeFileSync(path, text([...lines(9), ...lines(3, 'Googlebot/2.1')]));
  await imported(swa, 'one.example', path);
  await done(swa, 'batch', 'run');
  const counted = async (): Promise<unknown> => {
    await done(swa, 'batch', 'run');
    return pageviewsOf(swa, 'one.example');
  };
  const rule = ['--url-prefix', 'HTTPS://ONE.example/page/1'];
  const shown = await done(swa, 'exclude', ...rule);
  assert.match(
    shown.stdout,
    /: 4 pageviews \(1 of known bots, .*\) with 4 visitor ids, from 2026-05-10T10:01/,
  );
  assert.match(shown.stderr, /^nothing was changed/);
  assert.equal((await done(swa, 'exclude', 'list', '--json')).stdout, '[]\n');
  await done(swa, 'exclude', ...rule, '--from', '2026-05-10T10:02:00Z', '--yes');
  assert.equal(await counted(), 7);
  assert.deepEqual(JSON.parse((await done(swa, 'exclude', 'list', '--json')).stdout), [
    {
      by: 'urlPrefix',
      value: 'HTTPS://ONE.example/page/1',
      from: Date.UTC(2026, 4, 10, 10, 2),
      waiting: false,
    },
  ]);
  await done(swa, 'include', ...rule, '--from', '2026-05-10T10:02:00Z', '--yes');
  assert.equal(await counted(), 9);
  for (const [args, reason] of [
    [['--visitor', 'user:null'], /^usage\.invalid: value is a placeholder/],
    [['--url-prefix', '/page'], /^usage\.invalid: value is not a valid absolute URL: "\/page"/],
    [['--visitor', 'a', '--person', 'b'], /^usage\.invalid: give one of --url-prefix/],
  ] as const) {
    const { code, stderr } = await swa(['exclude', ...args]);
    assert.equal(code, 2);
    assert.match(stderr, reason);
  }
});

test('a visitor is erased by two commands: answers, files and the audit say so', async () => {
  const { dir, swa } = setUp();
  const path = join(dir, 'one.ndjson');
  const visitors = ['cookie:one', 'cookie:two', 'cookie:three'];
  const facts = Array.from({ length: 30 }, (_, i) => ({
    type: 'pageview',
    visitor: visitors[i % 3],
    url: 'https://erased.example/',
    timestamp: `2026-05-10T10:${String(i).padStart(2, '0')}:00Z`,
    eventId: `e${i}`,
  }));
  const edge = { type: 'equiv', a: 'cookie:one', b: 'cookie:two', timestamp: '2026-05-10T11:00:00Z' };
  writeFileSync(path, text([...facts, edge].map((fact) => JSON.stringify(fact))));
  await done(swa, 'import', path);
  await done(swa, 'batch', 'run');
  assert.equal(await pageviewsOf(swa, 'erased.example'), 30);
  const preview = await done(swa, 'erase', '--person', 'cookie:two');
  assert.match(preview.stdout, /cookie:one +10\s+cookie:two +10/);
  assert.match(preview.stderr, /nothing was changed/);
  assert.deepEqual(JSON.parse((await done(swa, 'erase', 'list', '--json')).stdout), []);
  await done(swa, 'erase', '--person', 'cookie:two', '--yes');
  assert.match((await done(swa, 'erase', 'list')).stdout, /waits for the next batch run/);
  await done(swa, 'batch', 'run');
  assert.match((await done(swa, 'erase', 'list')).stdout, / 2 +done 20/);
  assert.equal(await pageviewsOf(swa, 'erased.example'), 10);
  await done(swa, 'verify');
  assert.deepEqual(await findTexts(join(dir, 'data'), ['cookie:one', 'cookie:two']), []);
  await done(swa, 'import', '--again', path);
  await done(swa, 'batch', 'run');
  assert.equal(await pageviewsOf(swa, 'erased.example'), 10, 'facts that come again count nothing');
  await done(swa, 'verify', '--exact');
});

test('an export of all facts comes to the same view in an empty data directory, and one of a person holds theirs alone', async () => {
  const { dir, swa } = setUp();
  const other = setUp();
  const path = join(dir, 'facts.ndjson');
  const ids = ['cookie:one', '\uFEFFcookie:two', 'user:zoë "3"'];
  const facts = Array.from({ length: 60 }, (_, i) => ({
    type: 'pageview',
    visitor: ids[i % 3],
    url: `https://export.example/${i % 7}?utm_source=News%20letter`,
    timestamp: `2026-05-10T10:${String(i).padStart(2, '0')}:00Z`,
    eventId: `e${i % 50}`,
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
    ...(i % 4 === 0 ? { referrer: 'https://search.example/', country: 'DE' } : {}),
  }));
  const edges = [
    { type: 'equiv', a: ids[0], b: ids[1], timestamp: '2026-05-10T11:00:00Z', source: 'login' },
    { type: 'equiv', a: ids[1], b: ids[2], timestamp: '2026-05-10T11:00:00Z' },
    { type: 'retract', a: ids[2], b: ids[1], timestamp: '2026-05-10T11:00:01Z' },
    {
      type: 'exclude',
      by: 'urlPrefix',
      value: 'https://export.example/6',
      timestamp: '2026-05-10T11:00:01Z',
    },
  ];
  writeFileSync(path, text([...facts, ...edges].map((fact) => JSON.stringify(fact))));
  await done(swa, 'import', path);
  const meta = JSON.parse((await done(swa, 'batch', 'run', '--json')).stdout) as Record<string, unknown>;
  const everything = await done(swa, 'export');
  assert.match(everything.stderr, /64 facts/);
  const exported = join(dir, 'exported.ndjson');
  writeFileSync(exported, everything.stdout);
  await done(other.swa, 'import', exported);
  const again = JSON.parse((await done(other.swa, 'batch', 'run', '--json')).stdout) as Record<
    string,
    unknown
  >;
  assert.equal(again['contentHash'], meta['contentHash']);
  assert.deepEqual(again['counts'], meta['counts']);
  assert.equal(await pageviewsOf(other.swa, 'export.example'), await pageviewsOf(swa, 'export.example'));

  const parquet = join(dir, 'exported.parquet');
  const asTable = await done(swa, 'export', '--format', 'parquet', '--out', parquet);
  assert.match(asTable.stderr, /64 facts/);
  const third = setUp();
  await done(third.swa, 'import', '--format', 'parquet', parquet);
  const fromTable = JSON.parse((await done(third.swa, 'batch', 'run', '--json')).stdout) as typeof meta;
  assert.equal(fromTable['contentHash'], meta['contentHash']);
  assert.deepEqual(fromTable['counts'], meta['counts']);
  assert.equal((await done(third.swa, 'export')).stdout, everything.stdout);
  const taken = await swa(['export', '--out', parquet]);
  assert.deepEqual([taken.code, /exists already/.test(taken.stderr)], [2, true], taken.stderr);

  const person = await done(swa, 'export', '--person', 'cookie:one');
  const told = person.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(new Set(told.flatMap(({ visitor }) => visitor ?? [])), new Set(ids.slice(0, 2)));
  assert.deepEqual(
    [
      told.filter(({ type }) => type === 'pageview').length,
      told.filter(({ type }) => type !== 'pageview').length,
    ],
    [40, 3],
  );
  assert.ok(told.some(({ referrer, country }) => referrer === 'https://search.example/' && country === 'DE'));
});
