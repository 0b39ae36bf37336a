import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { startFactThreads, type FactThreads, type Assignment } from '../fact-threads.js';
import type { RowGroup, WorkTables } from '../fact-work.js';
import { StarDamaged } from '../../master-data/star/append-file.js';

const tables: WorkTables = {
  bucketMinutes: 60,
  texts: [],
  pageOfUrl: new Uint32Array(1),
  bots: new Uint8Array(1),
  ofVisitor: new Uint32Array(2),
  excluded: undefined,
  pages: 1,
  seen: new Uint8Array(1),
};
/** Its file does not exist: a damaged star. */
const group: RowGroup = {
  facts: {
    topic: 'pageviews',
    partition: 0,
    path: '/nowhere/facts.parquet',
    masterPath: '',
    isCut: false,
    groups: [{ rows: 1, columns: [] }],
  },
  group: 0,
  rows: 1,
  before: 0,
  repeats: undefined,
};

const silent = { onRows: () => undefined, onBlocks: () => undefined, onReply: () => undefined };
const start = (t: { after(work: () => Promise<void>): void }, signal?: AbortSignal): FactThreads => {
  const threads = startFactThreads(tables, { rows: 1_000_000, threads: 2, signal });
  t.after(async () => threads.close());
  return threads;
};
/** `count` tasks that do nothing. */
function* nothings(count: number): Generator<Assignment> {
  for (let i = 0; i < count; i++) yield { ...silent, task: { type: 'surveyed' } };
}

test('each task is done once, and each order by every thread', async (t) => {
  const threads = start(t);
  let replies = 0;
  const tasks = nothings(25);
  await threads.each(() => {
    const given = tasks.next().value;
    return given === undefined ? undefined : { ...given, onReply: () => replies++ };
  });
  assert.equal(replies, 25);
  assert.deepEqual(
    (await threads.order({ type: 'surveyed' })).map(({ type }) => type),
    ['survey', 'survey'],
  );
});

const isDamage = (error: unknown): boolean => error instanceof StarDamaged;
const onReply = (): never => {
  throw new Error('disk full');
};

test('an error in a thread, an error in a listener, and an abort end the work', async (t) => {
  const damaged = start(t);
  await assert.rejects(
    damaged.each(() => ({ ...silent, task: { type: 'survey', group } })),
    isDamage,
  );
  await assert.rejects(damaged.order({ type: 'surveyed' }), /facts.parquet/);
  const full = start(t);
  await assert.rejects(
    full.each(() => ({ ...silent, task: { type: 'surveyed' }, onReply })),
    /disk full/,
  );
  const stop = new AbortController();
  const stopped = start(t, stop.signal);
  const endless = stopped.each(() => ({ ...silent, task: { type: 'surveyed' } }));
  stop.abort(new Error('stopped'));
  await assert.rejects(endless, /stopped/);
  await assert.rejects(
    start(t, AbortSignal.abort(new Error('before'))).order({ type: 'surveyed' }),
    /before/,
  );
});

test('threads that may be terminated at any moment load no native code', () => {
  for (const name of ['../fact-work.js', '../persons/identity-thread.js']) {
    const { href } = new URL(name, import.meta.url);
    const script = `await import('${href}'); console.log(...process.report.getReport().sharedObjects);`;
    const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    });
    assert.match(loaded, /libc/);
    assert.doesNotMatch(loaded, /\.node\b/, name);
  }
});
