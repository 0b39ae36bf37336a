/**
 * What a view of tables is verified by: some pages, some persons, and what the master dataset says of them. It goes by texts, in
 * statements of its own, and takes nothing from the engine but which pages and persons there are.
 */
import type { Exclusions } from '../../facts/exclusions.js';
import { timeStart } from '../../facts/fact.js';
import { isPlaceholderId } from '../../facts/placeholders.js';
import type { Rules } from '../../facts/rules.js';
import { offsetAt } from '../../log/cut.js';
import { integers, optionalTextIn, textIn } from '../../master-data/columns.js';
import { sqlText } from '../../master-data/duckdb.js';
import type { Snapshot } from '../../master-data/snapshot.js';
import type { RepeatBits } from '../arrays/verdict.js';
import { withinLimit, type SampledPage } from '../facts/page-sample.js';
import { sqlIsTime, sqlSnapshot } from './master-facts.js';
import { isJoinable } from './rules-tables.js';
import { wholeNumbers, type TablesDb } from './tables-db.js';

export interface SampleOptions {
  readonly db: TablesDb;
  readonly snapshot: Snapshot;
  readonly rules: Rules;
  readonly exclusions: Exclusions;
  readonly maxPersonIds: number;
}

export interface TablesSample {
  readonly pages: readonly SampledPage[];
  /** Of rows of those pages. */
  readonly repeats: RepeatBits;
  /** All buckets with facts. */
  readonly buckets: readonly number[];
  /** All live edges of some persons. */
  readonly edges: readonly (readonly [string, string])[];
}

const sampledPages = 24;
/** Ends of edges whose persons' edges are read again: of as many persons as have so many ids together. */
const sampledEnds = 500;
const sampledIds = 2_000;

/** @param urls path of the rules table of URLs */
export async function takeSample(options: SampleOptions, urls: string): Promise<TablesSample> {
  const { db } = options;
  const pages = await samplePages(db, urls);
  const buckets: number[] = [];
  for await (const chunk of db.stream("select distinct bucket from cells where kind = 'domain' order by 1"))
    buckets.push(...wholeNumbers(chunk, 0));
  return { pages, buckets, repeats: await repeatsOf(options, pages), edges: await sampleEdges(options) };
}

/** At equal distances in key order, each with the beginnings of all URLs that mean it. */
async function samplePages(db: TablesDb, urls: string): Promise<readonly SampledPage[]> {
  const spellings = new Map<string, string[]>();
  const rows = db.stream(
    `with page as (
       select subject as page, row_number() over (order by subject) - 1 as place, count(*) over () as pages
       from (select distinct subject from cells where kind = 'page')
     ), sample as (
       select page from page
       where place in (select floor((i + 0.5) * pages / least(${sampledPages}, pages)) from range(${sampledPages}) as r(i))
     )
     select distinct encode(page), encode(regexp_extract(url, '^[^?#]*')) from read_parquet(${sqlText(urls)}) join sample using (page)
     order by 1, 2`,
  );
  for await (const chunk of rows) {
    for (let row = 0; row < chunk.rowCount; row++) {
      const page = textIn(chunk.getColumnVector(0), row);
      const parts = spellings.get(page) ?? [];
      spellings.set(page, parts);
      parts.push(textIn(chunk.getColumnVector(1), row));
    }
  }
  return withinLimit(Array.from(spellings, ([url, parts]) => ({ url, parts })));
}

/** Which rows of these pages are repeats: a repeat has the page of its first, so all that matter are here. */
async function repeatsOf(
  { db, snapshot, rules, exclusions }: SampleOptions,
  pages: readonly SampledPage[],
): Promise<RepeatBits> {
  const bits: (Uint8Array | undefined)[] = [];
  const parts = pages.flatMap((page) => page.parts.map(sqlText)).join(', ');
  if (parts === '') return bits;
  const files = snapshot.files.filter(({ topic }) => topic === 'pageviews');
  const selects = files.map(
    ({ partition, path }, file) =>
      `select ${partition} as partition, ${file} as file, file_row_number as row, * exclude (file_row_number) from (
         select null::varchar as import_id, null::varchar as user_agent where false
         union all by name from read_parquet(${sqlText(path)}, hive_partitioning = false, file_row_number = true)
       ) where regexp_extract(url, '^[^?#]*') in (${parts}) and "offset" < ${offsetAt(snapshot.cut.next, `pageviews/${partition}`)}`,
  );
  const rows = db.stream(
    `select cast(file as integer), cast(row as integer), row_number() over same = 1, encode(url), encode(visitor),
       encode(user_agent), encode(import_id), timestamp
     from (${selects.join(' union all by name ')})
     where event_id is not null and visitor is not null and ${sqlIsTime}
     window same as (partition by partition, event_id, visitor order by file, row),
       all_same as (partition by partition, event_id, visitor)
     qualify count(*) over all_same > 1
     order by partition, event_id, visitor, file, row`,
  );
  let seen = new Set<string>();
  for await (const chunk of rows) {
    const [fileOf, rowOf, timestamps] = [integers(chunk, 0), integers(chunk, 1), wholeNumbers(chunk, 7)];
    const begins = chunk.getColumnVector(2);
    const text = (index: number, row: number): string =>
      optionalTextIn(chunk.getColumnVector(index), row) ?? '';
    for (let i = 0; i < chunk.rowCount; i++) {
      if (begins.getItem(i) === true) seen = new Set();
      const page = rules.url.normalize(text(3, i));
      const [visitor, userAgent, importId] = [text(4, i), text(5, i), text(6, i)];
      const timestamp = timestamps[i] ?? 0;
      if (!page.ok || isPlaceholderId(visitor) || rules.bots.excludes(userAgent)) continue;
      if (exclusions.excludes({ visitor, page: page.url, userAgent, importId, timestamp })) continue;
      if (!seen.has(page.url)) {
        seen.add(page.url);
        continue;
      }
      const [file, row] = [fileOf[i] ?? 0, rowOf[i] ?? 0];
      const own = (bits[file] ??= new Uint8Array(Math.ceil((files[file]?.rows ?? 0) / 8)));
      own[row >>> 3] = (own[row >>> 3] ?? 0) | (1 << (row & 7));
    }
  }
  return bits;
}

/**
 * All live edges of some persons: of those that some edges' ends belong to. Ends that the engine says belong to no one are among them, unless it
 * may have left components unjoined.
 */
async function sampleEdges({
  db,
  snapshot,
  exclusions,
  maxPersonIds,
}: SampleOptions): Promise<(readonly [string, string])[]> {
  await db.connection.run(
    `create temp table sampled as
     with chosen as (
       select id as visitor from (select unnest([a, b]) as id from ${sqlSnapshot('equivs', snapshot)} where kind = 'equiv')
       group by id order by md5(id), id limit ${sampledEnds}
     ), person as (
       select person from (
         select person, sum(count(*)) over (order by md5(person), person) as ids from persons
         semi join (from persons semi join chosen using (visitor)) using (person) group by person
       ) where ids <= ${sampledIds}
     )
     select visitor as id from persons semi join person using (person)
     union all select visitor from chosen anti join persons using (visitor) where ${maxPersonIds === 0}`,
  );
  const keptFrom = Math.max(timeStart, exclusions.keptFrom);
  const edges: (readonly [string, string])[] = [];
  const rows = db.stream(
    `with seen as (
       select distinct visitor from ${sqlSnapshot('pageviews', snapshot)}
       where timestamp >= ${keptFrom} and ${sqlIsTime} and url <> ''
     ), edge as (
       select least(a, b) as lo, greatest(a, b) as hi, kind, timestamp, partition, "offset"
       from ${sqlSnapshot('equivs', snapshot)}
       where kind in ('equiv', 'retract') and a <> '' and b <> '' and ${sqlIsTime}
         and (a in (from sampled) or b in (from sampled))
         and (timestamp >= ${keptFrom} or a in (from seen) or b in (from seen))
       qualify coalesce(event_id, '') = ''
         or row_number() over (partition by event_id, kind, lo, hi order by partition, "offset") = 1
     )
     select encode(lo), encode(hi) from edge group by lo, hi
     having max_by(kind, (timestamp, partition, "offset")) = 'equiv' order by 1, 2`,
  );
  for await (const chunk of rows) {
    for (let row = 0; row < chunk.rowCount; row++) {
      const edge = [textIn(chunk.getColumnVector(0), row), textIn(chunk.getColumnVector(1), row)] as const;
      const [a, b] = edge;
      if (edge.every(isJoinable) && !exclusions.excludesEdge({ a, b })) edges.push(edge);
    }
  }
  return edges;
}
