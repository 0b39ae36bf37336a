/** An engine that computes the tables of a job with the oracle. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBBlobValue, DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { coupon, HllSketch } from 'hyperloglog-ts';
import type { Rules } from '../../facts/rules.js';
import { domainOf } from '../../facts/url/domain.js';
import { sqlText } from '../../master-data/duckdb.js';
import { subjectOf } from '../../test/oracle/compare.js';
import { batchTally } from '../../test/oracle/layers.js';
import { joined, livePairs, type Placed } from '../../test/oracle/oracle.js';
import type { Engine, Job, OutTable } from '../tables/contract.js';

type Cell = string | number | Uint8Array | null;
export type Tables = Record<OutTable, Cell[][]>;

const columns: Readonly<Record<OutTable, string>> = {
  cells: 'kind varchar, domain varchar, subject varchar, bucket bigint, pageviews bigint, sketch blob',
  visits:
    'domain varchar, bucket bigint, visits bigint, bounces bigint, pageviews bigint, duration_ms bigint',
  persons: 'person varchar, visitor varchar',
  statistics: 'name varchar, value bigint, id varchar',
};

/** @param change damages the tables before they are written */
export function oracleEngine(
  ledger: readonly Placed[],
  rules: Rules,
  change: (tables: Tables) => void = () => undefined,
): Engine & { readonly jobs: Job[] } {
  const jobs: Job[] = [];
  return {
    jobs,
    async compute({ job, onProgress }) {
      jobs.push(job);
      onProgress({ step: 'facts', done: 1, of: 2 });
      const tables = tablesOf(ledger, rules, job.lgK);
      change(tables);
      const instance = await DuckDBInstance.create(':memory:');
      const connection = await instance.connect();
      for (const [name, rows] of Object.entries(tables) as [OutTable, Cell[][]][])
        await writeTable(connection, name, rows, join(job.out, name));
      connection.closeSync();
      instance.closeSync();
    },
  };
}

function tablesOf(ledger: readonly Placed[], rules: Rules, lgK: number): Tables {
  const tally = batchTally(ledger, rules);
  const cells = [...tally.subjects].flatMap(([name, buckets]) => {
    const subject = subjectOf(name);
    const [kind, domain, text] =
      subject.kind === 'page'
        ? ['page', domainOf(subject.url), subject.url]
        : subject.kind === 'domain'
          ? ['domain', subject.domain, subject.domain]
          : [subject.dimension, subject.domain, subject.value];
    return [...buckets].flatMap(([bucket, { pageviews, people }]): Cell[][] => {
      const [span, number] = bucket.split(' ');
      if (span === 'day' || span === 'month') return [];
      const sketch = HllSketch.fromCoupons(Uint32Array.from(people, coupon), lgK).toBytes();
      return [[kind, domain, text, Number(number), pageviews, sketch]];
    });
  });
  const visits = [...tally.visits].flatMap(([domain, hours]) =>
    Array.from(hours, ([bucket, { visits: count, bounces, pageviews, durationMs }]): Cell[] => [
      domain,
      bucket,
      count,
      bounces,
      pageviews,
      durationMs,
    ]),
  );
  const persons = Array.from(joined(livePairs(ledger, rules)), ([visitor, person]): Cell[] => [
    person,
    visitor,
  ]);
  const numbers = {
    repeats: 0,
    refusedUrls: 0,
    botPageviews: 0,
    excludedPageviews: 0,
    pageviews: tally.pageviews,
    edges: 0,
    retractions: ledger.filter(({ fact }) => fact.type === 'retract').length,
    repeatedEdges: 0,
    liveEdges: 0,
    persons: tally.people.size,
    joinedIds: persons.length,
    components: 0,
    largestComponent: 0,
    cappedComponents: 0,
  };
  const statistics = Object.entries(numbers).map(([name, value]): Cell[] => [name, value, null]);
  return { cells, visits, persons, statistics };
}

async function writeTable(
  connection: DuckDBConnection,
  name: OutTable,
  rows: readonly (readonly Cell[])[],
  dir: string,
): Promise<void> {
  mkdirSync(dir, { recursive: true });
  await connection.run(`create temp table ${name} (${columns[name]})`);
  const appender = await connection.createAppender(name);
  for (const row of rows) {
    for (const cell of row) {
      if (cell === null) appender.appendNull();
      else if (typeof cell === 'string') appender.appendVarchar(cell);
      else if (typeof cell === 'number') appender.appendBigInt(BigInt(cell));
      else appender.appendBlob(new DuckDBBlobValue(cell).bytes);
    }
    appender.endRow();
  }
  appender.closeSync();
  await connection.run(`copy ${name} to ${sqlText(join(dir, 'part-0.parquet'))} (format parquet)`);
}
