/** Files without later columns are read like any others, alone and beside newer ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { sqlFacts } from '../schema.js';
import { SinkSession } from '../sink-session.js';
import { takeSnapshot } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { makeFixture, pageview, readRows, type Fixture } from './fixture.js';
import { storeOldFile } from './old-files.js';

const newView = (i: number) => pageview(i, { country: 'DE', importId: `import:${i}` });

const ten = (from: number): number[] => Array.from({ length: 10 }, (_, i) => from + i);

/** Returns the optional columns of all rows in log order, and the files they are in. */
async function columnsOf(
  fixture: Fixture,
): Promise<{ readonly files: number; readonly rows: readonly unknown[] }> {
  const { files } = takeSnapshot(fixture.dataDir);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const result = await connection.run(
    `select "offset", visitor, country, import_id
     from ${sqlFacts(
       'pageviews',
       files.map((file) => file.path),
     )} order by "offset"`,
  );
  const rows = (await result.getRows()).map(([at, ...texts]) => [Number(at), ...texts]);
  connection.closeSync();
  instance.closeSync();
  return { files: files.length, rows };
}

async function drain(fixture: Fixture, fanIn: number): Promise<void> {
  const { dataDir, log } = fixture;
  const limits = { fanIn, maxRows: 1e6, maxBytes: 1e9 };
  const session = await SinkSession.open({
    dataDir,
    log,
    maxRows: 1000,
    intervalMs: 60_000,
    limits,
    onProblem: assert.ifError,
  });
  await session.run({ signal: new AbortController().signal, until: await log.latest() });
  await session.close();
}

test('old files read as null where they have no column: alone, before and after newer ones, and compacted', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const expected: unknown[] = [];
  const expect = (i: number, ...optional: readonly (string | null)[]): void =>
    void expected.push([i, pageview(i).visitor, ...optional]);

  await storeOldFile(
    fixture.dataDir,
    fixture.log,
    ten(0).map((i) => pageview(i)),
  );
  for (const i of ten(0)) expect(i, null, null);
  assert.deepEqual(await columnsOf(fixture), { files: 1, rows: expected });

  await fixture.append(ten(10).map(newView));
  await drain(fixture, 100);
  for (const i of ten(10)) expect(i, 'DE', `import:${i}`);
  assert.deepEqual(await columnsOf(fixture), { files: 2, rows: expected });

  await storeOldFile(
    fixture.dataDir,
    fixture.log,
    ten(20).map((i) => pageview(i)),
  );
  for (const i of ten(20)) expect(i, null, null);
  await fixture.append([pageview(30), pageview(31, { importId: 'null' })]);
  await drain(fixture, 100);
  expect(30, null, null);
  expect(31, null, 'null');
  assert.deepEqual(await columnsOf(fixture), { files: 4, rows: expected });
  assert.deepEqual((await verifyMaster(fixture.dataDir, fixture.log)).problems, []);

  await fixture.append([newView(32)]);
  await drain(fixture, 5);
  expect(32, 'DE', 'import:32');
  assert.deepEqual(await columnsOf(fixture), { files: 1, rows: expected });
  assert.deepEqual((await verifyMaster(fixture.dataDir, fixture.log)).problems, []);
  const [row] = await readRows(takeSnapshot(fixture.dataDir).files, 'pageviews');
  assert.deepEqual([row?.['country'], row?.['import_id']], [null, null]);
});
