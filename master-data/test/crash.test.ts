/**
 * The sink under kill -9: at each named step of its commit and at random moments. The list of appended records is kept
 * here, outside the killed processes. RUNS=n multiplies the rounds.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { PartitionName } from '../../log/log.js';
import { commitSteps } from '../commit.js';
import { drainLogToMaster } from '../role.js';
import { masterCut, takeSnapshot } from '../snapshot.js';
import { verifyMaster } from '../audit.js';
import { equiv, makeFixture, pageview, readRows, type Fixture } from './fixture.js';
import type { ChildOrder } from './sink-child.js';
import { rounds } from '../../test/rounds.js';

const childPath = fileURLToPath(new URL('sink-child.js', import.meta.url));

function startChild(order: ChildOrder): ChildProcess {
  return spawn(process.execPath, [childPath, JSON.stringify(order)], { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** How the process ended: 'SIGKILL', 'exit 0', or 'exit 1: <output>'. */
async function endOfChild(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => (said += piece.toString()));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]; // documented arguments
  return signal ?? `exit ${code}${said === '' ? '' : `: ${said.trim()}`}`;
}

/** Deterministic, so that a failing round can be repeated. */
function makeRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

class Ledger {
  readonly fixture: Fixture;
  readonly eventIds = new Set<string>();
  #count = 0;
  #cut: Partial<Record<PartitionName, number>> = {};

  constructor(fixture: Fixture) {
    this.fixture = fixture;
  }

  async append(count: number): Promise<void> {
    const facts = Array.from({ length: count }, () => {
      const i = this.#count++;
      return i % 5 === 0 ? equiv(i) : pageview(i);
    });
    await this.fixture.append(facts);
    for (const fact of facts) this.eventIds.add(fact.eventId);
  }

  /** After a crash: the dataset is whole, and has not gone back. */
  async check(what: string): Promise<void> {
    const cut = masterCut(this.fixture.dataDir);
    if (cut === undefined) return;
    for (const [name, next] of Object.entries(cut.next)) {
      const before = this.#cut[name as PartitionName] ?? 0;
      assert.ok(next >= before, `${what}: ${name} went back from ${before} to ${next}`);
    }
    this.#cut = cut.next;
    const audit = await verifyMaster(this.fixture.dataDir, this.fixture.log);
    assert.deepEqual(audit.problems, [], what);
    assert.equal(audit.checked.holes, 0, what);
  }

  /** Once a sink has come through: every fact is there, once. */
  async checkAll(): Promise<void> {
    await drainLogToMaster(this.fixture.context);
    const { files } = takeSnapshot(this.fixture.dataDir);
    const rows = [...(await readRows(files, 'pageviews')), ...(await readRows(files, 'equivs'))];
    const stored = rows.map((row) => String(row['event_id']));
    assert.equal(stored.length, this.eventIds.size, 'a fact was lost or stored twice');
    assert.deepEqual(new Set(stored), this.eventIds);
  }
}

test('kill -9 at each named step of the commit loses nothing and stores nothing twice', async (t) => {
  const fixture = await makeFixture(t, { partitions: 2 });
  const ledger = new Ledger(fixture);
  const random = makeRandom(7);
  for (let round = 0; round < rounds(1, 5); round++) {
    for (const step of commitSteps) {
      await ledger.append(20 + random(40));
      const killAt = { step, time: 1 + random(4) };
      const order = { dataDir: fixture.dataDir, partitions: 2, maxRows: 12, fanIn: 3, killAt };
      const what = `round ${round}, ${JSON.stringify(killAt)}`;
      assert.equal(await endOfChild(startChild(order)), 'SIGKILL', what);
      await ledger.check(what);
    }
  }
  await ledger.checkAll();
});

test('kill -9 at any moment loses nothing and stores nothing twice', async (t) => {
  const fixture = await makeFixture(t, { partitions: 2 });
  const ledger = new Ledger(fixture);
  const random = makeRandom(11);
  const wanted = rounds(6, 30);
  let killed = 0;
  for (let round = 0; round < 2 * wanted && killed < wanted; round++) {
    await ledger.append(60 + random(60));
    const child = startChild({ dataDir: fixture.dataDir, partitions: 2, maxRows: 3, fanIn: 3 });
    const ended = endOfChild(child);
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    const delayMs = random(120);
    const timer = setTimeout(() => child.kill('SIGKILL'), delayMs);
    const end = await ended;
    clearTimeout(timer);
    assert.ok(end === 'SIGKILL' || end === 'exit 0', end);
    if (end === 'SIGKILL') killed++;
    await ledger.check(`round ${round}, killed after ${delayMs} ms`);
  }
  assert.ok(killed >= wanted, `only ${killed} processes died at work`);
  await ledger.checkAll();
});

test('two sinks at once: the second exits naming the first, and harms nothing', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const ledger = new Ledger(fixture);
  await ledger.append(30);
  const order = { dataDir: fixture.dataDir, partitions: 1, maxRows: 100, fanIn: 8 };
  const first = startChild({ ...order, waitAt: 'parquet-checked' });
  const firstEnd = endOfChild(first);
  await untilSaid(first, 'at parquet-checked');
  assert.match(await endOfChild(startChild(order)), /^exit 1: data-dir\.in-use$/m);
  first.stdin?.end();
  assert.equal(await firstEnd, 'exit 0');
  await ledger.check('after both');
  await ledger.checkAll();
});

test('two sinks that cannot see each other: the one that comes late to a manifest stops, and harms nothing', async (t) => {
  const fixture = await makeFixture(t, { partitions: 1 });
  const ledger = new Ledger(fixture);
  await ledger.append(30);
  const order = { dataDir: fixture.dataDir, partitions: 1, maxRows: 100, fanIn: 8, unlocked: true };
  const first = startChild({ ...order, waitAt: 'directory-synced' });
  const firstEnd = endOfChild(first);
  await untilSaid(first, 'at directory-synced');
  await ledger.append(10);
  const second = startChild({ ...order, maxRows: 5 });
  assert.equal(await endOfChild(second), 'exit 0');
  const cut = masterCut(fixture.dataDir);
  first.stdin?.end();
  assert.match(await firstEnd, /^exit 1: master\.conflict$/m);
  assert.deepEqual(masterCut(fixture.dataDir), cut);
  await ledger.check('after both');
  await ledger.checkAll();
});

async function untilSaid(child: ChildProcess, text: string): Promise<void> {
  let said = '';
  assert.ok(child.stdout);
  for await (const piece of child.stdout.iterator({ destroyOnReturn: false })) {
    said += String(piece);
    if (said.includes(text)) return;
  }
  assert.fail(`the child ended without saying '${text}': ${said}`);
}
