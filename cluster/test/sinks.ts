/** Sinks that share a store. */
import assert from 'node:assert/strict';
import { hasCode } from '../../lib/errors/errors.js';
import { verifyMaster } from '../../master-data/audit.js';
import { drainLogToMaster } from '../../master-data/role.js';
import { SinkSession } from '../../master-data/sink-session.js';
import { takeSnapshot } from '../../master-data/snapshot.js';
import { pageview, type Fixture } from '../../master-data/test/fixture.js';
import { type Store } from '../store/store.js';
import { makeHost, type Host } from './shared-store.js';

export async function drain(fixture: Fixture, host: Host): Promise<void> {
  await drainLogToMaster(host, { log: fixture.log, shared: host.master });
}

/** Checks from an empty host that every offset below the cut is stored exactly once. */
export async function auditFromStore(fixture: Fixture, store: Store): Promise<Host> {
  const host = makeHost(store);
  await host.master.pull();
  const snapshot = takeSnapshot(host.dataDir);
  assert.deepEqual(snapshot.cut.next, await fixture.log.latest());
  await host.master.fetchSnapshot(snapshot);
  const audit = await verifyMaster(host.dataDir, fixture.log);
  assert.deepEqual(audit.problems, []);
  const end = Object.values(snapshot.cut.next).reduce((sum, next) => sum + next, 0);
  assert.equal(audit.checked.rows, end);
  return host;
}

/** A session of a sink that commits 50 rows at a time. */
export function openSession({ log }: Fixture, { dataDir, master }: Host): Promise<SinkSession> {
  return SinkSession.open({ dataDir, log, maxRows: 50, intervalMs: 50, shared: master });
}

export async function race(fixture: Fixture, open: () => Store): Promise<void> {
  await fixture.append(Array.from({ length: 1_000 }, (_, i) => pageview(i)));
  const hosts = [makeHost(open()), makeHost(open())];
  const sessions = await Promise.all(hosts.map((host) => openSession(fixture, host)));
  const until = await fixture.log.latest();
  const signal = new AbortController().signal;
  const outcomes = await Promise.allSettled(sessions.map((session) => session.run({ signal, until })));
  const lost = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
  );
  assert.equal(lost.length, 1);
  assert.ok(hasCode(lost[0], 'master.conflict'), String(lost[0]));
  assert.match(lost[0].message, /manifest \d+ of (pageviews|equivs)\/\d+ was committed by another sink/);
  for (const session of sessions) await session.close();
  await auditFromStore(fixture, open());
  // The loser continues from the committed state.
  await fixture.append(Array.from({ length: 10 }, (_, i) => pageview(2_000 + i)));
  for (const host of hosts) await drain(fixture, host);
  await auditFromStore(fixture, open());
}
