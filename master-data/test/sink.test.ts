/** The sink's main guarantee: every record of the log in exactly one row, in order, with its own content. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { isExclusion, timeStart, type Exclusion } from '../../facts/fact.js';
import { decodeRecord } from '../../facts/record.js';
import { OwnerLock } from '../../lib/files/owner-lock.js';
import { partitionName } from '../../log/log.js';
import { idTexts } from '../../facts/test/id-texts.js';
import { waitForMaster } from '../flush-request.js';
import { flushRequestPath, partitionDir, sinkLockPath } from '../layout.js';
import { catchUpMaster, drainLogToMaster, startSink } from '../role.js';
import { masterCut, takeSnapshot, verifySnapshotFiles } from '../snapshot.js';
import { isPlainPageview } from '../spool.js';
import { equiv, makeFixture, pageview, readRows, type Row } from './fixture.js';
import { eventually } from '../../test/eventually.js';

const eventIds = (rows: readonly Row[]): string[] => rows.map((row) => String(row['event_id']));
const byText = (a: string, b: string): number => (a < b ? -1 : 1);

test('every record of the log is in exactly one row of the snapshot, whatever the commits', async (t) => {
  const fixture = await makeFixture(t);
  const facts = Array.from({ length: 500 }, (_, i) => pageview(i));
  const edges = Array.from({ length: 50 }, (_, i) => equiv(i));
  await fixture.append([...facts.slice(0, 200), ...edges]);
  await drainLogToMaster(fixture.context);
  await fixture.append(facts.slice(200));
  const cut = await drainLogToMaster(fixture.context);
  const snapshot = takeSnapshot(fixture.dataDir);
  assert.deepEqual(snapshot.cut, cut);
  assert.deepEqual(cut.next, await fixture.log.latest());
  await verifySnapshotFiles(snapshot);
  const rows = await readRows(snapshot.files, 'pageviews');
  assert.deepEqual(eventIds(rows).toSorted(byText), facts.map((fact) => fact.eventId).toSorted(byText));
  assert.deepEqual(
    eventIds(await readRows(snapshot.files, 'equivs')),
    edges.map((edge) => edge.eventId),
  );
});

const noEdge = { a: null, b: null, source: null };
const noExclusion = { by: null, value: null, from: null, to: null };

test('rows say field by field what the facts say, and keep the order of the log', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const odd = 'a "quoted" \\ back\tslash \u0000 nul \u2028 é€😀 \u{10ffff}';
  const facts = [
    pageview(0),
    pageview(1, { userAgent: odd, referrer: '' }),
    pageview(2, { visitor: 'cookie:é€😀', userAgent: 'Mozilla/5.0' }),
    pageview(3, { url: 'https://example.com/?q=%20"', timestamp: timeStart }),
    pageview(4, { country: 'DE', importId: odd }),
  ];
  const edges = [equiv(0), equiv(1, { type: 'retract', source: odd })];
  const timing = { timestamp: 1_700_000_000_000, receivedAt: 1_700_000_000_500 };
  const exclusions: Exclusion[] = [
    { type: 'exclude', by: 'userAgent', value: odd, ...timing, eventId: 'x' },
    { type: 'include', by: 'visitor', value: 'cookie:1', from: timeStart, to: 2e12, ...timing, eventId: 'y' },
  ];
  await fixture.append([...facts, ...edges]);
  await fixture.append(exclusions);
  await drainLogToMaster(fixture.context);
  const { files } = takeSnapshot(fixture.dataDir);
  const shared = { partition: 0, invalid_reason: null, raw: null };
  assert.deepEqual(
    await readRows(files, 'pageviews'),
    facts.map((fact, offset) => ({
      ...shared,
      offset,
      received_at: fact.receivedAt,
      timestamp: fact.timestamp,
      visitor: fact.visitor,
      url: fact.url,
      event_id: fact.eventId,
      user_agent: fact.userAgent ?? null,
      referrer: fact.referrer ?? null,
      country: fact.country ?? null,
      import_id: fact.importId ?? null,
    })),
  );
  assert.deepEqual(
    await readRows(files, 'equivs'),
    [...edges, ...exclusions].map((fact, offset) => ({
      ...shared,
      offset,
      received_at: fact.receivedAt,
      timestamp: fact.timestamp,
      kind: fact.type,
      event_id: fact.eventId,
      ...(isExclusion(fact) ? noEdge : { a: fact.a, b: fact.b, source: fact.source ?? null }),
      ...(isExclusion(fact)
        ? { by: fact.by, value: fact.value, from: fact.from ?? null, to: fact.to ?? null }
        : noExclusion),
    })),
  );
  const views = files.find((file) => file.topic === 'pageviews');
  assert.deepEqual(
    [views?.rows, views?.minTimestamp, views?.maxTimestamp],
    [5, timeStart, facts[4]?.timestamp],
  );
});

/** Records as a foreign producer may write them: not facts, unusual facts, and facts in unusual JSON. */
const foreign: readonly (readonly [what: string, text: string | Buffer])[] = [
  ['nothing', ''],
  ['no JSON', '{"type":"pageview"'],
  ['no object', '[1, 2]'],
  ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a, 0x22])],
  ['a wrong field', JSON.stringify({ ...pageview(1), visitor: 7 })],
  ['the other topic', JSON.stringify(equiv(1))],
  ['JSON over several lines', JSON.stringify(pageview(2), undefined, 2)],
  ['unknown fields', JSON.stringify({ offset: 99, raw: 'x', OFFSET: 5, ...pageview(3), visitorX: 1 })],
  ['a field twice', JSON.stringify(pageview(4)).replace('{', '{"visitor":"other","offset":7,')],
  ['a lone surrogate', JSON.stringify(pageview(5, { visitor: 'cookie:\ud800' }))],
  ['a time in exponent form', JSON.stringify(pageview(6)).replace('1700000000006', '17e11')],
  ['invalid UTF-8 in a text', Buffer.from(JSON.stringify(pageview(7, { referrer: '\u00ff' })), 'latin1')],
  ['white space around', `  ${JSON.stringify(pageview(8))}\r\n`],
  ['an endless text', JSON.stringify(pageview(9, { userAgent: 'x'.repeat(400_000) }))],
  ['keys escaped', JSON.stringify(pageview(10)).replace('visitor', '\\u0076isitor')],
];

test('a record that is not a fact keeps its bytes and its reason; odd JSON means what decodeRecord says', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const values = foreign.map(([, text]) => (typeof text === 'string' ? Buffer.from(text) : text));
  await fixture.appendRaw(values.map((value) => ({ topic: 'pageviews', key: 'k', value })));
  await drainLogToMaster(fixture.context);
  const { files } = takeSnapshot(fixture.dataDir);
  const rows = await readRows(files, 'pageviews');
  assert.equal(rows.length, foreign.length);
  for (const [i, [what]] of foreign.entries()) {
    const value = values[i] ?? Buffer.of();
    const row = rows[i] ?? {};
    const decoded = decodeRecord(value, 'pageviews');
    assert.equal(row['offset'], i, what);
    if (decoded.type === 'pageview') {
      assert.equal(row['invalid_reason'], null, what);
      assert.equal(row['visitor'], decoded.visitor.toWellFormed(), what);
      assert.equal(row['timestamp'], decoded.timestamp, what);
      assert.equal(row['event_id'], decoded.eventId, what);
      assert.equal(row['referrer'], decoded.referrer ?? null, what);
      assert.equal(row['user_agent'], decoded.userAgent ?? null, what);
    } else {
      assert.equal(typeof row['invalid_reason'], 'string', what);
      assert.deepEqual(row['raw'], value, what);
      assert.equal(row['visitor'], null, what);
    }
  }
});

test('what passes as a plain pageview is valid for decodeRecord too, and unambiguous', () => {
  const unit = fc.oneof(
    { weight: 60, arbitrary: fc.constantFrom('a', ':', '/', 'é', '😀', '\u007f') },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
  );
  const text = fc.string({ unit, maxLength: 270 });
  let passed = 0;
  const mutated = fc.tuple(
    fc.record(
      {
        type: fc.constantFrom('pageview', 'equiv'),
        visitor: fc.oneof(fc.stringMatching(/^[ -~]{1,12}$/), idTexts, text),
        url: text,
        timestamp: fc.oneof(
          { weight: 5, arbitrary: fc.integer({ min: 1e12, max: 1e15 - 1 }) },
          fc.nat(),
          fc.double(),
          fc.maxSafeInteger(),
        ),
        eventId: text,
        receivedAt: fc.oneof(fc.nat(), fc.constant(-0)),
        userAgent: text,
        referrer: text,
        country: text,
        importId: text,
      },
      { requiredKeys: ['type', 'visitor', 'url', 'timestamp', 'eventId', 'receivedAt'] },
    ),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 1 }),
  );
  fc.assert(
    fc.property(mutated, ([fact, flips]) => {
      const bytes = Buffer.from(JSON.stringify(fact));
      for (const [at, byte] of flips) bytes[at % bytes.length] = byte;
      if (!isPlainPageview(bytes)) return;
      passed++;
      const decoded = decodeRecord(bytes, 'pageviews');
      assert.equal(decoded.type, 'pageview');
      assert.deepEqual(Buffer.from(JSON.stringify(decoded)), bytes);
    }),
    { numRuns: 3000 },
  );
  assert.ok(passed > 50, `only ${passed} of the generated records were plain`);
  const all = { userAgent: 'é😀', referrer: '', country: 'DE', importId: '1' };
  assert.ok(isPlainPageview(Buffer.from(JSON.stringify(pageview(1, all)))));
});

test('a running sink commits within its interval, and at once when asked to', async (t) => {
  const fixture = await makeFixture(t, { sinkIntervalMs: 100 });
  const sink = await startSink(fixture.context);
  t.after(() => sink.stop());
  await fixture.append([pageview(1), equiv(1)]);
  await waitForMaster(fixture.dataDir, await fixture.log.latest(), { timeoutMs: 60_000 });
  await sink.stop();

  const slow = await startSink({
    ...fixture.context,
    config: { ...fixture.context.config, sinkIntervalMs: 3_600_000 },
  });
  t.after(() => slow.stop());
  await fixture.append([pageview(2)]);
  const cut = await catchUpMaster(fixture.context, { log: fixture.log, timeoutMs: 60_000 });
  assert.deepEqual(cut.next, await fixture.log.latest());
});

test('a sink commits within its interval although the wall clock is set back', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  let wall = Date.now();
  const sink = await startSink({ ...fixture.context, clock: () => (wall -= 3_600_000) });
  t.after(() => sink.stop());
  await fixture.append([pageview(1)]);
  await eventually('the fact is committed', () => masterCut(fixture.dataDir)?.next['pageviews/0'] === 1);
});

test('a sink that is stopped has committed what it had read', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1, sinkIntervalMs: 3_600_000 });
  const sink = await startSink(fixture.context);
  await fixture.append([pageview(1), pageview(2)]);
  const spools = (): string[] =>
    readdirSync(partitionDir(fixture.dataDir, partitionName('pageviews', 0))).filter((name) =>
      name.startsWith('spool'),
    );
  await eventually('the sink has read facts', () => spools().length > 0);
  await sink.stop();
  assert.equal(masterCut(fixture.dataDir)?.next['pageviews/0'], 2);
  assert.deepEqual(spools(), []);
});

test('without a sink, a caller that needs the facts brings the master dataset up to the log itself', async (t) => {
  const fixture = await makeFixture(t);
  assert.equal(masterCut(fixture.dataDir), undefined);
  assert.throws(() => takeSnapshot(fixture.dataDir), { code: 'master.missing' });
  await fixture.append([pageview(1)]);
  const cut = await catchUpMaster(fixture.context, { log: fixture.log, timeoutMs: 1_000 });
  assert.deepEqual(cut, { logId: fixture.log.id, next: await fixture.log.latest() });
  await assert.rejects(
    waitForMaster(
      fixture.dataDir,
      { 'pageviews/0': cut.next['pageviews/0'] ?? cut.next['equivs/0'], 'equivs/0': 1 as never },
      { timeoutMs: 60 },
    ),
    { code: 'log.unavailable' },
  );
});

test('a sink that starts while a batch run catches up waits for it, and then works', async (t) => {
  const fixture = await makeFixture(t);
  await fixture.append([pageview(1)]);
  const caughtUp = drainLogToMaster(fixture.context);
  const sink = await startSink(fixture.context);
  t.after(() => sink.stop());
  assert.deepEqual((await caughtUp).next, await fixture.log.latest());
  await fixture.append([pageview(2)]);
  await Promise.race([
    sink.done,
    waitForMaster(fixture.dataDir, await fixture.log.latest(), { timeoutMs: 60_000 }),
  ]);
  assert.deepEqual(masterCut(fixture.dataDir)?.next, await fixture.log.latest());
});

test('a sink that waits for a catch-up can be stopped; a second sink is refused', async (t) => {
  const fixture = await makeFixture(t);
  const caughtUp = drainLogToMaster(fixture.context, { log: fixture.log });
  const sink = await startSink(fixture.context);
  await sink.stop();
  await caughtUp;
  const first = await startSink(fixture.context);
  t.after(() => first.stop());
  await assert.rejects(startSink(fixture.context), { code: 'data-dir.in-use' });
});

test('a caller that waits for a sink takes over when the sink ends', async (t) => {
  const fixture = await makeFixture(t);
  await fixture.append([pageview(1)]);
  const lock = OwnerLock.acquire(sinkLockPath(fixture.dataDir), 'sink');
  const caughtUp = catchUpMaster(fixture.context, { log: fixture.log, timeoutMs: 5_000 });
  await eventually('a commit is asked for', () => existsSync(flushRequestPath(fixture.dataDir)));
  lock.release();
  assert.deepEqual((await caughtUp).next, await fixture.log.latest());
});

test('a start removes no facts: files left by a crash are removed once their offsets are stored again', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  await fixture.append([pageview(1)]);
  await drainLogToMaster(fixture.context);
  const dir = partitionDir(fixture.dataDir, partitionName('pageviews', 0));
  const before = readdirSync(dir);
  const orphan = '0000000000000001-0000000000000002-0123456789abcdef.parquet';
  for (const name of [orphan, 'spool-3.tmp', 'compaction.tmp']) writeFileSync(join(dir, name), 'left behind');
  utimesSync(join(dir, 'spool-3.tmp'), 0, 0);
  await drainLogToMaster(fixture.context);
  assert.deepEqual(readdirSync(dir), [...before, orphan].toSorted());
  await fixture.append([pageview(2)]);
  await drainLogToMaster(fixture.context);
  const { files } = takeSnapshot(fixture.dataDir);
  assert.deepEqual(
    readdirSync(dir),
    [
      ...files.filter(({ topic }) => topic === 'pageviews').map(({ path }) => basename(path)),
      'manifests',
    ].toSorted(),
  );
});

test('no file has more rows than it may, however much the log gives at once', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1, sinkMaxRows: 30 });
  await fixture.append(Array.from({ length: 100 }, (_, i) => pageview(i)));
  await drainLogToMaster(fixture.context);
  assert.deepEqual(
    takeSnapshot(fixture.dataDir).files.map((file) => file.rows),
    [30, 30, 30, 10],
  );
});
