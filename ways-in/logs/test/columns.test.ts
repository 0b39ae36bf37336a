/** Tables by column mapping: CSV, TSV, Parquet and JSON lines. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import type { Fact } from '../../../facts/fact.js';
import { UrlRules } from '../../../facts/url/normalize.js';
import { importFile, type RejectedLine } from '../../../ingest/import.js';
import type { ImportCounts } from '../../../ingest/import-state.js';
import { hasCode } from '../../../lib/errors/errors.js';
import { projectRoot } from '../../../lib/files/assets.js';
import { formatOf, logFile, type LogOptions } from '../log-files.js';
import { pageviewDefaults } from '../pageviews.js';
import { tempDir } from '../../../test/temp-dir.js';

const at = Date.UTC(2015, 4, 18, 8, 5, 3);

interface Imported {
  readonly counts: ImportCounts;
  readonly views: readonly Readonly<Record<string, unknown>>[];
  readonly facts: readonly Fact[];
  readonly rejected: readonly RejectedLine[];
}

async function importTable(path: string, name: string, options: Partial<LogOptions>): Promise<Imported> {
  const facts: Fact[] = [];
  const rejected: RejectedLine[] = [];
  const counts = await importFile({
    path,
    format: logFile({ name, options: { ...pageviewDefaults, ...options } }),
    sink: { append: (batch) => Promise.resolve(void facts.push(...batch)) },
    urls: new UrlRules(),
    clock: () => Date.UTC(2026, 0, 1),
    onRejected: (line) => rejected.push(line),
  });
  assert.equal(counts.read, counts.accepted + counts.repeated + counts.filtered + counts.rejected);
  const views = facts.map(({ eventId: _eventId, receivedAt: _receivedAt, ...view }) => view);
  return { counts, views, facts, rejected };
}

function fileOf(name: string, content: string | Buffer): string {
  const dir = tempDir('columns');
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

const columns = 'time=ts,url=page url,visitor=uid,user-agent=ua,referrer=ref';
const csv = `id,ts,page url,uid,ua,ref
1,2015-05-18T10:05:03+02:00,"https://www.example.org/a?b=1,2",cookie:1,"Mozilla ""5""",
2,1431936303,https://www.example.org/a,cookie:2,x,https://r.example/
3,1431936303250,https://www.example.org,,x,
4,yesterday,https://www.example.org/a,cookie:4,x,
`;

test('CSV, TSV and a compressed CSV are read alike, row by row', async () => {
  const tsv =
    'ts\tpage url\tuid\tua\tref\n1431936303\thttps://www.example.org/a\tcookie:2\tx\thttps://r.example/\n';
  const expected = [
    {
      type: 'pageview',
      visitor: 'cookie:1',
      url: 'https://www.example.org/a?b=1,2',
      timestamp: at,
      userAgent: 'Mozilla "5"',
    },
    {
      type: 'pageview',
      visitor: 'cookie:2',
      url: 'https://www.example.org/a',
      timestamp: at,
      userAgent: 'x',
      referrer: 'https://r.example/',
    },
  ];
  for (const path of [fileOf('views.csv', csv), fileOf('views.csv.gz', gzipSync(csv))]) {
    const { counts, views } = await importTable(path, 'csv', { columns });
    assert.deepEqual(views, expected);
    assert.deepEqual(counts.rejectedBy, { 'the row has no visitor': 1, 'cannot parse the time': 1 });
  }
  assert.deepEqual(
    (await importTable(fileOf('views.tsv', tsv), 'tsv', { columns })).views,
    expected.slice(1),
  );
});

test('a row that is not one of the table is rejected with its line, and the others count', async () => {
  const path = fileOf(
    'views.csv',
    `${csv}5,1431936303,https://www.example.org/b,cookie:5,x\n6,1431936303,https://www.example.org/c,cookie:6,x,,y,z\n`,
  );
  const { counts, rejected } = await importTable(path, 'csv', { columns });
  assert.deepEqual(
    [counts.accepted, counts.rejectedBy['the row cannot be read']],
    [2, 2],
    JSON.stringify(rejected),
  );
});

test('Parquet: a time without a zone needs one, and rows imported again have their ids', async () => {
  const path = fileOf('views.parquet', '');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (SELECT TIMESTAMP '2015-05-18 10:05:03.25' AS ts, TIMESTAMPTZ '2015-05-18 08:05:03+00' AS tz, '/a' AS path, 'www.example.org' AS site,
    'cookie:' || i AS uid, '192.0.2.' || i AS ip, 200 AS code FROM range(3) t(i)) TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  const mapped = 'time=ts,host=site,path=path,visitor=uid';
  await assert.rejects(
    importTable(path, 'parquet', { columns: mapped }),
    (error) => hasCode(error, 'usage.invalid') && /missing option --zone/.test(error.message),
  );
  const { views, facts } = await importTable(path, 'parquet', { columns: mapped, zone: 'Europe/Berlin' });
  assert.deepEqual(views[1], {
    type: 'pageview',
    visitor: 'cookie:1',
    url: 'https://www.example.org/a',
    timestamp: at + 250,
  });
  const again = await importTable(path, 'parquet', { columns: mapped, zone: 'Europe/Berlin' });
  assert.deepEqual(
    again.facts.map(({ eventId }) => eventId),
    facts.map(({ eventId }) => eventId),
  );
  const zoned = await importTable(path, 'parquet', {
    columns: 'time=tz,host=site,path=path,address=ip,status=code',
  });
  assert.deepEqual(zoned.views[2], {
    type: 'pageview',
    visitor: 'ip:192.0.2.2',
    url: 'https://www.example.org/a',
    timestamp: at,
  });
});

test('JSON lines of any shape: Cloudflare, with nanoseconds', async () => {
  const line = {
    ClientIP: '192.0.2.7',
    ClientRequestHost: 'www.example.org',
    ClientRequestURI: '/a?b=1',
    ClientRequestMethod: 'GET',
    EdgeResponseStatus: 200,
    EdgeStartTimestamp: '1431936303250000000',
    RayID: '761fde4e984e5ab2',
    headers: { ua: ['x'] },
  };
  const path = fileOf(
    'views.json',
    `${JSON.stringify(line)}\n${JSON.stringify({ ...line, EdgeResponseStatus: 404 })}\nnonsense\n`,
  );
  const { counts, facts } = await importTable(path, 'json', {
    columns:
      'time=EdgeStartTimestamp,address=ClientIP,host=ClientRequestHost,path=ClientRequestURI,method=ClientRequestMethod,status=EdgeResponseStatus,event-id=RayID,user-agent=headers.ua',
  });
  const [fact] = facts;
  assert.ok(fact?.type === 'pageview');
  assert.deepEqual(
    [fact.timestamp, fact.url, fact.visitor, fact.userAgent, fact.eventId],
    [at + 250, 'https://www.example.org/a?b=1', 'ip:192.0.2.7', 'x', '761fde4e984e5ab2'],
  );
  assert.deepEqual([counts.accepted, counts.filtered, counts.rejected], [1, 1, 1]);
});

test('the rows of a table are not given to other threads, whether or not addresses are hashed', async () => {
  for (const visitor of ['ip', 'ip-agent-hash'] as const) {
    const stored = (name: string): object => ({
      name,
      options: { ...pageviewDefaults, visitor, host: 'www.example.org', columns: 'time=t,path=p,address=a' },
    });
    assert.equal((await formatOf(stored('csv'), () => 'key')).elsewhere, undefined);
    assert.notEqual((await formatOf(stored('combined'), () => 'key')).elsewhere, undefined);
  }
});

test('a mapping that cannot be used is refused by name', async () => {
  const path = fileOf('views.csv', csv);
  for (const [options, reason] of [
    [{}, /missing option --columns/],
    [{ columns: 'time=ts,url=page url' }, /no column for visitor/],
    [{ columns: 'when=ts' }, /takes field=column, got 'when=ts'/],
    [{ columns: 'time=ts,url=nope,visitor=uid' }, /Referenced column "nope" not found/],
  ] as const)
    await assert.rejects(async () => importTable(path, 'csv', options), reason);
});

const snowplow = join(projectRoot, '../shared/data/clicks/snowplow_web_events.csv.gz');

test(
  'events of Snowplow: duplicate events are repeats',
  { skip: existsSync(snowplow) ? false : 'no ../shared/data' },
  async () => {
    const { counts } = await importTable(snowplow, 'csv', {
      columns:
        'time=collector_tstamp,url=page_url,visitor=domain_userid,user-agent=useragent,referrer=page_referrer,event-id=event_id',
      zone: 'UTC',
    });
    const { read, accepted, repeated, rejectedBy } = counts;
    assert.deepEqual(
      { read, accepted, repeated, rejectedBy },
      { read: 160, accepted: 156, repeated: 3, rejectedBy: { 'the row has no visitor': 1 } },
    );
  },
);
