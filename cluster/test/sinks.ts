/** Sinks that share a store. */
import assert from 'node:assert/strict';
import { hasCode } from '../../lib/errors/errors.js';
import { verifyMaster } from '../../master-data/audit.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { SinkSession } from '../../master-data/sink-session.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { pageview, type House } from '../../master-data/test/house.js';
import { type Store } from '../store/store.js';
import { makeHost, type Host } from './house.js';

export async function drain(house: House, host: Host): Promise<void> {
  await drainLogToMaster(host, { log: house.log, shared: host.master });
}

/** What an empty host finds: every offset below the cut once, and no more. */
export async function auditFromStore(house: House, store: Store): Promise<Host> {
  const host = makeHost(store);
  await host.master.pull();
  const snapshot = takeSnapshot(host.dataDir);
  assert.deepEqual(snapshot.cut.next, await house.log.latest());
  await host.master.fetchSnapshot(snapshot);
  const audit = await verifyMaster(host.dataDir, house.log);
  assert.deepEqual(audit.problems, []);
  const end = Object.values(snapshot.cut.next).reduce((sum, next) => sum + next, 0);
  assert.equal(audit.checked.rows, end);
  return host;
}

export async function race(house: House, open: () => Store): Promise<void> {
  await house.append(Array.from({ length: 1_000 }, (_, i) => pageview(i)));
  const hosts = [makeHost(open()), makeHost(open())];
  const sessions = await Promise.all(
    hosts.map(({ dataDir, master }) =>
      SinkSession.open({ dataDir, log: house.log, maxRows: 50, intervalMs: 50, shared: master }),
    ),
  );
  const until = await house.log.latest();
  const signal = new AbortController().signal;
  const outcomes = await Promise.allSettled(sessions.map((session) => session.run({ signal, until })));
  const lost = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  assert.equal(lost.length, 1);
  assert.ok(hasCode(lost[0], 'master.conflict'), String(lost[0]));
  assert.match(lost[0].message, /manifest \d+ of (pageviews|equivs)\/\d+ was committed by another sink/);
  for (const session of sessions) await session.close();
  await auditFromStore(house, open());
  // Who lost goes on from what was committed.
  await house.append(Array.from({ length: 10 }, (_, i) => pageview(2_000 + i)));
  for (const host of hosts) await drain(house, host);
  await auditFromStore(house, open());
}
