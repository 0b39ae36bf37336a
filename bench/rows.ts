/** The rows of the bench; each is loaded when it is requested. */
import type { BenchOptions, BenchResult } from './row.js';

export interface Row {
  readonly name: string;
  /** What is measured and against what, for readers of the report. */
  readonly what: string;
  readonly load: () => Promise<{ run(options: BenchOptions): Promise<BenchResult> }>;
}

export const rows: readonly Row[] = [
  {
    name: 'batch',
    what: 'A full recomputation with the star at hand (persons, cells, visits, index, verification) against DuckDB’s `approx_count_distinct` by (url, hour) over the same Parquet files, without persons, storing nothing',
    load: () => import('./batch.js'),
  },
  {
    name: 'batch-large',
    what: 'The same for 100 million pageviews, once: time and memory',
    load: () => import('./batch-large.js'),
  },
  {
    name: 'batch-star',
    what: 'Making the star of one new file of a million facts, once for each fact ever, against the same baseline over that file',
    load: () => import('./batch-star.js'),
  },
  {
    name: 'speed',
    what: 'The speed layer from the log to a committed view, against reading and decoding the same log',
    load: () => import('./speed.js'),
  },
  {
    name: 'speed-kafka',
    what: 'The same from a Kafka broker, against a bare kafkajs consumer',
    load: () => import('./speed-kafka.js'),
  },
  {
    name: 'topology',
    what: 'The topology engine with acking and two bolts, against direct calls of the same functions',
    load: () => import('./topology.js'),
  },
  {
    name: 'threads',
    what: 'A topology whose tasks run on worker threads, against one thread',
    load: () => import('./threads.js'),
  },
  {
    name: 'range',
    what: 'Range queries of about a year in process, against merging all hours of the same ranges',
    load: () => import('./range.js'),
  },
  {
    name: 'http',
    what: 'Unique visitors over HTTP at 32 connections, against an empty express route',
    load: () => import('./http.js'),
  },
  {
    name: 'freshness',
    what: 'From the POST of a fact to an answer over HTTP that counts it',
    load: () => import('./freshness.js'),
  },
  {
    name: 'collect',
    what: 'Facts over HTTP into the durable log',
    load: () => import('./collect.js'),
  },
  {
    name: 'import',
    what: 'Lines of each log format, and generated facts, into the durable log',
    load: () => import('./import.js'),
  },
  { name: 'log', what: 'Appending to and reading the embedded log', load: () => import('./log.js') },
  {
    name: 'master',
    what: 'The sink: from the log into Parquet files of the master dataset',
    load: () => import('./master.js'),
  },
  {
    name: 'bytes',
    what: 'Serving bytes of pages and domains for each distinct (page, hour, person)',
    load: () => import('./bytes.js'),
  },
  {
    name: 'sketch',
    what: 'Adding to and merging sketches, beside other packages of npm',
    load: () => import('./sketch.js'),
  },
  { name: 'idle', what: '`swa start` at rest, and one `swa status`', load: () => import('./idle.js') },
  {
    name: 'spark',
    what: 'A full recomputation by Apache Spark on this machine, against that by our own threads, over the same facts: one content hash',
    load: () => import('./spark.js'),
  },
  {
    name: 'peers',
    what: 'The same work by DuckDB, ClickHouse, Redis and DataSketches, in the same run',
    load: () => import('./peers.js'),
  },
  {
    name: 'soak',
    what: 'Whether anything grows under twice the nominal load',
    load: () => import('./soak.js'),
  },
];
