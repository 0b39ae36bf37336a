/** Equal lines of a file are separate facts, and importing any part of the file again adds none. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ImportCounts } from '../import-state.js';
import { projectRoot } from '../../lib/files/assets.js';
import type { Fact } from '../../facts/fact.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { formatOf, logFile } from '../../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../../ways-in/logs/pageviews.js';
import { importFile } from '../import.js';
import type { FileFormat } from '../line-format.js';
import { LineIds, digestOfLine, digestWords, idOfLine, idOfRepeatedLine, putDigest } from '../line-ids.js';
import { ndjson } from '../ndjson.js';
import { tempDir } from '../../test/temp-dir.js';

const combined = logFile({
  name: 'combined',
  options: { ...pageviewDefaults, host: 'www.example.org' },
});
const now = Date.UTC(2026, 0, 1);

const line = (target: string, second: number): string =>
  `192.0.2.1 - - [17/May/2015:10:05:${String(second).padStart(2, '0')} +0000] "GET ${target} HTTP/1.1" 200 20 "-" "Mozilla/5.0"`;

const viewOf = (more: object): string =>
  JSON.stringify({ type: 'pageview', visitor: 'cookie:1', url: 'https://e.org/', timestamp: now, ...more });

async function importPath(
  path: string,
  format: FileFormat,
): Promise<{
  readonly counts: ImportCounts;
  readonly facts: readonly Fact[];
  readonly ids: readonly string[];
}> {
  const facts: Fact[] = [];
  const counts = await importFile({
    path,
    format,
    sink: { append: (batch) => Promise.resolve(void facts.push(...batch)) },
    urls: new UrlRules(),
    clock: () => now,
    onRejected: ({ reason }) => assert.match(reason, /^the user agent .* is missing/, reason),
  });
  return { counts, facts, ids: facts.map(({ eventId }) => eventId) };
}

async function importLines(lines: readonly string[], format = combined) {
  const dir = tempDir('line-ids');
  writeFileSync(join(dir, 'log'), `${lines.join('\n')}\n`);
  return importPath(join(dir, 'log'), format);
}

test('the first of equal lines has the id that earlier versions gave it, the others have ids of their own', async () => {
  const id = 'line:NlGCQC7ZFduo3EKbjt9Opc8IjUE';
  const { ids } = await importLines([line('/a', 1), line('/b', 1), line('/a', 1), line('/a', 1)]);
  assert.deepEqual([ids[0], ids[2], ids[3]], [id, `${id}:2`, `${id}:3`]);
  const events = await importLines([viewOf({}), viewOf({})], ndjson);
  assert.deepEqual(events.ids, ['line:CHisgZ5n_NGkHX_4J0Dz5BqTTr4', 'line:CHisgZ5n_NGkHX_4J0Dz5BqTTr4:2']);
});

test('a format that is detected, and a job that an earlier version left, give a line the id it had', async () => {
  const id = 'line:NlGCQC7ZFduo3EKbjt9Opc8IjUE';
  const options = { ...pageviewDefaults, host: 'www.example.org', scheme: 'https' } as const;
  for (const format of [
    logFile({ name: 'auto', options }),
    await formatOf({ name: 'combined', options }, () => ''),
  ])
    assert.deepEqual((await importLines([line('/a', 1)], format)).ids, [id]);
});

test('the same file twice, its rotated copy with more lines, and a piece of it: each line as often as it stands there', async () => {
  // Not in order of time: a line is written when its answer has been sent.
  const log = [
    line('/a', 1),
    line('/slow', 0),
    line('/a', 1),
    line('/b', 2),
    line('/a', 1),
    line('/slow', 0),
  ];
  const whole = await importLines(log);
  assert.equal(new Set(whole.ids).size, log.length);
  assert.deepEqual((await importLines(log)).ids, whole.ids);
  const grown = await importLines([...log, line('/b', 2), line('/c', 3)]);
  assert.deepEqual(grown.ids.slice(0, log.length), whole.ids);
  assert.equal(new Set([...whole.ids, ...grown.ids]).size, log.length + 2);
  for (let from = 0; from < log.length; from++)
    for (const id of (await importLines(log.slice(from))).ids) assert.ok(whole.ids.includes(id));
});

function idOf(one: string, ids: LineIds): string {
  const digest = digestOfLine(one, '', '');
  const words = new Int32Array(digestWords);
  putDigest(digest, words, 0);
  const occurrence = ids.count(words, 0);
  return occurrence === 1 ? idOfLine(digest) : idOfRepeatedLine(idOfLine(digest), occurrence);
}

test('whatever pieces are imported, in any order, a line counts as often as in the piece that has most of it', () => {
  const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 });
  fc.assert(
    fc.property(lines, fc.array(fc.tuple(fc.nat(30), fc.nat(30)), { maxLength: 5 }), (log, cuts) => {
      const pieces = cuts.map(([from, length]) => log.slice(from, from + length));
      const seen = new Set<string>();
      for (const piece of pieces) {
        const ids = new LineIds();
        for (const one of piece) seen.add(idOf(one, ids));
      }
      const most = [...new Set(log)].map((one) =>
        Math.max(0, ...pieces.map((piece) => piece.filter((other) => other === one).length)),
      );
      assert.equal(
        seen.size,
        most.reduce((sum, count) => sum + count, 0),
      );
    }),
  );
});

const others = (count: number): string[] => Array.from({ length: count }, (_, i) => `other ${i}`);

const idsOf = (lines: readonly string[]): string[] => {
  const ids = new LineIds(100);
  return lines.map((one) => idOf(one, ids));
};

test('a line is remembered over as many others as promised; beyond, it has its first id again, and never one of another', () => {
  for (const before of [0, 1, 50, 99, 100]) {
    const near = idsOf([...others(before), 'a', ...others(before + 99).slice(before), 'a']);
    assert.equal(near.at(-1), `${near[before]}:2`, `after ${before} lines`);
    const far = idsOf([...others(before), 'a', ...others(before + 200).slice(before), 'a']);
    assert.equal(far.at(-1), far[before]);
    assert.equal(new Set(far).size, before + 201);
  }
});

test('a line with an eventId of its own repeats one that says the same of the same, and no other', async () => {
  const edge = { type: 'equiv', a: 'cookie:1', b: 'user:1', timestamp: now, eventId: 'e' };
  const lines = [
    viewOf({ eventId: 'e' }),
    viewOf({ eventId: 'e', timestamp: now - 1 }), // a repeat
    viewOf({ eventId: 'e', visitor: 'cookie:2' }),
    viewOf({ eventId: 'e', url: 'https://e.org/b' }),
    viewOf({ eventId: 'e', userAgent: 'Firefox' }),
    viewOf({ eventId: 'f' }),
    JSON.stringify(edge),
    JSON.stringify({ ...edge, type: 'retract' }),
    JSON.stringify({ ...edge, b: 'user:2' }),
    JSON.stringify(edge), // a repeat
  ];
  const { counts } = await importLines(lines, ndjson);
  assert.deepEqual([counts.accepted, counts.repeated], [8, 2]);
});

test('a placeholder eventId counts as none: the line is known by its bytes, and importing it again changes nothing', async () => {
  const lines = [viewOf({ eventId: 'null' }), viewOf({ eventId: 'null' }), viewOf({ eventId: null })];
  const { ids, counts } = await importLines(lines, ndjson);
  assert.equal(new Set(ids).size, 3);
  for (const id of ids) assert.match(id, /^line:/);
  assert.equal(counts.warnings, 3);
  assert.deepEqual((await importLines(lines, ndjson)).ids, ids);
});

const realLog = join(projectRoot, '../shared/data/logs/elastic_apache_2015.log.gz');

test(
  'a real log loses none of its views to equal lines',
  { skip: existsSync(realLog) ? false : 'no ../shared/data' },
  async () => {
    const { counts, ids } = await importPath(realLog, combined);
    // 15 pageview lines occur twice, and one four times: 4,000 lines, 3,982 of them different. One is cut off.
    assert.deepEqual([counts.read, counts.accepted, counts.repeated], [10_000, 4_000, 0]);
    assert.equal(new Set(ids).size, 4_000);
    assert.equal(new Set(ids.map((id) => id.split(':', 2).join(':'))).size, 3_982);
    assert.deepEqual((await importPath(realLog, combined)).ids, ids);
  },
);
