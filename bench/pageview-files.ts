/**
 * Generates a master dataset with DuckDB, for benchmarks of the batch layer: pageviews in order of time over some days, URLs of 1,000 domains, every
 * third pageview with a tracking parameter, an event id per fact, 200 user agents of four browsers, every fifth pageview referred by one of 300 other
 * sites; and edges between random ids. Pages and visitor ids are drawn
 *
 *   evenly     with equal probability: nearly every pageview is alone in its hour of its page
 *   one-site   as `popular`, but all pages are of one domain, as in most installations
 *   popular    pages by Zipf's law (s = 1), visitor ids by a square law: half as many hours of pages, some of them busy
 */
import { DuckDBInstance } from '@duckdb/node-api';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { offset, type LogId, type PartitionName, type Topic } from '../log/log.js';
import { sqlText } from '../master-data/duckdb.js';
import type { Snapshot, SnapshotFile } from '../master-data/snapshot.js';
import { digestFile } from '../lib/files/digest.js';

export interface PageviewFilesOptions {
  readonly dir: string;
  readonly pageviews: number;
  readonly ids: number;
  readonly edges: number;
  readonly urls: number;
  readonly days: number;
  readonly drawn: Draw;
}

export type Draw = 'evenly' | 'popular' | 'one-site';

const partitions = 4;
const startsAt = Date.UTC(2026, 0, 1);

export async function makePageviewFiles(options: PageviewFilesOptions): Promise<Snapshot> {
  mkdirSync(options.dir, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '2GB' });
  const connection = await instance.connect();
  await connection.run('select setseed(0.42)');
  const files: SnapshotFile[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const rows = Math.ceil(options.pageviews / partitions);
    const path = join(options.dir, `pageviews-${partition}.parquet`);
    await connection.run(
      `copy (${pageviewRows(options, rows, partition)}) to ${sqlText(path)} (format parquet, compression zstd, compression_level 1)`,
    );
    files.push(await describe(path, 'pageviews', partition, rows));
  }
  const path = join(options.dir, 'equivs-0.parquet');
  await connection.run(
    `copy (${edgeRows(options)}) to ${sqlText(path)} (format parquet, compression zstd, compression_level 1)`,
  );
  files.push(await describe(path, 'equivs', 0, options.edges));
  connection.closeSync();
  instance.closeSync();
  const next: Record<PartitionName, ReturnType<typeof offset>> = {};
  const manifests: Record<PartitionName, number> = {};
  for (const file of files) {
    next[`${file.topic}/${file.partition}`] = file.toOffset;
    manifests[`${file.topic}/${file.partition}`] = 1;
  }
  return { cut: { logId: 'bench' as LogId, next }, files, manifests, gaps: [] };
}

/** An id like those of trackers: a kind and sixteen hex digits. */
const idOf = (number: string): string =>
  `case when (${number}) % 4 = 0 then 'user:' else 'cookie:' end || printf('%016x', hash(${number}))`;

/** Each partition has its own pages: page number modulo 4, as the partitioner would assign them. */
function pageviewRows(
  { ids, urls, days, pageviews, drawn }: PageviewFilesOptions,
  rows: number,
  partition: number,
): string {
  const spanMs = days * 86_400_000;
  const [page, visitor] =
    drawn === 'evenly'
      ? [`${urls} * random()`, `${ids} * random()`]
      : [`pow(${urls}, random()) - 1`, `${ids} * pow(random(), 2)`];
  return `
    with drawn as (
      select
        i,
        cast(least(${urls} - ${partitions}, floor(${page})) as integer) // ${partitions} * ${partitions} + ${partition} as page,
        cast(floor(${visitor}) as integer) as visitor,
        ${startsAt} + cast(floor(i * ${(spanMs * partitions) / pageviews}) as bigint) as timestamp,
        cast(floor(random() * 200) as integer) as agent
      from range(${rows}) as numbers(i)
    )
    select
      i as "offset", timestamp + 500 as received_at, timestamp,
      ${idOf('visitor')} as visitor,
      'https://www.site' || ${drawn === 'one-site' ? '0' : '(page % 1000)'} || '.example/section-' || (page % 17) || '/article-' || page
        || case when agent % 3 = 0 then '?utm_source=mail' else '' end as url,
      cast(uuid() as varchar) as event_id,
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ' || ['Chrome/', 'Firefox/', 'Edg/', 'OPR/'][1 + agent % 4]
        || agent || '.0.0.0 Safari/537.36' as user_agent,
      case when i % 5 = 0 then 'https://www.from' || (visitor % 300) || '.example/' || i end as referrer, cast(null as varchar) as invalid_reason, cast(null as blob) as raw
    from drawn`;
}

function edgeRows({ ids, edges }: PageviewFilesOptions): string {
  return `
    with drawn as (
      select i, cast(floor(random() * ${ids}) as integer) as a, cast(floor(random() * ${ids} / 4) as integer) * 4 as b
      from range(${edges}) as numbers(i)
    )
    select
      i as "offset", ${startsAt} + i as received_at, ${startsAt} + i as timestamp, 'equiv' as kind,
      ${idOf('case when a = b then a + 1 else a end')} as a, ${idOf('b')} as b,
      cast(uuid() as varchar) as event_id, cast(null as varchar) as "source",
      cast(null as varchar) as invalid_reason, cast(null as blob) as raw
    from drawn`;
}

async function describe(path: string, topic: Topic, partition: number, rows: number): Promise<SnapshotFile> {
  const { sizeBytes, sha256 } = await digestFile(path);
  return {
    topic,
    partition,
    path,
    rows,
    fromOffset: offset(0),
    toOffset: offset(rows),
    sha256,
    sizeBytes,
    minTimestamp: null,
    maxTimestamp: null,
  };
}
