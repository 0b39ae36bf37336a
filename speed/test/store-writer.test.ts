/** An epoch in the store: position and changes are one LMDB transaction, and an epoch that cannot be written changes nothing. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { offset } from '../../log/log.js';
import { encodeProgress, startProgress } from '../store/store-meta.js';
import { inodeOf, openDatabase, progressKey, readProgress, type Database } from '../store/store-files.js';
import { StoreWriter, type EpochCommit } from '../store/store-writer.js';
import { cancel, newCancelFlag } from '../store/commit-cancel.js';
import type { CellChanges } from '../store/epoch-changes.js';
import { tempDir } from '../../test/temp-dir.js';

const lgK = 12;
const key = Buffer.from('\u0001cell');
const start = offset(5);
const end = { ...startProgress(start), next: offset(9) };

function epoch(): EpochCommit {
  return { from: start, cells, edges: [], progress: encodeProgress(end), cancelled: newCancelFlag() };
}

/** One pageview of one person, in one cell, which is that of its domain too. */
const cells: CellChanges = {
  keys: Uint8Array.from(key),
  keyEnds: Uint32Array.of(key.length),
  longUrls: new Map(),
  siteCells: Int32Array.of(0),
  views: Uint32Array.of(0, (1 << 26) | 7),
  dimensions: 0,
  combinations: new Uint32Array(0),
  combinationCells: new Int32Array(0),
};

function storeAt(t: TestContext): { db: Database; writer: StoreWriter } {
  const dir = tempDir('store-writer');
  const db = openDatabase(dir);
  db.transactionSync(() => db.putSync(progressKey, encodeProgress(startProgress(start))));
  const writer = new StoreWriter({ dir, inode: inodeOf(dir) }, lgK);
  t.after(async () => {
    await writer.close();
    await db.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { db, writer };
}

/** LMDB counts the transactions that changed something. */
function transactionsOf(db: Database): number {
  return (db.getStats() as { readonly lastTxnId: number }).lastTxnId;
}

test('the position of an epoch and its changes come in one transaction', (t) => {
  const { db, writer } = storeAt(t);
  const before = transactionsOf(db);
  writer.commit({ ...epoch(), edges: [{ key: Buffer.from('\u0002edge'), value: Buffer.from('e') }] });
  db.resetReadTxn();
  assert.equal(transactionsOf(db), before + 1);
  assert.equal(readProgress(db).next, 9);
  assert.ok(db.get(key) !== undefined && db.get(Buffer.from('\u0002edge')) !== undefined);
});

test('an epoch that cannot be added completely changes neither cells nor position', (t) => {
  const { db, writer } = storeAt(t);
  db.transactionSync(() => db.putSync(key, Buffer.from('not a cell')));
  assert.throws(() => writer.commit(epoch()));
  db.resetReadTxn();
  assert.equal(readProgress(db).next, 5);
  assert.equal(db.get(key)?.toString(), 'not a cell');
});

test('an epoch that does not start at the position of the store is refused, and changes nothing', (t) => {
  const { db, writer } = storeAt(t);
  for (const from of [offset(4), offset(6)])
    assert.throws(() => writer.commit({ ...epoch(), from }), { code: 'data-dir.in-use' });
  db.resetReadTxn();
  assert.equal(readProgress(db).next, 5);
  assert.equal(db.get(key), undefined);
});

test('a commit that is cancelled changes nothing, and the next one is carried out', (t) => {
  const { db, writer } = storeAt(t);
  const cancelled = newCancelFlag();
  cancel(cancelled);
  assert.throws(() => writer.commit({ ...epoch(), cancelled }), { code: 'speed.failed' });
  db.resetReadTxn();
  assert.equal(readProgress(db).next, 5);
  assert.equal(db.get(key), undefined);
  writer.commit(epoch());
  db.resetReadTxn();
  assert.equal(readProgress(db).next, 9);
});
