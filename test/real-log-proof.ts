/**
 * A real log through the whole system: uniques and pageviews of every (url, hour) and of 200 seeded ranges equal a plain oracle's,
 * before any batch run, after one, after more facts, and after a second run with equiv edges and a retraction.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { ImportCounts } from '../ingest/import-state.js';
import { logFile as formatOf } from '../ways-in/logs/log-files.js';
import { pageviewDefaults } from '../ways-in/logs/pageviews.js';
import { logSink } from '../ingest/fact-sinks.js';
import { importFile } from '../ingest/import.js';
import { projectRoot } from '../lib/files/assets.js';
import { systemClock } from '../lib/time/clock.js';
import type { Config } from '../lib/config/config.js';
import type { EquivEdge, Fact, Pageview } from '../facts/fact.js';
import { makeRules } from '../facts/rules.js';
import { hourMs } from '../lib/time/buckets.js';
import { UrlRules } from '../facts/url/normalize.js';
import { cutAfter, placed } from './oracle/ledger.js';
import {
  countedViews,
  livePersonsOf,
  over,
  personsOf,
  tallyOf,
  type CountedView,
  type PersonOf,
  type Tally,
} from './oracle/oracle.js';
import { lcg } from './random.js';
import { factsOfLines } from './real-log-lines.js';
import { runBatch, startTestSystem, untilAllCounted, type TestSystem } from './running-system.js';

const logFile = join(projectRoot, '../shared/data/logs/elastic_apache_2015.log.gz');
const host = 'www.example.org';
const rules = makeRules({ urlQueryAllow: [], bots: 'exclude' });
const seed = Number(process.env['SEED'] ?? 20150517);

/** Why it cannot run here; false when it can. */
export function realLogSkip(): string | false {
  return existsSync(logFile) ? false : 'no ../shared/data';
}

/** All phases, on a system of its own with this change of configuration. */
export async function proveRealLog(t: TestContext, change: Partial<Config> = {}): Promise<void> {
  t.diagnostic(`SEED=${seed}`);
  const swa = await startTestSystem(t, change);
  const oracle = new Expected(factsOfLines(gunzipSync(readFileSync(logFile)).toString(), host));

  const counts = await importRealLog(swa);
  assert.equal(counts.read, 10_000);
  await untilAllCounted(swa);
  await compare(swa, oracle, 'before any batch run');

  await importRealLog(swa);
  await untilAllCounted(swa);
  await compare(swa, oracle, 'after the same import again');

  const first = await runBatch(swa);
  await compare(swa, oracle, 'after a batch run');

  await send(swa, oracle, moreViews(oracle.views(), 500));
  await untilAllCounted(swa);
  await compare(swa, oracle, 'after more facts');

  const visitors = [...new Set(oracle.views().map((view) => view.visitor))].toSorted();
  const edges = visitors.slice(0, 600).flatMap((a, i): EquivEdge[] => {
    if (i % 3 === 0) return [];
    const b = visitors[i - 1] ?? a;
    return [{ type: 'equiv', a, b, timestamp: Date.UTC(2016, 0, 1), eventId: `join-${i}`, receivedAt: 0 }];
  });
  const taken = edges
    .filter((_edge, i) => i % 7 === 0)
    .map(({ a, b, eventId, timestamp }): EquivEdge => {
      const at = { timestamp: timestamp + 1, receivedAt: 0 };
      return { type: 'retract', a: b, b: a, eventId: `part-${eventId}`, ...at };
    });
  await send(swa, oracle, [...edges, ...taken]);
  await untilAllCounted(swa);
  oracle.joinByWaitingEdges();
  await compare(swa, oracle, 'edges join people at once, retractions wait for the next batch run');
  const before = oracle.tally();
  oracle.joinPersons();
  await compareIntervals(t, swa, oracle.views(), before, oracle.tally());

  const second = await runBatch(swa);
  assert.notEqual(second, first);
  await compare(swa, oracle, 'after a batch run with edges and retractions');
}

/** Imports the log as of the site www.example.org. */
export async function importRealLog(swa: TestSystem): Promise<ImportCounts> {
  const urls = new UrlRules();
  return importFile({
    path: logFile,
    format: formatOf({ name: 'combined', options: { ...pageviewDefaults, host } }),
    sink: logSink(swa.system.log, urls),
    urls,
    clock: systemClock,
    onRejected: ({ line, reason }) =>
      assert.match(`${line}: ${reason}`, /^8899: the user agent .* is missing/),
  });
}

/** The facts sent so far, and what must be answered. */
class Expected {
  readonly #facts: Fact[];
  #personOf: PersonOf = (visitor) => visitor;

  constructor(facts: readonly Fact[]) {
    this.#facts = [...facts];
  }

  add(facts: readonly Fact[]): void {
    this.#facts.push(...facts);
  }

  /** As answers do after a batch run that knew no edges. */
  joinByWaitingEdges(): void {
    const ledger = placed(this.#facts);
    this.#personOf = livePersonsOf(ledger, {}, cutAfter(ledger));
  }

  /** As a batch run over the facts sent so far does. */
  joinPersons(): void {
    this.#personOf = personsOf(placed(this.#facts));
  }

  views(): readonly CountedView[] {
    return countedViews(placed(this.#facts), rules).views;
  }

  tally(): Tally {
    return tallyOf(this.views(), this.#personOf);
  }
}

/** Views of known pages by known and new visitors, deterministic. */
function moreViews(known: readonly CountedView[], count: number): Pageview[] {
  const random = lcg(seed + 1);
  return Array.from({ length: count }, (_, i) => {
    const like = known[Math.floor(random() * known.length)];
    assert.ok(like !== undefined);
    return {
      type: 'pageview',
      visitor: i % 2 === 0 ? like.visitor : `cookie:${i}`,
      url: like.page,
      timestamp: (hourOf(like) + Math.floor(random() * 48)) * hourMs + i,
      eventId: `more-${i}`,
      receivedAt: 0,
    };
  });
}

async function send(swa: TestSystem, oracle: Expected, facts: readonly Fact[]): Promise<void> {
  // The door gives the real time of arrival.
  await swa.send(facts.map((fact) => ({ ...fact, receivedAt: undefined })));
  oracle.add(facts);
}

function hourOf({ timestamp }: CountedView): number {
  return Math.floor(timestamp / hourMs);
}

/** Every hour of every page, as one series a page, and 200 seeded ranges. */
async function compare(swa: TestSystem, oracle: Expected, phase: string): Promise<void> {
  const views = oracle.views();
  const tally = oracle.tally();
  const expected = (page: string, from: number, to: number): number[] => {
    const { people, pageviews } = over(tally, `page ${page}`, from, to);
    return [people.size, pageviews];
  };
  const cells = new Set(views.map((view) => `${hourOf(view)} ${view.page}`));
  assert.ok(cells.size > 1_000, `only ${cells.size} cells`);
  const wrong: string[] = [];
  const check = (what: string, got: readonly unknown[], want: readonly number[]): void => {
    if (got[0] !== want[0] || got[1] !== want[1])
      wrong.push(`${what}: got ${got.join('/')}, want ${want.join('/')}`);
  };
  const hours = views.map(hourOf);
  const [first, end] = [Math.min(...hours), Math.max(...hours) + 1];
  await inParallel(8, [...new Set(views.map((view) => view.page))], async (url) => {
    const query = `${range(url, first, end)}&interval=hour`;
    const uniques = (await swa.ask(`/v1/uniques?${query}`)).data.series ?? [];
    const pageviews = (await swa.ask(`/v1/pageviews?${query}`)).data.series ?? [];
    assert.equal(uniques.length, end - first);
    for (let hour = first; hour < end; hour++) {
      const got = [uniques[hour - first]?.visitors, pageviews[hour - first]?.pageviews];
      check(`${url} hour ${hour}`, got, expected(url, hour, hour + 1));
    }
  });
  const random = lcg(seed);
  const ranges = Array.from({ length: 200 }, () => {
    const one = views[Math.floor(random() * views.length)];
    assert.ok(one !== undefined);
    const from = hourOf(one) - Math.floor(random() * 60);
    return { url: one.page, from, to: from + 1 + Math.floor(random() * 120) };
  });
  ranges.push({ url: `https://${host}/no-such-page`, from: 0, to: 24 });
  await inParallel(8, ranges, async ({ url, from, to }) => {
    const uniques = await swa.ask(`/v1/uniques?${range(url, from, to)}`);
    const pageviews = await swa.ask(`/v1/pageviews?${range(url, from, to)}`);
    const got = [uniques.data.visitors, pageviews.data.pageviews];
    check(`${url} [${from}, ${to})`, got, expected(url, from, to));
  });
  assert.deepEqual(wrong.slice(0, 10), [], `${phase}: ${wrong.length} answers are wrong`);
}

type Interval = Partial<Record<'lower' | 'upper', number | undefined>> & {
  readonly exact?: boolean | undefined;
};

/** What edges that wait will make of every hour of every page, and of its whole time, lies in the interval of the answer. */
async function compareIntervals(
  t: TestContext,
  swa: TestSystem,
  views: readonly CountedView[],
  before: Tally,
  after: Tally,
): Promise<void> {
  const wrong: string[] = [];
  const sums = { answers: 0, exact: 0, changed: 0 };
  const check = (
    { lower = -1, upper = -1, exact }: Interval,
    url: string,
    from: number,
    to: number,
  ): void => {
    const people = over(after, `page ${url}`, from, to).people.size;
    sums.answers++;
    if (exact === true) sums.exact++;
    if (people !== over(before, `page ${url}`, from, to).people.size) sums.changed++;
    if (people < lower || people > upper || (exact === true && lower !== upper))
      wrong.push(`${url} [${from}, ${to}): ${people} is not in ${lower} to ${upper}`);
  };
  await inParallel(8, [...new Set(views.map(({ page }) => page))], async (url) => {
    const hours = [...new Set(views.filter(({ page }) => page === url).map(hourOf))];
    const [from, to] = [Math.min(...hours), Math.max(...hours) + 1];
    const { data, accuracy } = await swa.ask(`/v1/uniques?${range(url, from, to)}&interval=hour`);
    for (const hour of hours) check(data.series?.[hour - from] ?? {}, url, hour, hour + 1);
    check(accuracy, url, from, to);
  });
  t.diagnostic(`${sums.exact} of ${sums.answers} are exact while edges wait, ${sums.changed} will change`);
  assert.deepEqual(wrong.slice(0, 10), [], `${wrong.length} intervals are wrong`);
  assert.ok(sums.exact > sums.answers / 2 && sums.exact + sums.changed <= sums.answers);
}

async function inParallel<T>(
  width: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

function range(url: string, fromBucket: number, toBucket: number): string {
  return new URLSearchParams({ url, from: edge(fromBucket), to: edge(toBucket) }).toString();
}

function edge(hour: number): string {
  return new Date(hour * hourMs).toISOString();
}
