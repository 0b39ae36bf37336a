/**
 * The law of live identity: what is answered now, with edges after the batch view's cut, is what a batch run at the same cut
 * answers, wherever no registers were read whose people an edge touches, and no retraction is touched. Registers that hold a person as it was
 * called before are of as many people, and estimate them a little otherwise: there the intervals overlap. Both layers are the real ones, over
 * random histories: edges join persons of the batch view, through ids that were never seen as well, make persons of five ids and more, and are
 * repeated across the cut. What the run says is held against the oracle.
 *
 * A third of the histories have no retraction and no registers: there no answer may be left with a bound. A third have registers, and a
 * third retractions.
 *
 * RUNS= sets the number of histories. SEED= repeats a run, with HISTORY= one history of it.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { EquivEdge, Fact } from '../../facts/fact.js';
import { dimensions } from '../../facts/subjects.js';
import { configWith } from '../../lib/config/config.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import { zeroOffsets } from '../../log/cut.js';
import { Engine } from '../../query/engine/engine.js';
import { Generations } from '../../query/engine/generations.js';
import { unknownLag } from '../../query/engine/lag.js';
import { Pace } from '../../query/engine/pace.js';
import type { Count, EdgeLimits } from '../../query/answers/answer.js';
import { sketch } from '../../query/answers/uniques.js';
import type { LivePerson } from '../../query/identity/live-identity.js';
import { ask, type AskInput } from '../../query/inquiries.js';
import { seriesQuestion } from '../../query/question/series.js';
import { widthOf } from '../../lib/time/buckets.js';
import { readCurrent } from '../../serving/current.js';
import { ensureGenesis, openView } from '../../serving/store.js';
import type { RealtimeView, ViewId } from '../../facts/views/view.js';
import { equiv, hour0, pageview, recordsOf, rules } from '../../speed/test/facts.js';
import { MemoryLog } from '../../speed/test/memory-log.js';
import { openRealtime } from '../../speed/store/read-side.js';
import { below, seededRandom, type Random } from '../../topology/random.js';
import { runBatchAt } from './batch-run.js';
import { enoughHistories } from './history.js';
import { Seen } from './seen.js';
import { severalAtOnce } from './several-at-once.js';
import { SpeedSide, type StallingCommits } from './speed-side.js';
import { batchTally } from '../oracle/layers.js';
import { ledgerOf } from '../oracle/ledger.js';
import { over, personsOf } from '../oracle/oracle.js';
import { chance, pick, shuffled } from '../random.js';

const width = widthOf(60);
const { show } = width;
import { tempDirInMemory } from '../temp-dir.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const only = process.env['HISTORY'] === undefined ? undefined : Number(process.env['HISTORY']);

const pages = ['https://example.com/', 'https://example.com/a', 'https://shop.example.com/b'];
const domain = 'example.com';
/** Two days and a bit. */
const hours = 52;
const from = hour0 - (hour0 % 24) + 20;

interface History {
  readonly kind: 'plain' | 'registers' | 'retractions';
  readonly lgK: number;
  readonly before: readonly Fact[];
  readonly after: readonly Fact[];
}

const sums = {
  compared: 0,
  registers: 0,
  retractions: 0,
  rewritten: 0,
  peopleRewritten: 0,
  bounded: 0,
  persons: 0,
  joinedPersons: 0,
  sketches: 0,
  /** Estimates that need not be equal. */
  renamed: 0,
};

/** Declares the test. It must meet everything a history can hold from `enoughHistories` on. */
export function liveIdentityLaw(usualRuns: number): void {
  const runs = only === undefined ? Number(process.env['RUNS'] ?? usualRuns) : 1;
  test(`what is answered now is what a batch run answers, in ${runs} random histories (SEED=${seed})`, (t) =>
    proveAll(t, runs));
}

async function proveAll(t: TestContext, runs: number): Promise<void> {
  const base = tempDirInMemory('live');
  const numbers = only === undefined ? [...Array(runs).keys()] : [only];
  await severalAtOnce(numbers, async (number, commits) => {
    try {
      await prove(join(base, String(number)), historyOf(seed + number, number), commits);
    } catch (error) {
      t.diagnostic(`failed: SEED=${seed} HISTORY=${number}`);
      throw error;
    }
  });
  t.diagnostic(JSON.stringify(sums));
  if (runs < enoughHistories) return;
  for (const [what, count] of Object.entries(sums)) assert.ok(count > 0, `no ${what} in any history`);
}

function historyOf(historySeed: number, number: number): History {
  const random = seededRandom(historySeed);
  const kind = (['plain', 'registers', 'retractions'] as const)[number % 3];
  const people = peopleOf(random, 8 + below(random, kind === 'registers' ? 70 : 40));
  const edges = edgesOf(random, people);
  const cut = below(random, edges.length + 1);
  const [known, waiting] = [edges.slice(0, cut), edges.slice(cut)];
  const repeated = known.filter(() => chance(random, 0.1));
  const retracted = kind === 'retractions' ? edges.filter(() => chance(random, 0.03)) : [];
  const retractions = retracted.map((edge) => takenBack(random, edge));
  const viewers = people.flatMap((own) => own.filter((id) => !id.startsWith('login:')));
  return {
    kind: kind ?? 'plain',
    lgK: kind === 'registers' ? 8 : 12,
    before: shuffled(random, [...viewsOf(random, viewers, 0.8), ...known]),
    after: shuffled(random, [...viewsOf(random, viewers, 0.4), ...waiting, ...repeated, ...retractions]),
  };
}

/** The ids of each, one to nine; some of them view nothing. Their order is not that of their texts. */
function peopleOf(random: Random, count: number): string[][] {
  return Array.from({ length: count }, (_, person) =>
    Array.from({ length: 1 + below(random, chance(random, 0.3) ? 9 : 3) }, (__, i) => {
      const kind = ['cookie', 'login', '\u{1F600}', '\uFFFD', 'user'][below(random, 5)] ?? '';
      return `${kind}:${below(random, 1_000)}-${person}-${i}`;
    }),
  );
}

/** Trees and chains within people, and a few edges between them. */
function edgesOf(random: Random, people: readonly (readonly string[])[]): EquivEdge[] {
  const all = people.flat();
  const edges: EquivEdge[] = [];
  const add = (a: string, b: string): void => {
    if (a !== b) edges.push(chance(random, 0.5) ? equiv(a, b) : equiv(b, a));
  };
  for (const own of people) {
    const isChain = chance(random, 0.5);
    for (const [i, id] of own.entries()) if (i > 0) add(own[isChain ? i - 1 : below(random, i)] ?? id, id);
    if (chance(random, 0.1)) add(pick(random, own), pick(random, all));
    if (chance(random, 0.2)) add(pick(random, own), pick(random, own));
  }
  return shuffled(random, edges);
}

function takenBack(random: Random, { a, b, timestamp }: EquivEdge): EquivEdge {
  return equiv(b, a, { type: 'retract', timestamp: timestamp + below(random, 3) - 1 });
}

function viewsOf(random: Random, viewers: readonly string[], odds: number): Fact[] {
  return viewers
    .filter(() => chance(random, odds))
    .flatMap((visitor) =>
      Array.from({ length: 1 + below(random, 4) }, () => {
        const timestamp = (from + below(random, hours)) * 3_600_000 + below(random, 3_600_000);
        const referrer = pick(random, ['https://search.example/', 'https://news.example/', '']);
        return pageview(visitor, pick(random, pages), {
          timestamp,
          ...(referrer === '' ? {} : { referrer }),
        });
      }),
    );
}

async function prove(dataDir: string, history: History, commits: StallingCommits): Promise<void> {
  const { lgK } = history;
  const config = configWith({ dataDir, lgK });
  openDataDir(config);
  const log = new MemoryLog(2, 1);
  const cut = { logId: log.id, next: zeroOffsets(log.partitions) };
  await ensureGenesis(dataDir, { cut, lgK, bucketMinutes: 60, rules, createdAt: 0 });
  const speed = new SpeedSide({
    config,
    log,
    rules,
    epochTuples: 40,
    commits,
    seen: new Seen(),
    onProgress: () => undefined,
  });
  const realtime = openRealtime(dataDir);
  try {
    const genesis = openView(dataDir, readCurrent(dataDir));
    await log.append(recordsOf(history.before));
    const first = await runBatchAt(config, log, rules, log.end(), genesis.meta);
    genesis.close();
    for (let turns = 0; speed.serving !== first.id; turns++) {
      assert.ok(turns < 4, 'the batch view takes over');
      await speed.advance(first.id);
    }
    await log.append(recordsOf(history.after));
    await speed.advance(first.id);
    const live = await answersOf(dataDir, first.id, lgK, history, () => realtime.snapshot());
    const before = openView(dataDir, first.id);
    const second = await runBatchAt(config, log, rules, log.end(), before.meta);
    before.close();
    const after = await answersOf(dataDir, second.id, lgK, history, () => undefined);
    compare(history, live, after);
    assertOracle(log, after, history);
  } finally {
    await speed.stop();
    await realtime.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** One answer: what was asked, what it says, and what of it may change. */
interface Asked extends EdgeLimits {
  readonly what: string;
  readonly input: AskInput;
  readonly count: Count;
  readonly isExact: boolean;
}

type Person = LivePerson & { readonly visitor: string };

interface Answers {
  readonly counts: readonly Asked[];
  readonly persons: readonly (Person & { readonly isExact: boolean })[];
  /** Of each page over all hours. */
  readonly sketches: readonly Buffer[];
}

const ranges: readonly (readonly [number, number])[] = [
  [0, hours],
  [0, 4],
  [4, 28],
  [10, 40],
];

async function answersOf(
  dataDir: string,
  id: ViewId,
  lgK: number,
  { before, after }: History,
  snapshot: () => RealtimeView | undefined,
): Promise<Answers> {
  const generations = new Generations(
    { current: () => id, open: (view) => openView(dataDir, view) },
    { snapshot },
  );
  const engine = new Engine({
    generations,
    lgK,
    width,
    urls: rules.url,
    dimensions,
    rules: rules.versions,
    lag: unknownLag,
    clock: () => 0,
  });
  try {
    const counts: Asked[] = [];
    const add = async (name: string, input: AskInput): Promise<void> => {
      const { body } = await ask(engine, name, input);
      const limits = body['accuracy'] as EdgeLimits & Count;
      const {
        visitors,
        values,
        pages: rows,
      } = body.data as {
        visitors?: number;
        values?: (Count & { value: string })[];
        pages?: (Count & { url: string })[];
      };
      const what = `${name} ${JSON.stringify(input)}`;
      if (visitors !== undefined)
        counts.push({ what, input, ...limits, count: { ...limits, visitors }, isExact: limits.exact });
      for (const row of [...(values ?? []), ...(rows ?? [])]) {
        const rowName = 'value' in row ? row.value : row.url;
        counts.push({ what: `${what} ${rowName}`, input, ...limits, count: row, isExact: row.exact });
      }
    };
    for (const [begin, end] of ranges) {
      const range = { from: show(from + begin), to: show(from + end) };
      for (const url of pages) await add('uniques', { url, ...range });
      await add('uniques', { url: pages, ...range });
      await add('uniques', { domain, ...range });
      await add('pages', { domain, ...range });
      await add('breakdown', { domain, by: 'source', ...range });
    }
    const visitors = new Set([...before, ...after].flatMap((fact) => ('a' in fact ? [fact.a, fact.b] : [])));
    const persons: Answers['persons'][number][] = [];
    for (const visitorId of visitors) {
      const { body } = await ask(engine, 'persons', { visitorId });
      const { exact } = body['accuracy'] as { exact: boolean };
      persons.push({ ...(body.data as unknown as Person), isExact: exact });
    }
    const sketches: Buffer[] = [];
    for (const url of pages) {
      const question = seriesQuestion({ url: [url], from: show(from), to: show(from + hours) }, engine);
      const bytes = await engine.pinned((generation) =>
        sketch({ engine, generation, question, pace: new Pace(performance.now() + 10_000) }),
      );
      sketches.push(Buffer.from(bytes));
    }
    return { counts, persons, sketches };
  } finally {
    engine.edges.close();
    generations.close();
  }
}

function compare({ kind, before }: History, live: Answers, after: Answers): void {
  const isPlain = kind === 'plain';
  const renamed = new Set(
    live.persons.filter((each) => each.person !== each.batchPerson).map(({ visitor }) => visitor),
  );
  assert.deepEqual(
    live.counts.map(({ what }) => what).toSorted(),
    after.counts.map(({ what }) => what).toSorted(),
  );
  const byName = new Map(after.counts.map((each) => [each.what, each]));
  for (const { what, input, count, rewritten, maxOvercount, maxUndercount, isExact } of live.counts) {
    const run = byName.get(what);
    assert.ok(run !== undefined, what);
    const isOpen = maxOvercount > 0 || maxUndercount > 0;
    if (isPlain) assert.ok(!isOpen && isExact, `${what}: ${JSON.stringify(count)} has a bound`);
    assert.equal(run.rewritten, 0, 'a run leaves no edge to wait');
    if (isOpen) {
      sums.bounded++;
      continue;
    }
    if (kind === 'registers' && !isExact && before.some((fact) => isOf(fact, renamed, input))) {
      assert.ok(count.lower <= run.count.upper && run.count.lower <= count.upper, what);
      sums.renamed++;
      continue;
    }
    assert.equal(count.visitors, run.count.visitors, what);
    sums.compared++;
    if (kind !== 'plain') sums[kind]++;
    sums.peopleRewritten += rewritten;
    if (rewritten > 0) sums.rewritten++;
  }
  for (const [i, { isExact, ...person }] of live.persons.entries()) {
    if (isPlain) assert.ok(isExact, person.visitor);
    if (!isExact) continue;
    const { visitor, person: id, ids, idCount } = after.persons[i] ?? assert.fail();
    const { batchPerson, joinedPersons, ...said } = person;
    assert.deepEqual(said, { visitor, person: id, ids, idCount });
    assert.ok(!joinedPersons.includes(batchPerson));
    sums.persons++;
    if (joinedPersons.length > 0) sums.joinedPersons++;
  }
  if (!isPlain) return;
  assert.deepEqual(live.sketches, after.sketches, 'bit by bit');
  sums.sketches += live.sketches.length;
}

/** Whether a fact may be a view by one of these visitors, of what a question is about. */
function isOf(fact: Fact, visitors: ReadonlySet<string>, input: AskInput): boolean {
  if (!('visitor' in fact) || !visitors.has(fact.visitor)) return false;
  if (input['url'] !== undefined && ![input['url']].flat().includes(fact.url)) return false;
  const [begin, end] = [input['from'], input['to']].map((time) => Date.parse(String(time)));
  return (begin ?? 0) <= fact.timestamp && fact.timestamp < (end ?? 0);
}

/** What the batch run says is what the oracle says. */
function assertOracle(log: MemoryLog, { counts, persons }: Answers, { lgK }: History): void {
  const ledger = ledgerOf(log.records);
  const personOf = personsOf(ledger);
  for (const { visitor, person } of persons) assert.equal(person, personOf(visitor), visitor);
  if (lgK !== 12) return; // estimates
  const tally = batchTally(ledger, rules);
  const byName = new Map(counts.map((each) => [each.what, each]));
  for (const [begin, end] of ranges) {
    const range = { from: show(from + begin), to: show(from + end) };
    for (const url of pages) {
      const { people } = over(tally, `page ${normal(url)}`, from + begin, from + end);
      const what = `uniques ${JSON.stringify({ url, ...range })}`;
      assert.equal(byName.get(what)?.count.visitors, people.size, what);
    }
  }
}

function normal(url: string): string {
  const normalized = rules.url.normalize(url);
  assert.ok(normalized.ok);
  return normalized.url;
}
