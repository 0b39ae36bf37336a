/**
 * The Parquet schema: one table shape per topic, a row per log record. Topic and partition are those of the file.
 *
 * - `"offset"`, `received_at`, `timestamp`: BIGINT; times are UTC milliseconds, so that an hour is a division and no
 *   reader has to agree on a time zone.
 * - Facts are as received: URLs not normalised, repeats of an `event_id` kept, bots kept.
 * - A record that is not a fact (a foreign producer wrote it) is kept too: `invalid_reason` and its bytes in `raw`, all else
 *   null. So every offset of the log is in exactly one row of exactly one file.
 * - Columns are only ever added, at the end of the facts' own. A file written before a column lacks it, and `sqlFacts`
 *   reads it as null: read the columns of facts through it alone.
 */
import type { Topic } from '../log/log.js';
import { sqlName, sqlParquet } from './duckdb.js';

export interface Column {
  readonly name: string;
  readonly type: 'BIGINT' | 'VARCHAR' | 'BLOB';
  /** The fact's field it holds; absent for what is not of the fact. */
  readonly field?: string;
}

const atHand: readonly Column[] = [
  { name: 'offset', type: 'BIGINT' },
  { name: 'received_at', type: 'BIGINT', field: 'receivedAt' },
  { name: 'timestamp', type: 'BIGINT', field: 'timestamp' },
];
const setAside: readonly Column[] = [
  { name: 'invalid_reason', type: 'VARCHAR' },
  { name: 'raw', type: 'BLOB' },
];
const text = (name: string, field: string): Column => ({ name, type: 'VARCHAR', field });

export const columnsOf: Readonly<Record<Topic, readonly Column[]>> = {
  pageviews: [
    ...atHand,
    text('visitor', 'visitor'),
    text('url', 'url'),
    text('event_id', 'eventId'),
    text('user_agent', 'userAgent'),
    text('referrer', 'referrer'),
    text('country', 'country'),
    text('import_id', 'importId'),
    ...setAside,
  ],
  equivs: [
    ...atHand,
    text('kind', 'type'), // 'equiv', 'retract', 'exclude' or 'include'
    text('a', 'a'),
    text('b', 'b'),
    text('event_id', 'eventId'),
    text('source', 'source'),
    text('by', 'by'),
    text('value', 'value'),
    { name: 'from', type: 'BIGINT', field: 'from' },
    { name: 'to', type: 'BIGINT', field: 'to' },
    ...setAside,
  ],
};

/** The rows of these files of a topic, as SQL, with all its columns whatever version wrote the files; no rows for no files. */
export function sqlFacts(topic: Topic, paths: readonly string[]): string {
  const columns = columnsOf[topic];
  const nulls = columns.map(({ name, type }) => `cast(null as ${type}) as ${sqlName(name)}`).join(', ');
  const none = `select ${nulls} where false`;
  if (paths.length === 0) return `(${none})`;
  // By name: the files may have other columns than this version, and than each other.
  return `(${none} union all by name from ${sqlParquet(...paths)})`;
}
