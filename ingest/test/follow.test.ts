/** A log that is written while it is read: growing, renamed, truncated. */
import assert from 'node:assert/strict';
import { appendFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { UrlRules } from '../../facts/url/normalize.js';
import { hasCode } from '../../lib/errors/errors.js';
import { importFile } from '../import.js';
import { newImportCounts } from '../import-state.js';
import { ndjson } from '../ndjson.js';
import { eventually } from '../../test/eventually.js';
import { tempDir } from '../../test/temp-dir.js';

const view = (id: string): string =>
  `${JSON.stringify({ type: 'pageview', visitor: `cookie:${id}`, url: 'https://e.org/', timestamp: Date.UTC(2025, 0, 1) })}\n`;

/** Follows a log through its rotations; `until` waits for visitors to have become durable, in this order. */
function follow() {
  const dir = tempDir('follow');
  const path = join(dir, 'access.log');
  const stop = new AbortController();
  const visitors: string[] = [];
  const eventIds: string[] = [];
  const counts = newImportCounts();
  const start = async (): Promise<void> => {
    while (!stop.signal.aborted)
      await importFile(
        {
          path,
          format: ndjson,
          sink: {
            append: (facts) => {
              for (const fact of facts) {
                visitors.push(fact.type === 'pageview' ? fact.visitor.replace('cookie:', '') : '');
                eventIds.push(fact.eventId);
              }
              return Promise.resolve();
            },
          },
          urls: new UrlRules(),
          clock: Date.now,
          signal: stop.signal,
          follow: { pollMs: 5, graceMs: 500 },
          onRejected: ({ reason }) => assert.fail(reason),
        },
        counts,
      );
  };
  const until = (expected: string): Promise<true> =>
    eventually(
      () => `${visitors.join('')} instead of ${expected}`,
      () => visitors.join('') === expected,
    );
  return { path, stop, start, until, counts, eventIds };
}

test('lines count as they are written, and half a line waits for its end', async () => {
  const { path, stop, start, until, counts } = follow();
  writeFileSync(path, view('a'));
  const following = start();
  await until('a');
  appendFileSync(path, view('b').slice(0, 20));
  appendFileSync(path, view('b').slice(20) + view('c'));
  await until('abc');
  appendFileSync(path, view('d').slice(0, 20));
  stop.abort();
  await following;
  assert.deepEqual([counts.read, counts.accepted], [3, 3]);
});

test('a renamed log is read to its end, also what its writer adds late, then the new one', async () => {
  const { path, stop, start, until, eventIds } = follow();
  writeFileSync(path, view('a'));
  const following = start();
  await until('a');
  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, view('b'));
  await until('ab');
  writeFileSync(path, view('a'));
  await sleep(50); // its writer has not noticed yet
  appendFileSync(`${path}.1`, view('c'));
  await until('abca');
  appendFileSync(path, view('d'));
  await until('abcad');
  stop.abort();
  await following;
  assert.equal(
    eventIds[0],
    eventIds[3],
    'the same line in another file has its first id, as when both are imported',
  );
});

test('a log that is truncated in place is read from its new beginning', async () => {
  const { path, stop, start, until } = follow();
  writeFileSync(path, view('a') + view('b'));
  const following = start();
  await until('ab');
  truncateSync(path);
  appendFileSync(path, view('c'));
  await until('abc');
  stop.abort();
  await following;
});

test('a compressed file cannot be followed', async () => {
  const { path, start } = follow();
  writeFileSync(path, gzipSync(view('a')));
  await assert.rejects(
    start(),
    (error) => hasCode(error, 'import.failed') && /is compressed/.test(error.message),
  );
});
