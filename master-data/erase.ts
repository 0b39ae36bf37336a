/**
 * Erases rows: a data file that contains ids to be erased is rewritten, row for row, under a new manifest. Rows with
 * these ids keep their offset and become what an erased record of the log is stored as. All other rows stay the same,
 * which is checked before the commit. The old file is removed like one that compaction has replaced (sweep.ts).
 */
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { DuckDBBlobValue } from '@duckdb/node-api';
import type { ErasureFilter } from '../facts/erasure-records.js';
import { holdsErased } from '../facts/erased-record.js';
import { SwaError } from '../lib/errors/errors.js';
import { parsePartitionName, type PartitionName, type Topic } from '../log/log.js';
import { commitFile, type MasterStore } from './commit.js';
import { optionalTextIn, textIn } from './columns.js';
import { sqlBlob } from './duckdb.js';
import { partitionDir, tempSuffix } from './layout.js';
import type { ChainHead, ManifestFile } from './manifest.js';
import { contentHash, countErased, eraseRows, notErased, summarize } from './parquet.js';
import { sqlFacts } from './schema.js';

/** SQL expressions for the texts that may be ids, by topic. */
const idColumns: Readonly<Record<Topic, readonly string[]>> = {
  pageviews: ['visitor'],
  equivs: ['a', 'b', `case when "by" = 'visitor' then value end`],
};

/**
 * Erases rows in a local file. Returns the new head; undefined if the file has nothing to erase. Throws
 * `master.corrupt` (retryable) if the written file is not as expected.
 * @param onFound called before the commit with the number of rows concerned
 */
export async function eraseInFile(
  store: MasterStore,
  name: PartitionName,
  head: ChainHead,
  file: ManifestFile,
  erased: ErasureFilter,
  onFound: (rows: number) => void,
): Promise<ChainHead | undefined> {
  const { connection } = store;
  const { topic } = parsePartitionName(name);
  const path = join(partitionDir(store.dataDir, name), file.name);
  const isOld =
    (topic === 'pageviews' || !erased.edges.isEmpty) &&
    file.minTimestamp !== null &&
    file.minTimestamp < erased.olderThan;
  if (erased.ids.isEmpty && !isOld) return undefined;
  const rows = await rowsToErase(
    connection,
    topic,
    path,
    isOld ? erased : { ...erased, olderThan: -Infinity },
  );
  if (rows === undefined) return undefined;
  const temp = join(partitionDir(store.dataDir, name), `erasing.parquet${tempSuffix}`);
  const before = await summarize(connection, [path]);
  const { facts, others } = await countErased(connection, topic, path, rows);
  await eraseRows(connection, topic, path, temp, rows);
  const kept = await contentHash(connection, topic, [path], `${notErased} and not ${rows}`);
  if (kept !== (await contentHash(connection, topic, [temp], notErased))) {
    throw new SwaError('master.corrupt', `${temp} does not hold the rows that stay of ${path}`, {
      retryable: true,
    });
  }
  onFound(facts + others);
  return commitFile(
    store,
    head,
    {
      partition: name,
      temp,
      fromOffset: file.fromOffset,
      toOffset: file.toOffset,
      expected: { ...before, invalidRows: before.invalidRows + facts },
    },
    (old) => old.name !== file.name,
  );
}

/** Returns an SQL condition for the rows to erase; undefined if there are none. */
async function rowsToErase(
  connection: DuckDBConnection,
  topic: Topic,
  path: string,
  { ids: erased, olderThan, edges }: ErasureFilter,
): Promise<string | undefined> {
  const facts = sqlFacts(topic, [path]);
  const ids: string[] = [];
  for (const column of idColumns[topic]) {
    const chunks = await connection.stream(
      `select distinct encode(${column}) from ${facts} where (${column}) is not null`,
    );
    for await (const chunk of chunks) {
      const vector = chunk.getColumnVector(0);
      for (let row = 0; row < chunk.rowCount; row++) {
        const id = optionalTextIn(vector, row);
        if (id !== undefined && erased.has(id)) ids.push(id);
      }
    }
  }
  const offsets: bigint[] = [];
  const others = await connection.runAndReadAll(
    `select "offset", raw from ${facts} where raw is not null and ${notErased}`,
  );
  for (const [offset, raw] of others.getRows())
    if (raw instanceof DuckDBBlobValue && holdsErased(raw.bytes, erased))
      offsets.push(BigInt(String(offset)));
  if (topic === 'equivs' && !edges.isEmpty && Number.isFinite(olderThan))
    offsets.push(...(await agedOffsets(connection, facts, olderThan, edges)));
  const texts = [...new Set(ids)].map((id) => sqlBlob(Buffer.from(id))).join(', ');
  const isAged = topic === 'pageviews' && Number.isFinite(olderThan);
  const conditions = [
    ...(isAged ? [`coalesce(timestamp < ${olderThan}, false)`] : []),
    ...(texts === ''
      ? []
      : idColumns[topic].map((column) => `coalesce(encode(${column}) in (${texts}), false)`)),
    ...(offsets.length === 0 ? [] : [await amongOffsets(connection, offsets)]),
  ];
  return conditions.length === 0 ? undefined : `(${conditions.join(' or ')})`;
}

/** Offsets of the edges that are too old. */
async function agedOffsets(
  connection: DuckDBConnection,
  facts: string,
  olderThan: number,
  edges: ErasureFilter['edges'],
): Promise<bigint[]> {
  const offsets: bigint[] = [];
  const rows = await connection.stream(
    `select "offset", encode(a), encode(b) from ${facts}
     where kind in ('equiv', 'retract') and timestamp < ${olderThan} and a is not null and b is not null`,
  );
  for await (const chunk of rows) {
    const [offset, a, b] = [chunk.getColumnVector(0), chunk.getColumnVector(1), chunk.getColumnVector(2)];
    for (let row = 0; row < chunk.rowCount; row++)
      if (edges.has({ a: textIn(a, row), b: textIn(b, row) }))
        offsets.push(BigInt(String(offset.getItem(row))));
  }
  return offsets;
}

/** An SQL condition for rows with these offsets, which may be many: they are put into a table. */
async function amongOffsets(connection: DuckDBConnection, offsets: readonly bigint[]): Promise<string> {
  await connection.run('create or replace temp table erased_offset ("offset" bigint)');
  const appender = await connection.createAppender('erased_offset');
  for (const offset of offsets) {
    appender.appendBigInt(offset);
    appender.endRow();
  }
  appender.closeSync();
  return '"offset" in (from erased_offset)';
}
