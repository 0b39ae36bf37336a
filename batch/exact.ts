/**
 * Compares a view with the whole recomputation in plain SQL (batch/sql/whole-run.sql): every cell of every page, domain and dimension value, and
 * every bucket of visits. It shares the star's texts and rules with a batch run, but none of its persons, shards, sorts and sketches. Needs
 * memory and time like any query over all facts: for small data, or a thorough check.
 */
import { DuckDBListValue, type DuckDBConnection } from '@duckdb/node-api';
import { createHash } from 'node:crypto';
import { maxCoupons } from 'hyperloglog-ts';
import { dirname } from 'node:path';
import { assetText } from '../lib/files/assets.js';
import { offsetAt } from '../log/cut.js';
import { timeEnd, timeStart } from '../facts/fact.js';
import { allTimeOf } from './all-time.js';
import { spans, widthOf } from '../lib/time/buckets.js';
import { resultName, type TextName } from '../facts/dimensions/choice.js';
import { parseExclusionKey } from '../facts/exclusion-key.js';
import { Exclusions } from '../facts/exclusions.js';
import type { Rules } from '../facts/rules.js';
import type { DimensionRules } from '../facts/dimensions/dimension-rules.js';
import type { Subject } from '../facts/views/view.js';
import { starEdges } from './database.js';
import { erasedVisitors, excludedTexts } from './facts/exclusions.js';
import { nameOf } from './subject-name.js';
import { openDuckDb, sqlParquet, sqlText } from '../master-data/duckdb.js';
import type { Star } from '../master-data/star/star.js';
import { textsOf } from '../lib/memory/text-spans.js';
import { applyCoupons } from '../serving/arrays/union.js';
import type { ViewReader } from '../serving/view-reader.js';

export interface ExactOptions {
  readonly star: Star;
  /** The rules that the star and the view were made with. */
  readonly rules: Rules;
  readonly view: ViewReader;
  readonly tempDir: string;
  readonly memoryLimit: string;
  readonly threads: number;
}

const examples = 20;

/** Descriptions of the first differences between the view and the facts; empty if there are none. */
export async function exactDifferences(options: ExactOptions): Promise<string[]> {
  const { star, view, tempDir } = options;
  const database = await openDuckDb({
    allowedDirectories: [
      ...new Set(star.facts.flatMap(({ path, masterPath }) => [dirname(path), dirname(masterPath)])),
      tempDir,
    ],
    tempDirectory: tempDir,
    memoryLimit: options.memoryLimit,
    threads: options.threads,
  });
  try {
    const { connection } = database;
    await giveStar(connection, options);
    const holes: Readonly<Record<string, string>> = {
      timeStart: String(timeStart),
      timeEnd: String(timeEnd),
      keptFrom: String(Math.max(timeStart, view.meta.keptFrom ?? 0)),
      bucketMs: String(widthOf(view.meta.bucketMinutes).ms),
      values: sqlValues(options.rules.dimensions),
      maxIds: view.meta.maxPersonIds === 0 ? '9223372036854775807' : String(view.meta.maxPersonIds),
    };
    const sql = assetText('batch/sql/whole-run.sql');
    await connection.run(
      sql
        .replace(/^--.*$/gm, '')
        .replace(
          /\{(timeStart|timeEnd|keptFrom|bucketMs|maxIds|values)\}/g,
          (_hole, name: string) => holes[name] ?? '',
        ),
    );
    const differences = new Differences();
    await compareCells(connection, options, differences);
    await compareVisits(connection, view, differences);
    return differences.found;
  } finally {
    database.close();
  }
}

class Differences {
  readonly found: string[] = [];

  add(what: string, view: string | undefined, facts: string | undefined): void {
    if (view !== facts && this.found.length < examples)
      this.found.push(`${what} has ${view ?? 'nothing'}; computed from its facts: ${facts ?? 'nothing'}`);
  }
}

/** Creates the tables that the SQL reads. */
async function giveStar(connection: DuckDBConnection, { star, view, rules }: ExactOptions): Promise<void> {
  const { dimensions } = rules;
  const pageviews = star.factsOf('pageviews').map(({ path, masterPath, partition, isCut }, file) => {
    // Rows are in offset order, and the star's are those of the master dataset's file.
    const end = offsetAt(view.meta.cut.next, `pageviews/${partition}`);
    const below = `(select count(*) from ${sqlParquet(masterPath)} where "offset" < ${end})`;
    return `select ${partition} as partition, ${file} as file, cast(file_row_number as integer) as row, url, visitor, agent, referrer, tags, country, import, timestamp
      from read_parquet(${sqlText(path)}, hive_partitioning = false, file_row_number = true)
      where url > 0${isCut ? ` and file_row_number < ${below}` : ''}`;
  });
  await connection.run(`create temp view pageview as ${pageviews.join(' union all ') || noPageviews}`);
  await connection.run(`create temp view equiv as ${starEdges({ facts: star.facts, cut: view.meta.cut })}`);
  const domainOf = (page: number): string => star.domains[star.domainOfPage[page] ?? 0] ?? '';
  const urls = Array.from(star.pageOfUrl.entries()).filter(([, page]) => page > 0);
  const pagesOf = urls.map(([url, page]) => [url, page - 1, star.pages.text(page - 1), domainOf(page - 1)]);
  await give(connection, 'url', 'url integer, page_number integer, page varchar, domain varchar', pagesOf);
  await give(
    connection,
    'result',
    'name varchar, number integer, value varchar',
    dimensions.results.flatMap((result) =>
      Array.from(star.valuesOf(result).entries())
        .filter(([, value]) => value > 0)
        .map(([number, value]) => [resultName(result), number, star.values.text(value - 1)]),
    ),
  );
  const bots = Array.from(star.bots.entries()).filter(([, isBot]) => isBot === 1);
  await give(
    connection,
    'bot',
    'agent integer',
    bots.map(([agent]) => [agent]),
  );
  await give(connection, 'visitor', 'visitor integer, id varchar, coupon uinteger', visitorsOf(star));
  await give(
    connection,
    'excluded_text',
    'exclusion integer, kind varchar, number integer, start varchar, stop varchar',
    excludedOf(star, rules),
  );
  await connection.run(
    'create temp view excluded as select exclusion, kind, number, start::double as start, stop::double as stop from excluded_text',
  );
  const { erased } = new Exclusions(view.exclusions(), rules);
  const visitors = erasedVisitors(star, { erased }).map((visitor) => [visitor]);
  await give(connection, 'erased', 'visitor integer', visitors);
  await give(connection, 'repeat_group', 'file integer, row integer, number integer', repeatGroupsOf(star));
}

const noPageviews =
  'select 0 as partition, 0 as file, 0 as row, 0 as url, 0 as visitor, 0 as agent, 0 as referrer, 0 as tags, 0 as country, 0 as import, 0::bigint as timestamp where false';

/** Column with the number of each text that results are based on. */
const numberOf: Readonly<Record<TextName, string>> = {
  page: 'page_number',
  tags: 'tags',
  referrer: 'referrer',
  userAgent: 'agent',
  country: 'country',
};

/** The dimensions as an SQL list of {kind, subject}; the subject is null if a pageview has no value. */
function sqlValues({ kept }: DimensionRules): string {
  const values = kept.map(({ name, choices, otherwise }) => {
    const results = choices.map((choice) => {
      const own = choice.exceptOwnDomain === true ? ' and value <> domain' : '';
      return `(select value from result where name = ${sqlText(resultName(choice))} and number = ${numberOf[choice.text]}${own})`;
    });
    const value = `coalesce(${[...results, otherwise === undefined ? 'null' : sqlText(otherwise)].join(', ')})`;
    return `{kind: ${sqlText(name)}, subject: domain || ' ' || ${value}}`;
  });
  return `[${values.join(', ')}]`;
}

function* visitorsOf(star: Star): Generator<(string | number | bigint)[]> {
  let visitor = 1;
  for (const texts of star.texts('visitors')) {
    for (const text of textsOf(texts)) {
      const coupon = star.coupons[visitor] ?? 0;
      if (coupon !== 0) yield [visitor, text, BigInt(coupon)];
      visitor++;
    }
  }
}

/** The texts that each exclusion excludes, whether it is in force or not. */
function* excludedOf(star: Star, rules: Rules): Generator<(string | number)[]> {
  let exclusion = 1;
  for (const texts of star.texts('exclusions')) {
    for (const text of textsOf(texts)) {
      const exclusions = new Exclusions([parseExclusionKey(text)], rules);
      for (const { by, number, times } of excludedTexts(star, exclusions))
        for (const [from, to] of times) yield [exclusion, by, number, String(from), String(to)];
      exclusion++;
    }
  }
}

function* repeatGroupsOf(star: Star): Generator<(string | number | bigint)[]> {
  const words = star.repeats();
  let number = 0;
  for (let i = 0; i < words.length; i += 2) {
    const file = words[i] ?? 0;
    number += file % 2;
    yield [file >>> 1, words[i + 1] ?? 0, number];
  }
}

/** Creates and fills a table; numbers become signed, bigints unsigned 32-bit integers. */
async function give(
  connection: DuckDBConnection,
  name: string,
  columns: string,
  rows: Iterable<readonly (string | number | bigint)[]>,
): Promise<void> {
  await connection.run(`create temp table ${name} (${columns})`);
  const appender = await connection.createAppender(name);
  for (const row of rows) {
    for (const value of row) {
      if (typeof value === 'string') appender.appendVarchar(value);
      else if (typeof value === 'number') appender.appendInteger(value);
      else appender.appendUInteger(Number(value));
    }
    appender.endRow();
  }
  appender.closeSync();
}

async function compareCells(
  connection: DuckDBConnection,
  { view, rules: { dimensions } }: ExactOptions,
  differences: Differences,
): Promise<void> {
  const subjects = [...view.domains()].flatMap((domain): Subject[] => [
    { kind: 'domain', domain },
    ...Array.from(view.pages(domain), ({ url }): Subject => ({ kind: 'page', url })),
    ...dimensions.names.flatMap((dimension) =>
      Array.from(view.values(dimension, domain), ({ value }): Subject => ({
        kind: 'value',
        dimension,
        domain,
        value,
      })),
    ),
  ]);
  const width = widthOf(view.meta.bucketMinutes);
  const left = new Map(subjects.map((subject) => [nameOf(subject), subject]));
  for await (const [name, expected] of cellsOfFacts(connection, view.meta.lgK)) {
    const subject = left.get(name);
    left.delete(name);
    const actual = subject === undefined ? new Map<string, string>() : cellsOf(view, subject);
    for (const bucket of new Set([...actual.keys(), ...expected.keys()]))
      differences.add(
        `${name}, ${bucket.replace(/^base/, width.name)},`,
        actual.get(bucket),
        expected.get(bucket),
      );
  }
  for (const name of left.keys()) differences.add(name, 'cells', undefined);
}

/** Yields each subject with its expected cells, by span and bucket. */
async function* cellsOfFacts(
  connection: DuckDBConnection,
  lgK: number,
): AsyncGenerator<[name: string, cells: Map<string, string>]> {
  let name = '';
  let cells = new Map<string, string>();
  const sql = `select kind || ' ' || subject, span || ' ' || bucket, pageviews, coupons from cell order by 1`;
  for await (const rows of (await connection.stream(sql)).yieldRows()) {
    for (const [subject, bucket, pageviews, coupons] of rows) {
      if (subject !== name && name !== '') {
        yield [name, cells];
        cells = new Map();
      }
      name = String(subject);
      const items =
        coupons instanceof DuckDBListValue ? Uint32Array.from(coupons.items, Number) : new Uint32Array(0);
      cells.set(String(bucket), cellText(Number(pageviews), items, lgK));
    }
  }
  if (name !== '') yield [name, cells];
}

function cellsOf(view: ViewReader, subject: Subject): Map<string, string> {
  const cells = new Map<string, string>();
  const { lgK } = view.meta;
  const { from, to } = allTimeOf(view.meta);
  for (const span of spans) {
    view.forEachBucket(subject, span, from, to, ({ bucket, pageviews, sketch }) => {
      const words =
        sketch.kind === 'coupons'
          ? cellText(pageviews, sketch.coupons, lgK)
          : many(pageviews, sketch.registers);
      cells.set(`${span} ${bucket}`, words);
    });
  }
  return cells;
}

/** @param coupons distinct and ascending */
function cellText(pageviews: number, coupons: Uint32Array, lgK: number): string {
  if (coupons.length <= maxCoupons(lgK))
    return `${pageviews} pageviews of ${coupons.length} people, ${coupons.join(' ')}`;
  const registers = new Uint8Array(2 ** lgK);
  applyCoupons(registers, coupons, 0, coupons.length);
  return many(pageviews, registers);
}

function many(pageviews: number, registers: Uint8Array): string {
  return `${pageviews} pageviews of many people, ${createHash('sha256').update(registers).digest('hex')}`;
}

async function compareVisits(
  connection: DuckDBConnection,
  view: ViewReader,
  differences: Differences,
): Promise<void> {
  const expected = new Map<string, string>();
  const rows = await connection.runAndReadAll(
    'select domain, bucket, visits, bounces, pageviews, duration from visit',
  );
  for (const [domain, bucket, ...counts] of rows.getRows()) {
    expected.set(`visits of ${String(domain)}, bucket ${String(bucket)},`, visitsText(...counts));
  }
  const { from, to } = allTimeOf(view.meta);
  for (const domain of view.domains()) {
    view.forEachVisitBucket(domain, from, to, ({ bucket, visits, bounces, pageviews, durationMs }) => {
      const name = `visits of ${domain}, bucket ${bucket},`;
      differences.add(name, visitsText(visits, bounces, pageviews, durationMs), expected.get(name));
      expected.delete(name);
    });
  }
  for (const [name, wanted] of expected) differences.add(name, undefined, wanted);
}

function visitsText(...counts: readonly unknown[]): string {
  const [visits, bounces, pageviews, ms] = counts.map(String);
  return `${visits}, bounces ${bounces}, pageviews ${pageviews}, ${ms} ms`;
}
