/** The sink's first duty: every record of the log in exactly one row, in order, with its own content. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainLogToMaster } from '../sink.js';
import { takeSnapshot, verifySnapshotFiles } from '../snapshot.js';
import { makeHouse, pageview, readRows } from './house.js';

test('every record of the log is in exactly one row of the snapshot, with its own content', async (t) => {
  const house = await makeHouse(t);
  const facts = Array.from({ length: 500 }, (_, i) => pageview(i));
  await house.append(facts.slice(0, 200));
  await drainLogToMaster(house.context);
  await house.append(facts.slice(200));
  const cut = await drainLogToMaster(house.context);
  const snapshot = takeSnapshot(house.dataDir);
  assert.deepEqual(snapshot.cut, cut);
  await verifySnapshotFiles(snapshot);
  const rows = await readRows(snapshot.files, 'pageviews');
  assert.deepEqual(
    rows.map((row) => row['event_id']).toSorted(),
    facts.map((fact) => fact.eventId).toSorted(),
  );
});
