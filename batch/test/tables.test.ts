/** Runs by an engine: what is given to it, and the view that is made of its tables (batch/tables/contract.ts). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { HllSketch } from 'hyperloglog-ts';
import type { Fact, Pageview } from '../../facts/fact.js';
import { makeRules } from '../../facts/rules.js';
import { testErasures } from '../../facts/test/erasures.js';
import type { Config } from '../../lib/config/config.js';
import { hasCode } from '../../lib/errors/errors.js';
import { sqlText } from '../../master-data/duckdb.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { newBuildingDir } from '../../serving/store.js';
import { placed } from '../../test/oracle/ledger.js';
import { buildView, type BuildOptions } from '../pipeline.js';
import { ProgressMeter, type Progress } from '../progress.js';
import { buildByEngine } from '../tables/build.js';
import { makeDataDir, store, testClock } from './data-dir.js';
import { oracleEngine, type Tables } from './oracle-engine.js';

const rules = { ...makeRules({ urlQueryAllow: [], bots: 'exclude' }), erasures: testErasures };
const march = Date.UTC(2025, 2, 1);
const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0';

function view(i: number, change: Partial<Pageview> = {}): Pageview {
  return {
    type: 'pageview',
    visitor: `cookie:${i}`,
    url: 'https://example.com/busy?utm_source=Letter',
    timestamp: march + (i % 900) * 1_000,
    eventId: `e${i}`,
    receivedAt: testClock(),
    ...change,
  };
}

function edge(a: string, b: string, i: number, type: 'equiv' | 'retract' = 'equiv'): Fact {
  return { type, a, b, timestamp: march + i, eventId: `edge${i}`, receivedAt: testClock() };
}

/** Hours and days in registers, rare pages, several domains, joined ids, repeats, exclusions of every kind. */
const facts: readonly Fact[] = [
  ...Array.from({ length: 900 }, (_, i) => view(i)),
  ...Array.from({ length: 300 }, (_, i) =>
    view(1_000 + i, {
      url: `http://www.site${i % 3}.example/${i % 40}${i % 2 === 0 ? '/' : ''}`,
      timestamp: march + (i % 50) * 3_600_000 * 20,
      ...(i % 4 === 0 ? { userAgent: firefox, referrer: 'https://search.example/x', country: 'DE' } : {}),
      ...(i % 9 === 0 ? { importId: 'import-é' } : {}),
    }),
  ),
  ...Array.from({ length: 40 }, (_, i) => view(i)),
  view(2_000, { visitor: '\u{1F600}' }),
  view(2_001, { visitor: '\uFEFFcookie:1' }),
  ...Array.from({ length: 120 }, (_, i) =>
    edge(`cookie:${i % 40}`, `user:ü${i % 17}`, i, i % 11 === 0 ? 'retract' : 'equiv'),
  ),
  edge('\uFFFD', '\u{1F600}', 500),
  edge('\uFEFFcookie:1', '\u{1F600}', 501),
];
const exclusions: readonly Fact[] = [
  {
    type: 'exclude',
    by: 'importId',
    value: 'import-é',
    from: march + 3_600_000_00,
    timestamp: march,
    eventId: 'x1',
    receivedAt: testClock(),
  },
  {
    type: 'exclude',
    by: 'urlPrefix',
    value: 'http://www.site1.example/1',
    timestamp: march,
    eventId: 'x2',
    receivedAt: testClock(),
  },
  {
    type: 'exclude',
    by: 'erased',
    value: testErasures.valueOf('cookie:7'),
    timestamp: march,
    eventId: 'x3',
    receivedAt: testClock(),
  },
];

function optionsFor(
  config: Config,
  name: string,
  onProgress: (progress: Progress) => void = () => undefined,
): BuildOptions {
  return {
    snapshot: takeSnapshot(config.dataDir),
    rules,
    lgK: config.lgK,
    bucketMinutes: config.bucketMinutes,
    maxPersonIds: 0,
    number: 1,
    createdAt: 0,
    previous: undefined,
    viewDir: newBuildingDir(config.dataDir, name),
    tempDir: join(config.dataDir, 'batch', name),
    memoryLimit: '512MB',
    threads: 1,
    progress: new ProgressMeter(() => 0, onProgress, 0),
  };
}

async function dataDirWith(lgK: number): Promise<Config> {
  const config = makeDataDir({ lgK });
  await store(config, [...facts, ...exclusions]);
  return config;
}

test('a view of tables is the one that our own threads make, whatever the size of its sketches', async () => {
  for (const lgK of [8, 11]) {
    const config = await dataDirWith(lgK);
    const ours = await buildView(optionsFor(config, 'ours'));
    const steps: string[] = [];
    const engine = oracleEngine(placed([...facts, ...exclusions]), rules);
    const theirs = await buildByEngine({
      ...optionsFor(config, 'theirs', ({ step }) => void (steps.at(-1) === step || steps.push(step))),
      engine,
    });
    assert.deepEqual(theirs.meta.view, ours.meta.view);
    assert.deepEqual(steps, ['rules', 'persons', 'facts', 'index', 'verify']);
  }
});

test('rules tables hold a row for each distinct text, and what is to be known of ids and exclusions', async () => {
  const config = await dataDirWith(8);
  const engine = oracleEngine(placed([...facts, ...exclusions]), rules);
  await buildByEngine({ ...optionsFor(config, 'theirs'), engine });
  const [job] = engine.jobs;
  assert.ok(job !== undefined);
  const urls = job.rules.ofTexts.find(({ key }) => key === 'url');
  const distinct = new Set(facts.flatMap((fact) => (fact.type === 'pageview' ? fact.url : [])));
  assert.deepEqual(await rows(urls?.path ?? '', 'count(*), count(distinct url) from {}'), [
    [String(distinct.size), String(distinct.size)],
  ]);
  assert.deepEqual(
    await rows(urls?.path ?? '', `page, domain, "tags-source" from {} where url like '%busy%'`),
    [['https://example.com/busy', 'example.com', 'letter']],
  );
  assert.deepEqual(await rows(job.rules.ids, 'id, nobody, erased, joins from {}'), [
    ['cookie:7', false, true, false],
  ]);
  assert.deepEqual(job.rules.excluded.columns.toSorted(), ['import_id', 'page']);
  assert.deepEqual(
    await rows(job.rules.excluded.path, `"by", text, "from", "to" from {} where "by" = 'import_id'`),
    [['import_id', 'import-é', String(march + 3_600_000_00), null]],
  );
});

test('tables that are not what the contract says, or not what the facts say, are refused', async () => {
  const config = await dataDirWith(8);
  const wrong: readonly [RegExp, 'batch.failed' | 'view.refused', (tables: Tables) => void][] = [
    [/hold the bucket \d+ twice/, 'batch.failed', ({ cells }) => void cells.push(cells[0] ?? [])],
    [
      /a sketch cannot be read/,
      'batch.failed',
      ({ cells }) => void cells[0]?.splice(5, 1, Uint8Array.of(1, 2, 3)),
    ],
    [
      /a sketch has lgK 9/,
      'batch.failed',
      ({ cells }) => void cells[0]?.splice(5, 1, HllSketch.fromCoupons(Uint32Array.of(1 << 26), 9).toBytes()),
    ],
    [
      /the least id of/,
      'batch.failed',
      ({ persons }) =>
        void persons.splice(
          persons.findIndex(([a, b]) => a === b),
          1,
        ),
    ],
    [/statistics of the engine/, 'batch.failed', ({ statistics }) => void statistics.pop()],
    [/check of totals/, 'view.refused', ({ cells }) => void cells.splice(0, 1)],
    [/check of persons/, 'view.refused', ({ persons }) => void persons.splice(0, persons.length)],
    [/check of recount/, 'view.refused', recounted],
    [
      /visits of .* have \d+ pageviews, the domain/,
      'view.refused',
      visitsWith(4, (pageviews) => pageviews + 1),
    ],
    [/in \d+ visits, \d+ of them bounces/, 'view.refused', visitsWith(4, (_pageviews, visits) => visits)],
    [/ ms in \d+ pageviews of visits/, 'view.refused', visitsWith(5, (ms) => ms + 1_800_000 * 900)],
  ];
  for (const [message, code, change] of wrong) {
    const engine = oracleEngine(placed([...facts, ...exclusions]), rules, change);
    const name = `wrong-${wrong.findIndex(([each]) => each === message)}`;
    await assert.rejects(
      buildByEngine({ ...optionsFor(config, name), engine }),
      (error: Error) => {
        assert.match(error.message, message);
        return hasCode(error, code);
      },
      String(message),
    );
  }
});

/** Counts one person for all of each page's hour: days and domains know nothing of it. */
function recounted({ cells }: Tables): void {
  const one = HllSketch.fromCoupons(Uint32Array.of((1 << 26) + 5), 8).toBytes();
  for (const row of cells) if (row[0] === 'page') row.splice(5, 1, one);
}

/** Changes a column of buckets where someone viewed two pages. */
function visitsWith(
  column: number,
  change: (value: number, visits: number) => number,
): (tables: Tables) => void {
  return ({ visits }) => {
    const row = visits.find(([, , begun, bounces]) => Number(bounces) > 0 && Number(bounces) < Number(begun));
    row?.splice(column, 1, change(Number(row[column]), Number(row[2])));
  };
}

test('an engine that fails leaves no view, and its error is that of the run', async () => {
  const config = await dataDirWith(8);
  const failing = { compute: () => Promise.reject(new Error('out of coffee')) };
  await assert.rejects(buildByEngine({ ...optionsFor(config, 'fails'), engine: failing }), /out of coffee/);
  const lazy = { compute: () => Promise.resolve() };
  await assert.rejects(
    buildByEngine({ ...optionsFor(config, 'lazy'), engine: lazy }),
    /left no table 'cells'/,
  );
});

/** Rows of a Parquet file. */
async function rows(path: string, sql: string): Promise<unknown[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const found = await connection.runAndReadAll(
    `select ${sql.replace('{}', `read_parquet(${sqlText(path)})`)}`,
  );
  connection.closeSync();
  return found.getRowsJson();
}
