import { spans, widthOf } from '../../lib/time/buckets.js';
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sameRules } from '../../facts/rules-versions.js';
import type { Cut, LogId } from '../../log/log.js';
import { seal } from '../../lib/files/sealed.js';
import { offset } from '../../log/log.js';
import { PackedTexts } from '../../lib/memory/packed-texts.js';
import { BlockBuilder } from '../arrays/block-builder.js';
import { ByteWriter } from '../arrays/bytes.js';
import { CellFile } from '../cell-file.js';
import { CurrentWatch, readCurrent } from '../current.js';
import {
  checkSeals,
  ensureGenesis,
  listViews,
  newBuildingDir,
  nextViewNumber,
  openView,
  prune,
  publish,
  rollBack,
  viewIds,
} from '../store.js';
import { ViewWriter } from '../view-writer.js';
import { encodeVisits } from '../arrays/visits.js';
import type { ViewId, ViewMeta } from '../../facts/views/view.js';
import { codeVersion } from '../code-version.js';
import { heldViews, holdViews } from '../held.js';
import { writeIdentity } from '../identity.js';
import { readMeta } from '../meta.js';
import {
  currentPath,
  fileNames,
  heldDir,
  firstWithVisitLengths,
  oldestReadable,
  viewPath,
} from '../layout.js';
import { forgeMeta } from './forge.js';
import { tempDir } from '../../test/temp-dir.js';

const cut: Cut = { logId: 'log-1' as LogId, next: { 'pageviews/0': offset(0), 'equivs/0': offset(0) } };
const gap = { partition: 'equivs/0', fromOffset: offset(1), toOffset: offset(3), acceptedAt: 900 } as const;
const base = {
  cut,
  lgK: 14,
  bucketMinutes: 60 as const,
  rules: { url: '1', domain: '1', bots: 'include', dimensions: 'none' },
  createdAt: 1000,
};

const visitCells = [
  { bucket: 480_000, visits: 2, bounces: 1, pageviews: 4, durationMs: 2 ** 33 + 5 },
  { bucket: 480_007, visits: 3, bounces: 3, pageviews: 3, durationMs: 0 },
];

const empty = { ...base, rules: { versions: base.rules, dimensions: { names: [] } } };

async function publishView(
  dir: string,
  number: number,
  url: string,
  writeVisits = (out: ByteWriter): void => encodeVisits(out, visitCells),
): Promise<ViewMeta> {
  const building = newBuildingDir(dir, 'test');
  const writer = new ViewWriter(building, []);
  const builder = new BlockBuilder(14, widthOf(60));
  builder.bucket(480_000, 3, Uint32Array.of(5, 70, 4_000_000_000), 0, 3);
  const pages = new CellFile(writer.cellsPath('pages'));
  const domains = new CellFile(writer.cellsPath('domains'));
  writer.page(Buffer.from(url), pages.append(builder.finish()));
  builder.bucket(480_000, 3, Uint32Array.of(5, 70, 4_000_000_000), 0, 3);
  writer.domain('example.com', domains.append(builder.finish()));
  const visits = new ByteWriter();
  writeVisits(visits);
  writer.visits('example.com', visits.view());
  writer.listPage('example.com', Buffer.from(url), 3);
  const counts = { pageviews: 3, pages: 1, domains: 1, values: {}, persons: 2, mappedIds: 1 };
  const meta = await writer.finish(
    { ...base, maxPersonIds: 0, gaps: [gap], number, codeVersion, counts },
    {
      identity: await writeIdentity(writer.identityPath, PackedTexts.of(['cookie:a', 'cookie:b']), [[0, 1]]),
      cells: new Map([
        ['pages', await pages.close()],
        ['domains', await domains.close()],
      ]),
    },
  );
  publish(dir, building, meta);
  return meta.view;
}

test('a fresh data directory gets exactly one empty view, also from concurrent calls', async () => {
  const dir = tempDir('serving');
  assert.throws(() => readCurrent(dir), { code: 'view.missing' });
  await Promise.all([ensureGenesis(dir, empty), ensureGenesis(dir, empty), ensureGenesis(dir, empty)]);
  assert.deepEqual(
    listViews(dir).map((meta) => [meta.number, meta.cut]),
    [[0, cut]],
  );
  const view = openView(dir, readCurrent(dir));
  assert.equal(view.personOf('cookie:1'), 'cookie:1');
  assert.deepEqual(view.idsOf('cookie:1'), ['cookie:1']);
  assert.deepEqual([...view.domains()], []);
  view.close();
});

test('a published view answers from each of its tables', async (t) => {
  const dir = tempDir('serving');
  await ensureGenesis(dir, empty);
  const long = `https://example.com/${'x'.repeat(2000)}`;
  const meta = await publishView(dir, 1, long);
  assert.equal(readCurrent(dir), meta.id);
  const view = openView(dir, meta.id);
  t.after(() => view.close());
  assert.deepEqual(view.meta, meta);
  assert.deepEqual(view.meta.gaps, [gap]);
  assert.equal(view.personOf('cookie:b'), 'cookie:a');
  assert.deepEqual(view.idsOf('cookie:a'), ['cookie:a', 'cookie:b']);
  assert.deepEqual([...view.domains()], ['example.com']);
  assert.deepEqual([...view.pages('example.com')], [{ url: long, pageviews: 3 }]);
  const hours: unknown[] = [];
  view.forEachVisitBucket('example.com', 0, 1e6, (cell) => hours.push(cell));
  assert.deepEqual(hours, visitCells);
  for (const span of spans) {
    const seen: unknown[] = [];
    view.forEachBucket({ kind: 'page', url: long }, span, 0, 1e6, ({ pageviews, sketch }) => {
      seen.push([pageviews, sketch.kind === 'coupons' ? [...sketch.coupons] : 'registers']);
    });
    assert.deepEqual(seen, [[3, [5, 70, 4_000_000_000]]]);
  }
});

test('a view whose META does not name the domain rule, as earlier versions wrote it, is read: under other rules', async (t) => {
  const dir = tempDir('serving');
  const { id } = await publishView(dir, 1, 'https://example.com/1');
  const path = join(viewPath(dir, id), fileNames.meta);
  const { view, ...rest } = readMeta(viewPath(dir, id));
  writeFileSync(path, seal({ ...rest, view: { ...view, rules: { url: '1', bots: 'include' } } }).text);
  const opened = openView(dir, id);
  t.after(() => opened.close());
  assert.deepEqual([...opened.domains()], ['example.com']);
  assert.equal(sameRules(opened.meta.rules, base.rules), false);
});

test('a change of CURRENT is noticed, it can be rolled back, and all but the newest views are pruned', async (t) => {
  const dir = tempDir('serving');
  await ensureGenesis(dir, empty);
  const genesis = readCurrent(dir);
  const watch = new CurrentWatch(dir);
  assert.equal(watch.current(), genesis);
  const first = await publishView(dir, 1, 'https://example.com/1');
  assert.equal(watch.current(), first.id);
  const held = openView(dir, first.id);
  t.after(() => held.close());
  const second = await publishView(dir, 2, 'https://example.com/2');
  assert.equal((await rollBack(dir)).id, first.id);
  assert.equal(watch.current(), first.id);
  assert.deepEqual(prune(dir, 1), [genesis], 'the current view stays although it is not the newest');
  assert.equal((await rollBack(dir, second.id)).id, second.id);
  assert.deepEqual(prune(dir, 1), [first.id]);
  assert.equal(held.personOf('cookie:b'), 'cookie:a', 'a reader of a removed view is not disturbed');
  await assert.rejects(rollBack(dir), { code: 'view.missing' });
});

test('a held view is spared by prune until its last holder lets go; a damaged hold removes nothing', async () => {
  const dir = tempDir('serving');
  await ensureGenesis(dir, empty);
  const genesis = readCurrent(dir);
  const first = await publishView(dir, 1, 'https://example.com/1');
  await publishView(dir, 2, 'https://example.com/2');
  holdViews(dir, 'one', [genesis, first.id]);
  holdViews(dir, 'two', [first.id]);
  assert.deepEqual(prune(dir, 1), []);
  holdViews(dir, 'one', []);
  assert.deepEqual(prune(dir, 1), [genesis]);
  openView(dir, first.id).close();
  writeFileSync(join(heldDir(dir), 'two.json'), '["v1');
  assert.throws(() => prune(dir, 1), { code: 'view.corrupt', message: /two\.json/ });
  holdViews(dir, 'two', []);
  assert.deepEqual(prune(dir, 1), [first.id]);
});

test('a holder that arrives while a view is being removed keeps it or does not find it, but never loses it later', async () => {
  const dir = tempDir('serving');
  const first = await publishView(dir, 1, 'https://example.com/1');
  await publishView(dir, 2, 'https://example.com/2');
  const seen: boolean[] = [];
  const heldMeanwhile = (): Set<ViewId> => {
    const held = heldViews(dir);
    if (!held.has(first.id))
      holdViews(dir, 'late', [first.id]); // just after the first look
    else seen.push(existsSync(viewPath(dir, first.id)));
    return held;
  };
  assert.deepEqual(prune(dir, 1, heldMeanwhile), []);
  assert.deepEqual(seen, [false], 'at the second look nobody can open it any more');
  openView(dir, first.id).close();
  assert.deepEqual(
    listViews(dir).map(({ number }) => number),
    [1, 2],
  );
});

function setFormat(dir: string, { id }: ViewMeta, format: number): void {
  forgeMeta(viewPath(dir, id), (meta) => ({ ...meta, format }));
}

test('a view of an older format is refused with what to do about it, and still listed', async () => {
  const dir = tempDir('serving');
  const meta = await publishView(dir, 1, 'https://example.com/1');
  setFormat(dir, meta, 1);
  assert.throws(() => openView(dir, meta.id), {
    code: 'view.corrupt',
    message: /has format 1, but this version reads formats from \d/,
    hint: /swa batch run/,
  });
  assert.deepEqual(listViews(dir), [meta]);
});

test('a view with a damaged META, or of a later version, is not listed, and its number is not used again', async () => {
  const dir = tempDir('serving');
  const [first, second, third] = [
    await publishView(dir, 1, 'https://example.com/1'),
    await publishView(dir, 2, 'https://example.com/2'),
    await publishView(dir, 3, 'https://example.com/3'),
  ];
  writeFileSync(join(viewPath(dir, second.id), fileNames.meta), '{"format": 5');
  setFormat(dir, third, 99);
  assert.deepEqual(listViews(dir), [first]);
  assert.deepEqual(viewIds(dir), [first.id, second.id, third.id]);
  assert.equal(nextViewNumber(dir), 4);
});

test('views are ordered by number: the millionth is newer than the one before it', async () => {
  const dir = tempDir('serving');
  const before = await publishView(dir, 999_999, 'https://example.com/');
  const after = await publishView(dir, 1_000_000, 'https://example.com/');
  assert.deepEqual(viewIds(dir), [before.id, after.id]);
  assert.equal((await rollBack(dir)).id, before.id);
  assert.equal(nextViewNumber(dir), 1_000_001);
});

test('roll back skips views that cannot serve, and refuses one that is requested', async () => {
  const dir = tempDir('serving');
  const views = [];
  for (const number of [1, 2, 3, 4]) views.push(await publishView(dir, number, 'https://example.com/'));
  const [first, second, third, fourth] = views as [ViewMeta, ViewMeta, ViewMeta, ViewMeta];
  setFormat(dir, third, oldestReadable - 1);
  rmSync(join(viewPath(dir, second.id), fileNames.pages));
  await assert.rejects(rollBack(dir, third.id), { code: 'view.corrupt', message: /has format/ });
  assert.equal(readCurrent(dir), fourth.id);
  assert.equal((await rollBack(dir)).id, first.id);
  assert.equal((await rollBack(dir, fourth.id)).id, fourth.id);
  setFormat(dir, first, 1);
  await assert.rejects(rollBack(dir), {
    code: 'view.missing',
    message: new RegExp(`to roll back to that is intact .*${first.id}`),
  });
  assert.equal(readCurrent(dir), fourth.id);
});

test('a view of a format that did not know the lengths of visits says so', async (t) => {
  const dir = tempDir('serving');
  const meta = await publishView(dir, 1, 'https://example.com/', (out) =>
    [1, 2, 1, 4, 3, 3].forEach((n) => out.varint(n)),
  );
  setFormat(dir, meta, firstWithVisitLengths - 1);
  const view = openView(dir, meta.id);
  t.after(() => view.close());
  const cells: unknown[] = [];
  view.forEachVisitBucket('example.com', 0, 1e6, (cell) => cells.push(cell));
  const lengths = { pageviews: Number.NaN, durationMs: Number.NaN };
  assert.deepEqual(cells, [
    { bucket: 1, visits: 2, bounces: 1, ...lengths },
    { bucket: 5, visits: 3, bounces: 3, ...lengths },
  ]);
});

test('roll back reads all of a view before it serves, and needs no intact CURRENT', async () => {
  const dir = tempDir('serving');
  const views = [];
  for (const number of [1, 2, 3]) views.push(await publishView(dir, number, 'https://example.com/'));
  const [first, second, third] = views as [ViewMeta, ViewMeta, ViewMeta];
  const path = join(viewPath(dir, second.id), fileNames.pages);
  const bytes = readFileSync(path);
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  openView(dir, second.id).close(); // opening does not detect it
  await assert.rejects(rollBack(dir, second.id), {
    code: 'view.corrupt',
    message: /pages\.dat has SHA-256/,
  });
  assert.equal(readCurrent(dir), third.id);
  assert.equal((await rollBack(dir)).id, first.id);
  writeFileSync(currentPath(dir), '');
  assert.throws(() => readCurrent(dir), {
    code: 'view.corrupt',
    message: /CURRENT is empty/,
    hint: /rollback/,
  });
  assert.equal((await rollBack(dir)).id, third.id, 'the newest that is whole');
});

test('META of another view is refused', async () => {
  const dir = tempDir('serving');
  const first = await publishView(dir, 1, 'https://example.com/1');
  const second = await publishView(dir, 2, 'https://example.com/2');
  copyFileSync(join(viewPath(dir, first.id), fileNames.meta), join(viewPath(dir, second.id), fileNames.meta));
  assert.throws(() => openView(dir, second.id), {
    code: 'view.corrupt',
    message: new RegExp(`belongs to view ${first.id}`),
  });
});

test('a changed byte is found by the seals of META', async () => {
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const dir = tempDir('serving');
  const meta = await publishView(dir, 1, 'https://example.com/1');
  const path = viewPath(dir, meta.id);
  await checkSeals(path);
  const fd = openSync(join(path, 'pages.dat'), 'r+');
  writeSync(fd, Uint8Array.of(255), 0, 1, 3);
  closeSync(fd);
  await assert.rejects(checkSeals(path), { code: 'view.corrupt', message: /pages\.dat has SHA-256/ });
});
