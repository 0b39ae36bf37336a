/** A data directory with an embedded log in it, for the tests of this layer. */
import { rmSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';
import { pino } from 'pino';
import { configWith, type Config } from '../../lib/config/config.js';
import { systemClock } from '../../lib/time/clock.js';
import { openDataDir } from '../../lib/files/data-dir.js';
import type { EquivEdge, Fact, Pageview } from '../../facts/fact.js';
import { encodeRecord } from '../../facts/record.js';
import type { LogWriter, NewRecord, Topic } from '../../log/log.js';
import { openLogWriter } from '../../log/open-log.js';
import type { RoleContext } from '../../lib/process/role.js';
import { UrlRules } from '../../facts/url/normalize.js';
import { sqlText } from '../duckdb.js';
import type { SnapshotFile } from '../snapshot.js';
import { tempDir } from '../../test/temp-dir.js';

export interface Fixture {
  readonly dataDir: string;
  readonly context: RoleContext;
  readonly log: LogWriter;
  append(facts: readonly Fact[]): Promise<void>;
  appendRaw(records: readonly NewRecord[]): Promise<void>;
}

const urls = new UrlRules({ queryAllow: [] });

export async function makeFixture(t: TestContext, change: Partial<Config> = {}): Promise<Fixture> {
  const dataDir = tempDir('master');
  const context = contextOf(dataDir, change);
  openDataDir(context.config);
  const log = await openLogWriter(context.config, context.clock);
  t.after(async () => {
    await log.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return {
    dataDir,
    context,
    log,
    append: (facts) => log.append(facts.map((fact) => encodeRecord(fact, urls))),
    appendRaw: (records) => log.append(records),
  };
}

export function contextOf(dataDir: string, change: Partial<Config> = {}): RoleContext {
  const config = configWith({ partitions: 2, sinkIntervalMs: 50, ...change, dataDir });
  return { config, clock: systemClock, logger: pino({ level: 'silent' }) };
}

/** A pageview identified by its number. */
export function pageview(i: number, change: Partial<Pageview> = {}): Pageview {
  return {
    type: 'pageview',
    visitor: `cookie:${i % 97}`,
    url: `https://example.com/page/${i % 13}`,
    timestamp: 1_700_000_000_000 + i,
    eventId: `event-${i}`,
    receivedAt: 1_700_000_000_500 + i,
    ...change,
  };
}

export function equiv(i: number, change: Partial<EquivEdge> = {}): EquivEdge {
  return {
    type: 'equiv',
    a: `cookie:${i}`,
    b: `user:${i}`,
    timestamp: 1_700_000_000_000 + i,
    eventId: `edge-${i}`,
    receivedAt: 1_700_000_000_500 + i,
    ...change,
  };
}

export type Row = Readonly<Record<string, unknown>>;

/** All rows of one topic, file by file, with bigints as numbers and blobs as Buffers. Opens the files by itself. */
export async function readRows(files: readonly SnapshotFile[], topic: Topic): Promise<Row[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const rows: Row[] = [];
    for (const file of files.filter((candidate) => candidate.topic === topic)) {
      const result = await connection.run(`FROM read_parquet(${sqlText(file.path)})`);
      for (const row of await result.getRowObjectsJS()) {
        const plain = Object.entries(row).map(([name, value]) => [name, plainOf(value)] as const);
        rows.push({ partition: file.partition, ...Object.fromEntries(plain) });
      }
    }
    return rows;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function plainOf(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Uint8Array ? Buffer.from(value) : value;
}
