/**
 * A real log through the whole house: uniques and pageviews of every (url, hour) and of 200 seeded ranges equal a plain oracle's,
 * before any batch run, after one, after more facts, and after a second run with equiv edges and a retraction.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { combinedDefaults } from '../ingest/combined.js';
import { logSink } from '../ingest/fact-sinks.js';
import { importFile, type ImportCounts } from '../ingest/import.js';
import { projectRoot } from '../lib/assets.js';
import { systemClock } from '../lib/clock.js';
import type { Config } from '../lib/config/config.js';
import { reaches } from '../lib/log/cut.js';
import { hourMs } from '../lib/time/buckets.js';
import { UrlRules } from '../lib/url/normalize.js';
import { canonical, Oracle, oraclePersons, oracleViews, type Edge } from './real-log-oracle.js';
import { eventually, startTestSystem, type TestSystem } from './running-system.js';

const logFile = join(projectRoot, '../shared/data/logs/elastic_apache_2015.log.gz');
const host = 'www.example.org';
const seed = Number(process.env['SEED'] ?? 20150517);

/** Why it cannot run here; false when it can. */
export function realLogSkip(): string | false {
  return existsSync(logFile) ? false : 'no ../shared/data';
}

/** All phases, on a system of its own with this change of configuration. */
export async function proveRealLog(t: TestContext, change: Partial<Config> = {}): Promise<void> {
  t.diagnostic(`SEED=${seed}`);
  const swa = await startTestSystem(t, change);
  const oracle = new Oracle(oracleViews(gunzipSync(readFileSync(logFile)).toString(), host));

  const counts = await importLog(swa);
  assert.equal(counts.read, 10_000);
  await speedHasAll(swa);
  await compare(swa, oracle, 'before any batch run');

  await importLog(swa);
  await speedHasAll(swa);
  await compare(swa, oracle, 'after the same import again');

  const first = await runBatch(swa);
  await compare(swa, oracle, 'after a batch run');

  await sendViews(swa, oracle, moreViews(oracle, 500));
  await speedHasAll(swa);
  await compare(swa, oracle, 'after more facts');

  const visitors = [...new Set(oracle.views.map((view) => view.visitor))].toSorted();
  const edges = visitors
    .slice(0, 600)
    .flatMap((id, i): Edge[] => (i % 3 === 0 ? [] : [[id, visitors[i - 1] ?? id]]));
  const taken = edges.filter((_edge, i) => i % 7 === 0);
  await swa.send(edges.map(([a, b]) => ({ type: 'equiv', a, b, timestamp: Date.UTC(2016, 0, 1) })));
  await swa.send(taken.map(([a, b]) => ({ type: 'retract', a: b, b: a, timestamp: Date.UTC(2016, 0, 2) })));
  await speedHasAll(swa);
  const [cell] = oracle.cells();
  assert.ok(cell !== undefined);
  const answer = await swa.ask(`/v1/uniques?${range(cell.url, cell.hour, cell.hour + 1)}`);
  const { maxOvercount, maxUndercount } = answer.accuracy;
  assert.deepEqual(
    { maxOvercount, maxUndercount },
    { maxOvercount: edges.length, maxUndercount: taken.length },
    'edges and retractions after the cut are announced',
  );
  await compare(swa, oracle, 'edges wait for the next batch run');

  const second = await runBatch(swa);
  assert.notEqual(second, first);
  oracle.persons = oraclePersons(edges.filter((one) => !taken.includes(one)));
  await compare(swa, oracle, 'after a batch run with edges and retractions');
}

async function importLog(swa: TestSystem): Promise<ImportCounts> {
  const urls = new UrlRules();
  return importFile({
    path: logFile,
    format: { name: 'combined', options: { ...combinedDefaults, host } },
    sink: logSink(swa.system.log, urls),
    urls,
    clock: systemClock,
    onRejected: (line) => assert.fail(`rejected: ${JSON.stringify(line)}`),
  });
}

/** Waits until answers are made from every fact in the log. */
async function speedHasAll(swa: TestSystem): Promise<void> {
  const latest = await swa.system.log.latest();
  await eventually('the realtime view has all facts', async () => {
    const { freshness } = await swa.ask(`/v1/uniques?${range(`https://${host}/`, 0, 1)}`);
    const cut = freshness.realtime?.cut ?? {};
    return reaches(cut, latest) ? true : undefined;
  });
}

/** Asks for a run, and waits until answers are of a new generation that covers the whole log. Returns the generation. */
async function runBatch(swa: TestSystem): Promise<string> {
  const latest = await swa.system.log.latest();
  const asked = await fetch(`${swa.system.origin}/v1/batches`, { method: 'POST' });
  assert.equal(asked.status, 202, await asked.text());
  return eventually('a batch view covers the log', async () => {
    const { freshness } = await swa.ask(`/v1/uniques?${range(`https://${host}/`, 0, 1)}`);
    return reaches(freshness.batch.cut, latest) ? freshness.generation : undefined;
  });
}

/** Views of known pages by known and new visitors, deterministic. */
function moreViews(oracle: Oracle, count: number): Oracle['views'] {
  const random = generator(seed + 1);
  return Array.from({ length: count }, (_, i) => {
    const like = oracle.views[Math.floor(random() * oracle.views.length)];
    assert.ok(like !== undefined);
    return {
      visitor: i % 2 === 0 ? like.visitor : `cookie:${i}`,
      url: like.url,
      hour: like.hour + Math.floor(random() * 48),
    };
  });
}

async function sendViews(swa: TestSystem, oracle: Oracle, views: Oracle['views']): Promise<void> {
  await swa.send(
    views.map(({ visitor, url, hour }, i) => ({
      type: 'pageview',
      visitor,
      url,
      timestamp: hour * hourMs + i,
      eventId: `more-${i}`,
    })),
  );
  oracle.views.push(...views);
}

/** Every hour of every page, as one series a page, and 200 seeded ranges. */
async function compare(swa: TestSystem, oracle: Oracle, phase: string): Promise<void> {
  const cells = oracle.cells();
  assert.ok(cells.length > 1_000, `only ${cells.length} cells`);
  const wrong: string[] = [];
  const check = (what: string, got: readonly unknown[], want: readonly number[]): void => {
    if (got[0] !== want[0] || got[1] !== want[1])
      wrong.push(`${what}: got ${got.join('/')}, want ${want.join('/')}`);
  };
  const hours = cells.map((cell) => cell.hour);
  const [first, end] = [Math.min(...hours), Math.max(...hours) + 1];
  await inParallel(8, [...new Set(cells.map((cell) => cell.url))], async (url) => {
    const query = `${range(url, first, end)}&interval=hour`;
    const uniques = (await swa.ask(`/v1/uniques?${query}`)).data.series ?? [];
    const pageviews = (await swa.ask(`/v1/pageviews?${query}`)).data.series ?? [];
    assert.equal(uniques.length, end - first);
    for (let hour = first; hour < end; hour++) {
      const got = [uniques[hour - first]?.visitors, pageviews[hour - first]?.pageviews];
      check(`${url} hour ${hour}`, got, [
        oracle.uniques(url, hour, hour + 1),
        oracle.pageviews(url, hour, hour + 1),
      ]);
    }
  });
  const random = generator(seed);
  const ranges = Array.from({ length: 200 }, () => {
    const one = cells[Math.floor(random() * cells.length)];
    assert.ok(one !== undefined);
    const from = one.hour - Math.floor(random() * 60);
    return { url: one.url, from, to: from + 1 + Math.floor(random() * 120) };
  });
  ranges.push({ url: canonical(`https://${host}/no-such-page`), from: 0, to: 24 });
  await inParallel(8, ranges, async ({ url, from, to }) => {
    const uniques = await swa.ask(`/v1/uniques?${range(url, from, to)}`);
    const pageviews = await swa.ask(`/v1/pageviews?${range(url, from, to)}`);
    const got = [uniques.data.visitors, pageviews.data.pageviews];
    check(`${url} [${from}, ${to})`, got, [oracle.uniques(url, from, to), oracle.pageviews(url, from, to)]);
  });
  assert.deepEqual(wrong.slice(0, 10), [], `${phase}: ${wrong.length} answers are wrong`);
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

function range(url: string, fromHour: number, toHour: number): string {
  return new URLSearchParams({ url, from: edge(fromHour), to: edge(toHour) }).toString();
}

function edge(hour: number): string {
  return new Date(hour * hourMs).toISOString();
}

/** A small linear congruential generator (Numerical Recipes' constants), uniform in [0, 1). */
function generator(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
