/**
 * Shows what exclusions mean for the master dataset: how many pageviews one would leave out, and which are in force by the facts so far. For
 * commands that preview a change; needs a scan of the facts.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { exclusionKey, parseExclusionKey } from '../facts/exclusion-key.js';
import { Exclusions } from '../facts/exclusions.js';
import { timeEnd, timeStart, type ExclusionRule } from '../facts/fact.js';
import { makeRules, type Rules } from '../facts/rules.js';
import type { Config } from '../lib/config/config.js';
import { removeScratch } from '../lib/files/removal.js';
import { openDuckDb, sqlText } from '../master-data/duckdb.js';
import { snapshotToLookAt } from '../master-data/pins.js';
import { sqlFacts } from '../master-data/schema.js';
import { masterCut, type Snapshot } from '../master-data/snapshot.js';

export interface MatchingPageviews {
  /** Number of pageviews, including repeats and those that other exclusions already leave out. */
  readonly pageviews: number;
  /** How many of `pageviews` are of known bots, which do not count anyway. */
  readonly bots: number;
  readonly visitors: number;
  /** Times of the first and the last pageview, UTC ms; undefined if there are none. */
  readonly times: { readonly first: number; readonly last: number } | undefined;
}

type PreviewConfig = Pick<
  Config,
  'dataDir' | 'urlQueryAllow' | 'bots' | 'dimensions' | 'batchMemory' | 'batchThreads'
>;

const none: MatchingPageviews = { pageviews: 0, bots: 0, visitors: 0, times: undefined };

/** For each rule, counts the pageviews of the master dataset that it matches; facts after its last commit are not included. */
export async function matchingPageviews(
  config: PreviewConfig,
  exclusions: readonly ExclusionRule[],
): Promise<(readonly [ExclusionRule, MatchingPageviews])[]> {
  const rules = makeRules(config);
  const found = await withFacts(config, async (connection, snapshot) => {
    const counted: (readonly [ExclusionRule, MatchingPageviews])[] = [];
    for (const rule of exclusions) counted.push([rule, await count(connection, snapshot, rule, rules)]);
    return counted;
  });
  return found ?? exclusions.map((rule) => [rule, none]);
}

/** The exclusions in force by the facts of the master dataset, ordered by their keys. */
export async function exclusionsInForce(config: PreviewConfig): Promise<ExclusionRule[]> {
  return (await withFacts(config, listLive)) ?? [];
}

/** Undefined if there is no master dataset. */
async function withFacts<T>(
  { dataDir, batchMemory: memoryLimit, batchThreads: threads }: PreviewConfig,
  work: (connection: DuckDBConnection, snapshot: Snapshot) => Promise<T>,
): Promise<T | undefined> {
  if (masterCut(dataDir) === undefined) return undefined;
  const pinned = snapshotToLookAt(dataDir, 'swa exclude');
  const dir = mkdtempSync(join(tmpdir(), 'swa-preview-'));
  try {
    const allowedDirectories = [...new Set(pinned.snapshot.files.map(({ path }) => dirname(path)))];
    const tempDirectory = join(dir, 'duckdb');
    const database = await openDuckDb({
      allowedDirectories: [...allowedDirectories, tempDirectory],
      tempDirectory,
      memoryLimit,
      threads,
    });
    try {
      return await work(database.connection, pinned.snapshot);
    } finally {
      database.close();
    }
  } finally {
    pinned.release();
    removeScratch(dir);
  }
}

const columnOf = { visitor: 'visitor', importId: 'import_id', userAgent: 'user_agent' } as const;

async function count(
  connection: DuckDBConnection,
  snapshot: Snapshot,
  rule: ExclusionRule,
  rules: Rules,
): Promise<MatchingPageviews> {
  const { by, value, from = timeStart, to = timeEnd } = rule;
  if (by === 'erased') return none; // its hash cannot be compared with texts in SQL
  const facts = sqlFacts('pageviews', pathsOf(snapshot, 'pageviews'));
  if (by === 'urlPrefix') await giveUrls(connection, facts, rule, rules);
  const matches = by === 'urlPrefix' ? 'url in (from matching)' : `${columnOf[by]} = ${sqlText(value)}`;
  const matching = `from ${facts} where ${matches} and timestamp >= ${from} and timestamp < ${to}`;
  const found = await connection.runAndReadAll(
    `select count(*), count(distinct visitor), min(timestamp), max(timestamp) ${matching}`,
  );
  const [pageviews, visitors, first, last] = (found.getRows()[0] ?? []).map(Number);
  if (pageviews === undefined || pageviews === 0) return none;
  const agents = await connection.runAndReadAll(
    `select user_agent, count(*) ${matching} group by user_agent`,
  );
  const bots = agents
    .getRows()
    .filter(([agent]) => rules.bots.excludes(agent === null ? undefined : String(agent)))
    .reduce((sum, [, views]) => sum + Number(views), 0);
  return { pageviews, bots, visitors: visitors ?? 0, times: { first: first ?? 0, last: last ?? 0 } };
}

/** Creates the table `matching` with all URLs whose pages begin with the prefix. */
async function giveUrls(
  connection: DuckDBConnection,
  facts: string,
  rule: ExclusionRule,
  rules: Rules,
): Promise<void> {
  const { from: _from, to: _to, ...always } = rule;
  const exclusions = new Exclusions([always], rules);
  await connection.run('create or replace temp table matching (url varchar)');
  const appender = await connection.createAppender('matching');
  const rows = await connection.stream(`select distinct url from ${facts} where url is not null`);
  for await (const chunk of rows.yieldRows()) {
    for (const [url] of chunk) {
      const page = rules.url.normalizeNew(String(url));
      if (!page.ok || exclusions.timesOf('urlPrefix', page.url) === undefined) continue;
      appender.appendVarchar(String(url));
      appender.endRow();
    }
  }
  appender.closeSync();
}

async function listLive(connection: DuckDBConnection, snapshot: Snapshot): Promise<ExclusionRule[]> {
  const selects = snapshot.files
    .filter(({ topic }) => topic === 'equivs')
    .map(({ partition, path }) => `select *, ${partition} as partition from ${sqlFacts('equivs', [path])}`);
  if (selects.length === 0) return [];
  const rows = await connection.runAndReadAll(
    `select json_array("by", value, "from", "to") as rule from (${selects.join(' union all ')})
     where kind in ('exclude', 'include')
     group by rule having max_by(kind, (timestamp, partition, "offset")) = 'exclude' order by rule`,
  );
  return rows.getRows().map(([rule]) => parseExclusionKey(String(rule)));
}

/** The rules that the current view does not know yet. */
export function waitingOf(
  live: readonly ExclusionRule[],
  known: readonly ExclusionRule[],
): ReadonlySet<ExclusionRule> {
  const keys = new Set(known.map(exclusionKey));
  return new Set(live.filter((rule) => !keys.has(exclusionKey(rule))));
}

function pathsOf({ files }: Snapshot, topic: 'pageviews' | 'equivs'): string[] {
  return files.filter((file) => file.topic === topic).map(({ path }) => path);
}
